//! The drive that the guest sees: `-device`.

use caps_parser::Capability;
use domain_model::Origin;
use domain_model::address::Place;
use domain_model::device::disk::{Disk, DiskBus, DiskDevice, ErrorPolicy};
use domain_model::os::BootDeviceKind;
use domain_model::storage::SourceKind;
use domain_model::xml::text::{OnOff, YesNo};
use domain_model::{Code, Diagnostic};

use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::props::{Props, Value};
use crate::resolve::board::Board;
use crate::storage::CacheMode;
use crate::{boot, chardev, virtio};

/// Adds the drive, with the node `node` as its medium.
pub(super) fn args(device: &Resolved<'_, Disk>, node: Option<String>, cx: &Context<'_>, out: &mut Args) {
    let Some(props) = bus_props(device, cx, out) else { return };
    let disk = device.spec;
    let bus = disk.target.bus;
    let is_scsi = bus == Some(DiskBus::Scsi);
    let is_ata = matches!(bus, Some(DiskBus::Ide | DiskBus::Sata));
    let device_id = (is_scsi && disk.device() != DiskDevice::Lun).then(|| match &disk.serial {
        Some(serial) => serial.clone(),
        // What QEMU made up before 2.12, and guests remember.
        None => format!("drive-{}", device.alias),
    });
    let props = place(props, device, cx)
        .set_at("device_id", device_id, device.at("serial"))
        .set_at("share-rw", disk.shareable.then_some(true), device.at("shareable"))
        .set_at("drive", node, device.at("source"))
        .set("id", device.alias);
    let props = bootindex(props, device, cx);
    let blockio = disk.blockio.clone().unwrap_or_default();
    let above_0 = |number: Option<u32>| number.filter(|number| *number > 0);
    let wwn = disk.wwn.as_deref().and_then(|wwn| u64::from_str_radix(wwn.trim_start_matches("0x"), 16).ok());
    let props = props
        .set_at(
            "logical_block_size",
            above_0(blockio.logical_block_size),
            device.at("blockio/@logical_block_size"),
        )
        .set_at(
            "physical_block_size",
            above_0(blockio.physical_block_size),
            device.at("blockio/@physical_block_size"),
        )
        .set_at("discard_granularity", blockio.discard_granularity, device.at("blockio/@discard_granularity"))
        .set_at("wwn", wwn, device.at("wwn"))
        .set_at("rotation_rate", above_0(disk.target.rotation_rate), device.at("target/@rotation_rate"))
        .set_at("vendor", disk.vendor.as_deref(), device.at("vendor"))
        .set_at(if is_ata { "model" } else { "product" }, disk.product.as_deref(), device.at("product"))
        .set_at("removable", removable(disk), device.at("target/@removable"));
    let props = write_cache(props, device);
    let props = geometry(props, device).set_at(
        "serial",
        disk.serial.as_deref().map(escape_serial),
        device.at("serial"),
    );
    out.props("-device", error_policy(props, device));
}

/// Adds a drive that another process serves, and the socket to it.
pub(super) fn vhost_user(device: &Resolved<'_, Disk>, cx: &Context<'_>, out: &mut Args) {
    let SourceKind::VhostUser(source) = &device.spec.source.kind else { return };
    let chardev = format!("chr-vu-{}", device.alias);
    let seconds = if source.reconnect == Some(YesNo::No) { Some(0) } else { source.reconnect_timeout };
    let mut socket = Props::new("backend", "socket", device.at("source")).set("id", &chardev).set_at(
        "path",
        cx.config().path(source.path.as_deref().unwrap_or_default()),
        device.at("source/@path"),
    );
    if let Some(seconds) = seconds {
        socket = chardev::reconnect(socket, seconds, device.at("source/reconnect/@timeout"), cx);
    }
    out.props("-chardev", socket);
    let disk = device.spec;
    let event_idx = disk.driver.as_ref().and_then(|driver| driver.event_idx);
    let props = virtio::device("vhost-user-blk", disk.model, &virtio_options(disk), device, cx).set_at(
        "event_idx",
        event_idx,
        device.at("driver/@event_idx"),
    );
    let props = virtio_queues(props, device);
    let props = place(props, device, cx).set("chardev", chardev).set("id", device.alias);
    out.props("-device", bootindex(props, device, cx));
}

fn virtio_options(disk: &Disk) -> domain_model::virtio::VirtioOptions {
    disk.driver.as_ref().map(|driver| driver.virtio).unwrap_or_default()
}

/// The driver, and what only drives on its bus have.
fn bus_props(device: &Resolved<'_, Disk>, cx: &Context<'_>, out: &mut Args) -> Option<Props> {
    let disk = device.spec;
    let simple = |driver: &str| Some(Props::new("driver", driver, device.origin));
    let bus = disk.target.bus?;
    match (bus, disk.device()) {
        (DiskBus::Ide | DiskBus::Sata, DiskDevice::Cdrom) => simple("ide-cd"),
        (DiskBus::Ide | DiskBus::Sata, _) => simple("ide-hd"),
        (DiskBus::Scsi, DiskDevice::Lun) => simple("scsi-block"),
        (DiskBus::Scsi, DiskDevice::Cdrom) => simple("scsi-cd"),
        (DiskBus::Scsi, _) => simple("scsi-hd"),
        (DiskBus::Usb, _) => simple("usb-storage"),
        (DiskBus::Fdc, _) if Board::of(cx.domain) == Board::Pseries => {
            let message = "machines of the type `pseries` have no floppy drives";
            out.problem(Diagnostic::error(Code::Unsupported, device.at("target/@bus"), message));
            None
        }
        (DiskBus::Fdc, _) => simple("floppy"),
        (DiskBus::Virtio, kind) => {
            let props = virtio::device("virtio-blk", disk.model, &virtio_options(disk), device, cx);
            // QEMU can hand the guest's SCSI commands to the host; that is off unless it is what the disk is for.
            let scsi = match kind {
                DiskDevice::Lun if cx.has(Capability::VirtioBlkPciScsi) => Some(true),
                _ if cx.has(Capability::VirtioBlkPciScsi)
                    && !cx.has(Capability::VirtioBlkPciScsiDefaultDisabled) =>
                {
                    Some(false)
                }
                _ => None,
            };
            let driver = disk.driver.as_ref();
            let props = crate::device::iothread(
                props,
                driver.and_then(|driver| driver.iothread),
                device.at("driver/@iothread"),
            );
            let props = props
                .set_at(
                    "ioeventfd",
                    driver.and_then(|driver| driver.ioeventfd),
                    device.at("driver/@ioeventfd"),
                )
                .set_at(
                    "event_idx",
                    driver.and_then(|driver| driver.event_idx),
                    device.at("driver/@event_idx"),
                )
                .set_at("scsi", scsi, device.at("@device"));
            let map = driver.and_then(|driver| driver.iothreads.as_deref());
            Some(crate::device::iothread_map(virtio_queues(props, device), map))
        }
        (DiskBus::Xen | DiskBus::Uml | DiskBus::Sd, _) => {
            let message = format!("QEMU has no drives on the bus `{bus}`");
            out.problem(Diagnostic::error(Code::Malformed, device.at("target/@bus"), message));
            None
        }
    }
}

fn virtio_queues(props: Props, device: &Resolved<'_, Disk>) -> Props {
    let driver = device.spec.driver.as_ref();
    props.set_at("num-queues", driver.and_then(|driver| driver.queues), device.at("driver/@queues")).set_at(
        "queue-size",
        driver.and_then(|driver| driver.queue_size),
        device.at("driver/@queue_size"),
    )
}

/// Adds where the drive is: on a controller, or an address of its own.
fn place(props: Props, device: &Resolved<'_, Disk>, cx: &Context<'_>) -> Props {
    let Some(address) = &device.info.address else { return props };
    let (Place::Drive(drive), Some(bus)) = (&address.place, device.spec.target.bus) else {
        return crate::address::address(props, device.info, cx);
    };
    let origin = address.meta.origin;
    let index = drive.controller.unwrap_or_default();
    let (on_bus, unit) = (drive.bus.unwrap_or_default(), drive.unit.unwrap_or_default());
    let controller = cx.controller(bus.as_str(), index);
    match bus {
        DiskBus::Fdc => props.set_at("unit", unit, origin),
        DiskBus::Ide => props
            .set_at("bus", controller.map(|alias| format!("{alias}.{on_bus}")), origin)
            .set_at("unit", unit, origin),
        DiskBus::Sata => props.set_at("bus", controller.map(|alias| format!("{alias}.{unit}")), origin),
        DiskBus::Scsi => crate::address::scsi(props, drive, origin, cx),
        DiskBus::Virtio | DiskBus::Xen | DiskBus::Usb | DiskBus::Uml | DiskBus::Sd => props,
    }
}

/// The class of boot devices that a drive belongs to.
fn boot_class(disk: &Disk) -> BootDeviceKind {
    match disk.device() {
        DiskDevice::Disk | DiskDevice::Lun => BootDeviceKind::Hd,
        DiskDevice::Cdrom => BootDeviceKind::Cdrom,
        DiskDevice::Floppy => BootDeviceKind::Fd,
    }
}

/// The place in the boot order that the drive's class gives it: only the first drive of a class has one.
fn class_order(device: &Resolved<'_, Disk>, cx: &Context<'_>) -> Option<(u32, Origin)> {
    let class = boot_class(device.spec);
    let first = cx.domain.devices.disks.iter().position(|disk| boot_class(&disk.spec) == class);
    if first == Some(device.index) { boot::of_class(class, cx) } else { None }
}

fn bootindex(props: Props, device: &Resolved<'_, Disk>, cx: &Context<'_>) -> Props {
    // Floppy drives have theirs at the controller.
    if device.spec.device() == DiskDevice::Floppy {
        return props;
    }
    let props = boot::bootindex(props, device.info, class_order(device, cx));
    let loadparm = device.info.boot.as_ref().and_then(|boot| boot.loadparm.as_deref());
    // Where the device cannot be told, what is said for the machine has to do.
    let loadparm = loadparm.filter(|_| cx.has(Capability::VirtioCcwLoadparm));
    props.set_at("loadparm", loadparm, device.at("boot/@loadparm"))
}

/// Adds the order in which floppy drives are booted from, which their controller knows.
pub(crate) fn floppy_drives(cx: &Context<'_>, out: &mut Args) {
    let mut orders = [None, None];
    let mut origin = None;
    for device in cx.each::<Disk>() {
        if device.spec.target.bus != Some(DiskBus::Fdc) {
            continue;
        }
        origin.get_or_insert(device.origin);
        let drive = device.info.address.as_ref().and_then(|address| address.place.drive());
        let unit = drive.and_then(|drive| drive.unit).unwrap_or_default();
        let own = device.info.boot.as_ref().map(|boot| (boot.order, boot.meta.at("@order")));
        let order = own.or_else(|| class_order(&device, cx));
        if let Some(slot) = orders.get_mut(usize::from(unit > 0)) {
            *slot = order;
        }
    }
    let Some(origin) = origin else { return };
    if Board::of(cx.domain) == Board::Pseries {
        let message = "pSeries machines have no floppy drives";
        out.problem(Diagnostic::error(Code::Unsupported, origin, message));
    }
    let keys = ["bootindexA", "bootindexB"];
    if needs_controller(cx) {
        let rule = origin.implies("this machine has no floppy controller of its own");
        let props =
            orders.iter().zip(keys).fold(Props::new("driver", "isa-fdc", rule), |props, (order, key)| {
                props.set_at(key, order.map(|(order, _)| order), order.map_or(rule, |(_, origin)| origin))
            });
        out.props("-device", props);
    } else {
        for (order, key) in orders.iter().zip(keys) {
            if let Some((order, origin)) = order {
                out.text("-global", format!("isa-fdc.{key}={order}"), *origin);
            }
        }
    }
}

/// Whether the machine is a Q35 that no longer has a floppy controller built in, as since version 2.4.
fn needs_controller(cx: &Context<'_>) -> bool {
    let machine = cx.domain.os.machine.as_deref().unwrap_or_default();
    let Some(version) = machine.strip_prefix("pc-q35-") else { return crate::os::is_q35(cx.domain) };
    let old = ["1.", "2.0", "2.1", "2.2", "2.3"];
    !old.iter().any(|old| if old.ends_with('.') { version.starts_with(old) } else { version == *old })
}

/// What a drive says of whether it can be removed; USB sticks say it in any case.
fn removable(disk: &Disk) -> Option<OnOff> {
    match disk.target.bus {
        Some(DiskBus::Usb) => Some(disk.target.removable.unwrap_or(OnOff::Off)),
        Some(DiskBus::Scsi) => disk.target.removable,
        _ => None,
    }
}

fn write_cache(props: Props, device: &Resolved<'_, Disk>) -> Props {
    let cache = device.spec.driver.as_ref().and_then(|driver| driver.cache);
    // A disk that takes the guest's commands has a cache of its own.
    let mode = cache.filter(|_| device.spec.device() != DiskDevice::Lun).and_then(CacheMode::of);
    let value = mode.map(|mode| if mode.writeback { "on" } else { "off" });
    props.set_at("write-cache", value, device.at("driver/@cache"))
}

fn geometry(props: Props, device: &Resolved<'_, Disk>) -> Props {
    let Some(geometry) = &device.spec.geometry else { return props };
    let above_0 = |number: u32| Some(Value::from(number)).filter(|_| number > 0);
    props
        .set_at("cyls", above_0(geometry.cyls), geometry.meta.at("@cyls"))
        .set_at("heads", above_0(geometry.heads), geometry.meta.at("@heads"))
        .set_at("secs", above_0(geometry.secs), geometry.meta.at("@secs"))
        .set_at(
            "bios-chs-trans",
            geometry.trans.map(domain_model::device::disk::Translation::as_str),
            geometry.meta.at("@trans"),
        )
}

/// Puts a backslash in front of spaces and backslashes, as libvirt has always done.
fn escape_serial(serial: &str) -> String {
    serial.chars().flat_map(|c| [Some('\\').filter(|_| matches!(c, ' ' | '\\')), Some(c)]).flatten().collect()
}

pub(super) fn error_policy(props: Props, device: &Resolved<'_, Disk>) -> Props {
    let Some(driver) = &device.spec.driver else { return props };
    let write = driver.error_policy.map(|policy| match policy {
        ErrorPolicy::Enospace => "enospc",
        policy => policy.as_str(),
    });
    let own = driver.rerror_policy.map(|policy| (policy.as_str(), device.at("driver/@rerror_policy")));
    // QEMU knows `enospc` for writing only.
    let same = driver
        .error_policy
        .filter(|policy| *policy != ErrorPolicy::Enospace)
        .map(|policy| (policy.as_str(), device.at("driver/@error_policy")));
    let read = own.filter(|_| driver.error_policy != Some(ErrorPolicy::Enospace)).or(same);
    let props = props.set_at("werror", write, device.at("driver/@error_policy"));
    match read.or(own) {
        Some((read, origin)) => props.set_at("rerror", read, origin),
        None => props,
    }
}
