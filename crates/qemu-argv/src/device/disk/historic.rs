//! Disks of QEMU 0.8 to 0.13: `-hda`, `-drive`, and `-drive` with `-device`.

use caps_parser::Capability;
use domain_model::address::{Drive, Place};
use domain_model::device::disk::{Cache, Disk, DiskBus, DiskDevice};
use domain_model::os::BootDeviceKind;
use domain_model::storage::{Format, NetworkSource, Protocol, SourceKind};
use domain_model::{Code, Diagnostic, DomainType};

use super::{frontend, name};
use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::dialect::{Devices, DiskOption};
use crate::props::Props;

/// Adds the disks in the domain's order, and tells Ceph's library where its monitors are.
pub(super) fn section(cx: &Context<'_>, out: &mut Args) {
    let mut monitors = Vec::new();
    for device in cx.each::<Disk>() {
        disk(&device, cx, out);
        if let SourceKind::Network(network) = &device.spec.source.kind
            && network.protocol == Some(Protocol::Rbd)
        {
            monitors.extend(network.hosts.iter().map(|host| {
                let name = host.name.as_deref().unwrap_or_default();
                (host.port.map_or(name.to_owned(), |port| format!("{name}:{port}")), host.meta.origin)
            }));
        }
    }
    if let Some((_, origin)) = monitors.first() {
        let list: Vec<&str> = monitors.iter().map(|(monitor, _)| monitor.as_str()).collect();
        out.env("CEPH_ARGS", format!("-m {}", list.join(",")), *origin);
    }
}

fn disk(device: &Resolved<'_, Disk>, cx: &Context<'_>, out: &mut Args) {
    let is_usb = device.spec.target.bus == Some(DiskBus::Usb);
    match cx.dialect.disk {
        DiskOption::Hda | DiskOption::DriveIf if is_usb => usb_stick(device, cx, out),
        DiskOption::Hda => hda(device, cx, out),
        DiskOption::DriveIf => {
            if let Some(props) = drive(device, false, cx, out) {
                out.props("-drive", props);
            }
        }
        DiskOption::DriveDevice | DiskOption::Blockdev => {
            // QEMU has no `-device` for drives of Xen; they have no address that would be worth one.
            let separate = device.spec.target.bus != Some(DiskBus::Xen);
            let Some(props) = drive(device, separate, cx, out) else { return };
            out.props("-drive", props);
            if separate {
                frontend(device, cx, out);
            }
        }
    }
}

/// `-usbdevice disk:…`
fn usb_stick(device: &Resolved<'_, Disk>, cx: &Context<'_>, out: &mut Args) {
    if device.spec.device() != DiskDevice::Disk {
        let message = "QEMU without `-device` has USB disks and no other USB drives";
        out.problem(Diagnostic::error(Code::Unsupported, device.at("@device"), message));
    } else if let (true, Some(file)) = (check(device, out), file(device, cx, out)) {
        out.text("-usbdevice", format!("disk:{file}"), device.at("source"));
    }
}

/// `-hda …`, with the name of the drive for the option.
fn hda(device: &Resolved<'_, Disk>, cx: &Context<'_>, out: &mut Args) {
    let dev = device.spec.target.dev.as_str();
    let flag = match (dev, device.spec.device()) {
        ("hdc", DiskDevice::Cdrom) => "-cdrom",
        ("hda", _) => "-hda",
        ("hdb", _) => "-hdb",
        ("hdc", _) => "-hdc",
        ("hdd", _) => "-hdd",
        ("fda", _) => "-fda",
        ("fdb", _) => "-fdb",
        _ => {
            let message = format!("QEMU without `-drive` has no drive `{dev}`");
            out.problem(Diagnostic::error(Code::Unsupported, device.at("target/@dev"), message));
            return;
        }
    };
    if let (true, Some(file)) = (check(device, out), file(device, cx, out)) {
        out.text(flag, file, device.at("source"));
    }
}

/// What QEMU opens; nothing for a drive without a medium.
fn file(device: &Resolved<'_, Disk>, cx: &Context<'_>, out: &mut Args) -> Option<String> {
    let mut refuse = |path, message: &str| {
        out.problem(Diagnostic::error(Code::Unsupported, device.at(path), message));
        None
    };
    let disk = device.spec;
    match &disk.source.kind {
        SourceKind::File(_) | SourceKind::Block { .. } => {
            disk.source.path().map(|path| cx.config().path(path))
        }
        SourceKind::Dir { path } => {
            let format = disk.driver.as_ref().and_then(|driver| driver.format);
            if format.is_some_and(|format| format != Format::Fat) {
                return refuse("driver/@type", "a directory is seen as an image of the format `fat`");
            }
            if !disk.readonly {
                return refuse("source/@dir", "a directory can only be read by the guest; add `<readonly/>`");
            }
            let kind = if disk.device() == DiskDevice::Floppy { "floppy:" } else { "" };
            Some(format!("fat:{kind}{}", cx.config().path(path.as_deref()?)))
        }
        SourceKind::Network(network) => match url(network) {
            Some(url) => Some(url),
            None if network.protocol == Some(Protocol::Nbd) => {
                refuse("source", "NBD has one `<host>` with a port")
            }
            None => refuse("source/@protocol", "these QEMUs know the protocols `nbd`, `rbd` and `sheepdog`"),
        },
        SourceKind::Volume(_)
        | SourceKind::Nvme(_)
        | SourceKind::VhostUser(_)
        | SourceKind::VhostVdpa { .. } => refuse("@type", "these QEMUs have no disks of this type"),
    }
}

/// An image behind a network protocol, in QEMU's old spelling.
fn url(network: &NetworkSource) -> Option<String> {
    let name = network.name.as_deref().unwrap_or_default();
    match (network.protocol?, network.hosts.as_slice()) {
        (Protocol::Nbd, [host]) => Some(format!("nbd:{}:{}", host.name.as_deref()?, host.port?)),
        (Protocol::Rbd, _) => Some(format!("rbd:{name}")),
        (Protocol::Sheepdog, []) => Some(format!("sheepdog:{name}")),
        // Of several servers QEMU needs one, and the one finds the others.
        (Protocol::Sheepdog, [host, ..]) => {
            let port = host.port.unwrap_or(7000);
            Some(format!("sheepdog:{}:{port}:{name}", host.name.as_deref()?))
        }
        _ => None,
    }
}

/// `-drive …`; the drive that the guest sees is said elsewhere if it is `separate`.
fn drive(device: &Resolved<'_, Disk>, separate: bool, cx: &Context<'_>, out: &mut Args) -> Option<Props> {
    let disk = device.spec;
    let bus = disk.target.bus?;
    let problems = out.problems.len();
    let file = file(device, cx, out);
    let place = place(device, separate, out);
    check(device, out);
    if out.problems.len() > problems {
        return None;
    }
    let driver = disk.driver.as_ref();
    let word = match bus {
        DiskBus::Fdc => "floppy",
        DiskBus::Ide | DiskBus::Scsi | DiskBus::Virtio | DiskBus::Xen | DiskBus::Usb => bus.as_str(),
        DiskBus::Uml | DiskBus::Sata | DiskBus::Sd => {
            let message = format!("these QEMUs have no drives on the bus `{bus}`");
            out.problem(Diagnostic::error(Code::Unsupported, device.at("target/@bus"), message));
            return None;
        }
    };
    let props = Props::plain(device.origin)
        .set_at("file", file, device.at("source"))
        .set_at("if", if separate { "none" } else { word }, device.at("target/@bus"))
        .set_at("media", (disk.device() == DiskDevice::Cdrom).then_some("cdrom"), device.at("@device"));
    let props = match separate {
        true => props.set("id", drive_id(device)),
        false => place
            .into_iter()
            .fold(props, |props, (key, number)| props.set_at(key, number, device.at("target/@dev"))),
    };
    let format = driver.and_then(|driver| driver.format);
    let is_dir = matches!(disk.source.kind, SourceKind::Dir { .. });
    let props = props
        .set("boot", boots(device, cx).then_some(true))
        .set_at(
            "readonly",
            (disk.readonly && cx.has(Capability::DriveReadonly)).then_some(true),
            device.at("readonly"),
        )
        .set_at(
            "format",
            format.filter(|_| cx.has(Capability::DriveFormat) && !is_dir).map(Format::as_str),
            device.at("driver/@type"),
        )
        .set_at(
            "serial",
            disk.serial.as_deref().filter(|_| cx.has(Capability::DriveSerial)),
            device.at("serial"),
        );
    let props = cache(props, device, cx);
    // Only QMP tells anybody that the guest has stopped.
    let props = match cx.has(Capability::MonitorJson) {
        true => frontend::error_policy(props, device),
        false => props,
    };
    let io = driver.and_then(|driver| driver.io).map(|io| io.as_str());
    Some(props.requires(Capability::DriveAio, "aio", io, device.at("driver/@io")))
}

/// QEMU's id of what is behind the drive.
fn drive_id(device: &Resolved<'_, Disk>) -> String {
    format!("drive-{}", device.alias)
}

/// The place on a bus, for a drive that is not said elsewhere.
fn place(device: &Resolved<'_, Disk>, separate: bool, out: &mut Args) -> Vec<(&'static str, u32)> {
    let disk = device.spec;
    let address = device.info.address.as_ref();
    let drive: Drive = match address.map(|address| &address.place) {
        Some(Place::Drive(drive)) => *drive,
        _ => Drive::default(),
    };
    let number = |number: Option<u32>| number.unwrap_or_default();
    let (controller, bus, unit) = (number(drive.controller), number(drive.bus), number(drive.unit));
    let (wrong, place) = match disk.target.bus {
        Some(DiskBus::Scsi) => (bus != 0, vec![("bus", controller), ("unit", unit)]),
        Some(DiskBus::Ide) => (controller != 0, vec![("bus", bus), ("unit", unit)]),
        Some(DiskBus::Fdc) => (controller != 0 || bus != 0, vec![("unit", unit)]),
        Some(DiskBus::Xen) => (false, vec![("index", name::index(&disk.target.dev).unwrap_or_default())]),
        // Each is a PCI device of its own.
        _ => (false, Vec::new()),
    };
    if wrong {
        let message =
            "these QEMUs have one controller for IDE and floppy disks, and one bus on a SCSI controller";
        let origin = address.map_or(device.origin, |address| address.meta.origin);
        out.problem(Diagnostic::error(Code::Unsupported, origin, message));
    }
    if separate { Vec::new() } else { place }
}

/// Reports what cannot be said of a drive; says whether all of it can.
fn check(device: &Resolved<'_, Disk>, out: &mut Args) -> bool {
    let before = out.problems.len();
    let disk = device.spec;
    let driver = disk.driver.as_ref();
    let mut refuse = |path, message: String| {
        out.problem(Diagnostic::error(Code::Unsupported, device.at(path), message));
    };
    if let Some(name) = driver.and_then(|driver| driver.name.as_deref()).filter(|name| *name != "qemu") {
        refuse("driver/@name", format!("the driver of a disk is `qemu`, not `{name}`"));
    }
    if name::index(&disk.target.dev).is_none() {
        refuse("target/@dev", format!("`{}` is no name of a disk", disk.target.dev));
    }
    for (path, is_said) in [
        ("transient", disk.transient.is_some()),
        ("iotune", disk.iotune.is_some()),
        ("blockio", disk.blockio.is_some()),
        ("geometry", disk.geometry.is_some()),
        ("backingStore", disk.backing_store.is_some()),
        ("wwn", disk.wwn.is_some()),
        ("vendor", disk.vendor.is_some()),
        ("product", disk.product.is_some()),
        ("auth", disk.auth().is_some()),
        ("driver/@ioeventfd", driver.is_some_and(|driver| driver.ioeventfd.is_some())),
        ("driver/@event_idx", driver.is_some_and(|driver| driver.event_idx.is_some())),
        ("driver/@copy_on_read", driver.is_some_and(|driver| driver.copy_on_read.is_some())),
        ("driver/@discard", driver.is_some_and(|driver| driver.discard.is_some())),
        ("driver/@iothread", driver.is_some_and(|driver| driver.iothread.is_some())),
        ("driver/@queues", driver.is_some_and(|driver| driver.queues.is_some())),
        ("driver/@detect_zeroes", driver.is_some_and(|driver| driver.detect_zeroes.is_some())),
    ] {
        if is_said {
            let what = path.trim_start_matches("driver/@");
            refuse(path, format!("these QEMUs have no `{what}` of a disk"));
        }
    }
    if let Some(serial) = &disk.serial
        && !serial.chars().all(|c| c.is_ascii_alphanumeric() || "-_ .+".contains(c))
    {
        let message = "a serial number has letters, digits and `-_ .+` only, because nothing can be escaped";
        refuse("serial", message.to_owned());
    }
    if disk.device() == DiskDevice::Lun {
        refuse("@device", "these QEMUs have no disks of the kind `lun`".to_owned());
    }
    out.problems.len() == before
}

/// KVM's QEMU can boot from disks that the BIOS does not know; it has to be told from which.
fn boots(device: &Resolved<'_, Disk>, cx: &Context<'_>) -> bool {
    let os = &cx.domain.os;
    let disks = &cx.domain.devices.disks;
    let is_disk = |disk: &Disk| disk.device() == DiskDevice::Disk;
    // Sticks that have an option of their own are no drives.
    let is_stick =
        |disk: &Disk| disk.target.bus == Some(DiskBus::Usb) && cx.dialect.devices == Devices::Options;
    // Without KVM the same binary does not know the word.
    let can =
        cx.has(Capability::DriveBoot) && !(cx.has(Capability::Kvm) && cx.domain.kind == DomainType::Qemu);
    can && os.boot.iter().any(|boot| boot.dev == BootDeviceKind::Hd)
        && is_disk(device.spec)
        && disks.iter().position(|disk| is_disk(&disk.spec) && !is_stick(&disk.spec)) == Some(device.index)
        && device.spec.target.bus != Some(DiskBus::Ide)
}

/// The host's cache, in the words of the QEMU in use: older ones know `on` and `off`.
fn cache(props: Props, device: &Resolved<'_, Disk>, cx: &Context<'_>) -> Props {
    let disk = device.spec;
    let origin = device.at("driver/@cache");
    let mode = disk.driver.as_ref().and_then(|driver| driver.cache).filter(|mode| *mode != Cache::Default);
    match (mode, cx.has(Capability::DriveCacheV2)) {
        (Some(Cache::Directsync), true) => {
            props.requires(Capability::CacheDirectsync, "cache", Cache::Directsync.as_str(), origin)
        }
        (Some(Cache::Unsafe), true) => {
            props.requires(Capability::CacheUnsafe, "cache", Cache::Unsafe.as_str(), origin)
        }
        (Some(mode), true) => props.set_at("cache", mode.as_str(), origin),
        (Some(Cache::Writeback), false) => props.set_at("cache", "on", origin),
        // Whatever else is asked for is safer than a cache that loses what was written.
        (Some(_), false) => props.set_at("cache", "off", origin),
        // Others would not see what is in the cache of this host.
        (None, _) => {
            props.set_at("cache", (disk.shareable && !disk.readonly).then_some("off"), device.at("shareable"))
        }
    }
}

/// The drive that the guest sees.
fn frontend(device: &Resolved<'_, Disk>, cx: &Context<'_>, out: &mut Args) {
    let drive = match device.info.address.as_ref().map(|address| &address.place) {
        Some(Place::Drive(drive)) => *drive,
        _ => Drive::default(),
    };
    let (on_bus, unit) = (drive.bus.unwrap_or_default(), drive.unit.unwrap_or_default());
    let origin = device.info.address.as_ref().map_or(device.origin, |address| address.meta.origin);
    let driver = |name: &str| Props::new("driver", name, device.at("target/@bus"));
    let props = match device.spec.target.bus {
        Some(DiskBus::Ide) => {
            driver("ide-drive").set_at("bus", format!("ide.{on_bus}"), origin).set_at("unit", unit, origin)
        }
        Some(DiskBus::Scsi) => crate::address::scsi(driver("scsi-disk"), &drive, origin, cx),
        Some(DiskBus::Virtio) => crate::address::address(driver("virtio-blk-pci"), device.info, cx),
        Some(DiskBus::Usb) => crate::address::address(driver("usb-storage"), device.info, cx),
        Some(DiskBus::Fdc) => {
            floppy(device, if unit == 0 { 'A' } else { 'B' }, out);
            return;
        }
        _ => return,
    };
    let props = props.set("drive", drive_id(device)).set("id", device.alias);
    out.props("-device", crate::boot::bootindex(props, device.info, None));
}

/// A drive of the machine's own floppy controller.
fn floppy(device: &Resolved<'_, Disk>, drive: char, out: &mut Args) {
    out.text("-global", format!("isa-fdc.drive{drive}={}", drive_id(device)), device.at("target/@dev"));
    if let Some(boot) = &device.info.boot {
        out.text("-global", format!("isa-fdc.bootindex{drive}={}", boot.order), boot.meta.at("@order"));
        out.needing(Capability::BootIndex);
    }
}
