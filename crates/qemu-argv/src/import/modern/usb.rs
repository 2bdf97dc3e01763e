//! USB: controllers, hubs and `-usbdevice`.

use domain_model::address::{Place, Usb, UsbPort};
use domain_model::device::controller::{Controller, ControllerKind, UsbModel};
use domain_model::device::hub::Hub;
use domain_model::device::input::{Input, InputBus, InputKind};
use domain_model::device::redirdev::Redirdev;
use domain_model::device::smartcard::{Smartcard, SmartcardMode};
use domain_model::xml::Text;
use domain_model::{Device, DeviceInfo, Origin};

use super::pci::{Board, root};
use super::{Build, Frontend};

/// The controllers, by QEMU's name.
const CONTROLLERS: &[(&str, UsbModel)] = &[
    ("ich9-usb-ehci1", UsbModel::Ich9Ehci1),
    ("ich9-usb-uhci1", UsbModel::Ich9Uhci1),
    ("ich9-usb-uhci2", UsbModel::Ich9Uhci2),
    ("ich9-usb-uhci3", UsbModel::Ich9Uhci3),
    ("nec-usb-xhci", UsbModel::NecXhci),
    ("pci-ohci", UsbModel::PciOhci),
    ("piix3-usb-uhci", UsbModel::Piix3Uhci),
    ("piix4-usb-uhci", UsbModel::Piix4Uhci),
    ("qemu-xhci", UsbModel::QemuXhci),
    ("usb-ehci", UsbModel::Ehci),
    ("vt82c686b-usb-uhci", UsbModel::Vt82c686bUhci),
];

fn usb(model: UsbModel, startport: Option<u32>) -> ControllerKind {
    ControllerKind::Usb { model: Some(model), ports: None, master_startport: startport }
}

/// Controllers: those that are plugged in, and the machine's own.
pub(super) fn controllers(build: &mut Build<'_, '_, '_>) {
    let mut on = build.flag(&["usb"]);
    for (_, option) in build.named(&["machine", "M"]) {
        if option.pairs.as_ref().and_then(|pairs| pairs.switch("usb")) == Some(true) {
            on = Some(option.origin);
        }
    }
    on = on.or_else(|| build.last(&["usbdevice"]).map(|option| option.origin));
    if let Some(origin) = on {
        built_in(origin, build);
    }
    for number in 0..build.options.len() {
        let Some(frontend) = build.frontend(number) else { continue };
        let driver = frontend.pairs.peek("driver");
        let Some((_, model)) = CONTROLLERS.iter().find(|(name, _)| Some(*name) == driver) else { continue };
        frontend.pairs.take("driver");
        match controller(*model, frontend, build) {
            Some(()) => frontend.option.take(),
            None => {
                build.kept.insert(number);
            }
        }
    }
}

/// What `-usb` means on each board.
fn built_in(origin: Origin, build: &mut Build<'_, '_, '_>) {
    let parts: &[(UsbModel, Option<u32>, u8, u8)] = match Board::of(build) {
        Board::I440fx => &[(UsbModel::Piix3Uhci, None, 1, 2)],
        Board::Q35 => &[
            (UsbModel::Ich9Ehci1, None, 29, 7),
            (UsbModel::Ich9Uhci1, Some(0), 29, 0),
            (UsbModel::Ich9Uhci2, Some(2), 29, 1),
            (UsbModel::Ich9Uhci3, Some(4), 29, 2),
        ],
        Board::Other => &[],
    };
    for (model, startport, slot, function) in parts {
        let spec = Controller { kind: usb(*model, *startport), index: Some(0), ..Controller::default() };
        build.add(spec, origin, Some(root(*slot, *function)));
    }
    build.buses.insert("usb-bus".to_owned(), ("usb", 0));
}

fn controller<'o>(model: UsbModel, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let id = pairs.peek("id").map(str::to_owned);
    let info = build.pci_info(frontend)?;
    // A companion belongs to the controller whose bus it serves.
    let master = pairs.take("masterbus").map(|bus| bus.trim_end_matches(".0").to_owned());
    let startport = pairs.small("firstport");
    let index = match &master {
        Some(master) => {
            build.buses.get(master.as_str()).filter(|(kind, _)| *kind == "usb").map(|(_, index)| *index)?
        }
        None => next(build),
    };
    let ports = match (pairs.small::<u32>("p2"), pairs.small::<u32>("p3")) {
        (Some(two), Some(three)) if two == three => Some(two),
        (None, None) => None,
        _ => return None,
    };
    let startport = master.as_ref().and(startport);
    let kind = ControllerKind::Usb { model: Some(model), ports, master_startport: startport };
    if master.is_none() {
        build.buses.insert(id.unwrap_or_default(), ("usb", index));
    }
    build.push(frontend, Controller { kind, index: Some(index), ..Controller::default() }, info)
}

/// The next free index of a USB controller.
fn next(build: &mut Build<'_, '_, '_>) -> u32 {
    let controllers = &build.domain().devices.controllers;
    let used = controllers.iter().filter(|device| matches!(device.spec.kind, ControllerKind::Usb { .. }));
    used.filter_map(|device| device.spec.index).max().map_or(0, |index| index.saturating_add(1))
}

/// What all devices share, and the port; `None` if the bus is not one of the domain's.
pub(super) fn info<'o>(frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<DeviceInfo> {
    let pairs = frontend.pairs;
    let has_usb = build.domain().devices.controllers.iter().any(is_usb);
    if !has_usb {
        return None;
    }
    let bus = match pairs.take("bus") {
        Some(bus) => {
            let name = bus.strip_suffix(".0")?;
            Some(build.buses.get(name).filter(|(kind, _)| *kind == "usb").map(|(_, index)| *index)?)
        }
        None => None,
    };
    let port = match pairs.take("port") {
        Some(port) => Some(UsbPort::parse(port).ok()?),
        None => None,
    };
    if bus.is_none() && port.is_none() {
        return Some(build.info(frontend));
    }
    Some(build.placed(frontend, Place::Usb(Usb { bus: Some(bus.unwrap_or(0)), port, device: None })))
}

fn is_usb(device: &Device<Controller>) -> bool {
    matches!(device.spec.kind, ControllerKind::Usb { .. })
}

/// `-usbdevice`.
pub(super) fn shorthands(build: &mut Build<'_, '_, '_>) {
    for (_, option) in build.named(&["usbdevice"]) {
        let kind = match option.value.as_str() {
            "tablet" => InputKind::Tablet,
            "mouse" => InputKind::Mouse,
            "keyboard" => InputKind::Keyboard,
            _ => continue,
        };
        option.take();
        build.add(Input { kind, bus: Some(InputBus::Usb), ..Input::default() }, option.origin, None);
    }
}

/// Keyboards, mice, hubs and redirected devices.
pub(super) fn device<'o>(driver: &str, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let input = match driver {
        "usb-tablet" => Some(InputKind::Tablet),
        "usb-mouse" => Some(InputKind::Mouse),
        "usb-kbd" => Some(InputKind::Keyboard),
        _ => None,
    };
    if let Some(kind) = input {
        let info = info(frontend, build)?;
        return build.push(frontend, Input { kind, bus: Some(InputBus::Usb), ..Input::default() }, info);
    }
    match driver {
        "usb-hub" => {
            let info = info(frontend, build)?;
            build.push(frontend, Hub::default(), info)
        }
        "usb-ccid" => {
            let id = frontend.pairs.peek("id").map(str::to_owned);
            let info = info(frontend, build)?;
            let kind = ControllerKind::Ccid;
            build.buses.insert(id.unwrap_or_default(), ("ccid", 0));
            build.push(frontend, Controller { kind, index: Some(0), ..Controller::default() }, info)
        }
        "ccid-card-passthru" => {
            let pairs = frontend.pairs;
            if let Some(bus) = pairs.take("bus") {
                build.buses.get(bus.strip_suffix(".0")?).filter(|(kind, _)| *kind == "ccid")?;
            }
            let chardev = build.chardev(pairs.take("chardev")?)?;
            let info = build.info(frontend);
            build.push(frontend, Smartcard { mode: SmartcardMode::Passthrough(chardev) }, info)
        }
        "usb-redir" => {
            let info = info(frontend, build)?;
            let chardev = build.chardev(frontend.pairs.take("chardev")?)?;
            build.push(frontend, Redirdev { chardev, ..Redirdev::default() }, info)
        }
        _ => None,
    }
}

/// Says that there is no USB, which libvirt would add.
pub(super) fn none(build: &mut Build<'_, '_, '_>) {
    if !build.domain().devices.controllers.iter().any(is_usb) {
        let origin = Origin::always("QEMU has no USB unless it is told to");
        let spec = Controller { kind: usb(UsbModel::None, None), index: Some(0), ..Controller::default() };
        build.add(spec, origin, None);
    }
}
