//! Serial and parallel ports, consoles and channels.

use domain_model::address::{Isa, Place, SpaprVio, VirtioSerial};
use domain_model::chardev::{CharSource, Chardev};
use domain_model::device::channel::{Channel, ChannelTarget, NamedPort};
use domain_model::device::console::{Console, ConsoleTargetType};
use domain_model::device::controller::{Controller, ControllerKind};
use domain_model::device::parallel::Parallel;
use domain_model::device::serial::{Serial, SerialTargetType};
use domain_model::virtio::VirtioModel;
use domain_model::xml::text::Hex;
use domain_model::{DeviceInfo, Origin};

use super::disk::{virtio_model, virtio_options};
use super::pci::Board;
use super::{Build, Frontend, usb, virtio};
use crate::import::chardev;
use crate::import::option::Opt;

/// `-serial` and `-parallel`.
pub(super) fn shorthands(build: &mut Build<'_, '_, '_>) {
    for (_, option) in build.named(&["serial", "parallel"]) {
        if option.value == "none" {
            option.take();
            continue;
        }
        let Some(chardev) = source(option, build) else { continue };
        option.take();
        match option.name.as_str() {
            "serial" => serial(chardev, option.origin, build),
            _ => parallel(chardev, option.origin, build),
        }
    }
}

fn source(option: &Opt, build: &mut Build<'_, '_, '_>) -> Option<Chardev> {
    let value = option.value.as_str();
    if let Some(id) = value.strip_prefix("chardev:") {
        return build.chardev(id);
    }
    if let Some(inner) = value.strip_prefix("mon:") {
        let source = chardev::shorthand(inner)?;
        let message = "the monitor on this port is left out; whoever starts the domain has one of its own";
        build.cx.left_out(option.origin, message.to_owned());
        return Some(Chardev { source, log: None });
    }
    // The size of a console in a window is up to whoever looks at it.
    let value = if value.starts_with("vc:") { "vc" } else { value };
    chardev::shorthand(value).map(|source| Chardev { source, log: None })
}

fn serial(chardev: Chardev, origin: Origin, build: &mut Build<'_, '_, '_>) {
    let port = u32::try_from(build.domain().devices.serials.len()).ok();
    build.add(Serial { chardev, port, ..Serial::default() }, origin, None);
}

fn parallel(chardev: Chardev, origin: Origin, build: &mut Build<'_, '_, '_>) {
    let port = u32::try_from(build.domain().devices.parallels.len()).ok();
    build.add(Parallel { chardev, port }, origin, None);
}

/// The ports that QEMU adds unless it is told not to.
pub(super) fn defaults(build: &mut Build<'_, '_, '_>) {
    if build.last(&["nodefaults"]).is_some() {
        return;
    }
    let is_nographic = build.last(&["nographic"]).is_some();
    let shows = !build.domain().devices.graphics.is_empty();
    let nowhere = || if shows { CharSource::Vc } else { CharSource::Null };
    let has = |build: &Build<'_, '_, '_>, flag, driver: &str| {
        build.last(flag).is_some() || build.options.iter().any(|option| option.peek("driver") == Some(driver))
    };
    let origin = Origin::always("QEMU has the port unless it is told to leave out defaults");
    if !has(build, &["serial"], "isa-serial") {
        let source = if is_nographic { CharSource::Stdio } else { nowhere() };
        serial(Chardev { source, log: None }, origin, build);
    }
    if Board::of(build) != Board::Other && !has(build, &["parallel"], "isa-parallel") {
        let source = if is_nographic { CharSource::Null } else { nowhere() };
        parallel(Chardev { source, log: None }, origin, build);
    }
}

/// Ports of `-device`.
pub(super) fn device<'o>(driver: &str, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    if let Some(model) = virtio(driver, "virtio-serial") {
        return controller(model, frontend, build);
    }
    let pairs = frontend.pairs;
    match driver {
        "isa-serial" | "isa-parallel" | "isa-debugcon" => {
            let chardev = build.chardev(pairs.take("chardev")?)?;
            let index = pairs.small::<u32>("index");
            let mut info = build.info(frontend);
            if driver != "isa-parallel" {
                let isa = Isa { iobase: pairs.number("iobase").map(Hex), irq: pairs.number("irq").map(Hex) };
                info.address = (isa != Isa::default())
                    .then(|| domain_model::address::Address::implied(Place::Isa(isa), frontend.origin()));
            }
            if driver == "isa-parallel" {
                let port = index.or_else(|| u32::try_from(build.domain().devices.parallels.len()).ok());
                return build.push(frontend, Parallel { chardev, port }, info);
            }
            let target_type = (driver == "isa-debugcon").then_some(SerialTargetType::IsaDebug);
            push_serial(Serial { chardev, target_type, port: index, model: None }, info, frontend, build)
        }
        "pci-serial" => {
            let info = build.pci_info(frontend)?;
            let chardev = build.chardev(pairs.take("chardev")?)?;
            let target_type = Some(SerialTargetType::PciSerial);
            push_serial(Serial { chardev, target_type, ..Serial::default() }, info, frontend, build)
        }
        "usb-serial" => {
            let info = usb::info(frontend, build)?;
            let chardev = build.chardev(pairs.take("chardev")?)?;
            let target_type = Some(SerialTargetType::UsbSerial);
            push_serial(Serial { chardev, target_type, ..Serial::default() }, info, frontend, build)
        }
        "spapr-vty" => {
            let chardev = build.chardev(pairs.take("chardev")?)?;
            let info = match pairs.number("reg").map(Hex) {
                Some(reg) => build.placed(frontend, Place::SpaprVio(SpaprVio { reg: Some(reg) })),
                None => build.info(frontend),
            };
            push_serial(Serial { chardev, ..Serial::default() }, info, frontend, build)
        }
        "virtserialport" => {
            let info = port_info(frontend, build)?;
            let chardev = build.chardev(pairs.take("chardev")?)?;
            let name = pairs.take("name").map(str::to_owned);
            let target = ChannelTarget::Virtio(NamedPort { name, state: None });
            build.push(frontend, Channel { chardev, target }, info)
        }
        "virtconsole" => {
            let info = port_info(frontend, build)?;
            let chardev = build.chardev(pairs.take("chardev")?)?;
            let target_type = Some(ConsoleTargetType::Virtio);
            build.push(frontend, Console { chardev, target_type, ..Console::default() }, info)
        }
        "sclpconsole" | "sclplmconsole" => {
            let chardev = build.chardev(pairs.take("chardev")?)?;
            let info = build.info(frontend);
            let is_line = driver == "sclplmconsole";
            let target_type = Some(if is_line { ConsoleTargetType::Sclplm } else { ConsoleTargetType::Sclp });
            build.push(frontend, Console { chardev, target_type, ..Console::default() }, info)
        }
        _ => None,
    }
}

fn push_serial<'o>(
    mut spec: Serial,
    info: DeviceInfo,
    frontend: Frontend<'o>,
    build: &mut Build<'o, '_, '_>,
) -> Option<()> {
    spec.port = spec.port.or_else(|| u32::try_from(build.domain().devices.serials.len()).ok());
    build.push(frontend, spec, info)
}

fn controller<'o>(model: VirtioModel, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let id = pairs.peek("id").map(str::to_owned);
    let info = build.pci_info(frontend)?;
    let model = virtio_model(model, pairs);
    let controllers = &build.domain().devices.controllers;
    let own = |kind: &ControllerKind| matches!(kind, ControllerKind::VirtioSerial { .. });
    let index = u32::try_from(controllers.iter().filter(|device| own(&device.spec.kind)).count()).ok()?;
    let kind = ControllerKind::VirtioSerial {
        model: (model != VirtioModel::Virtio).then_some(model),
        ports: pairs.small("max_ports"),
        vectors: pairs.small("vectors"),
    };
    let mut spec = Controller { kind, index: Some(index), ..Controller::default() };
    spec.driver.virtio = virtio_options(pairs);
    build.buses.insert(id.unwrap_or_default(), ("virtio-serial", index));
    build.push(frontend, spec, info)
}

/// What all devices share, and the port of a virtio-serial controller.
fn port_info<'o>(frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<DeviceInfo> {
    let pairs = frontend.pairs;
    let of_kind = |found: &&(&str, u32)| found.0 == "virtio-serial";
    let controller = match pairs.take("bus") {
        Some(bus) => build.buses.get(bus.strip_suffix(".0")?).filter(of_kind)?.1,
        None => build.buses.values().find(of_kind)?.1,
    };
    let port = pairs.small("nr");
    let place = VirtioSerial { controller: Some(controller), bus: Some(0), port };
    Some(build.placed(frontend, Place::VirtioSerial(place)))
}
