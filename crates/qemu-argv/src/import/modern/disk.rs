//! Disks: `-hda`, `-drive`, `-blockdev` and what is plugged in.

mod frontend;

use domain_model::DeviceInfo;
use domain_model::address::{Address, Drive, Place};
use domain_model::device::disk::{Disk, DiskBus, DiskDevice, DiskDriver, ErrorPolicy, Geometry};
use domain_model::storage::{Format, Source};
use domain_model::xml::Text;
use domain_model::{Device, Origin};

use super::image::{self, Image};
use super::pci::Board;
use super::{Build, boot, on_off};
use crate::import::option::Opt;
use crate::import::pairs::Pairs;

pub(super) use frontend::{device, virtio_model, virtio_options};

/// The interface of a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interface {
    Ide,
    Virtio,
    Floppy,
    None,
    Other,
}

/// The interface that a drive says or that the machine gives it.
fn interface(pairs: &Pairs, build: &mut Build<'_, '_, '_>) -> Interface {
    match pairs.peek("if") {
        Some("ide") => Interface::Ide,
        Some("virtio") => Interface::Virtio,
        Some("floppy") => Interface::Floppy,
        Some("none") => Interface::None,
        Some(_) => Interface::Other,
        None => default_interface(build),
    }
}

fn default_interface(build: &mut Build<'_, '_, '_>) -> Interface {
    let machine = build.domain().os.machine.clone().unwrap_or_default();
    match Board::of(build) {
        Board::I440fx | Board::Q35 => Interface::Ide,
        Board::Other if machine.starts_with("virt") || machine.starts_with("s390") => Interface::Virtio,
        Board::Other => Interface::Other,
    }
}

/// Whether a drive is a virtio disk.
pub(super) fn is_virtio(pairs: &Pairs, build: &mut Build<'_, '_, '_>) -> bool {
    !boot::is_flash(pairs) && interface(pairs, build) == Interface::Virtio
}

/// Drives that are plugged in without a `-device`.
pub(super) fn drives(build: &mut Build<'_, '_, '_>) {
    let mut next_ide = 0;
    let names = &["hda", "hdb", "hdc", "hdd", "cdrom", "fda", "fdb", "drive"];
    for (number, option) in build.named(names) {
        if option.is_taken() {
            continue;
        }
        let done = match option.name.as_str() {
            "drive" => drive(number, option, &mut next_ide, build),
            _ => short(option, build),
        };
        if done.is_some() {
            option.take();
        }
    }
}

/// `-hda` and its like.
fn short(option: &Opt, build: &mut Build<'_, '_, '_>) -> Option<()> {
    let (device, index) = match option.name.as_str() {
        "hda" => (DiskDevice::Disk, 0),
        "hdb" => (DiskDevice::Disk, 1),
        "hdc" => (DiskDevice::Disk, 2),
        "hdd" => (DiskDevice::Disk, 3),
        "cdrom" => (DiskDevice::Cdrom, 2),
        "fda" => (DiskDevice::Floppy, 0),
        _ => (DiskDevice::Floppy, 1),
    };
    let interface = if device == DiskDevice::Floppy { Interface::Floppy } else { default_interface(build) };
    let is_here = matches!(interface, Interface::Ide | Interface::Floppy);
    let source = image::by_name(&option.value).filter(|_| is_here)?;
    let mut disk =
        Disk { device: Some(device), source, readonly: device == DiskDevice::Cdrom, ..Disk::default() };
    disk.driver = driver_of(&disk.source, device, DiskDriver::default(), option, build);
    push(disk, interface, index, option.origin, build)
}

/// `-drive` with an interface.
fn drive(number: usize, option: &Opt, next_ide: &mut u32, build: &mut Build<'_, '_, '_>) -> Option<()> {
    let pairs = option.pairs.as_ref()?;
    let interface = interface(pairs, build);
    if !matches!(interface, Interface::Ide | Interface::Virtio | Interface::Floppy) {
        return None;
    }
    pairs.take_any(&["if", "id", "addr"]);
    let media = if interface == Interface::Floppy { DiskDevice::Floppy } else { DiskDevice::Disk };
    let mut disk = of_drive(option, pairs, media, build)?;
    let (index, bus, unit) =
        (pairs.small::<u32>("index"), pairs.small::<u32>("bus"), pairs.small::<u32>("unit"));
    let per_bus = units_per_bus(build);
    let index = match (index, bus, unit) {
        (Some(index), ..) => index,
        (None, None, None) => {
            while is_used(interface, *next_ide, build) {
                *next_ide += 1;
            }
            *next_ide
        }
        (None, bus, unit) => bus.unwrap_or(0).checked_mul(per_bus)?.checked_add(unit.unwrap_or(0))?,
    };
    if !pairs.is_spent() {
        return None;
    }
    if interface == Interface::Virtio {
        // Virtio has no CD-ROM drives: it is a disk that cannot be written.
        disk.device = Some(DiskDevice::Disk);
        let pci = build.slots.of(number);
        disk.target = named("vd", DiskBus::Virtio, build);
        build.add(disk, option.origin, pci.map(Place::Pci));
        return Some(());
    }
    push(disk, interface, index, option.origin, build)
}

/// The disks of a bus of the default interface; Q35 has SATA, with one on each.
fn units_per_bus(build: &mut Build<'_, '_, '_>) -> u32 {
    if Board::of(build) == Board::Q35 { 1 } else { 2 }
}

/// Whether there is a drive with this number already.
fn is_used(interface: Interface, index: u32, build: &mut Build<'_, '_, '_>) -> bool {
    let Some((bus, place)) = place(interface, index, build) else { return false };
    let disks = &build.domain().devices.disks;
    disks.iter().any(|disk| {
        let own = disk.info.address.as_ref().map(|address| &address.place);
        disk.spec.target.bus == Some(bus) && own == Some(&place)
    })
}

fn place(interface: Interface, index: u32, build: &mut Build<'_, '_, '_>) -> Option<(DiskBus, Place)> {
    let drive = |bus, unit| Place::Drive(Drive::new(0, bus, 0, unit));
    Some(match (interface, Board::of(build)) {
        (Interface::Ide, Board::Q35) if index < 6 => (DiskBus::Sata, drive(0, index)),
        (Interface::Ide, Board::I440fx) if index < 4 => (DiskBus::Ide, drive(index / 2, index % 2)),
        (Interface::Floppy, _) if index < 2 => (DiskBus::Fdc, drive(0, index)),
        _ => return None,
    })
}

fn push(
    mut disk: Disk,
    interface: Interface,
    index: u32,
    origin: Origin,
    build: &mut Build<'_, '_, '_>,
) -> Option<()> {
    let (bus, place) = place(interface, index, build)?;
    let prefix = match bus {
        DiskBus::Ide => "hd",
        DiskBus::Fdc => "fd",
        _ => "sd",
    };
    disk.target = named(prefix, bus, build);
    // A name of IDE and floppy disks says where they are, so it is the one that fits if nobody has it.
    if matches!(bus, DiskBus::Ide | DiskBus::Fdc) {
        let fitting = name(prefix, index);
        if !has_name(&fitting, build) {
            disk.target.dev = fitting;
        }
    }
    build.add(disk, origin, Some(place));
    Some(())
}

/// The name of the disk with this number.
fn name(prefix: &str, index: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = u64::from(index) + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(b'a' + u8::try_from(rest % 26).unwrap_or(0));
        rest /= 26;
    }
    let letters: String = letters.iter().rev().map(|letter| char::from(*letter)).collect();
    format!("{prefix}{letters}")
}

fn has_name(name: &str, build: &mut Build<'_, '_, '_>) -> bool {
    build.domain().devices.disks.iter().any(|disk| disk.spec.target.dev == name)
}

/// The next free name.
fn named(prefix: &str, bus: DiskBus, build: &mut Build<'_, '_, '_>) -> domain_model::device::disk::Target {
    let free = (0..u32::MAX).map(|index| name(prefix, index)).find(|name| !has_name(name, build));
    let dev = free.unwrap_or_default();
    domain_model::device::disk::Target { dev, bus: Some(bus), ..Default::default() }
}

/// The disk that a `-drive` describes; everything that says where it is plugged in is left.
fn of_drive(option: &Opt, pairs: &Pairs, device: DiskDevice, build: &mut Build<'_, '_, '_>) -> Option<Disk> {
    let mut device = device;
    match pairs.take("media") {
        Some("cdrom") => device = DiskDevice::Cdrom,
        Some("disk") | None => {}
        Some(_) => return None,
    }
    let mut disk = Disk { device: Some(device), ..Disk::default() };
    let file = pairs.take("file").filter(|file| !file.is_empty());
    let mut driver = DiskDriver { format: pairs.word("format"), ..DiskDriver::default() };
    let inner = pairs.below("file");
    if let Some(file) = file {
        disk.source = image::by_name(file)?;
    } else if !inner.is_empty() {
        let image = image::of_pairs(build, &inner, 0).filter(|_| inner.is_spent())?;
        pairs.take_below("file");
        driver.format = driver.format.or_else(|| pairs.word("driver"));
        disk.source = image.source;
    }
    disk.readonly = pairs.switch("readonly").or_else(|| pairs.switch("read-only")).unwrap_or(false)
        || device == DiskDevice::Cdrom;
    driver.cache = match pairs.take("cache") {
        Some("off") => Some(domain_model::device::disk::Cache::None),
        Some(word) => Some(Text::parse(word).ok()?),
        None => match (
            pairs.switch("cache.direct"),
            pairs.switch("cache.no-flush"),
            pairs.switch("cache.writeback"),
        ) {
            (None, None, None) => None,
            (direct, no_flush, writeback) => {
                let (direct, no_flush) = (direct == Some(true), no_flush == Some(true));
                Some(image::cache(direct, no_flush, writeback != Some(false)))
            }
        },
    };
    driver.discard = match pairs.take("discard") {
        Some("on" | "unmap") => Some(domain_model::device::disk::Discard::Unmap),
        Some("off" | "ignore") => Some(domain_model::device::disk::Discard::Ignore),
        Some(_) => return None,
        None => None,
    };
    driver.detect_zeroes = pairs.word("detect-zeroes");
    driver.io = pairs.word("aio");
    driver.copy_on_read = pairs.switch("copy-on-read").map(on_off);
    policies(&mut driver, pairs);
    geometry(&mut disk, pairs);
    disk.serial = pairs.take("serial").map(str::to_owned);
    disk.driver = driver_of(&disk.source, device, driver, option, build);
    Some(disk)
}

fn policies(driver: &mut DiskDriver, pairs: &Pairs) {
    driver.error_policy = match pairs.peek("werror") {
        Some("enospc") => {
            pairs.take("werror");
            Some(ErrorPolicy::Enospace)
        }
        _ => pairs.word("werror"),
    };
    driver.rerror_policy = match pairs.peek("rerror") {
        Some("enospace") => None,
        _ => pairs.word("rerror"),
    };
    if driver.error_policy == driver.rerror_policy {
        driver.rerror_policy = None;
    }
}

fn geometry(disk: &mut Disk, pairs: &Pairs) {
    if let (Some(cyls), Some(heads), Some(secs)) =
        (pairs.small("cyls"), pairs.small("heads"), pairs.small("secs"))
    {
        let trans = pairs.word("bios-chs-trans");
        disk.geometry = Some(Box::new(Geometry { cyls, heads, secs, trans, ..Geometry::default() }));
    }
}

/// The driver of a disk, with the format that QEMU would find by looking.
fn driver_of(
    source: &Source,
    device: DiskDevice,
    driver: DiskDriver,
    option: &Opt,
    build: &mut Build<'_, '_, '_>,
) -> Option<DiskDriver> {
    if source.is_empty() {
        return None;
    }
    let format = driver.format.or_else(|| guess(source, device, option, build));
    Some(DiskDriver { name: Some("qemu".to_owned()), format, ..driver })
}

fn guess(source: &Source, device: DiskDevice, option: &Opt, build: &mut Build<'_, '_, '_>) -> Option<Format> {
    let path = source.path().unwrap_or_default().to_owned();
    let probed = build.cx.files.format(&path);
    if probed.is_some() {
        return probed;
    }
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let format = match extension {
        "qcow2" => Format::Qcow2,
        "qcow" => Format::Qcow,
        "vmdk" => Format::Vmdk,
        "vdi" => Format::Vdi,
        "vhd" => Format::Vpc,
        "qed" => Format::Qed,
        _ => Format::Raw,
    };
    if device == DiskDevice::Disk && matches!(source.kind, domain_model::storage::SourceKind::File(_)) {
        let message =
            format!("the format of `{path}` is not said and the image is not here; `{format}` is assumed");
        let problem = domain_model::Diagnostic::warning(domain_model::Code::NotFound, option.origin, message);
        build.cx.problems.push(problem.help("`qemu-img info` tells; the domain never lets QEMU guess"));
    }
    Some(format)
}

/// The image of a frontend, from `drive=`: a `-drive` or a node.
fn of_backend<'o>(
    id: &str,
    device: DiskDevice,
    build: &mut Build<'o, '_, '_>,
) -> Option<(Disk, Vec<&'o Opt>)> {
    if let Some((option, pairs)) = build.backend("drive", id) {
        let is_free = interface(pairs, build) == Interface::None;
        pairs.take_any(&["if", "id", "index", "bus", "unit"]);
        let disk = of_drive(option, pairs, device, build).filter(|_| is_free && pairs.is_spent())?;
        return Some((disk, vec![option]));
    }
    let image: Image<'o> = image::of_node(build, id, 0)?;
    let mut disk = Disk { device: Some(device), source: image.source, ..Disk::default() };
    disk.readonly = image.readonly || device == DiskDevice::Cdrom;
    disk.backing_store = image.backing.map(Box::new);
    let mut driver = image.driver;
    driver.name = Some("qemu".to_owned());
    driver.format = Some(image.format.unwrap_or(Format::Raw));
    driver.cache = image.cache.map(|(direct, no_flush)| image::cache(direct, no_flush, true));
    disk.driver = Some(driver);
    Some((disk, image.options))
}

/// The drives that QEMU adds unless it is told not to: an empty CD-ROM drive, and on 440FX a floppy drive.
pub(super) fn defaults(build: &mut Build<'_, '_, '_>) {
    if build.last(&["nodefaults"]).is_some() {
        return;
    }
    let board = Board::of(build);
    let has_device = |names: &[&str]| {
        let drivers = build.options.iter().filter_map(|option| option.peek("driver"));
        drivers.into_iter().any(|driver| names.contains(&driver))
    };
    let has_cdrom = has_device(&["ide-cd", "ide-hd", "scsi-cd", "scsi-hd", "ide-drive", "scsi-disk"]);
    let has_floppy = has_device(&["isa-fdc", "floppy"]);
    let origin = Origin::always("QEMU has the drive unless it is told to leave out defaults");
    let empty = |device| Disk { device: Some(device), ..Disk::default() };
    if board != Board::Other && !has_cdrom && !is_used(Interface::Ide, 2, build) {
        let disk = Disk { readonly: true, ..empty(DiskDevice::Cdrom) };
        push(disk, Interface::Ide, 2, origin, build);
    }
    if board == Board::I440fx && !has_floppy && !is_used(Interface::Floppy, 0, build) {
        push(empty(DiskDevice::Floppy), Interface::Floppy, 0, origin, build);
    }
}

/// A place on a disk controller.
fn at_drive(controller: u32, bus: u32, target: u32, unit: u32, origin: Origin) -> Option<Address> {
    Some(Address::implied(Place::Drive(Drive::new(controller, bus, target, unit)), origin))
}

fn with_address(info: DeviceInfo, address: Option<Address>) -> DeviceInfo {
    DeviceInfo { address, ..info }
}

/// The number of controllers of a kind so far.
fn count(build: &mut Build<'_, '_, '_>, tag: &str) -> u32 {
    use domain_model::xml::Tagged;
    let controllers = &build.domain().devices.controllers;
    let same = |device: &&Device<domain_model::device::controller::Controller>| device.spec.kind.tag() == tag;
    u32::try_from(controllers.iter().filter(same).count()).unwrap_or(u32::MAX)
}
