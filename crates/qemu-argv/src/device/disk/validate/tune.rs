//! What cannot work of a disk's limits, options and names.

use caps_parser::Capability;
use domain_model::Code;
use domain_model::device::disk::{Disk, DiskBus, DiskDevice, Sgio};
use domain_model::storage::{Format, SourceKind, StartupPolicy};
use domain_model::xml::text::{OnOff, YesNo};

use crate::check::Problems;
use crate::context::Resolved;

/// Reports what does not go together, or with the bus.
pub(super) fn check(device: &Resolved<'_, Disk>, out: &mut Problems<'_>) {
    let Some(bus) = device.spec.target.bus else { return };
    limits(device, bus, out);
    filters(device, out);
    name(device, out);
    commands(device, out);
    transient(device, bus, out);
    options(device, bus, out);
}

fn limits(device: &Resolved<'_, Disk>, bus: DiskBus, out: &mut Problems<'_>) {
    let Some(tune) = &device.spec.iotune else { return };
    let origin = tune.meta.origin;
    crate::throttle::contradictions(tune, out);
    let is_limited = tune.is_limited();
    if bus == DiskBus::Sd && is_limited {
        out.unsupported(origin, "the throughput of SD cards cannot be limited");
    }
    let Some(group) = &tune.group_name else { return };
    if !is_limited {
        out.unsupported(tune.meta.at("group_name"), format!("the group `{group}` has no limits"));
    }
    let before = out.cx.domain.devices.disks.iter().take(device.index);
    let same_group = before
        .filter(|other| other.spec.iotune.as_ref().is_some_and(|other| other.group_name == tune.group_name));
    for other in same_group {
        if other.spec.iotune.as_deref().is_some_and(|other| other != tune.as_ref()) {
            let message = format!(
                "the disks `{}` and `{}` are in the group `{group}` with different limits",
                other.spec.target.dev, device.spec.target.dev
            );
            out.unsupported(origin, message);
        }
    }
}

/// Throttle groups that the disk belongs to.
fn filters(device: &Resolved<'_, Disk>, out: &mut Problems<'_>) {
    let disk = device.spec;
    let Some(first) = disk.throttle_filters.first() else { return };
    if disk.device() == DiskDevice::Cdrom {
        let message = "the throughput of CD-ROM drives is not limited by `<throttlefilters>`";
        out.refuse(Code::OperationFailed, first.meta.origin, message);
    }
    if disk.iotune.is_some() {
        let message = "a disk has either `<throttlefilters>` or `<iotune>`, not both";
        out.refuse(Code::OperationFailed, first.meta.origin, message);
    }
    let groups = &out.cx.domain.throttle_groups;
    for (index, filter) in disk.throttle_filters.iter().enumerate() {
        let (name, origin) = (&filter.group, filter.meta.at("@group"));
        if disk.throttle_filters.iter().take(index).any(|other| other.group == *name) {
            out.refuse(Code::Conflict, origin, format!("there is another filter for the group `{name}`"));
        } else if !groups.iter().any(|group| group.0.group_name.as_deref() == Some(name)) {
            out.refuse(Code::Conflict, origin, format!("there is no throttle group `{name}`"));
        }
    }
}

/// The name that says where the disk is.
fn name(device: &Resolved<'_, Disk>, out: &mut Problems<'_>) {
    let dev = &device.spec.target.dev;
    let prefixes: &[&str] = match device.spec.device() {
        DiskDevice::Disk | DiskDevice::Lun => &["hd", "sd", "vd", "xvd", "ubd"],
        DiskDevice::Floppy => &["fd"],
        DiskDevice::Cdrom => return,
    };
    if !prefixes.iter().any(|prefix| dev.starts_with(prefix)) {
        let message = format!("the name `{dev}` does not begin with {}", prefixes.join(", "));
        out.refuse(Code::Malformed, device.at("target/@dev"), message);
    }
}

/// What only a disk that takes SCSI commands has, and what it does not.
fn commands(device: &Resolved<'_, Disk>, out: &mut Problems<'_>) {
    let disk = device.spec;
    if disk.sgio == Some(Sgio::Unfiltered) {
        out.unsupported(device.at("@sgio"), "the kernel no longer lets unfiltered SCSI commands through");
    }
    if disk.device() != DiskDevice::Lun {
        for (is_there, path) in [
            (disk.rawio.is_some(), "@rawio"),
            (disk.sgio.is_some(), "@sgio"),
            (disk.source.reservations.is_some(), "source/reservations"),
        ] {
            if is_there {
                let name = path.rsplit(['/', '@']).next().unwrap_or(path);
                out.unsupported(device.at(path), format!("`{name}` is for disks of the kind `lun` only"));
            }
        }
        return;
    }
    let format = disk.driver.as_ref().and_then(|driver| driver.format).unwrap_or(Format::Raw);
    if format != Format::Raw {
        let message = format!("a disk of the kind `lun` is `raw`, not `{format}`");
        out.unsupported(device.at("driver/@type"), message);
    }
    if disk.source.slice.is_some() {
        out.unsupported(device.at("source/slices"), "a disk of the kind `lun` is a device as a whole");
    }
    if disk.encryption().is_some() {
        let message = "the content of a disk of the kind `lun` is not decrypted";
        out.unsupported(device.at("source/encryption"), message);
    }
}

/// Disks that forget what the guest wrote.
fn transient(device: &Resolved<'_, Disk>, bus: DiskBus, out: &mut Problems<'_>) {
    let disk = device.spec;
    let Some(transient) = &disk.transient else { return };
    let origin = transient.meta.origin;
    let message = if disk.source.is_empty() {
        "a drive without a medium forgets nothing"
    } else if disk.readonly {
        "a disk that is only read forgets nothing"
    } else if !matches!(disk.source.kind, SourceKind::File(_)) {
        "only disks in files can be transient"
    } else if disk.device() != DiskDevice::Disk {
        "only disks of the kind `disk` can be transient"
    } else if transient.share_backing == Some(YesNo::Yes)
        && !matches!(bus, DiskBus::Usb | DiskBus::Virtio | DiskBus::Scsi)
    {
        "transient disks share an image on the buses `usb`, `virtio` and `scsi` only"
    } else {
        return;
    };
    out.unsupported(origin, message);
}

fn options(device: &Resolved<'_, Disk>, bus: DiskBus, out: &mut Problems<'_>) {
    let disk = device.spec;
    let at = |path| device.at(path);
    let is_removable = matches!(disk.device(), DiskDevice::Cdrom | DiskDevice::Floppy);
    if disk.target.tray.is_some() && !is_removable {
        out.unsupported(at("target/@tray"), "only drives for CD-ROMs and floppy disks have a tray");
    }
    if disk.source.startup_policy == Some(StartupPolicy::Requisite) && !is_removable {
        let message = "the startup policy `requisite` is for CD-ROMs and floppy disks";
        out.refuse(Code::Conflict, at("source/@startupPolicy"), message);
    }
    if let Some(geometry) = &disk.geometry {
        let has_numbers = geometry.is_whole();
        if has_numbers && matches!(bus, DiskBus::Usb | DiskBus::Sd) {
            let message = format!("disks on the bus `{bus}` have no geometry that could be chosen");
            out.unsupported(geometry.meta.origin, message);
        }
        if has_numbers && geometry.trans.is_some() && bus != DiskBus::Ide {
            let message = format!("only disks on the bus `ide` have a translation, not those on `{bus}`");
            out.unsupported(geometry.meta.at("@trans"), message);
        }
    }
    if let Some(serial) = &disk.serial {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ' | '.' | '+');
        if bus == DiskBus::Sd {
            out.refuse(Code::Malformed, at("serial"), "SD cards have no serial number");
        } else if !serial.chars().all(fits) {
            let message = format!(
                "bad value `{serial}` for `<serial>`: expected letters, digits, spaces and `-`, `_`, `.`, `+`"
            );
            out.refuse(Code::Malformed, at("serial"), message);
        }
    }
    let Some(driver) = &disk.driver else { return };
    let copies = driver.copy_on_read == Some(OnOff::On);
    if copies && (is_removable || disk.device() == DiskDevice::Lun) {
        let message = format!("a drive of the kind `{}` keeps nothing of what it reads", disk.device());
        out.unsupported(at("driver/@copy_on_read"), message);
    }
    if driver.queue_size.is_some() {
        out.requires(Capability::VirtioBlkQueueSize, "queue_size=", at("driver/@queue_size"));
    }
    let is_qcow2 = driver.format == Some(Format::Qcow2);
    if driver.discard_no_unref == Some(OnOff::On) && !is_qcow2 {
        let message = "`discard_no_unref` is for images of the format `qcow2` only";
        out.unsupported(at("driver/@discard_no_unref"), message);
    }
    if driver.discard_no_unref == Some(OnOff::On) && disk.readonly {
        let message = "nothing is discarded on a disk that is only read";
        out.unsupported(at("driver/@discard_no_unref"), message);
    }
    if driver.metadata_cache_max_size.is_some() && !is_qcow2 {
        let message = "`<metadata_cache>` is for images of the format `qcow2` only";
        out.unsupported(at("driver/metadata_cache"), message);
    }
    if driver.discard_no_unref.is_some() {
        out.requires(Capability::Qcow2DiscardNoUnref, "discard_no_unref=", at("driver/@discard_no_unref"));
    }
    let mapped = driver.iothreads.iter().flat_map(|map| &map.iothreads);
    let mapped = mapped.map(|mapped| (mapped.id, mapped.meta.at("@id")));
    let one = driver.iothread.filter(|id| *id > 0).map(|id| (id, at("driver/@iothread")));
    for (id, origin) in one.into_iter().chain(mapped) {
        crate::iothreads::exists(id, origin, out);
    }
    if bus == DiskBus::Usb {
        out.requires(Capability::UsbStorage, "bus='usb'", at("target/@bus"));
    }
}
