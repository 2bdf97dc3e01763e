//! `<serial>` on the QEMU side.

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::device::serial::{Serial, SerialModel, SerialTargetType};
use domain_model::os::Arch;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::address::address;
use crate::arg::Args;
use crate::chardev::{self, Frontend};
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::{Chardevs, Era};
use crate::historic;
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;

impl QemuDevice for Serial {
    fn alias(_: &Device<Self>, index: usize, domain: &Domain, _: Inputs<'_>) -> String {
        format!("serial{}", super::numbered_before::<Self>(index, domain))
    }

    fn defaults(port: &mut Device<Self>, _: usize, cx: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        if cx.dialect.era == Era::Historic {
            return;
        }
        chardev::defaults(&mut port.spec.chardev);
        // `isa-serial` was what libvirt wrote for every serial port before it knew of others.
        if matches!(port.spec.target_type, None | Some(SerialTargetType::IsaSerial)) {
            port.spec.target_type = own_type(&cx.domain);
        }
        if port.spec.model.is_none() {
            port.spec.model = port.spec.target_type.and_then(|target| own_model(target, &cx.domain));
        }
    }

    fn validate(port: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        chardev::validate(&port.spec.chardev, port.origin, cx, problems);
        if cx.dialect.era == Era::Historic {
            return;
        }
        address_kind(port, problems);
        model(port, cx.domain, problems);
        if port.spec.target_type == Some(SerialTargetType::IsaDebug) && !crate::os::is_x86(cx.domain) {
            let message = "the debugging port of type `isa-debug` is one of x86 machines";
            problems.push(Diagnostic::error(Code::Unsupported, port.at("target/@type"), message));
        }
    }

    fn section(cx: &Context<'_>, out: &mut Args) {
        if cx.domain.devices.serials.is_empty() {
            historic::none("-serial", cx, out);
        }
        cx.each::<Self>().for_each(|port| Self::args(&port, cx, out));
    }

    fn args(port: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let first = port.index == 0;
        let is_other = !matches!(port.spec.target_type, None | Some(SerialTargetType::IsaSerial));
        if cx.dialect.era == Era::Historic && is_other {
            let message = "these QEMUs have serial ports of type `isa-serial` only";
            out.problem(Diagnostic::error(Code::Unsupported, port.at("target/@type"), message));
        }
        if cx.dialect.era == Era::Modern && port.spec.target_type.is_some() && port.spec.model.is_none() {
            let message = "this machine has no serial port of its own";
            out.problem(Diagnostic::error(Code::Malformed, port.at("target/@type"), message));
        }
        match cx.dialect.chardevs {
            Chardevs::Device => {
                let frontend = Frontend { is_console: first, ..Frontend::new(port.alias, port.origin) };
                let chardev = chardev::args(&port.spec.chardev, frontend, cx, out);
                match is_on_board(port.spec) && cx.dialect.era == Era::Modern {
                    true => out.text("-serial", format!("chardev:{chardev}"), port.origin),
                    false => out.props("-device", device(port, &chardev, cx)),
                }
                if port.spec.model == Some(SerialModel::PciSerial) {
                    out.needing(Capability::PciSerial);
                }
            }
            Chardevs::Legacy => chardev::legacy("-serial", &port.spec.chardev, port.origin, cx, out),
        }
    }
}

/// Whether the port is part of the machine: QEMU has no device for it that could be added.
fn is_on_board(port: &Serial) -> bool {
    matches!(port.model, Some(SerialModel::Pl011 | SerialModel::Ns16550a)) || port.target_type.is_none()
}

fn device(port: &Resolved<'_, Serial>, chardev: &str, cx: &Context<'_>) -> Props {
    let model = port.spec.model.unwrap_or(SerialModel::IsaSerial);
    let numbered = model == SerialModel::IsaSerial && cx.dialect.era == Era::Modern;
    let props = Props::new("driver", model.as_str(), port.at("target/model/@name"))
        .set("chardev", chardev)
        .set("id", port.alias)
        .set_at("index", port.spec.port.filter(|_| numbered), port.at("target/@port"));
    address(props, port.info, cx)
}

/// What carries serial ports on a machine unless something else is said.
fn own_type(domain: &Domain) -> Option<SerialTargetType> {
    match Board::of(domain) {
        _ if crate::os::is_x86(domain) => Some(SerialTargetType::IsaSerial),
        Board::Pseries => Some(SerialTargetType::SpaprVioSerial),
        Board::ArmVirt | Board::LoongarchVirt | Board::RiscvVirt => Some(SerialTargetType::SystemSerial),
        Board::S390Ccw => Some(SerialTargetType::SclpSerial),
        _ => None,
    }
}

fn own_model(target: SerialTargetType, domain: &Domain) -> Option<SerialModel> {
    Some(match target {
        SerialTargetType::IsaSerial => SerialModel::IsaSerial,
        SerialTargetType::UsbSerial => SerialModel::UsbSerial,
        SerialTargetType::PciSerial => SerialModel::PciSerial,
        SerialTargetType::SpaprVioSerial => SerialModel::SpaprVty,
        SerialTargetType::SclpSerial => SerialModel::Sclpconsole,
        SerialTargetType::IsaDebug => SerialModel::IsaDebugcon,
        SerialTargetType::SystemSerial => match Board::of(domain) {
            Board::ArmVirt => SerialModel::Pl011,
            Board::LoongarchVirt | Board::RiscvVirt => SerialModel::Ns16550a,
            _ => return None,
        },
    })
}

/// What carries a model.
fn carrier(model: SerialModel) -> SerialTargetType {
    match model {
        SerialModel::IsaSerial => SerialTargetType::IsaSerial,
        SerialModel::UsbSerial => SerialTargetType::UsbSerial,
        SerialModel::PciSerial => SerialTargetType::PciSerial,
        SerialModel::SpaprVty => SerialTargetType::SpaprVioSerial,
        SerialModel::Pl011 | SerialModel::Ns16550a => SerialTargetType::SystemSerial,
        SerialModel::Sclpconsole | SerialModel::Sclplmconsole => SerialTargetType::SclpSerial,
        SerialModel::IsaDebugcon => SerialTargetType::IsaDebug,
    }
}

fn address_kind(port: &Resolved<'_, Serial>, problems: &mut Vec<Diagnostic>) {
    let (Some(target), Some(address)) = (port.spec.target_type, &port.info.address) else { return };
    let (fits, wanted) = match (target, &address.place) {
        (SerialTargetType::IsaSerial | SerialTargetType::IsaDebug, place) => {
            (matches!(place, Place::Isa(_)), "isa")
        }
        (SerialTargetType::UsbSerial, place) => (matches!(place, Place::Usb(_)), "usb"),
        (SerialTargetType::PciSerial, place) => (matches!(place, Place::Pci(_)), "pci"),
        (SerialTargetType::SpaprVioSerial, place) => (matches!(place, Place::SpaprVio(_)), "spapr-vio"),
        (SerialTargetType::SystemSerial | SerialTargetType::SclpSerial, _) => {
            let message = format!("a serial port of type `{target}` has no address");
            problems.push(Diagnostic::error(Code::Unsupported, address.meta.origin, message));
            return;
        }
    };
    if !fits {
        let message = format!("a serial port of type `{target}` needs an address of type `{wanted}`");
        problems.push(Diagnostic::error(Code::Unsupported, address.meta.at("@type"), message));
    }
}

fn model(port: &Resolved<'_, Serial>, domain: &Domain, problems: &mut Vec<Diagnostic>) {
    let Some(model) = port.spec.model else { return };
    let target = carrier(model);
    if port.spec.target_type != Some(target) {
        let message = format!("serial port model `{model}` needs the target type `{target}`");
        problems.push(Diagnostic::error(Code::Unsupported, port.at("target/model/@name"), message));
        return;
    }
    let board = Board::of(domain);
    let fits = match model {
        SerialModel::Pl011 => board == Board::ArmVirt,
        SerialModel::Ns16550a => matches!(board, Board::RiscvVirt | Board::LoongarchVirt),
        SerialModel::SpaprVty => board == Board::Pseries,
        SerialModel::Sclpconsole | SerialModel::Sclplmconsole => {
            matches!(domain.os.arch, Some(Arch::S390 | Arch::S390x))
        }
        _ => true,
    };
    if !fits {
        let machine = domain.os.machine.as_deref().unwrap_or_default();
        let message = format!("serial port model `{model}` is not one of machine type `{machine}`");
        problems.push(Diagnostic::error(Code::Unsupported, port.at("target/model/@name"), message));
    }
}
