//! What cannot work of memory modules.

use domain_model::Code;
use domain_model::address::Place;
use domain_model::device::memory::{MemoryDevice, MemoryKind, VirtioMem};
use domain_model::memory::MemoryAccess;
use domain_model::os::Arch;
use domain_model::xml::Tagged;
use domain_model::xml::text::YesNo;

use crate::check::Problems;
use crate::context::Resolved;

/// The smallest block of virtual memory in KiB: a transparent huge page.
const MIN_BLOCK: u64 = 2048;

/// Reports what a kind of module does not have.
pub(super) fn check(device: &Resolved<'_, MemoryDevice>, out: &mut Problems<'_>) {
    let memory = device.spec;
    let at = |path| device.at(path);
    let tag = memory.kind.tag();
    let is_ppc = matches!(out.cx.domain.os.arch, Some(Arch::Ppc64 | Arch::Ppc64le));
    let place = device.info.address.as_ref().map(|address| &address.place);
    let (fits, wanted) = match (&memory.kind, place) {
        (_, None) | (MemoryKind::SgxEpc { .. }, _) => (true, ""),
        (MemoryKind::Dimm(_) | MemoryKind::Nvdimm(_), Some(place)) => {
            (matches!(place, Place::Dimm(_)), "dimm")
        }
        (_, Some(place)) => (matches!(place, Place::Pci(_) | Place::Ccw(_)), "pci"),
    };
    if !fits {
        let message = format!("a module of the model `{tag}` has an address of type `{wanted}`");
        let is_module = matches!(memory.kind, MemoryKind::Dimm(_) | MemoryKind::Nvdimm(_));
        out.refuse(if is_module { Code::Conflict } else { Code::Unsupported }, at("address/@type"), message);
    }
    let discards = memory.discard == Some(YesNo::Yes);
    match &memory.kind {
        MemoryKind::Nvdimm(nvdimm) => {
            if is_ppc && nvdimm.label_size.is_none_or(|size| size.0 == 0) {
                out.unsupported(device.origin, "persistent memory of POWER machines needs a `<label>`");
            }
            if !is_ppc && memory.uuid.is_some() {
                out.unsupported(at("uuid"), "only persistent memory of POWER machines has a `<uuid>`");
            }
        }
        MemoryKind::VirtioPmem { .. } => {
            if memory.access == Some(MemoryAccess::Private) {
                out.unsupported(
                    at("@access"),
                    "a module of the model `virtio-pmem` has no `access='private'`",
                );
            }
            if memory.node.is_some() {
                out.unsupported(at("target/node"), "a module of the model `virtio-pmem` is in no NUMA cell");
            }
        }
        MemoryKind::VirtioMem(memory) => blocks(memory, device, out),
        MemoryKind::Dimm(_) | MemoryKind::SgxEpc { .. } => {}
    }
    if discards && matches!(memory.kind, MemoryKind::Nvdimm(_) | MemoryKind::VirtioPmem { .. }) {
        let message = format!("the content of a module of the model `{tag}` is not to be discarded");
        out.unsupported(at("@discard"), message);
    }
    let is_in_cell = !matches!(memory.kind, MemoryKind::VirtioPmem { .. } | MemoryKind::SgxEpc { .. });
    if is_in_cell && memory.node.is_none() && crate::numa::cell(out.cx.domain, 0).is_some() {
        out.unsupported(at("target"), "a module of a guest with NUMA cells needs the `<node>` that it is in");
    }
    let others = out.cx.domain.devices.memories.iter().take(device.index);
    let slot = |place: Option<&Place>| match place {
        Some(Place::Dimm(dimm)) => dimm.slot,
        _ => None,
    };
    let mut taken =
        others.filter_map(|other| slot(other.info.address.as_ref().map(|address| &address.place)));
    if let Some(slot) = slot(place)
        && taken.any(|taken| taken == slot)
    {
        out.unsupported(at("address/@slot"), format!("another module is in slot {slot}"));
    }
    let slots = out.cx.domain.max_memory.as_ref().and_then(|max| max.slots).unwrap_or_default();
    if let Some(Place::Dimm(dimm)) = place
        && let Some(slot) = dimm.slot.filter(|slot| u64::from(*slot) >= u64::from(slots))
    {
        out.unsupported(at("address/@slot"), format!("there are {slots} slots, from 0, and no slot {slot}"));
    }
}

/// Virtual memory comes and goes in blocks.
fn blocks(memory: &VirtioMem, device: &Resolved<'_, MemoryDevice>, out: &mut Problems<'_>) {
    let requested = memory.requested.map_or(0, |size| size.0);
    let size = device.spec.size.map_or(0, |size| size.0);
    let mut refuse = |path, message: String| out.refuse(Code::Conflict, device.at(path), message);
    if requested > size {
        refuse("target/requested", format!("{requested} KiB are more than the module's {size} KiB"));
    }
    let block = memory.block.map_or(0, |block| block.0);
    if !block.is_power_of_two() {
        refuse("target/block", format!("a block is a power of two, not {block} KiB"));
    } else if block < MIN_BLOCK {
        refuse("target/block", format!("a block has at least {MIN_BLOCK} KiB, not {block}"));
    } else if !requested.is_multiple_of(block) {
        refuse("target/requested", format!("{requested} KiB are not whole blocks of {block} KiB"));
    } else if memory.base.is_some_and(|base| !base.0.is_multiple_of(block.saturating_mul(1024))) {
        refuse("target/address/@base", format!("the address is that of a block of {block} KiB"));
    }
}
