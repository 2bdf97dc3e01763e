//! Slots of memory modules.

use std::collections::HashSet;

use domain_model::address::{Address, Dimm, Place};
use domain_model::device::memory::MemoryKind;
use domain_model::{Code, Diagnostic};

use super::Resolving;

/// Gives every memory module without an address the next free slot.
pub(crate) fn assign(cx: &mut Resolving<'_>) {
    let Some(max) = &cx.domain.max_memory else { return };
    let slots = max.slots.unwrap_or(0);
    let modules = &mut cx.domain.devices.memories;
    let used: HashSet<u32> = modules
        .iter()
        .filter_map(|module| match module.info.address.as_ref()?.place {
            Place::Dimm(dimm) => dimm.slot,
            _ => None,
        })
        .collect();
    let mut free = (0..slots).filter(|slot| !used.contains(slot));
    for module in modules {
        let has_slot = matches!(module.spec.kind, MemoryKind::Dimm(_) | MemoryKind::Nvdimm(_));
        let is_settled = matches!(&module.info.address, Some(Address { place: Place::Dimm(_), .. }));
        if !has_slot || is_settled {
            continue;
        }
        match free.next() {
            Some(slot) => {
                let place = Place::Dimm(Dimm { slot: Some(slot), base: None });
                let origin = module.meta.origin.implies("the next free slot for memory modules");
                module.info.address = Some(Address::implied(place, origin));
            }
            None => {
                let message = format!("all {slots} slots for memory modules are in use");
                cx.problems.push(Diagnostic::error(Code::Exhausted, module.meta.origin, message));
            }
        }
    }
}
