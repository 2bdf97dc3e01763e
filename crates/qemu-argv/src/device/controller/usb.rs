//! USB controllers.

use caps_parser::Capability;
use domain_model::device::controller::{Controller, ControllerKind, UsbModel};
use domain_model::{Code, Diagnostic};

use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::props::Props;
use crate::resolve::board::Board;
use crate::resolve::controllers::is_usb2;

/// The properties of a USB controller; none if the guest has no USB.
pub(super) fn props(
    model: Option<UsbModel>,
    ports: Option<u32>,
    master_startport: Option<u32>,
    device: &Resolved<'_, Controller>,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<Props> {
    let Some(chosen) = model else {
        // A controller without a model is a place for an address on IBM Z, and nothing that QEMU has.
        if Board::of(cx.domain) == Board::S390Ccw {
            return None;
        }
        let message = "this QEMU has no USB controller that could be the default; name a model";
        out.problem(Diagnostic::error(Code::Unsupported, device.origin, message));
        return None;
    };
    let (driver, _) = qemu(chosen)?;
    let props = Props::new("driver", driver, device.at("@model"));
    let is_xhci = matches!(model, Some(UsbModel::NecXhci | UsbModel::QemuXhci));
    if ports.is_some() && !is_xhci {
        let message = format!("the number of ports of a USB controller of the model `{chosen}` is fixed");
        out.problem(Diagnostic::error(Code::Unsupported, device.at("@ports"), message));
        return None;
    }
    let props = props.set_at("p2", ports, device.at("@ports")).set_at("p3", ports, device.at("@ports"));
    let (Some(port), true) = (master_startport, is_usb2(model)) else {
        return Some(props.set("id", device.alias));
    };
    let at_port = device.at("master/@startport");
    let Some(master) = master(device, cx) else {
        let message = "a companion needs the controller of the same `index` whose ports it looks after";
        out.problem(Diagnostic::error(Code::Malformed, at_port, message));
        return None;
    };
    Some(props.set("masterbus", format!("{master}.0")).set_at("firstport", port, at_port))
}

/// The capability of a QEMU that has a model.
pub(super) fn needs(model: Option<UsbModel>) -> Option<Capability> {
    qemu(model?).map(|(_, needed)| needed)
}

/// QEMU's name of the model, and the capability of a QEMU that has it.
fn qemu(model: UsbModel) -> Option<(&'static str, Capability)> {
    Some(match model {
        UsbModel::Piix3Uhci => ("piix3-usb-uhci", Capability::Piix3UsbUhci),
        UsbModel::Piix4Uhci => ("piix4-usb-uhci", Capability::Piix4UsbUhci),
        UsbModel::Ehci => ("usb-ehci", Capability::UsbEhci),
        UsbModel::Ich9Ehci1 => ("ich9-usb-ehci1", Capability::Ich9UsbEhci1),
        UsbModel::Ich9Uhci1 => ("ich9-usb-uhci1", Capability::Ich9UsbEhci1),
        UsbModel::Ich9Uhci2 => ("ich9-usb-uhci2", Capability::Ich9UsbEhci1),
        UsbModel::Ich9Uhci3 => ("ich9-usb-uhci3", Capability::Ich9UsbEhci1),
        UsbModel::Vt82c686bUhci => ("vt82c686b-usb-uhci", Capability::Vt82c686bUsbUhci),
        UsbModel::PciOhci => ("pci-ohci", Capability::PciOhci),
        UsbModel::NecXhci => ("nec-usb-xhci", Capability::NecUsbXhci),
        UsbModel::QemuXhci => ("qemu-xhci", Capability::QemuXhci),
        UsbModel::Qusb1 | UsbModel::Qusb2 | UsbModel::None => return None,
    })
}

/// The controller whose slow devices a companion serves: the one of the same number that is none itself.
fn master<'a>(device: &Resolved<'_, Controller>, cx: &'a Context<'_>) -> Option<&'a str> {
    let place = cx.domain.devices.controllers.iter().position(|other| {
        other.spec.index == device.spec.index
            && matches!(other.spec.kind, ControllerKind::Usb { master_startport: None, .. })
    })?;
    cx.alias::<Controller>(place)
}
