//! `-hda`, `-cdrom` and `-drive` of 2011.

use domain_model::device::disk::{Cache, Disk, DiskBus, DiskDevice, DiskDriver, ErrorPolicy};
use domain_model::storage::{Host, NetworkSource, Protocol, Source, SourceKind};
use domain_model::xml::Text;

use crate::import::option::Opt;
use crate::import::{Importing, implied};

/// Where an image is, by its name: a device, a file, or something behind a network protocol.
pub(super) fn source(name: &str) -> Source {
    if name.starts_with("/dev/") {
        return Source::block(name);
    }
    network(name).unwrap_or_else(|| Source::file(name))
}

/// `nbd:HOST:PORT`, `rbd:POOL/IMAGE`, `sheepdog:[HOST:PORT:]NAME`.
fn network(name: &str) -> Option<Source> {
    let (protocol, rest) = name.split_once(':')?;
    let host = |host: &str, port: &str| {
        Some(Host { name: Some(host.to_owned()), port: Some(port.parse().ok()?), ..Host::default() })
    };
    let source = match protocol {
        "nbd" => {
            let (address, port) = rest.split_once(':')?;
            let hosts = vec![host(address, port)?];
            NetworkSource { protocol: Some(Protocol::Nbd), hosts, ..NetworkSource::default() }
        }
        "rbd" => {
            let name = Some(rest.to_owned());
            NetworkSource { protocol: Some(Protocol::Rbd), name, ..NetworkSource::default() }
        }
        "sheepdog" => {
            let mut parts = rest.splitn(3, ':');
            let (hosts, name) = match (parts.next(), parts.next(), parts.next()) {
                (Some(address), Some(port), Some(name)) => (vec![host(address, port)?], name),
                (Some(name), None, None) => (Vec::new(), name),
                _ => return None,
            };
            let name = Some(name.to_owned());
            NetworkSource { protocol: Some(Protocol::Sheepdog), name, hosts, ..NetworkSource::default() }
        }
        _ => return None,
    };
    Some(SourceKind::Network(Box::new(source)).into())
}

/// Whether a name starts like that of a network image and is none.
fn is_broken(name: &str) -> bool {
    ["nbd:", "rbd:", "sheepdog:"].iter().any(|prefix| name.starts_with(prefix)) && network(name).is_none()
}

/// `-hda`, `-fda`, `-cdrom` and their like.
pub(super) fn short(option: &Opt, cx: &mut Importing<'_>) {
    if is_broken(&option.value) {
        return cx.refuse(option.origin, format!("`{}` names no image", option.value));
    }
    let mut disk = Disk { source: source(&option.value), device: Some(DiskDevice::Disk), ..Disk::default() };
    let (dev, bus) = match option.name.as_str() {
        "cdrom" => {
            disk.device = Some(DiskDevice::Cdrom);
            disk.readonly = true;
            ("hdc", DiskBus::Ide)
        }
        name if name.starts_with("fd") => {
            disk.device = Some(DiskDevice::Floppy);
            (name, DiskBus::Fdc)
        }
        name => (name, DiskBus::Ide),
    };
    disk.target.dev = dev.to_owned();
    disk.target.bus = Some(bus);
    cx.domain.devices.disks.push(implied(disk, option.origin));
}

/// `-drive`; `virtio` is the number of virtio disks so far, which is the place of one that does not say its own.
pub(super) fn drive(option: &Opt, virtio: u32, cx: &mut Importing<'_>) -> Option<Disk> {
    let options = option.pairs.as_ref()?;
    let mut disk = Disk { device: Some(DiskDevice::Disk), ..Disk::default() };
    let mut refuse = |message: String| {
        cx.refuse(option.origin, message);
        None
    };
    if let Some(file) = options.take("file").filter(|file| !file.is_empty()) {
        if is_broken(file) {
            return refuse(format!("`{file}` names no image"));
        }
        disk.source = source(file);
    }
    let bus = match options.take("if") {
        Some("scsi") => DiskBus::Scsi,
        Some("floppy") => DiskBus::Fdc,
        Some("virtio") => DiskBus::Virtio,
        Some("xen") => DiskBus::Xen,
        Some("sd") => DiskBus::Sd,
        _ => DiskBus::Ide,
    };
    disk.target.bus = Some(bus);
    match options.take("media") {
        Some("cdrom") => {
            disk.device = Some(DiskDevice::Cdrom);
            disk.readonly = true;
        }
        Some("floppy") => disk.device = Some(DiskDevice::Floppy),
        _ if bus == DiskBus::Fdc => disk.device = Some(DiskDevice::Floppy),
        _ => {}
    }
    disk.readonly |= options.switch("readonly") == Some(true);
    disk.driver = driver(option);
    disk.serial = options.take("serial").map(str::to_owned);
    if disk.source.is_empty() && disk.device == Some(DiskDevice::Disk) {
        return refuse(format!("`{}` is a disk without `file`", option.value));
    }
    let place = (options.small::<u32>("index"), options.small::<u32>("bus"), options.small::<u32>("unit"));
    let index = match place {
        (Some(index), _, _) => index,
        (None, None, None) if bus == DiskBus::Virtio => virtio,
        (None, None, None) => {
            return refuse(format!(
                "`{}` does not say where the drive is: `index`, `bus` or `unit`",
                option.value
            ));
        }
        (None, None, Some(_)) if bus == DiskBus::Virtio => virtio,
        (None, on_bus, unit) => {
            let per_bus = match bus {
                DiskBus::Ide => 2,
                DiskBus::Scsi => 7,
                _ => 0,
            };
            on_bus.unwrap_or(0).saturating_mul(per_bus).saturating_add(unit.unwrap_or(0))
        }
    };
    let Some(letter) = u8::try_from(index).ok().filter(|index| *index < 26) else {
        return refuse(format!("there is no drive number {index}: names go from `a` to `z`"));
    };
    let prefix = match bus {
        DiskBus::Scsi | DiskBus::Sd => "sd",
        DiskBus::Virtio => "vd",
        DiskBus::Xen => "xvd",
        DiskBus::Fdc => "fd",
        _ => "hd",
    };
    disk.target.dev = format!("{prefix}{}", char::from(b'a' + letter));
    // The one says which drive a `-device` wants, the other is what libvirt's boot order asks for.
    options.take("id");
    options.take("boot");
    let left: Vec<String> = options.left().map(|pair| format!("`{}`", pair.key)).collect();
    if !left.is_empty() {
        cx.left_out(option.origin, format!("{} of the drive has no place in the domain", left.join(", ")));
    }
    Some(disk)
}

fn driver(option: &Opt) -> Option<DiskDriver> {
    let options = option.pairs.as_ref()?;
    let mut driver = DiskDriver::default();
    if let Some(format) = options.take("format") {
        driver.name = Some("qemu".to_owned());
        driver.format = Text::parse(format).ok();
    }
    driver.cache = match options.take("cache") {
        Some("off" | "none") => Some(Cache::None),
        Some("on" | "writeback") => Some(Cache::Writeback),
        Some("writethrough") => Some(Cache::Writethrough),
        Some("directsync") => Some(Cache::Directsync),
        Some("unsafe") => Some(Cache::Unsafe),
        _ => None,
    };
    driver.error_policy = options.take("werror").and_then(|word| match word {
        "enospc" => Some(ErrorPolicy::Enospace),
        word => ErrorPolicy::parse(word).ok(),
    });
    let read = options
        .take("rerror")
        .filter(|word| driver.error_policy.is_none_or(|policy| policy.as_str() != *word));
    driver.rerror_policy = read.and_then(|word| Text::parse(word).ok());
    driver.io = options.take("aio").and_then(|word| Text::parse(word).ok());
    (driver != DiskDriver::default()).then_some(driver)
}

/// `CEPH_ARGS`: the monitors of the first RBD disk.
pub(super) fn ceph_hosts(cx: &mut Importing<'_>) {
    let Some((_, word)) = cx.env.iter().find(|(name, _)| name == "CEPH_ARGS") else { return };
    let origin = word.origin();
    let Some(list) = word.text.strip_prefix("-m ").map(str::to_owned) else {
        return cx.refuse(origin, "`CEPH_ARGS` has to be `-m HOST[:PORT][,…]`".to_owned());
    };
    let first = cx.domain.devices.disks.iter_mut().find_map(|disk| match &mut disk.spec.source.kind {
        SourceKind::Network(network) if network.protocol == Some(Protocol::Rbd) => Some(network),
        _ => None,
    });
    let Some(network) = first else {
        return cx.refuse(origin, "`CEPH_ARGS` is set, and there is no RBD disk".to_owned());
    };
    for host in list.split(',').filter(|host| !host.is_empty()) {
        let (name, port) =
            host.split_once(':').map_or((host, None), |(name, port)| (name, port.parse().ok()));
        network.hosts.push(Host { name: Some(name.to_owned()), port, ..Host::default() });
    }
}
