//! `<watchdog>`: watchdog timers.

use domain_model::address::Place;
use domain_model::device::watchdog::{Watchdog, WatchdogAction, WatchdogModel};
use domain_model::os::Arch;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::{Devices, Era};
use crate::props::Props;
use crate::resolve::Resolving;
use crate::{address, os};

impl QemuDevice for Watchdog {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("watchdog{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, _: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        device.spec.action.get_or_insert(WatchdogAction::Reset);
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let watchdogs = &cx.domain.devices.watchdogs;
        let mut refuse = |path, message: String| {
            problems.push(Diagnostic::error(Code::Unsupported, device.at(path), message));
        };
        if watchdogs.first().is_some_and(|first| first.spec.action != device.spec.action) {
            refuse("@action", "all watchdogs of a guest have the same action".to_owned());
        }
        let model = device.spec.model;
        let is_second = watchdogs.iter().take(device.index).any(|other| other.spec.model == model);
        if model != WatchdogModel::I6300esb && is_second {
            refuse("@model", format!("a guest has one watchdog of model `{model}`"));
        }
        let place = device.info.address.as_ref().map(|address| &address.place);
        match model {
            WatchdogModel::I6300esb if !matches!(place, Some(Place::Pci(_)) | None) => {
                refuse("address/@type", "a watchdog of model `i6300esb` is on a PCI bus".to_owned());
            }
            WatchdogModel::Ib700 if cx.dialect.era == Era::Modern && !os::is_i440fx(cx.domain) => {
                refuse("@model", "a watchdog of model `ib700` is for PCs with the 440FX".to_owned());
            }
            WatchdogModel::Ib700 if place.is_some() => {
                refuse("address", "the address of a watchdog of model `ib700` cannot be chosen".to_owned());
            }
            WatchdogModel::Diag288 if !matches!(cx.domain.os.arch, Some(Arch::S390 | Arch::S390x)) => {
                refuse("@model", "a watchdog of model `diag288` is for s390x guests".to_owned());
            }
            WatchdogModel::Diag288 | WatchdogModel::Itco if place.is_some() => {
                refuse("address", format!("a watchdog of model `{model}` has no address"));
            }
            WatchdogModel::Itco if !os::is_q35(cx.domain) => {
                refuse("@model", "a watchdog of model `itco` is part of Q35 machines".to_owned());
            }
            _ => {}
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        if cx.dialect.devices == Devices::Options {
            out.text("-watchdog", device.spec.model.as_str(), device.at("@model"));
        } else if device.spec.model != WatchdogModel::Itco {
            let props =
                Props::new("driver", device.spec.model.as_str(), device.origin).set("id", device.alias);
            out.props("-device", address::address(props, device.info, cx));
        }
        let watchdogs = &cx.domain.devices.watchdogs;
        if device.index + 1 == watchdogs.len() {
            let is_itco = |other: &&Device<Self>| other.spec.model == WatchdogModel::Itco;
            if let Some(itco) = watchdogs.iter().find(is_itco)
                && cx.dialect.devices != Devices::Options
            {
                // The chipset is there anyhow; what has to be said is that its timer counts.
                out.text("-global", "ICH9-LPC.noreboot=off", itco.meta.origin);
            }
            action(device, out);
        }
    }
}

/// Says what happens when a timer runs out; it holds for all of them.
fn action(device: &Resolved<'_, Watchdog>, out: &mut Args) {
    let word = match device.spec.action.unwrap_or(WatchdogAction::Reset) {
        // QEMU stops the guest; whoever hears of it writes the dump.
        WatchdogAction::Dump => WatchdogAction::Pause.as_str(),
        action => action.as_str(),
    };
    out.text("-watchdog-action", word, device.at("@action"));
}
