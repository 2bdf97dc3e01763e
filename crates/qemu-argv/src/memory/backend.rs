//! `memory-backend-*`: the objects that hold the guest's memory.

use caps_parser::Capability;
use domain_model::memory::{MemoryAccess, MemoryAllocation, MemorySource, Page, Placement};
use domain_model::numatune::NumatuneMode;
use domain_model::values::{CpuSet, Kib};
use domain_model::{Code, Diagnostic, Origin};

use crate::arg::Args;
use crate::config::Layout;
use crate::context::Context;
use crate::props::{ListStyle, Props, Value};

/// The size of ordinary pages of the hosts that libvirt's command lines are for, in KiB.
const PAGE: u64 = 4;

/// A piece of the guest's memory.
#[derive(Debug, Clone)]
pub(crate) struct Ram<'a> {
    /// The id of the object.
    pub id: &'a str,
    /// The last part of the path of the file that holds it, where one is made for it.
    pub file_name: &'a str,
    /// The size in bytes.
    pub size: u64,
    /// The guest NUMA cell that it belongs to.
    pub cell: Option<u32>,
    /// Who sees what the guest writes, if the piece itself says so.
    pub access: Option<MemoryAccess>,
    /// Whether the content is given up when the guest ends, if the piece itself says so.
    pub discard: Option<bool>,
    /// The size of its pages, if the piece itself says so.
    pub page: Option<Kib>,
    /// The host's NUMA nodes, if the piece itself says so.
    pub nodes: Option<&'a CpuSet>,
    /// The file that keeps the content, if the piece has one of its own.
    pub file: Option<RamFile<'a>>,
    /// Whether it is all the memory of a guest without NUMA cells, which migrates by its old name.
    pub is_main: bool,
    /// Whether the guest is offered less than there is, so that nothing is set aside for it.
    pub is_resizable: bool,
    /// Where it was written.
    pub origin: Origin,
}

/// A file of its own that keeps the content of a piece of memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RamFile<'a> {
    /// Its path.
    pub path: &'a str,
    /// Whether it is filled before the guest starts.
    pub prealloc: bool,
    /// The alignment of its mapping, in bytes.
    pub align: Option<u64>,
    /// Whether the host's memory that it is on is persistent.
    pub is_persistent: bool,
}

impl<'a> Ram<'a> {
    /// A piece that leaves everything to `<memoryBacking>` and `<numatune>`.
    pub fn new(id: &'a str, size: u64, origin: Origin) -> Self {
        Ram {
            id,
            file_name: id,
            size,
            cell: None,
            access: None,
            discard: None,
            page: None,
            nodes: None,
            file: None,
            is_main: false,
            is_resizable: false,
            origin,
        }
    }
}

/// The object for a piece of memory.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Another object whose threads set the memory aside, near to it.
    context: Option<Props>,
    props: Props,
    /// Whether an amount of memory without an object would do as well.
    pub is_plain: bool,
}

impl Backend {
    /// The same amount of memory as protected pages for SGX enclaves, which are always set aside.
    pub fn into_enclave(mut self) -> Self {
        let id = self.props.get("id").cloned();
        let props = Props::new("qom-type", "memory-backend-epc", self.props.origin())
            .set("id", id)
            .set("prealloc", true);
        self.props = ["size", "host-nodes", "policy"].into_iter().fold(props, |props, key| {
            let value = self.props.get(key).cloned();
            props.set(key, value)
        });
        self.context = None;
        self
    }

    /// Adds the `-object` arguments.
    pub fn emit(self, out: &mut Args) {
        out.list.extend(self.context.map(object));
        out.list.push(object(self.props));
    }
}

fn object(props: Props) -> crate::arg::Arg {
    let origin = props.origin();
    crate::arg::Arg { flag: "-object", payload: crate::arg::Payload::Props(props), origin, needs: None }
}

/// The pages that a piece of memory gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pages {
    /// The size of huge pages in KiB; `None` for ordinary ones.
    pub huge: Option<u64>,
    /// Whether they are asked for this piece alone, and not for all memory.
    special: bool,
}

/// The pages for a piece of memory.
pub(crate) fn pages(cx: &Context<'_>, cell: Option<u32>, own: Option<Kib>) -> Pages {
    if let Some(Kib(size)) = own.filter(|size| size.0 > 0) {
        return Pages { huge: (size != PAGE).then_some(size), special: size != PAGE };
    }
    let backing = cx.domain.memory_backing.as_ref();
    let Some(hugepages) = backing.and_then(|backing| backing.hugepages.as_ref()) else {
        return Pages { huge: None, special: false };
    };
    let for_cell = |page: &&Page| {
        page.nodeset.as_ref().is_some_and(|nodes| cell.is_some_and(|cell| nodes.contains(cell)))
    };
    let special = hugepages.pages.iter().find(for_cell);
    let general = || hugepages.pages.iter().rfind(|page| page.nodeset.is_none());
    let page = special.or_else(general);
    let default = || cx.config().hugepage_mounts.first().map(|(size, _)| *size);
    let size = match page {
        Some(page) => page.size.map(|size| size.0).or_else(default),
        // `<hugepages/>` alone asks for the host's default size.
        None if hugepages.pages.is_empty() => default(),
        None => None,
    };
    let huge = size.filter(|size| *size != PAGE);
    Pages { huge, special: special.is_some() && huge.is_some() }
}

/// The object for a piece of memory, by what the piece, `<memoryBacking>` and `<numatune>` ask for.
pub(crate) fn backend(ram: &Ram<'_>, cx: &Context<'_>, out: &mut Args) -> Backend {
    let domain = cx.domain;
    let backing = domain.memory_backing.as_ref();
    let at = |path| backing.map_or(ram.origin, |backing| backing.meta.at(path));
    let cell = ram.cell.and_then(|cell| crate::numa::cell(domain, cell));
    let access = ram.access.or_else(|| cell?.mem_access).or_else(|| backing?.access);
    let discard = ram
        .discard
        .or_else(|| cell?.discard.map(bool::from))
        .or_else(|| backing.and_then(|backing| backing.discard.then_some(true)));
    let source = backing.and_then(|backing| backing.source);
    let pages = pages(cx, ram.cell, ram.page);
    let prealloc = pages.huge.is_some()
        || ram.file.is_some_and(|file| file.prealloc)
        || backing.is_some_and(|backing| backing.allocation == Some(MemoryAllocation::Immediate));
    let share = access.map(|access| access == MemoryAccess::Shared);

    // Without libvirt nobody prepares directories on hugetlbfs; anonymous files need none.
    let by_memfd = ram.file.is_none()
        && (source == Some(MemorySource::Memfd)
            || (cx.config().layout == Layout::Run
                && pages.huge.is_some()
                && cx.has(Capability::MemoryBackendMemfdHugetlb)));
    let by_file =
        ram.file.is_some() || pages.huge.is_some() || access.is_some() || source == Some(MemorySource::File);
    let kind = match (by_memfd, by_file) {
        (true, _) => "memory-backend-memfd",
        (false, true) => "memory-backend-file",
        (false, false) => "memory-backend-ram",
    };
    let mut props = Props::new("qom-type", kind, ram.origin).set("id", ram.id);
    if by_memfd {
        if let Some(size) = pages.huge {
            props = props
                .requires(Capability::MemoryBackendMemfdHugetlb, "hugetlb", true, at("hugepages"))
                .set_at("hugetlbsize", size.saturating_mul(1024), at("hugepages"));
        }
    } else if by_file {
        let own = ram.file.map(|file| cx.config().path(file.path));
        let (path, origin) = match pages.huge {
            _ if own.is_some() => (own, ram.origin),
            Some(size) => (hugepage_path(size, cx, at("hugepages"), out), at("hugepages")),
            None => (Some(file_path(ram.file_name, cx)), at("source/@type")),
        };
        props = props.set_at("mem-path", path, origin).set_at("discard-data", discard, at("discard"));
    }
    if by_memfd || by_file {
        let old_name = ram.is_main && cx.has(Capability::MemoryBackendFileXUseCanonicalPathForRamblockId);
        props = props.set_at("share", share, at("access/@mode")).when(old_name, |props| {
            let rule = Origin::always("main memory keeps the name by which older QEMUs migrate it");
            props.set_at("x-use-canonical-path-for-ramblock-id", false, rule)
        });
    }
    if ram.is_resizable {
        let reserve = cx.has(Capability::MemoryBackendFileReserve).then_some(false);
        props = props.set("reserve", reserve);
    } else {
        let threads = backing.and_then(|backing| backing.allocation_threads).filter(|threads| *threads > 0);
        props = props.set_at("prealloc", prealloc.then_some(true), at("allocation/@mode")).requires(
            Capability::MemoryBackendFilePreallocThreads,
            "prealloc-threads",
            threads,
            at("allocation/@threads"),
        );
    }
    props = props.set("size", ram.size);
    if let Some(file) = ram.file {
        let is_persistent = file.is_persistent.then_some(true);
        props = props.set("align", file.align).requires(
            Capability::MemoryBackendFilePmem,
            "pmem",
            is_persistent,
            ram.origin,
        );
    }

    let bound = binding(ram, cx);
    let mut context = None;
    if let Some((nodes, mode, origin)) = &bound {
        available(nodes, *origin, cx, out);
        let policy = match mode {
            NumatuneMode::Strict => Some("bind"),
            NumatuneMode::Preferred => Some("preferred"),
            NumatuneMode::Interleave => Some("interleave"),
            // Control groups of the host see to it, QEMU is not told.
            NumatuneMode::Restrictive => None,
        };
        if let Some(policy) = policy {
            props = props.set_at("host-nodes", numbers(nodes), *origin).set_at("policy", policy, *origin);
        }
        if prealloc && !ram.is_resizable && cx.has(Capability::ThreadContext) {
            let nodes = near_emulator(nodes, cx);
            if !nodes.is_empty() {
                let id = format!("tc-{}", ram.id);
                let thread = Props::new("qom-type", "thread-context", *origin)
                    .set("id", &id)
                    .set("node-affinity", numbers(&nodes));
                context = Some(thread);
                props = props.set_at("prealloc-context", id, *origin);
            }
        }
    }
    let has_own_nodes =
        ram.nodes.is_some() || ram.cell.is_some_and(|cell| crate::numa::memnode(domain, cell).is_some());
    let is_plain = !pages.special
        && !has_own_nodes
        && access.is_none()
        && !by_memfd
        && source != Some(MemorySource::File);
    Backend { context, props, is_plain }
}

/// The host's NUMA nodes that a piece of memory comes from, how closely they are kept to, and who says so.
fn binding(ram: &Ram<'_>, cx: &Context<'_>) -> Option<(CpuSet, NumatuneMode, Origin)> {
    let tune = cx.domain.numatune.as_ref();
    let memory = tune.and_then(|tune| tune.memory.as_ref());
    let memnode = ram.cell.and_then(|cell| crate::numa::memnode(cx.domain, cell));
    let mode =
        memnode.map(|memnode| memnode.mode).or_else(|| memory.map(|memory| memory.mode.unwrap_or_default()));
    let mode = mode.unwrap_or_default();
    if let Some(nodes) = ram.nodes {
        return Some((nodes.clone(), mode, ram.origin));
    }
    if let Some(memory) = memory.filter(|memory| memory.placement == Some(Placement::Auto)) {
        return Some((cx.inputs.host.advised_nodes()?, mode, memory.meta.at("@placement")));
    }
    if let Some(memnode) = memnode {
        return Some((memnode.nodeset.clone()?, mode, memnode.meta.at("@nodeset")));
    }
    let memory = memory?;
    Some((memory.nodeset.clone()?, mode, memory.meta.at("@nodeset")))
}

/// Reports nodes that the host does not have.
fn available(nodes: &CpuSet, origin: Origin, cx: &Context<'_>, out: &mut Args) {
    let known = cx.inputs.host.numa_nodes();
    if known.is_empty() {
        return;
    }
    if let Some(node) = nodes.iter().find(|node| !known.contains(node)) {
        let message = format!("the host has no NUMA node {node}");
        out.problem(Diagnostic::error(Code::Unsupported, origin, message));
    }
}

/// The nodes that QEMU's own threads may run on, of those given; all if nothing is said of the threads.
fn near_emulator(nodes: &CpuSet, cx: &Context<'_>) -> CpuSet {
    let domain = cx.domain;
    let pin = domain.cputune.as_ref().and_then(|tune| tune.emulator_pin.as_ref());
    let cpus = pin.or_else(|| domain.vcpu.as_ref()?.cpuset.as_ref());
    let host = cx.inputs.host.cpu_nodes();
    match cpus {
        Some(cpus) if !host.is_empty() => {
            let near = |node: &u32| host.iter().any(|(cpu, of)| of == node && cpus.contains(*cpu));
            nodes.iter().filter(near).collect()
        }
        _ => nodes.clone(),
    }
}

fn numbers(set: &CpuSet) -> Value {
    Value::List(set.iter().map(Value::from).collect(), ListStyle::Repeated)
}

/// Where memory of huge pages is made.
pub(crate) fn hugepage_path(size: u64, cx: &Context<'_>, origin: Origin, out: &mut Args) -> Option<String> {
    let config = cx.config();
    let Some((_, mount)) = config.hugepage_mounts.iter().find(|(mounted, _)| *mounted == size) else {
        let message = format!("no file system with huge pages of {size} KiB is mounted");
        out.problem(Diagnostic::error(Code::HostFact, origin, message));
        return None;
    };
    Some(match config.layout {
        Layout::Libvirt => format!("{mount}/libvirt/qemu/{}", config.short_name(cx.name())),
        Layout::Run => mount.clone(),
    })
}

/// The file that holds a piece of memory.
pub(crate) fn file_path(id: &str, cx: &Context<'_>) -> String {
    let config = cx.config();
    match config.layout {
        Layout::Libvirt => format!("{}/{}/{id}", config.memory_dir, config.short_name(cx.name())),
        Layout::Run => format!("{}/{id}", cx.guest_dir()),
    }
}
