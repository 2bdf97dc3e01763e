//! What users leave open of disks: bus, format, address, order.

use std::collections::BTreeMap;

use domain_model::address::{Address, Drive, Place};
use domain_model::device::disk::{Cache, Disk, DiskBus, DiskDevice, DiskDriver, IoTune};
use domain_model::storage::{EncryptionEngine, Format, Protocol, SourceKind};
use domain_model::{Code, Device, Diagnostic, Origin};

use super::name;
use crate::dialect::Era;
use crate::resolve::Resolving;

/// Puts disks in libvirt's order: by bus, in the order of the buses' first disks, and by name on each bus.
///
/// Disks that do not say what they are plugged into stand together, as on a bus of their own.
/// This comes before everything else, because the place of a disk decides about its address.
pub(crate) fn sort(cx: &mut Resolving<'_>) {
    let disks = &mut cx.domain.devices.disks;
    let mut buses = Vec::new();
    for disk in disks.iter() {
        if !buses.contains(&disk.spec.target.bus) {
            buses.push(disk.spec.target.bus);
        }
    }
    // A stable sort, and a name without a number comes first, as in libvirt.
    disks.sort_by_cached_key(|disk| {
        let bus = buses.iter().position(|bus| *bus == disk.spec.target.bus);
        (bus, name::index(&disk.spec.target.dev))
    });
}

/// Fills in what disks are plugged into.
pub(crate) fn buses(cx: &mut Resolving<'_>) {
    for disk in &mut cx.domain.devices.disks {
        let bus = disk.spec.target.bus.unwrap_or_else(|| bus_of(&disk.spec));
        disk.spec.target.bus = Some(bus);
    }
}

/// Keeps disks that other guests write to as well out of the host's page cache.
pub(crate) fn shared_cache(cx: &mut Resolving<'_>) {
    for disk in &mut cx.domain.devices.disks {
        let disk = &mut disk.spec;
        if disk.shareable && !disk.readonly && !disk.source.is_empty() {
            let driver = disk.driver.get_or_insert_default();
            driver.cache.get_or_insert(Cache::None);
        }
    }
}

/// Gives a disk that names a group, and no limits, those of the first disk of the group.
pub(crate) fn group_limits(cx: &mut Resolving<'_>) {
    let disks = &mut cx.domain.devices.disks;
    let mut groups: BTreeMap<String, IoTune> = BTreeMap::new();
    for tune in disks.iter_mut().filter_map(|disk| disk.spec.iotune.as_mut()) {
        let Some(name) = tune.group_name.clone() else { continue };
        match groups.get(&name) {
            Some(first) if !tune.is_limited() => **tune = IoTune { meta: tune.meta.clone(), ..first.clone() },
            Some(_) => {}
            None => drop(groups.insert(name, IoTune::clone(tune))),
        }
    }
}

/// The bus that a disk is on if it does not say: its name tells.
fn bus_of(disk: &Disk) -> DiskBus {
    let name = disk.target.dev.as_str();
    match disk.device() {
        DiskDevice::Floppy => DiskBus::Fdc,
        _ if name.starts_with("sd") => DiskBus::Scsi,
        _ if name.starts_with("vd") => DiskBus::Virtio,
        _ if name.starts_with("xvd") => DiskBus::Xen,
        _ if name.starts_with("ubd") => DiskBus::Uml,
        _ => DiskBus::Ide,
    }
}

/// Fills in what a disk leaves open.
pub(super) fn fill_in(device: &mut Device<Disk>, era: Era, problems: &mut Vec<Diagnostic>) {
    let origin = device.meta.origin;
    let disk = &mut device.spec;
    disk.device.get_or_insert(DiskDevice::Disk);
    if disk.device == Some(DiskDevice::Cdrom) {
        disk.readonly = true;
    }
    if era == Era::Modern {
        driver_and_format(disk, origin);
    }
    if device.info.address.is_none() {
        device.info.address = address(device, problems);
    }
}

/// Fills in who serves the disk and how the images are laid out.
fn driver_and_format(disk: &mut Disk, origin: Origin) {
    let driver = disk.driver.get_or_insert_with(|| DiskDriver {
        meta: domain_model::xml::Meta::from_origin(origin.implies("QEMU serves all disks")),
        ..DiskDriver::default()
    });
    driver.name.get_or_insert_with(|| "qemu".to_owned());
    // What a volume is shows when the guest starts.
    if disk.source.is_empty() || !matches!(disk.source.kind, SourceKind::Volume(_)) {
        driver.format.get_or_insert(Format::Raw);
    }
    if let SourceKind::Network(network) = &mut disk.source.kind
        && network.protocol == Some(Protocol::Iscsi)
        && let Some(name) = &mut network.name
        && !name.contains('/')
    {
        name.push_str("/0");
    }
    for encryption in [&mut disk.source.encryption, &mut disk.old_encryption].into_iter().flatten() {
        encryption.engine.get_or_insert(EncryptionEngine::Qemu);
    }
    let mut below = disk.backing_store.as_deref_mut();
    while let Some(store) = below {
        if let Some(encryption) = store.source.as_mut().and_then(|source| source.encryption.as_mut()) {
            encryption.engine.get_or_insert(EncryptionEngine::Qemu);
        }
        below = store.backing_store.as_deref_mut();
    }
}

/// The place on a controller that a disk's name stands for; none on buses that have other addresses.
fn address(device: &Device<Disk>, problems: &mut Vec<Diagnostic>) -> Option<Address> {
    let name = &device.spec.target.dev;
    let Some(index) = name::index(name) else {
        let message = format!("the disk `{name}` needs an `<address>`: its name does not say where it is");
        problems.push(Diagnostic::error(Code::Conflict, device.at("target/@dev"), message));
        return None;
    };
    let bus = device.spec.target.bus?;
    let per_controller = match bus {
        DiskBus::Ide => 4,
        DiskBus::Fdc => 2,
        DiskBus::Scsi => 7,
        DiskBus::Sata => 6,
        DiskBus::Virtio | DiskBus::Xen | DiskBus::Usb | DiskBus::Uml | DiskBus::Sd => return None,
    };
    let unit = index % per_controller;
    let (on_bus, unit) = if bus == DiskBus::Ide { (unit / 2, unit % 2) } else { (0, unit) };
    let drive = Drive {
        controller: Some(index / per_controller),
        bus: Some(on_bus),
        target: Some(0),
        unit: Some(unit),
    };
    let origin: Origin = device.at("target/@dev").implies("a disk's name says where on its bus it is");
    Some(Address::implied(Place::Drive(drive), origin))
}
