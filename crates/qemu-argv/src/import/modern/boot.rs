//! Firmware, kernels and the order in which devices are booted from.

use domain_model::device::disk::DiskDevice;
use domain_model::features::Smm;
use domain_model::os::{BootDevice, BootDeviceKind, FirmwareFormat, Loader, LoaderType, Nvram};
use domain_model::xml::text::{OnOff, YesNo};

use super::{Build, image, machine};
use crate::import::historic::boot_device;
use crate::import::option::Opt;
use crate::import::pairs::Pairs;

/// Reads firmware and kernel.
pub(super) fn read(build: &mut Build<'_, '_, '_>) {
    for (_, option) in build.named(&["kernel", "initrd", "append", "dtb", "shim"]) {
        let os = &mut build.domain().os;
        let place = match option.name.as_str() {
            "kernel" => &mut os.kernel,
            "initrd" => &mut os.initrd,
            "append" => &mut os.cmdline,
            "dtb" => &mut os.dtb,
            _ => &mut os.shim,
        };
        *place = Some(option.value.clone());
        option.take();
    }
    if let Some(option) = build.last(&["bios"]) {
        option.take();
        let (path, kind) = (Some(option.value.clone()), Some(LoaderType::Rom));
        build.domain().os.loader = Some(Loader { path, kind, ..Loader::default() });
    }
    flash(build);
    if let Some(option) = build.named(&["global"]).map(|(_, option)| option).find(|option| {
        matches!(
            option.value.as_str(),
            "driver=cfi.pflash01,property=secure,value=on"
                | "cfi.pflash01.secure=on"
                | "cfi.pflash01.secure=true"
        )
    }) && let Some(loader) = &mut build.domain().os.loader
    {
        loader.secure = Some(YesNo::Yes);
        option.take();
        machine::features_of(build).smm.get_or_insert(Smm { state: OnOff::On, ..Smm::default() });
    }
}

/// The firmware in the first flash, and its variables in the second.
fn flash(build: &mut Build<'_, '_, '_>) {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (_, option) in build.named(&["drive", "pflash"]) {
        let pairs = option.pairs.as_ref();
        if option.name == "drive" && option.peek("if") != Some("pflash") {
            continue;
        }
        let unit = option.peek("unit").or(option.peek("index")).and_then(|unit| unit.parse().ok());
        let part = match pairs {
            None => Part { path: Some(option.value.clone()), ..Part::new(vec![option]) },
            Some(pairs) => Part {
                path: pairs.take("file").map(str::to_owned),
                format: pairs.word("format"),
                readonly: pairs.switch("readonly").or_else(|| pairs.switch("read-only")).unwrap_or(false),
                is_all: {
                    pairs.take_any(&["if", "unit", "index", "id"]);
                    pairs.is_spent()
                },
                ..Part::new(vec![option])
            },
        };
        let unit: usize = unit.unwrap_or(parts.len()).min(7);
        while parts.len() <= unit {
            parts.push(Part::new(Vec::new()));
        }
        if let Some(place) = parts.get_mut(unit) {
            *place = part;
        }
    }
    for (unit, key) in ["pflash0", "pflash1"].into_iter().enumerate() {
        let machines = build.named(&["machine", "M"]).filter_map(|(_, option)| option.pairs.as_ref());
        let Some(machine) = machines.filter(|pairs| pairs.peek(key).is_some()).last() else { continue };
        let Some(part) = machine.peek(key).and_then(|node| node_part(build, node)) else { return };
        machine.take(key);
        while parts.len() <= unit {
            parts.push(Part::new(Vec::new()));
        }
        if let Some(place) = parts.get_mut(unit) {
            *place = part;
        }
    }
    let mut parts = parts.into_iter();
    let Some(code) = parts.next().filter(|part| part.is_all && part.path.is_some()) else { return };
    let variables = parts.next();
    if variables.as_ref().is_some_and(|part| !part.is_all || part.path.is_none()) || parts.next().is_some() {
        return;
    }
    let taken = code.options.iter().chain(variables.iter().flat_map(|part| &part.options));
    taken.for_each(|option| option.take());
    let is_writable = !code.readonly;
    let os = &mut build.domain().os;
    os.loader = Some(Loader {
        readonly: Some(if is_writable { YesNo::No } else { YesNo::Yes }),
        kind: Some(LoaderType::Pflash),
        format: code.format.filter(|format| *format != FirmwareFormat::Raw),
        path: code.path,
        // Without a second flash there is nowhere to keep variables.
        stateless: (variables.is_none() && !is_writable).then_some(YesNo::Yes),
        ..Loader::default()
    });
    os.nvram = variables.map(|part| Nvram {
        path: part.path,
        format: part.format.filter(|format| *format != FirmwareFormat::Raw),
        ..Nvram::default()
    });
}

/// The content of a flash.
struct Part<'o> {
    options: Vec<&'o Opt>,
    path: Option<String>,
    format: Option<FirmwareFormat>,
    readonly: bool,
    is_all: bool,
}

impl<'o> Part<'o> {
    fn new(options: Vec<&'o Opt>) -> Self {
        Part { options, path: None, format: None, readonly: false, is_all: true }
    }
}

fn node_part<'o>(build: &Build<'o, '_, '_>, node: &str) -> Option<Part<'o>> {
    let found = image::of_node(build, node, 0)?;
    let path = found.source.path()?.to_owned();
    let format = found.format.and_then(|format| domain_model::xml::Text::parse(format.as_str()).ok());
    let (options, readonly) = (found.options, found.readonly);
    Some(Part { path: Some(path), format, readonly, ..Part::new(options) })
}

/// Reads `-boot`, when all devices are there.
pub(super) fn order(build: &mut Build<'_, '_, '_>) {
    let mut letters = None;
    for (_, option) in build.named(&["boot"]) {
        option.take();
        let Some(pairs) = &option.pairs else { continue };
        letters = pairs.take("order").or(letters);
        if let Some(on) = pairs.switch("menu") {
            build.domain().os.bootmenu = Some(YesNo::from(on));
        }
        if build.domain().os.bootmenu == Some(YesNo::Yes) {
            build.domain().os.bootmenu_timeout = pairs.small("splash-time");
        }
        build.domain().os.bios_reboot_timeout =
            pairs.take("reboot-timeout").and_then(|text| text.parse().ok());
        // libvirt is always strict.
        pairs.switch("strict");
        let left = machine::left(pairs);
        machine::pass_left(build, "-boot", &left, option.origin);
    }
    let has_orders = has_orders(build);
    let devices: Vec<BootDeviceKind> = match letters {
        Some(letters) => letters.chars().filter_map(boot_device).collect(),
        None if build.domain().os.kernel.is_some() => Vec::new(),
        None => usual(build),
    };
    if !has_orders {
        let boot = devices.into_iter().map(|dev| BootDevice { dev, ..BootDevice::default() });
        build.domain().os.boot = boot.collect();
    } else if let Some(letters) = letters {
        let origin = build.last(&["boot"]).map_or(domain_model::Origin::Built, |option| option.origin);
        build.cx.pass("-boot", &format!("order={letters}"), origin);
    }
}

/// QEMU boots from disks, floppies and CD-ROMs if it is not told otherwise.
fn usual(build: &mut Build<'_, '_, '_>) -> Vec<BootDeviceKind> {
    let disks = &build.domain().devices.disks;
    let has = |kind| disks.iter().any(|disk| disk.spec.device() == kind && !disk.spec.source.is_empty());
    let mut kinds = vec![BootDeviceKind::Hd];
    kinds.extend(has(DiskDevice::Floppy).then_some(BootDeviceKind::Fd));
    kinds.extend(has(DiskDevice::Cdrom).then_some(BootDeviceKind::Cdrom));
    kinds
}

fn has_orders(build: &mut Build<'_, '_, '_>) -> bool {
    let devices = &build.domain().devices;
    let infos = (devices.disks.iter().map(|device| &device.info))
        .chain(devices.interfaces.iter().map(|device| &device.info))
        .chain(devices.hostdevs.iter().map(|device| &device.info));
    infos.into_iter().any(|info| info.boot.is_some())
}

/// Whether pairs are those of a flash.
pub(super) fn is_flash(pairs: &Pairs) -> bool {
    pairs.peek("if") == Some("pflash")
}
