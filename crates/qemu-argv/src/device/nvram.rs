//! `<nvram>` on the QEMU side.

use domain_model::address::{Place, SpaprVio};
use domain_model::device::nvram::Nvram;
use domain_model::{Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::resolve::board::Board;
use caps_parser::Capability;

impl QemuDevice for Nvram {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("nvram{index}")
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let out = &mut Problems::new(cx, problems);
        if Board::of(cx.domain) != Board::Pseries {
            let message = format!("`<nvram>` is a device of pSeries machines, not of {}", out.machine());
            out.unsupported(device.origin, message);
        } else {
            out.requires(Capability::Nvram, "<nvram>", device.origin);
        }
    }

    fn args(device: &Resolved<'_, Self>, _: &Context<'_>, out: &mut Args) {
        let reg = match device.info.address.as_ref().map(|address| &address.place) {
            Some(Place::SpaprVio(SpaprVio { reg: Some(reg) })) => reg.0,
            _ => return,
        };
        // The machine has the device; where it is can only be said of all devices of the kind.
        out.text("-global", format!("spapr-nvram.reg={reg:#x}"), device.at("address/@reg"));
    }
}
