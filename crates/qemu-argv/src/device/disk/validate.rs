//! What cannot work of disks.

mod source;
mod tune;
mod vhost_user;

use caps_parser::Capability;
use domain_model::address::{Drive, Place};
use domain_model::device::disk::{BackingStore, Disk, DiskBus, DiskDevice};
use domain_model::storage::Format;
use domain_model::{Code, Diagnostic, Origin};

use super::name;
use crate::check::Problems;
use crate::context::{Context, Resolved};
use crate::dialect::Era;

/// Reports what cannot work of a disk.
pub(super) fn check(device: &Resolved<'_, Disk>, cx: &Context<'_>, list: &mut Vec<Diagnostic>) {
    let out = &mut Problems::new(cx, list);
    target(device, out);
    place(device, cx, out);
    medium(device, out);
    identity(device, out);
    driver(device, out);
    if cx.dialect.era == Era::Modern {
        tune::check(device, out);
        vhost_user::check(device, out);
    }
    let disk = device.spec;
    let format = disk.driver.as_ref().and_then(|driver| driver.format).unwrap_or(Format::Raw);
    source::check(
        &disk.source,
        format,
        disk.readonly,
        disk.auth(),
        disk.encryption(),
        &device.device().meta,
        out,
    );
    let mut below: Option<&BackingStore> = disk.backing_store.as_deref();
    while let Some(store) = below {
        if let Some(source) = &store.source {
            let format = store.format.as_ref().and_then(|format| format.kind).unwrap_or(Format::Raw);
            source::check(
                source,
                format,
                true,
                source.auth.as_deref(),
                source.encryption.as_deref(),
                &store.meta,
                out,
            );
        }
        below = store.backing_store.as_deref();
    }
}

fn target(device: &Resolved<'_, Disk>, out: &mut Problems<'_>) {
    let dev = &device.spec.target.dev;
    let digits = dev.trim_start_matches(|c: char| c.is_ascii_lowercase());
    if name::index(dev).is_some() && digits.parse::<u64>().is_ok_and(|partition| partition > 0) {
        let message = format!("the target `{dev}` is a partition; the guest gets whole disks only");
        out.unsupported(device.at("target/@dev"), message);
    }
}

fn place(device: &Resolved<'_, Disk>, cx: &Context<'_>, out: &mut Problems<'_>) {
    let Some(bus) = device.spec.target.bus else { return };
    let Some(address) = &device.info.address else { return };
    let origin = address.meta.origin;
    let kind = domain_model::xml::Tagged::tag(&address.place);
    match (bus, &address.place) {
        (DiskBus::Ide | DiskBus::Sata | DiskBus::Scsi | DiskBus::Fdc, Place::Drive(drive)) => {
            occupied(device, bus, drive, cx, out);
            numbers(bus, drive, origin, out);
        }
        (DiskBus::Ide | DiskBus::Sata | DiskBus::Scsi | DiskBus::Fdc, _) => {
            let message =
                format!("a disk on the bus `{bus}` has an address of the type `drive`, not `{kind}`");
            out.unsupported(origin, message);
        }
        (DiskBus::Usb, Place::Usb(_)) => {}
        (DiskBus::Usb, _) => {
            let message = format!("a disk on the bus `usb` has an address of the type `usb`, not `{kind}`");
            out.refuse(Code::Malformed, origin, message);
        }
        _ => {}
    }
}

/// Places that the controllers have.
fn numbers(bus: DiskBus, drive: &Drive, origin: Origin, out: &mut Problems<'_>) {
    let (on_bus, unit) = (drive.bus.unwrap_or_default(), drive.unit.unwrap_or_default());
    let target = drive.target.unwrap_or_default();
    // Boards have one IDE and one floppy controller, and a SCSI controller has one bus.
    let is_one = matches!(bus, DiskBus::Ide | DiskBus::Fdc);
    let index = drive.controller.unwrap_or_default();
    if is_one && index != 0 && out.cx.dialect.era == Era::Modern {
        let message = format!("there is one controller for the bus `{bus}`, with index 0, not {index}");
        out.refuse(Code::Malformed, origin, message);
    }
    if bus == DiskBus::Scsi && on_bus != 0 && out.cx.dialect.era == Era::Modern {
        out.refuse(Code::Malformed, origin, format!("a SCSI controller has one bus, 0, not {on_bus}"));
    }
    let is_numbered = bus == DiskBus::Scsi && crate::device::disk::has_targets(out.cx.domain, index);
    let most: (u32, u32) = match bus {
        DiskBus::Fdc => (0, 1),
        DiskBus::Ide => (u32::MAX, u32::MAX),
        DiskBus::Sata => (0, 5),
        DiskBus::Scsi if !is_numbered => (0, u32::MAX),
        _ => return,
    };
    if target != 0 {
        out.unsupported(origin, format!("the target of a disk on the bus `{bus}` is 0, not {target}"));
    }
    if on_bus > most.0 {
        let code = if bus == DiskBus::Fdc { Code::Malformed } else { Code::Unsupported };
        out.refuse(code, origin, format!("`bus` is {} at most on the bus `{bus}`, not {on_bus}", most.0));
    }
    if unit > most.1 {
        out.unsupported(origin, format!("`unit` is {} at most on the bus `{bus}`, not {unit}", most.1));
    }
}

/// Two disks at one place. Only disks on the same bus can be in each other's way.
fn occupied(
    device: &Resolved<'_, Disk>,
    bus: DiskBus,
    drive: &Drive,
    cx: &Context<'_>,
    out: &mut Problems<'_>,
) {
    let disks = &cx.domain.devices.disks;
    let before = disks.iter().take(device.index).rev().take_while(|other| other.spec.target.bus == Some(bus));
    let mut places = before.filter_map(|other| Some((other, other.info.address.as_ref()?.place.drive()?)));
    let numbers = |drive: &Drive| {
        [drive.controller, drive.bus, drive.target, drive.unit].map(Option::unwrap_or_default)
    };
    if let Some((other, _)) = places.find(|(_, place)| numbers(place) == numbers(drive)) {
        let message = format!(
            "the disks `{}` and `{}` have the same place on the bus `{bus}`",
            other.spec.target.dev, device.spec.target.dev
        );
        out.unsupported(device.at("address"), message);
    }
}

fn medium(device: &Resolved<'_, Disk>, out: &mut Problems<'_>) {
    let disk = device.spec;
    let Some(bus) = disk.target.bus else { return };
    if disk.source.is_empty() {
        let is_removable = matches!(disk.device(), DiskDevice::Cdrom | DiskDevice::Floppy);
        if bus == DiskBus::Usb || !is_removable {
            let message =
                format!("a disk of the kind `{}` on the bus `{bus}` needs a `<source>`", disk.device());
            let is_plain = disk.device() == DiskDevice::Disk;
            let code = if is_plain { Code::NotFound } else { Code::Unsupported };
            out.refuse(code, device.at("source"), message);
        }
    }
    let fits = match disk.device() {
        DiskDevice::Cdrom => !matches!(bus, DiskBus::Virtio | DiskBus::Fdc | DiskBus::Sd),
        DiskDevice::Floppy => bus == DiskBus::Fdc,
        DiskDevice::Disk => bus != DiskBus::Fdc,
        DiskDevice::Lun => matches!(bus, DiskBus::Scsi | DiskBus::Virtio),
    };
    if !fits {
        let is_floppy = disk.device() == DiskDevice::Floppy || bus == DiskBus::Fdc;
        let code = if is_floppy { Code::Malformed } else { Code::Unsupported };
        let message = format!("there are no drives of the kind `{}` on the bus `{bus}`", disk.device());
        out.refuse(code, device.at("target/@bus"), message);
    }
    if disk.device() == DiskDevice::Lun && bus == DiskBus::Virtio {
        out.requires(Capability::VirtioBlkPciScsi, "device='lun' with bus='virtio'", device.at("@device"));
    }
    if bus == DiskBus::Ide && disk.readonly && disk.device() == DiskDevice::Disk {
        out.unsupported(device.at("readonly"), "IDE disks cannot be read-only");
    }
    if bus == DiskBus::Sata && disk.readonly && disk.device() == DiskDevice::Disk {
        out.unsupported(device.at("readonly"), "SATA disks cannot be read-only");
    }
    let format = disk.driver.as_ref().and_then(|driver| driver.format);
    if disk.shareable && format.is_some_and(|format| format != Format::Raw) {
        let format = format.map(Format::as_str).unwrap_or_default();
        let message = format!("images of the format `{format}` cannot be shared; only `raw` ones can");
        out.unsupported(device.at("shareable"), message);
    }
    if disk.transient.is_some() && disk.shareable {
        out.unsupported(device.at("transient"), "a transient disk cannot be shared");
    }
}

/// What only SCSI disks can tell the guest of themselves.
fn identity(device: &Resolved<'_, Disk>, out: &mut Problems<'_>) {
    let disk = device.spec;
    let Some(bus) = disk.target.bus else { return };
    let is_ata = matches!(bus, DiskBus::Ide | DiskBus::Sata);
    let is_scsi = bus == DiskBus::Scsi;
    let is_lun = disk.device() == DiskDevice::Lun;
    for (path, is_there, fits) in [
        ("vendor", disk.vendor.is_some(), is_scsi && !is_lun),
        ("product", disk.product.is_some(), (is_scsi || is_ata) && !is_lun),
        ("wwn", disk.wwn.is_some(), (is_scsi || bus == DiskBus::Ide) && !is_lun),
    ] {
        if is_there && !fits {
            let name = path.rsplit(['/', '@']).next().unwrap_or(path);
            out.unsupported(device.at(path), format!("disks on the bus `{bus}` have no `{name}`"));
        }
    }
    if disk.target.removable.is_some() && !is_scsi && bus != DiskBus::Usb {
        let message = format!("disks on the bus `{bus}` have no `removable`");
        out.refuse(Code::Conflict, device.at("target/@removable"), message);
    }
    if disk.target.rotation_rate.is_some_and(|rate| rate > 0) {
        let is_disk = matches!(disk.device(), DiskDevice::Disk | DiskDevice::Lun);
        if !is_disk || !(is_scsi || is_ata) {
            let message =
                format!("drives of the kind `{}` on the bus `{bus}` have no `rotation_rate`", disk.device());
            out.refuse(Code::Malformed, device.at("target/@rotation_rate"), message);
        }
    }
    if is_lun && disk.serial.is_some() && is_scsi {
        out.unsupported(device.at("serial"), "a disk of the kind `lun` has the serial number of the host's");
    }
    if disk.model.is_some() && bus != DiskBus::Virtio {
        out.unsupported(device.at("@model"), format!("disks on the bus `{bus}` have no model"));
    }
}

fn driver(device: &Resolved<'_, Disk>, out: &mut Problems<'_>) {
    let disk = device.spec;
    let (Some(driver), Some(bus)) = (&disk.driver, disk.target.bus) else { return };
    if let Some(name) = driver.name.as_deref().filter(|name| *name != "qemu") {
        let message = format!("the driver of a disk is `qemu`, not `{name}`");
        out.unsupported(device.at("driver/@name"), message);
    }
    let is_virtio = bus == DiskBus::Virtio;
    for (path, is_there) in [
        ("driver/@event_idx", driver.event_idx.is_some()),
        ("driver/@ioeventfd", driver.ioeventfd.is_some()),
        ("driver/@queues", driver.queues.is_some()),
        ("driver/@queue_size", driver.queue_size.is_some()),
        ("driver/@iothread", driver.iothread.is_some()),
        ("driver/iothreads", driver.iothreads.is_some()),
        ("driver/@iommu", driver.virtio.iommu.is_some()),
        ("driver/@ats", driver.virtio.ats.is_some()),
        ("driver/@packed", driver.virtio.packed.is_some()),
        ("driver/@page_per_vq", driver.virtio.page_per_vq.is_some()),
    ] {
        if is_there && !is_virtio {
            let name = path.rsplit(['/', '@']).next().unwrap_or(path);
            let message = format!("`{name}` is for disks on the bus `virtio` only, not `{bus}`");
            out.unsupported(device.at(path), message);
        }
    }
    if let Some(size) = driver.queue_size.filter(|size| !size.is_power_of_two()) {
        let message = format!("the size of a queue is a power of 2, not {size}; QEMU will not start");
        out.warn(Code::Unsupported, device.at("driver/@queue_size"), message);
    }
    if driver.iothread.is_some() && driver.iothreads.is_some() {
        let message = "a disk has either `iothread` or `<iothreads>`, not both";
        out.refuse(Code::Conflict, device.at("driver/iothreads"), message);
    }
    if let Some(map) = &driver.iothreads {
        crate::iothreads::map(map, driver.queues, out);
        let what = "<iothreads> of a disk";
        out.requires(Capability::VirtioBlkIothreadMapping, what, device.at("driver/iothreads"));
    }
    if driver.io == Some(domain_model::device::disk::Io::IoUring) {
        out.requires(Capability::AioIoUring, "io='io_uring'", device.at("driver/@io"));
    }
    let is_direct = driver.cache.and_then(crate::storage::CacheMode::of).is_some_and(|mode| mode.direct);
    if driver.io == Some(domain_model::device::disk::Io::Native) && !is_direct && !disk.source.is_empty() {
        let message = "native I/O needs `cache='none'` or `cache='directsync'`";
        out.unsupported(device.at("driver/@io"), message);
    }
    if driver.copy_on_read == Some(domain_model::xml::text::OnOff::On) && disk.readonly {
        let message = "a disk that is only read keeps nothing of what it reads from below";
        out.unsupported(device.at("driver/@copy_on_read"), message);
    }
}
