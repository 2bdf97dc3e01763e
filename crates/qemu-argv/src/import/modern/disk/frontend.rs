//! `-device` of disks and of the controllers they are plugged into.

use domain_model::device::controller::{Controller, ControllerDriver, ControllerKind, ScsiModel};
use domain_model::device::disk::{BlockIo, Disk, DiskBus, DiskDevice, Target};
use domain_model::virtio::{VirtioModel, VirtioOptions};
use domain_model::xml::text::OnOff;

use super::super::pci::Board;
use super::super::{Build, Frontend, image, on_off, usb, virtio};
use super::{at_drive, count, named, of_backend, policies, with_address};
use crate::import::pairs::Pairs;

/// Reads a disk or a controller of disks.
pub(in super::super) fn device<'o>(
    driver: &str,
    frontend: Frontend<'o>,
    build: &mut Build<'o, '_, '_>,
) -> Option<()> {
    let model = |name| virtio(driver, name);
    if let Some(model) = model("virtio-blk") {
        return virtio_disk(model, frontend, build);
    }
    if let Some(model) = model("virtio-scsi") {
        let model = match model {
            VirtioModel::VirtioTransitional => ScsiModel::VirtioTransitional,
            VirtioModel::VirtioNonTransitional => ScsiModel::VirtioNonTransitional,
            _ => ScsiModel::VirtioScsi,
        };
        return scsi_controller(model, frontend, build);
    }
    let scsi = match driver {
        "lsi" | "lsi53c895a" => Some(ScsiModel::Lsilogic),
        "mptsas1068" => Some(ScsiModel::Lsisas1068),
        "megasas" => Some(ScsiModel::Lsisas1078),
        "pvscsi" => Some(ScsiModel::Vmpvscsi),
        "am53c974" => Some(ScsiModel::Am53c974),
        "dc390" => Some(ScsiModel::Dc390),
        _ => None,
    };
    if let Some(model) = scsi {
        return scsi_controller(model, frontend, build);
    }
    match driver {
        "ahci" | "ich9-ahci" => sata_controller(frontend, build),
        "ide-hd" | "ide-drive" => ide(DiskDevice::Disk, frontend, build),
        "ide-cd" => ide(DiskDevice::Cdrom, frontend, build),
        "scsi-hd" | "scsi-disk" => scsi_disk(DiskDevice::Disk, frontend, build),
        "scsi-cd" => scsi_disk(DiskDevice::Cdrom, frontend, build),
        "scsi-block" => scsi_disk(DiskDevice::Lun, frontend, build),
        "floppy" => floppy(frontend, build),
        "usb-storage" => usb_disk(frontend, build),
        _ => None,
    }
}

/// What all virtio devices share.
pub(in super::super) fn virtio_options(pairs: &Pairs) -> VirtioOptions {
    let switch = |key| pairs.switch(key).map(on_off);
    VirtioOptions {
        iommu: switch("iommu_platform"),
        ats: switch("ats"),
        packed: switch("packed"),
        page_per_vq: switch("page-per-vq"),
    }
}

/// A virtio model, told by `disable-legacy` and `disable-modern` too.
pub(in super::super) fn virtio_model(model: VirtioModel, pairs: &Pairs) -> VirtioModel {
    let legacy_off = pairs.peek("disable-legacy") == Some("on");
    let modern_off = matches!(pairs.peek("disable-modern"), Some("on" | "true"));
    let modern_said = pairs.peek("disable-modern").is_some();
    if model == VirtioModel::Virtio && legacy_off && !modern_off && modern_said {
        pairs.take_any(&["disable-legacy", "disable-modern"]);
        return VirtioModel::VirtioNonTransitional;
    }
    model
}

/// The disk behind a frontend, with what all frontends share.
fn disk<'o>(device: DiskDevice, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<Disk> {
    let pairs = frontend.pairs;
    let (mut disk, options) = match pairs.take("drive") {
        Some(id) => of_backend(id, device, build)?,
        // A drive without a medium.
        None if device != DiskDevice::Disk => (
            Disk { device: Some(device), readonly: device == DiskDevice::Cdrom, ..Disk::default() },
            Vec::new(),
        ),
        None => return None,
    };
    // A CD-ROM drive says so itself; what the drive says is for those that leave it open.
    if disk.device == Some(DiskDevice::Cdrom) && device == DiskDevice::Disk {
        disk.device = Some(DiskDevice::Disk);
    }
    disk.serial = pairs.take("serial").map(str::to_owned).or(disk.serial);
    disk.wwn = pairs.take("wwn").map(|wwn| wwn.trim_start_matches("0x").to_owned());
    disk.vendor = pairs.take("vendor").map(str::to_owned);
    disk.product = pairs.take("product").map(str::to_owned);
    disk.shareable = pairs.switch("share-rw") == Some(true);
    let blockio = BlockIo {
        logical_block_size: pairs.small("logical_block_size"),
        physical_block_size: pairs.small("physical_block_size"),
        discard_granularity: pairs.small("discard_granularity"),
        ..BlockIo::default()
    };
    disk.blockio = (blockio != BlockIo::default()).then(|| Box::new(blockio));
    disk.target.rotation_rate = pairs.small("rotation_rate");
    // libvirt names the disk in the guest's SCSI data after itself.
    pairs.take("device_id");
    let write_cache = pairs.switch("write-cache");
    if let Some(driver) = &mut disk.driver {
        if let Some(cache) = driver.cache {
            use domain_model::device::disk::Cache;
            let (direct, no_flush) =
                (matches!(cache, Cache::None | Cache::Directsync), matches!(cache, Cache::Unsafe));
            let on = write_cache.unwrap_or(!matches!(cache, Cache::Writethrough | Cache::Directsync));
            driver.cache = Some(image::cache(direct, no_flush, on));
        } else if write_cache == Some(false) {
            driver.cache = Some(image::cache(false, false, false));
        }
        let (werror, rerror) = (driver.error_policy, driver.rerror_policy);
        policies(driver, pairs);
        driver.error_policy = driver.error_policy.or(werror);
        driver.rerror_policy = driver.rerror_policy.or(rerror);
    }
    options.iter().for_each(|option| option.take());
    Some(disk)
}

fn virtio_disk<'o>(model: VirtioModel, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let info = build.pci_info(frontend)?;
    let mut disk = disk(DiskDevice::Disk, frontend, build)?;
    let model = virtio_model(model, pairs);
    disk.model = (model != VirtioModel::Virtio).then_some(model);
    disk.target = Target { rotation_rate: disk.target.rotation_rate, ..named("vd", DiskBus::Virtio, build) };
    pairs.take("scsi");
    if let Some(driver) = &mut disk.driver {
        driver.queues = pairs.small("num-queues");
        driver.queue_size = pairs.small("queue-size");
        driver.ioeventfd = pairs.switch("ioeventfd").map(on_off);
        driver.event_idx = pairs.switch("event_idx").map(on_off);
        driver.virtio = virtio_options(pairs);
        if let Some(id) = pairs.take("iothread") {
            driver.iothread = Some(super::super::small::iothread(id, build)?);
        }
    }
    build.push(frontend, disk, info)
}

fn scsi_controller<'o>(
    model: ScsiModel,
    frontend: Frontend<'o>,
    build: &mut Build<'o, '_, '_>,
) -> Option<()> {
    let pairs = frontend.pairs;
    let id = pairs.peek("id").map(str::to_owned);
    let info = build.pci_info(frontend)?;
    let index = count(build, "scsi");
    let mut driver = ControllerDriver {
        queues: pairs.small("num_queues"),
        cmd_per_lun: pairs.small("cmd_per_lun"),
        max_sectors: pairs.small("max_sectors"),
        ioeventfd: pairs.switch("ioeventfd").map(on_off),
        virtio: virtio_options(pairs),
        ..ControllerDriver::default()
    };
    if let Some(id) = pairs.take("iothread") {
        driver.iothread = Some(super::super::small::iothread(id, build)?);
    }
    let spec = Controller { kind: ControllerKind::Scsi { model: Some(model) }, index: Some(index), driver };
    build.buses.insert(id.unwrap_or_default(), ("scsi", index));
    build.push(frontend, spec, info)
}

fn sata_controller<'o>(frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let id = frontend.pairs.peek("id").map(str::to_owned);
    let info = build.pci_info(frontend)?;
    // Q35 has one of its own.
    let own = u32::from(Board::of(build) == Board::Q35);
    let index = count(build, "sata") + own;
    build.buses.insert(id.unwrap_or_default(), ("sata", index));
    let spec = Controller { kind: ControllerKind::Sata, index: Some(index), ..Controller::default() };
    build.push(frontend, spec, info)
}

/// A disk on the board's own controller, or on a SATA controller.
fn ide<'o>(device: DiskDevice, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let board = Board::of(build);
    let (name, number) = match pairs.take("bus") {
        Some(bus) => {
            bus.rsplit_once('.').map(|(name, number)| (name.to_owned(), number.parse::<u32>().ok()))?
        }
        None => ("ide".to_owned(), None),
    };
    let unit = pairs.small::<u32>("unit");
    let (bus, controller, on_bus, unit) = match (name.as_str(), board) {
        ("ide", Board::I440fx) => {
            let (on_bus, unit) = match (number, unit) {
                (Some(number), Some(unit)) => (number, unit),
                _ => free_ide(number, unit, build)?,
            };
            (DiskBus::Ide, 0, on_bus, unit)
        }
        ("ide", Board::Q35) => {
            let unit = match number {
                Some(number) => number,
                None => free_sata(0, build)?,
            };
            (DiskBus::Sata, 0, 0, unit)
        }
        (name, _) => {
            let index = *build.buses.get(name).filter(|(kind, _)| *kind == "sata").map(|(_, index)| index)?;
            (DiskBus::Sata, index, 0, number?)
        }
    };
    let mut disk = disk(device, frontend, build)?;
    let prefix = if bus == DiskBus::Ide { "hd" } else { "sd" };
    disk.target = Target { rotation_rate: disk.target.rotation_rate, ..named(prefix, bus, build) };
    let info = build.info(frontend);
    build.push(frontend, disk, with_address(info, at_drive(controller, on_bus, 0, unit, frontend.origin())))
}

fn is_taken(bus: DiskBus, controller: u32, on_bus: u32, unit: u32, build: &mut Build<'_, '_, '_>) -> bool {
    build.domain().devices.disks.iter().any(|disk| {
        let own = disk.info.address.clone();
        disk.spec.target.bus == Some(bus) && own == at_drive(controller, on_bus, 0, unit, disk.meta.origin)
    })
}

/// The first free place of IDE: QEMU takes the first bus that has one.
fn free_ide(bus: Option<u32>, unit: Option<u32>, build: &mut Build<'_, '_, '_>) -> Option<(u32, u32)> {
    let buses = bus.map_or(vec![0, 1], |bus| vec![bus]);
    let units = unit.map_or(vec![0, 1], |unit| vec![unit]);
    let mut places = buses.iter().flat_map(|bus| units.iter().map(|unit| (*bus, *unit)));
    places.find(|(bus, unit)| !is_taken(DiskBus::Ide, 0, *bus, *unit, build))
}

fn free_sata(controller: u32, build: &mut Build<'_, '_, '_>) -> Option<u32> {
    (0..6).find(|unit| !is_taken(DiskBus::Sata, controller, 0, *unit, build))
}

fn scsi_disk<'o>(device: DiskDevice, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let controller = match pairs.take("bus") {
        Some(bus) => {
            let name = bus.strip_suffix(".0")?;
            build.buses.get(name).filter(|(kind, _)| *kind == "scsi").map(|(_, index)| *index)?
        }
        None => (count(build, "scsi") > 0).then_some(0)?,
    };
    let numbers = (pairs.small::<u32>("channel"), pairs.small::<u32>("scsi-id"), pairs.small::<u32>("lun"));
    let (channel, lun) = (numbers.0.unwrap_or(0), numbers.2.unwrap_or(0));
    // QEMU takes the next target for a disk that does not say its own.
    let target = numbers.1.unwrap_or_else(|| {
        let mut used = |target: &u32| is_scsi_taken(controller, channel, *target, build);
        (0..256).find(|target| !used(target)).unwrap_or(0)
    });
    let mut disk = disk(device, frontend, build)?;
    disk.target.removable = pairs.switch("removable").map(on_off);
    let Target { rotation_rate, removable, .. } = disk.target;
    disk.target = Target { rotation_rate, removable, ..named("sd", DiskBus::Scsi, build) };
    let info = build.info(frontend);
    // The model of the controller decides which of the numbers count; virtio-scsi has targets and units.
    let model = build.domain().devices.controllers.iter().find_map(|device| match device.spec.kind {
        ControllerKind::Scsi { model } if device.spec.index == Some(controller) => model,
        _ => None,
    });
    let is_lsi = model == Some(ScsiModel::Lsilogic);
    let address = match is_lsi {
        true if lun == 0 => at_drive(controller, channel, 0, target, frontend.origin()),
        true => return None,
        false => at_drive(controller, channel, target, lun, frontend.origin()),
    };
    build.push(frontend, disk, with_address(info, address))
}

fn is_scsi_taken(controller: u32, channel: u32, target: u32, build: &mut Build<'_, '_, '_>) -> bool {
    build.domain().devices.disks.iter().any(|disk| {
        match disk.info.address.as_ref().map(|address| &address.place) {
            Some(domain_model::address::Place::Drive(drive)) => {
                let own = (drive.controller, drive.bus, drive.target);
                disk.spec.target.bus == Some(DiskBus::Scsi)
                    && own == (Some(controller), Some(channel), Some(target))
            }
            _ => false,
        }
    })
}

fn floppy<'o>(frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    pairs.take("bus");
    let unit = pairs.small("unit").unwrap_or(0);
    pairs.take("drive-type");
    let mut disk = disk(DiskDevice::Floppy, frontend, build)?;
    disk.target = named("fd", DiskBus::Fdc, build);
    let info = build.info(frontend);
    build.push(frontend, disk, with_address(info, at_drive(0, 0, 0, unit, frontend.origin())))
}

fn usb_disk<'o>(frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let info = usb::info(frontend, build)?;
    let mut disk = disk(DiskDevice::Disk, frontend, build)?;
    disk.target = named("sd", DiskBus::Usb, build);
    disk.target.removable = frontend.pairs.switch("removable").map(on_off).filter(|on| *on == OnOff::On);
    build.push(frontend, disk, info)
}
