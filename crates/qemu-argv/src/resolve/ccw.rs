//! Device numbers in the channel subsystem of IBM Z.

use std::collections::HashSet;

use caps_parser::Capability;
use domain_model::address::{Address, Ccw, Place};
use domain_model::device::hostdev::{HostdevKind, MdevModel};
use domain_model::xml::text::Hex;
use domain_model::{Code, Diagnostic};

use super::board::Board;
use super::{Resolving, virtio, walk};

/// The channel subsystem of virtio devices.
const CSSID: u64 = 0xfe;
/// The last subchannel set.
const LAST_SSID: u64 = 3;
/// The last device number of a set.
const LAST_DEVNO: u64 = 0xffff;

/// The rule behind addresses that nobody wrote.
const RULE: &str = "the next free device number";

/// Gives every device on the channel subsystem a number.
pub(crate) fn assign(cx: &mut Resolving<'_>) {
    if Board::of(&cx.domain) != Board::S390Ccw {
        return;
    }
    let open = Place::Ccw(Ccw::default());
    for hostdev in &mut cx.domain.devices.hostdevs {
        let HostdevKind::Mdev(mdev) = &hostdev.spec.kind else { continue };
        match mdev.model {
            MdevModel::VfioCcw if cx.inputs.has(Capability::VfioCcw) && hostdev.info.address.is_none() => {
                let origin = hostdev.meta.origin.implies(RULE);
                hostdev.info.address = Some(Address::implied(open.clone(), origin));
            }
            // Crypto adapters have no address of their own.
            MdevModel::VfioAp => hostdev.info.address = None,
            _ => {}
        }
    }
    virtio::claim(&mut cx.domain.devices, &open, RULE, true);
    let mut used = HashSet::new();
    let mut problems = Vec::new();
    walk::each(&mut cx.domain.devices, |visit| {
        let origin = visit.address_origin();
        if let Some(Place::Ccw(Ccw { cssid, ssid, devno: Some(devno) })) = place(visit.info)
            && !used.insert((cssid.unwrap_or(Hex(CSSID)).0, ssid.unwrap_or_default().0, devno.0))
        {
            let message = format!("device number {:#06x} is in use already", devno.0);
            problems.push(Diagnostic::error(Code::Conflict, origin, message));
        }
    });
    let mut next = (0, 0);
    walk::each(&mut cx.domain.devices, |visit| {
        let origin = visit.address_origin();
        let Some(Place::Ccw(ccw)) = place(visit.info) else { return };
        if ccw.devno.is_some() {
            return;
        }
        while used.contains(&(CSSID, next.0, next.1)) && next.0 <= LAST_SSID {
            next = if next.1 < LAST_DEVNO { (next.0, next.1 + 1) } else { (next.0 + 1, 0) };
        }
        if next.0 > LAST_SSID {
            problems.push(Diagnostic::error(Code::Exhausted, origin, "no device number is left"));
            return;
        }
        used.insert((CSSID, next.0, next.1));
        *ccw = Ccw { cssid: Some(Hex(CSSID)), ssid: Some(Hex(next.0)), devno: Some(Hex(next.1)) };
    });
    cx.problems.extend(problems);
}

fn place(info: &mut domain_model::DeviceInfo) -> Option<&mut Place> {
    info.address.as_mut().map(|address| &mut address.place)
}
