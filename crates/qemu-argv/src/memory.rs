//! `<memory>`: `-m`, `-overcommit`, and what backs the guest's memory.

use domain_model::memory::{Memory, MemoryAccess, MemorySource};
use domain_model::os::Arch;
use domain_model::values::Kib;
use domain_model::{Code, Diagnostic, Domain, Origin};

use crate::arg::Args;
use crate::context::Context;
use crate::props::Props;
use crate::resolve::Resolving;

/// The smallest amount of memory that QEMU and libvirt give a guest: 1 MiB, in KiB.
const MIB: u64 = 1024;

/// Fills in `<memory>` from NUMA cells, and `<currentMemory>`.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    let cells: u64 = numa_cells(cx).map(|size| size.0).sum();
    let modules: u64 = modules_kib(&cx.domain);
    let origin = cx.domain.memory.as_ref().map_or(cx.domain.meta.origin, |memory| memory.meta.origin);
    if cells > 0 {
        let rule = origin.implies("`<memory>` is the sum of the NUMA cells and memory modules");
        let memory = cx.domain.memory.get_or_insert_with(Memory::default);
        memory.size = Some(Kib(cells.saturating_add(modules)));
        memory.meta.origin = rule;
    }
    let Some(total) = cx.domain.memory.as_ref().and_then(|memory| memory.size) else {
        let message = "`<domain>` needs `<memory>`";
        cx.problems.push(Diagnostic::error(Code::MissingElement, cx.domain.meta.origin, message));
        return;
    };
    let current = cx.domain.current_memory.map_or(total, |current| current.min(total));
    cx.domain.current_memory = Some(if current.0 == 0 { total } else { current });
}

/// The size of all memory modules, in KiB.
fn modules_kib(domain: &Domain) -> u64 {
    domain.devices.memories.iter().map(|_| 0).sum()
}

fn numa_cells<'a>(cx: &'a Resolving<'_>) -> impl Iterator<Item = Kib> + 'a {
    let numa = cx.domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
    numa.into_iter().flat_map(|numa| numa.cells.iter().filter_map(|cell| cell.memory))
}

/// The memory the guest starts with, in KiB: all of it, without modules, in whole MiB.
pub(crate) fn initial_kib(cx: &Context<'_>) -> u64 {
    let total = cx.domain.memory.as_ref().and_then(|memory| memory.size).unwrap_or_default().0;
    let modules: u64 = modules_kib(cx.domain);
    round_up(total.saturating_sub(modules), alignment(cx))
}

fn alignment(cx: &Context<'_>) -> u64 {
    match cx.domain.os.arch {
        Some(Arch::Ppc64 | Arch::Ppc64le) => 256 * MIB,
        _ => MIB,
    }
}

/// Rounds up to a multiple; at the end of the range it stays as it is.
pub(crate) fn round_up(value: u64, multiple: u64) -> u64 {
    value.checked_next_multiple_of(multiple).unwrap_or(value)
}

/// `-m`, and the object that backs the memory of a guest without NUMA cells.
pub(crate) fn size(cx: &Context<'_>, out: &mut Args) {
    let origin = cx.domain.memory.as_ref().map_or(Origin::Built, |memory| memory.meta.origin);
    let initial = initial_kib(cx);
    let mut props = Props::plain(origin).set("size", format!("{initial}k"));
    if let Some(max) = &cx.domain.max_memory {
        let max_kib = round_up(max.size.unwrap_or_default().0, alignment(cx));
        props = props.set_at("slots", max.slots, max.meta.at("@slots")).set_at(
            "maxmem",
            format!("{max_kib}k"),
            max.meta.origin,
        );
    }
    out.props("-m", props);
    if let Some(id) = backend_id(cx) {
        let props = backend(id, initial.saturating_mul(1024), cx, origin);
        out.props("-object", props);
    }
}

/// The id of the object that backs the memory of a guest without NUMA cells, if the machine type has one.
pub(crate) fn backend_id<'a>(cx: &'a Context<'_>) -> Option<&'a str> {
    let has_numa = cx.domain.cpu.as_ref().is_some_and(|cpu| cpu.numa.is_some());
    let machine = cx.machine()?;
    if has_numa { None } else { machine.default_ram_id.as_deref() }
}

/// The object that backs a piece of memory, by what `<memoryBacking>` asks for; `size` is in bytes.
pub(crate) fn backend(id: &str, size: u64, cx: &Context<'_>, origin: Origin) -> Props {
    let backing = cx.domain.memory_backing.as_ref();
    let source = backing.and_then(|backing| backing.source);
    let shared = backing.and_then(|backing| backing.access).map(|access| access == MemoryAccess::Shared);
    let kind = match source {
        Some(MemorySource::Memfd) => "memory-backend-memfd",
        Some(MemorySource::File) => "memory-backend-file",
        Some(MemorySource::Anonymous) | None => "memory-backend-ram",
    };
    let source_origin = backing.map_or(origin, |backing| backing.meta.at("source/@type"));
    let access_origin = backing.map_or(origin, |backing| backing.meta.at("access/@mode"));
    let path = (source == Some(MemorySource::File)).then(|| {
        let config = cx.config();
        format!("{}/{}/{id}", config.memory_dir, config.short_name(cx.name()))
    });
    Props::new("qom-type", kind, origin)
        .set("id", id)
        .set_at("mem-path", path, source_origin)
        .set_at("share", shared, access_origin)
        .set("size", size)
}

/// `-overcommit mem-lock=…`
pub(crate) fn overcommit(cx: &Context<'_>, out: &mut Args) {
    let backing = cx.domain.memory_backing.as_ref();
    let locked = backing.is_some_and(|backing| backing.locked);
    let origin = match backing {
        Some(backing) if locked => backing.meta.at("locked"),
        _ => Origin::always("memory is not locked unless `<locked/>` asks for it"),
    };
    out.props("-overcommit", Props::plain(origin).set("mem-lock", locked));
}

/// `-numa`, and the objects that back the memory of NUMA cells.
pub(crate) fn numa(cx: &Context<'_>, out: &mut Args) {
    let Some(numa) = cx.domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref()) else { return };
    if let Some(cell) = numa.cells.first() {
        cx.not_yet("`<numa>`", cell.meta.origin, out);
    }
}
