//! `<memory>`: `-m`, `-overcommit`, and what backs the guest's memory.

pub(crate) mod backend;

use caps_parser::Capability;
use domain_model::device::hostdev::HostdevKind;
use domain_model::device::interface::InterfaceSource;
use domain_model::device::memory::{MemoryDevice, MemoryKind, Nvdimm};
use domain_model::memory::{Memory, MemoryAccess, MemoryAllocation, MemoryBacking, MemorySource, Memtune};
use domain_model::os::Arch;
use domain_model::values::Kib;
use domain_model::{Code, Diagnostic, Domain, Origin};

use crate::arg::Args;
use crate::check::Problems;
use crate::context::Context;
use crate::needs::LockedMemory;
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;
use backend::{Ram, backend, file_path, hugepage_path, pages};

/// The smallest amount of memory that QEMU and libvirt give a guest: 1 MiB, in KiB.
const MIB: u64 = 1024;

/// Fills in `<memory>` from NUMA cells if it is not written, and `<currentMemory>`.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    limits(cx);
    if let Some(max) = &mut cx.domain.max_memory {
        max.slots.take_if(|slots| *slots == 0);
    }
    if let Some(backing) = &mut cx.domain.memory_backing {
        backing.allocation_threads.take_if(|threads| *threads == 0);
    }
    cx.domain.memory_backing.take_if(|backing| *backing == MemoryBacking::default());
    crate::numa::usual_cell(cx);
    if cx.inputs.config.abi_update && matches!(Board::of(&cx.domain), Board::Pseries | Board::Ppc64) {
        cx.domain.devices.memories.iter_mut().for_each(|module| align_module(&mut module.spec));
    }
    let modules = modules_kib(&cx.domain);
    let written = cx.domain.memory.as_ref().and_then(|memory| memory.size).filter(|size| size.0 > 0);
    let cells: u64 = numa_cells(&cx.domain).map(|size| size.0).fold(0, u64::saturating_add);
    if (written.is_none() || cx.inputs.config.abi_update) && cells > 0 {
        let origin = cx.domain.cpu.as_ref().map_or(Origin::Built, |cpu| cpu.meta.at("numa"));
        let memory = cx.domain.memory.get_or_insert_with(Memory::default);
        memory.size = Some(Kib(cells.saturating_add(modules)));
        memory.meta.origin = origin.implies("`<memory>` is the sum of the NUMA cells and memory modules");
    }
    let Some(total) = cx.domain.memory.as_ref().and_then(|memory| memory.size) else {
        let message = "`<domain>` needs `<memory>`";
        cx.problems.push(Diagnostic::error(Code::MissingElement, cx.domain.meta.origin, message));
        return;
    };
    if modules >= total.0 {
        let message = match modules {
            0 => "a guest cannot be without memory".to_owned(),
            _ => format!("memory modules have {modules} KiB and `<memory>` only {} KiB", total.0),
        };
        let origin = cx.domain.meta.at("memory");
        cx.problems.push(Diagnostic::error(Code::MissingElement, origin, message));
    }
    let current = cx.domain.current_memory.map_or(total, |current| current.min(total));
    cx.domain.current_memory = Some(if current.0 == 0 { total } else { current });
}

/// Reports memory that QEMU cannot hold in the way that is asked for.
pub(crate) fn check(out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    if domain.memtune.as_ref().is_some_and(|tune| tune.min_guarantee.is_some()) {
        let message = "QEMU guests are guaranteed no memory; `<min_guarantee>` is for other hypervisors";
        out.unsupported(domain.meta.at("memtune/min_guarantee"), message);
    }
    let has_slots = domain.max_memory.as_ref().is_some_and(|max| max.size.is_some_and(|size| size.0 > 0));
    // QEMU would make a cell by itself, which the domain would not show.
    let needs_cells = !matches!(domain.os.arch, Some(Arch::Ppc64 | Arch::Ppc64le | Arch::S390x));
    if let Some(max) = domain.max_memory.as_ref().filter(|_| has_slots && needs_cells && !has_cells(domain)) {
        let message = "memory can be added to NUMA cells only, and the guest has none";
        out.unsupported(max.meta.origin, message);
    }
    modules(has_slots, out);
    let Some(backing) = &domain.memory_backing else { return };
    if backing.hugepages.is_none() {
        return;
    }
    if backing.allocation == Some(MemoryAllocation::Ondemand) {
        let message = "huge pages are set aside at once, not on demand";
        out.unsupported(backing.meta.at("allocation/@mode"), message);
    }
    if backing.allocation_threads.is_some_and(|threads| threads > 0) {
        let origin = backing.meta.at("allocation/@threads");
        out.requires(Capability::MemoryBackendFilePreallocThreads, "<allocation threads=…>", origin);
    }
    match backing.source {
        Some(MemorySource::Anonymous) => {
            let message = "huge pages do not come from anonymous memory";
            out.unsupported(backing.meta.at("source/@type"), message);
        }
        Some(MemorySource::Memfd) => {
            let origin = backing.meta.at("source/@type");
            out.requires(Capability::MemoryBackendMemfdHugetlb, "huge pages of `memfd`", origin);
        }
        Some(MemorySource::File) | None => {}
    }
}

/// Brings a module of a POWER guest to whole blocks: persistent memory becomes smaller, any other larger.
fn align_module(module: &mut MemoryDevice) {
    let Some(size) = module.size else { return };
    module.size = match &module.kind {
        MemoryKind::Nvdimm(Nvdimm { label_size: Some(label), .. }) => Some(labelled(size, *label)),
        MemoryKind::Nvdimm(_) => Some(size),
        _ => Some(Kib(round_up(size.0, 256 * MIB))),
    };
}

/// The size of persistent memory of pSeries, whose label is on top of whole blocks that the guest can use.
pub(crate) fn labelled(size: Kib, label: Kib) -> Kib {
    let usable = size.0.saturating_sub(label.0);
    Kib((usable - usable % (256 * MIB)).saturating_add(label.0))
}

/// Memory modules need room and slots.
fn modules(has_max: bool, out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    let modules = &domain.devices.memories;
    let Some(first) = modules.first() else { return };
    let Some(max) = domain.max_memory.as_ref().filter(|_| has_max) else {
        let message = "memory modules need `<maxMemory>`, which says how much there can be";
        out.unsupported(first.meta.origin, message);
        return;
    };
    let slots = max.slots.unwrap_or_default();
    let plugged = modules
        .iter()
        .filter(|module| matches!(module.spec.kind, MemoryKind::Dimm(_) | MemoryKind::Nvdimm(_)));
    if let Some(last) = plugged.clone().nth(usize::try_from(slots).unwrap_or(usize::MAX)) {
        let message = format!("there are {slots} slots for memory modules, and {} modules", plugged.count());
        out.unsupported(last.meta.origin, message);
    }
    let total = domain.memory.as_ref().and_then(|memory| memory.size).unwrap_or_default();
    let added = modules_kib(domain);
    let room = max.size.unwrap_or_default().0.saturating_sub(total.0.saturating_sub(added));
    if added > room {
        let message =
            format!("the memory modules have {added} KiB, and `<maxMemory>` leaves room for {room}");
        out.unsupported(max.meta.origin, message);
    }
}

/// Drops limits that are none: the largest number of KiB that libvirt writes.
fn limits(cx: &mut Resolving<'_>) {
    const UNLIMITED: u64 = 9_007_199_254_740_991;
    let Some(tune) = &mut cx.domain.memtune else { return };
    for limit in
        [&mut tune.hard_limit, &mut tune.soft_limit, &mut tune.min_guarantee, &mut tune.swap_hard_limit]
    {
        *limit = limit.filter(|limit| limit.0 < UNLIMITED);
    }
    if *tune == Memtune::default() {
        cx.domain.memtune = None;
    }
}

/// The size of all memory modules, in KiB.
fn modules_kib(domain: &Domain) -> u64 {
    let sizes = domain.devices.memories.iter().filter_map(|device| device.spec.size);
    sizes.map(|size| size.0).fold(0, u64::saturating_add)
}

fn numa_cells(domain: &Domain) -> impl Iterator<Item = Kib> + '_ {
    let numa = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
    numa.into_iter().flat_map(|numa| numa.cells.iter().filter_map(|cell| cell.memory))
}

/// The memory the guest starts with, in KiB: all of it, without modules, in units that QEMU takes.
pub(crate) fn initial_kib(cx: &Context<'_>) -> u64 {
    let total = cx.domain.memory.as_ref().and_then(|memory| memory.size).unwrap_or_default().0;
    if cx.config().incoming.is_some() {
        // `-m` is in MiB, and what is over was never the guest's.
        return total.saturating_sub(modules_kib(cx.domain)) / MIB * MIB;
    }
    let unit = alignment(cx);
    let cells = numa_cells(cx.domain).map(|size| round_up(size.0, unit)).fold(0, u64::saturating_add);
    if cells > 0 {
        return cells;
    }
    round_up(total.saturating_sub(modules_kib(cx.domain)), unit)
}

/// What the sizes of memory are multiples of, in KiB.
pub(crate) fn alignment(cx: &Context<'_>) -> u64 {
    // A guest that comes from elsewhere has the sizes that it had there.
    if cx.config().incoming.is_some() {
        return 1;
    }
    match Board::of(cx.domain) {
        Board::Pseries | Board::Ppc64 => 256 * MIB,
        _ => MIB,
    }
}

/// What the sizes of memory modules are multiples of, in KiB: the size of the largest pages that guests like.
pub(crate) fn module_alignment(cx: &Context<'_>) -> u64 {
    match Board::of(cx.domain) {
        Board::Pseries => 256 * MIB,
        _ => 2 * MIB,
    }
}

/// Rounds up to a multiple; at the end of the range it stays as it is.
pub(crate) fn round_up(value: u64, multiple: u64) -> u64 {
    value.checked_next_multiple_of(multiple).unwrap_or(value)
}

/// `-m`, and the object that holds the memory of a guest without NUMA cells.
pub(crate) fn size(cx: &Context<'_>, out: &mut Args) {
    let origin = cx.domain.memory.as_ref().map_or(Origin::Built, |memory| memory.meta.origin);
    too_much(cx, out);
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
    if has_cells(cx.domain) {
        return;
    }
    match backend_id(cx) {
        Some(id) => {
            let ram = Ram { is_main: true, ..Ram::new(id, initial.saturating_mul(1024), origin) };
            backend(&ram, cx, out).emit(out);
        }
        None => path(cx, out),
    }
}

/// Refuses sizes that do not fit into 63 bits of bytes once they are rounded up.
fn too_much(cx: &Context<'_>, out: &mut Args) {
    const MOST: u64 = i64::MAX.unsigned_abs() >> 10;
    let unit = alignment(cx);
    let cells = cx.domain.cpu.iter().flat_map(|cpu| &cpu.numa).flat_map(|numa| &numa.cells);
    let cells = cells.filter_map(|cell| Some((cell.memory?, cell.meta.at("@memory"))));
    let max = cx.domain.max_memory.iter().filter_map(|max| Some((max.size?, max.meta.origin)));
    let whole = cx.domain.memory.iter().filter_map(|memory| Some((memory.size?, memory.meta.origin)));
    for (size, origin) in cells.chain(whole).chain(max) {
        if round_up(size.0, unit) > MOST {
            let message = format!("{} KiB are more than a guest can have once they are rounded up", size.0);
            out.problem(Diagnostic::error(Code::Unsupported, origin, message));
        }
    }
}

fn has_cells(domain: &Domain) -> bool {
    domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref()).is_some_and(|numa| !numa.cells.is_empty())
}

/// The id of the object that holds the memory of a guest without NUMA cells, if the machine type has one.
pub(crate) fn backend_id<'a>(cx: &'a Context<'_>) -> Option<&'a str> {
    if has_cells(cx.domain) { None } else { cx.machine()?.default_ram_id.as_deref() }
}

/// `-mem-prealloc` and `-mem-path`: how memory without an object of its own is held.
pub(crate) fn path(cx: &Context<'_>, out: &mut Args) {
    let Some(backing) = &cx.domain.memory_backing else { return };
    let huge = pages(cx, None, None).huge;
    let immediate = backing.allocation == Some(MemoryAllocation::Immediate);
    if huge.is_some() || immediate {
        out.flag("-mem-prealloc", backing.meta.at(if immediate { "allocation/@mode" } else { "hugepages" }));
    }
    let file = (backing.source == Some(MemorySource::File)).then(|| file_path("ram", cx));
    match huge {
        Some(size) => {
            let origin = backing.meta.at("hugepages");
            if let Some(path) = hugepage_path(size, cx, origin, out) {
                out.text("-mem-path", path, origin);
            }
        }
        None => {
            if let Some(path) = file {
                out.text("-mem-path", path, backing.meta.at("source/@type"));
            }
        }
    }
}

/// What QEMU has to be able to keep from being swapped out: everything if the domain says so, and the memory that
/// devices of the host reach by themselves.
///
/// How much QEMU needs besides the guest's memory nobody knows; libvirt allows 1 GiB if there is no hard limit.
fn locked_memory(cx: &Context<'_>, locked: Option<Origin>) -> Option<LockedMemory> {
    let domain = cx.domain;
    let hostdevs = domain.devices.hostdevs.iter().filter_map(|device| {
        matches!(device.spec.kind, HostdevKind::Pci(_) | HostdevKind::Mdev(_)).then_some(device.meta.origin)
    });
    let cards = domain.devices.interfaces.iter().filter_map(|device| {
        matches!(device.spec.source, InterfaceSource::Hostdev(_) | InterfaceSource::Vdpa { .. })
            .then_some(device.meta.origin)
    });
    let origin = locked.or_else(|| hostdevs.chain(cards).next())?;
    let hard_limit = domain.memtune.as_ref().and_then(|tune| tune.hard_limit).and_then(Kib::bytes);
    let guest = domain.memory.as_ref().and_then(|memory| memory.size).and_then(Kib::bytes);
    let bytes = match (hard_limit, locked) {
        (Some(limit), _) => limit,
        (None, Some(_)) => u64::MAX,
        (None, None) => guest.unwrap_or_default().saturating_add(1 << 30),
    };
    Some(LockedMemory { bytes, origin })
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
    out.needs.locked_memory = locked_memory(cx, locked.then_some(origin));
}

/// Whether all of the guest's memory is shared with other processes, as those need that serve its devices.
pub(crate) fn is_shared(domain: &Domain) -> bool {
    let whole = domain.memory_backing.as_ref().and_then(|backing| backing.access);
    let numa = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
    let cells = numa.map(|numa| numa.cells.as_slice()).unwrap_or_default();
    match cells {
        [] => whole == Some(MemoryAccess::Shared),
        cells => cells.iter().all(|cell| cell.mem_access.or(whole) == Some(MemoryAccess::Shared)),
    }
}
