//! `<numa>`: the guest's NUMA cells, their distances and caches.

use std::collections::BTreeSet;

use caps_parser::Capability;
use domain_model::cpu::{
    CacheAssociativity, CachePolicy, Cell, CellCache, Cpu, Interconnect, InterconnectKind, Numa, Sibling,
};
use domain_model::device::memory::MemoryKind;
use domain_model::memory::Placement;
use domain_model::numatune::{Memnode, Numatune, NumatuneMemory};
use domain_model::values::{CpuSet, Kib};
use domain_model::xml::Meta;
use domain_model::{Code, Diagnostic, Domain, Origin};

use crate::arg::Args;
use crate::check::Problems;
use crate::context::Context;
use crate::memory::backend::{Ram, backend};
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;

/// The distance within a cell, and from cell to cell where nothing is said (ACPI's SLIT).
const LOCAL: u32 = 10;
const REMOTE: u32 = 20;

/// A cell, by its number.
pub(crate) fn cell(domain: &Domain, id: u32) -> Option<&Cell> {
    let numa = domain.cpu.as_ref()?.numa.as_ref()?;
    numa.ids().zip(&numa.cells).find(|(of, _)| *of == id).map(|(_, cell)| cell)
}

/// What `<numatune>` says of the memory of a cell.
pub(crate) fn memnode(domain: &Domain, id: u32) -> Option<&Memnode> {
    domain.numatune.as_ref()?.memnodes.iter().find(|memnode| memnode.cellid == id)
}

/// Memory can be added to cells only, so a new guest that has room for more and no cell gets one with everything in it.
///
/// Channel I/O machines have no cells, and take memory without.
pub(crate) fn usual_cell(cx: &mut Resolving<'_>) {
    let domain = &mut cx.domain;
    let has_cells = domain.cpu.iter().flat_map(|cpu| &cpu.numa).any(|numa| !numa.cells.is_empty());
    let Some(max) = domain.max_memory.as_ref().filter(|max| max.size.is_some_and(|size| size.0 > 0)) else {
        return;
    };
    if has_cells || !cx.inputs.config.abi_update || Board::of(domain) == Board::S390Ccw {
        return;
    }
    let meta =
        Meta::from_origin(max.meta.origin.implies("memory is added to a cell, and a guest without has one"));
    let Some(mut memory) = domain.memory.as_ref().and_then(|memory| memory.size) else { return };
    for module in &mut domain.devices.memories {
        let module = &mut module.spec;
        memory.0 = memory.0.saturating_sub(module.size.map_or(0, |size| size.0));
        if matches!(module.kind, MemoryKind::Dimm(_) | MemoryKind::Nvdimm(_) | MemoryKind::VirtioMem(_)) {
            module.node.get_or_insert(0);
        }
    }
    let processors = domain.vcpu.as_ref().and_then(|vcpu| vcpu.count).unwrap_or(1).min(CpuSet::MAX + 1);
    let cpus = Some((0..processors).collect());
    let cell = Cell { id: Some(0), cpus, memory: Some(memory), meta: meta.clone(), ..Cell::default() };
    let cpu = domain.cpu.get_or_insert_with(|| Cpu { meta: meta.clone(), ..Cpu::default() });
    cpu.numa.get_or_insert_with(|| Numa { meta, ..Numa::default() }).cells.push(cell);
}

/// Puts the cells in order, and fills in distances in both directions and processors without a cell.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    placement(cx);
    cx.domain.numatune.take_if(|tune| tune.memory.is_none() && tune.memnodes.is_empty());
    let processors = cx.domain.vcpu.as_ref().and_then(|vcpu| vcpu.count).unwrap_or(1);
    let Some(numa) = cx.domain.cpu.as_mut().and_then(|cpu| cpu.numa.as_mut()) else { return };
    for (place, cell) in (0..).zip(&mut numa.cells) {
        cell.id.get_or_insert(place);
    }
    numa.cells.sort_by_key(|cell| cell.id);
    symmetric(&mut numa.cells);
    let placed: usize = numa.cells.iter().filter_map(|cell| cell.cpus.as_ref()).map(CpuSet::len).sum();
    let processors = processors.min(CpuSet::MAX + 1);
    let taken = |id: u32| {
        numa.cells.iter().skip(1).any(|cell| cell.cpus.as_ref().is_some_and(|cpus| cpus.contains(id)))
    };
    if u32::try_from(placed).is_ok_and(|placed| placed < processors) {
        let rest: CpuSet = (0..processors).filter(|id| !taken(*id)).collect();
        if let Some(first) = numa.cells.first_mut() {
            first.cpus = Some(rest);
        }
    }
}

/// Who chooses processors chooses memory too, unless something else is said.
fn placement(cx: &mut Resolving<'_>) {
    let domain = &mut cx.domain;
    let pinned = domain.cputune.as_ref().is_some_and(|tune| {
        tune.emulator_pin.is_some() || !tune.vcpu_pins.is_empty() || !tune.iothread_pins.is_empty()
    });
    let memory = domain.numatune.as_ref().and_then(|tune| tune.memory.as_ref());
    let auto_memory = memory.is_some_and(|memory| memory.placement == Some(Placement::Auto));
    let vcpu = domain.vcpu.as_ref();
    let vcpu_auto = vcpu.and_then(|vcpu| vcpu.placement) == Some(Placement::Auto);
    let auto_cpus = vcpu_auto || auto_memory && !pinned && vcpu.is_none_or(|vcpu| vcpu.cpuset.is_none());
    let chosen = if auto_cpus { Placement::Auto } else { Placement::Static };
    let origin = match vcpu {
        Some(vcpu) => vcpu.meta.at("@placement").implies("memory is placed where the processors are"),
        None => Origin::Built,
    };
    if let Some(vcpu) = &mut domain.vcpu {
        vcpu.placement = Some(chosen);
        vcpu.current.take_if(|current| *current == vcpu.count.unwrap_or(1));
        if vcpu_auto {
            // Who leaves the choice to numad has not chosen.
            vcpu.cpuset = None;
        }
    }
    if auto_cpus && memory.is_none() {
        let meta = Meta::from_origin(origin);
        let tune =
            domain.numatune.get_or_insert_with(|| Numatune { meta: meta.clone(), ..Numatune::default() });
        tune.memory = Some(NumatuneMemory { meta, ..NumatuneMemory::default() });
    }
    let Some(memory) = domain.numatune.as_mut().and_then(|tune| tune.memory.as_mut()) else { return };
    memory.mode.get_or_insert_default();
    let automatic = match memory.placement {
        Some(placement) => placement == Placement::Auto,
        None => memory.nodeset.is_none() && auto_cpus,
    };
    if automatic {
        memory.placement = Some(Placement::Auto);
        memory.nodeset = None;
    } else {
        if memory.nodeset.is_none() && memory.placement.is_none() {
            let message = "memory that comes from certain nodes needs the attribute `nodeset`";
            cx.problems.push(Diagnostic::error(Code::Unsupported, memory.meta.origin, message));
        }
        // A list of nodes says by itself that they are chosen.
        memory.placement = None;
    }
}

/// A distance holds for the way back as well, unless that has one of its own.
fn symmetric(cells: &mut [Cell]) {
    let written: Vec<(u32, u32, u32, Origin)> = cells
        .iter()
        .flat_map(|cell| {
            let from = cell.id.unwrap_or_default();
            cell.distances.iter().map(move |to| (from, to.id, to.value, to.meta.origin))
        })
        .collect();
    for (from, to, value, origin) in written {
        let implied = [
            (to, from, value, "the way back is as far"),
            (from, from, LOCAL, "a cell is near to itself"),
            (to, to, LOCAL, "a cell is near to itself"),
        ];
        for (from, to, value, rule) in implied {
            let Some(cell) = cells.iter_mut().find(|cell| cell.id == Some(from)) else { continue };
            if cell.distances.iter().all(|sibling| sibling.id != to) {
                let meta = Meta::from_origin(origin.implies(rule));
                cell.distances.push(Sibling { id: to, value, meta });
                cell.distances.sort_by_key(|sibling| sibling.id);
            }
        }
    }
    // Of several distances to one cell the last holds, whatever the first has implied.
    for cell in cells {
        let mut seen = BTreeSet::new();
        cell.distances.reverse();
        cell.distances.retain(|sibling| seen.insert(sibling.id));
        cell.distances.reverse();
    }
}

/// Reports what the QEMU in use cannot say of cells.
pub(crate) fn check(out: &mut Problems<'_>) {
    if has_hmat(out.cx.domain) {
        let origin = out.cx.domain.meta.at("cpu/numa");
        out.requires(Capability::NumaHmat, "<interconnects> and <cache> of <numa>", origin);
    }
    let domain = out.cx.domain;
    let cpus = domain.vcpu.as_ref().and_then(|vcpu| vcpu.count).unwrap_or(1);
    let numa = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
    for cell in numa.iter().flat_map(|numa| &numa.cells) {
        if let Some(last) = cell.cpus.as_ref().and_then(CpuSet::last).filter(|last| *last >= cpus) {
            let message = format!("the guest has {cpus} CPUs, from 0, and no CPU {last}");
            out.refuse(Code::Exhausted, cell.meta.at("@cpus"), message);
        }
    }
}

/// Whether the guest is told how fast memory is (ACPI's HMAT).
pub(crate) fn has_hmat(domain: &Domain) -> bool {
    let numa = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
    numa.is_some_and(|numa| {
        numa.interconnects.is_some() || numa.cells.iter().any(|cell| !cell.caches.is_empty())
    })
}

/// `-numa`, and the objects that hold the memory of the cells.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    let Some(numa) = cx.domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref()) else { return };
    if numa.cells.is_empty() {
        return;
    }
    let hmat = has_hmat(cx.domain);
    let unit = crate::memory::alignment(cx);
    let backends: Vec<_> = numa
        .ids()
        .zip(&numa.cells)
        .map(|(id, cell)| {
            let kib = crate::memory::round_up(cell.memory.unwrap_or_default().0, unit);
            let name = format!("ram-node{id}");
            let ram = Ram { cell: Some(id), ..Ram::new(&name, kib.saturating_mul(1024), cell.meta.origin) };
            (id, cell, kib, backend(&ram, cx, out))
        })
        .collect();
    // Machine types of old versions take plain amounts, and migrate only with them.
    let by_amount = cx.machine().is_some_and(|machine| machine.numa_mem)
        && !hmat
        && backends.iter().all(|(.., backend)| backend.is_plain);
    if by_amount {
        crate::memory::path(cx, out);
    }
    let Some(first) = numa.ids().zip(&numa.cells).find(|(_, cell)| cell.cpus.is_some()).map(|(id, _)| id)
    else {
        let message = "at least one NUMA cell needs CPUs";
        out.problem(Diagnostic::error(Code::Unsupported, numa.meta.origin, message));
        return;
    };
    for (id, cell, kib, backend) in backends {
        let node = Props::new("type", "node", cell.meta.origin).set("nodeid", id);
        let runs = cell.cpus.iter().flat_map(CpuSet::runs);
        let node = runs.fold(node, |node, (from, to)| {
            let range = if from == to { from.to_string() } else { format!("{from}-{to}") };
            node.set_at("cpus", range, cell.meta.at("@cpus"))
        });
        let initiator = hmat.then(|| initiator(numa, id, cell).unwrap_or(first));
        let node = node.set("initiator", initiator);
        if by_amount {
            out.props("-numa", node.set_at("mem", kib / 1024, cell.meta.at("@memory")));
        } else {
            backend.emit(out);
            out.props("-numa", node.set("memdev", format!("ram-node{id}")));
        }
    }
    distances(numa, out);
    if hmat {
        interconnects(numa, out);
        caches(numa, out);
    }
}

/// The cell whose processors are nearest to the memory of a cell: the cell itself, or the fastest to read it.
fn initiator(numa: &Numa, id: u32, cell: &Cell) -> Option<u32> {
    if cell.cpus.is_some() {
        return Some(id);
    }
    let bandwidths = &numa.interconnects.as_ref()?.bandwidths;
    let to_cell = bandwidths.iter().filter(|way| way.path.target == id && way.path.cache.is_none());
    to_cell.max_by_key(|way| way.value).map(|way| way.path.initiator)
}

/// `-numa dist`: all distances if there is one.
fn distances(numa: &Numa, out: &mut Args) {
    if numa.cells.iter().all(|cell| cell.distances.is_empty()) {
        return;
    }
    for (from, cell) in numa.ids().zip(&numa.cells) {
        for to in numa.ids() {
            let written = cell.distances.iter().find(|sibling| sibling.id == to);
            let value = match written {
                Some(sibling) => sibling.value,
                None if from == to => LOCAL,
                None => REMOTE,
            };
            let origin = match written {
                Some(sibling) => sibling.meta.origin,
                None => cell.meta.origin.implies("if one distance is given, QEMU needs all of them"),
            };
            let props = Props::new("type", "dist", origin).set("src", from).set("dst", to).set("val", value);
            out.props("-numa", props);
        }
    }
}

/// `-numa hmat-lb`: how fast memory is.
fn interconnects(numa: &Numa, out: &mut Args) {
    let Some(interconnects) = &numa.interconnects else { return };
    for way in &interconnects.latencies {
        out.props("-numa", way_props(way, "latency", way.value.to_string()));
    }
    for way in &interconnects.bandwidths {
        let Kib(kib) = way.value;
        out.props("-numa", way_props(way, "bandwidth", format!("{kib}K")));
    }
}

fn way_props<T>(way: &Interconnect<T>, what: &'static str, value: String) -> Props {
    let hierarchy = match way.path.cache {
        None | Some(0) => "memory",
        Some(1) => "first-level",
        Some(2) => "second-level",
        Some(_) => "third-level",
    };
    let access = match way.path.kind {
        InterconnectKind::Access => "access",
        InterconnectKind::Read => "read",
        InterconnectKind::Write => "write",
    };
    Props::new("type", "hmat-lb", way.meta.origin)
        .set("initiator", way.path.initiator)
        .set("target", way.path.target)
        .set_at("hierarchy", hierarchy, way.meta.at("@cache"))
        .set_at("data-type", format!("{access}-{what}"), way.meta.at("@type"))
        .set_at(what, value, way.meta.at("@value"))
}

/// `-numa hmat-cache`: caches in front of memory.
fn caches(numa: &Numa, out: &mut Args) {
    for (id, cell) in numa.ids().zip(&numa.cells) {
        for cache in &cell.caches {
            out.props("-numa", cache_props(id, cache));
        }
    }
}

fn cache_props(cell: u32, cache: &CellCache) -> Props {
    let associativity = match cache.associativity {
        CacheAssociativity::None => "none",
        CacheAssociativity::Direct => "direct",
        CacheAssociativity::Full => "complex",
    };
    let policy = match cache.policy {
        CachePolicy::None => "none",
        CachePolicy::Writeback => "write-back",
        CachePolicy::Writethrough => "write-through",
    };
    let at = |path| cache.meta.at(path);
    Props::new("type", "hmat-cache", cache.meta.origin)
        .set("node-id", cell)
        .set_at("size", format!("{}K", cache.size.unwrap_or_default().0), at("size/@value"))
        .set_at("level", cache.level, at("@level"))
        .set_at("associativity", associativity, at("@associativity"))
        .set_at("policy", policy, at("@policy"))
        .set_at("line", cache.line.map(|line| line.0).filter(|line| *line > 0), at("line/@value"))
}
