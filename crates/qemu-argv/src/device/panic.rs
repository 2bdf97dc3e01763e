//! `<panic>`: devices that report a crashed guest.

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::device::panic::{Panic, PanicModel};
use domain_model::os::Arch;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Era;
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;
use crate::{address, os};

impl QemuDevice for Panic {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("panic{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, cx: &Resolving<'_>, problems: &mut Vec<Diagnostic>) {
        if device.spec.model.is_some() {
            return;
        }
        device.spec.model = match Board::of(&cx.domain) {
            Board::Pseries => Some(PanicModel::Pseries),
            Board::S390Ccw => Some(PanicModel::S390),
            Board::ArmVirt => Some(PanicModel::Pvpanic),
            _ if os::is_x86(&cx.domain) => Some(PanicModel::Isa),
            _ => None,
        };
        if device.spec.model.is_none() {
            let message = "this machine has no panic device of its own";
            let problem = Diagnostic::error(Code::Unsupported, device.meta.origin, message);
            problems.push(problem.help("`model='pvpanic'` is a PCI device"));
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let Some(model) = device.spec.model else { return };
        let mut others = cx.domain.devices.panics.iter().take(device.index);
        if others.any(|other| other.spec.model == Some(model)) {
            let message = format!("there is a panic device of model `{model}` already");
            problems.push(Diagnostic::error(Code::Conflict, device.at("@model"), message));
        }
        let place = device.info.address.as_ref().map(|address| &address.place);
        if cx.dialect.era == Era::Modern {
            let needed = match model {
                PanicModel::Isa => Some(Capability::Pvpanic),
                PanicModel::Pvpanic => Some(Capability::PvpanicPci),
                PanicModel::Hyperv | PanicModel::Pseries | PanicModel::S390 => None,
            };
            if let Some(needed) = needed.filter(|needed| !cx.has(*needed)) {
                let what = format!("<panic model='{model}'>");
                problems.push(crate::gate::missing(needed, &what, device.at("@model"), cx.inputs.caps));
            }
        }
        let mut refuse = |path, message: String| {
            problems.push(Diagnostic::error(Code::Unsupported, device.at(path), message));
        };
        let fits = match model {
            PanicModel::Isa | PanicModel::Hyperv => os::is_x86(cx.domain),
            PanicModel::Pseries => Board::of(cx.domain) == Board::Pseries,
            PanicModel::S390 => matches!(cx.domain.os.arch, Some(Arch::S390 | Arch::S390x)),
            PanicModel::Pvpanic => true,
        };
        if !fits {
            refuse("@model", format!("this machine has no panic device of model `{model}`"));
        }
        let bus = match (model, place) {
            (PanicModel::Pvpanic, None) if cx.dialect.era == Era::Modern => "is on a PCI bus",
            (_, None)
            | (PanicModel::Isa, Some(Place::Isa(_)))
            | (PanicModel::Pvpanic, Some(Place::Pci(_))) => {
                return;
            }
            (PanicModel::Isa, Some(_)) => "is on the ISA bus",
            (PanicModel::Pvpanic, Some(_)) => "is on a PCI bus",
            (PanicModel::Pseries | PanicModel::Hyperv | PanicModel::S390, Some(_)) => "has no address",
        };
        refuse("address", format!("a panic device of model `{model}` {bus}"));
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        match device.spec.model {
            Some(PanicModel::Isa) => {
                let iobase = match device.info.address.as_ref().map(|address| &address.place) {
                    Some(Place::Isa(isa)) => address::first_port(isa, cx),
                    _ => None,
                };
                let props = Props::new("driver", "pvpanic", device.origin).set_at(
                    "ioport",
                    iobase,
                    device.at("address/@iobase"),
                );
                out.props("-device", props);
                out.needing(Capability::Pvpanic);
            }
            Some(PanicModel::Pvpanic) => {
                let props = Props::new("driver", "pvpanic-pci", device.origin);
                out.props("-device", address::address(props, device.info, cx));
                out.needing(Capability::PvpanicPci);
            }
            // The machine or the processor has it.
            Some(PanicModel::Pseries | PanicModel::Hyperv | PanicModel::S390) | None => {}
        }
    }
}
