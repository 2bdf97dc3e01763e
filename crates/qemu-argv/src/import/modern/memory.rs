//! `-m`, `-numa` and what memory is backed by.

use domain_model::DeviceInfo;
use domain_model::cpu::{Cell, Sibling};
use domain_model::device::memory::{MemoryDevice, MemoryKind, MemorySource as ModuleSource, Nvdimm};
use domain_model::memory::{
    Hugepages, MaxMemory, Memory, MemoryAccess, MemoryAllocation, MemoryBacking, MemorySource,
};
use domain_model::values::{CpuSet, Kib};
use domain_model::xml::Text;

use super::{Build, Frontend};
use crate::import::option::Opt;
use crate::import::pairs::{self, Pairs};

/// Reads how much memory there is, and where it comes from.
pub(super) fn read(build: &mut Build<'_, '_, '_>) {
    // QEMU's default.
    let mut size = Kib(128 << 10);
    for (_, option) in build.named(&["m"]) {
        option.take();
        let Some(pairs) = &option.pairs else { continue };
        let amount = |key: &str| {
            pairs.take(key).and_then(|text| pairs::size(text, 1 << 20)).map(|bytes| Kib(bytes >> 10))
        };
        if pairs.peek("size").is_some_and(|text| pairs::size(text, 1 << 20).is_none()) {
            let message = format!("`{}` is no size of memory", option.value);
            build.cx.refuse(option.origin, message);
        }
        size = amount("size").unwrap_or(size);
        let slots = pairs.small("slots");
        if let Some(most) = amount("maxmem") {
            build.domain().max_memory = Some(MaxMemory {
                slots: slots.filter(|slots| *slots > 0),
                size: Some(most),
                ..MaxMemory::default()
            });
        }
    }
    let memory: &mut Memory = build.domain().memory.get_or_insert_default();
    memory.size = Some(size);
    cells(build);
    backing(build);
}

/// The guest's NUMA nodes.
fn cells(build: &mut Build<'_, '_, '_>) {
    let mut cells: Vec<Cell> = Vec::new();
    let mut spent: Vec<&Opt> = Vec::new();
    let mut accesses = Vec::new();
    for (_, option) in build.named(&["numa"]) {
        let Some(pairs) = &option.pairs else { return };
        match pairs.take("type") {
            Some("node") => {
                let id = pairs.small("nodeid").or_else(|| u32::try_from(cells.len()).ok());
                let ranges: Vec<&str> = pairs.take_all("cpus");
                let cpus = CpuSet::parse(&ranges.join(",")).ok().filter(|_| !ranges.is_empty());
                let memdev = pairs.take("memdev").and_then(|id| build.backend("object", id));
                let size = match &memdev {
                    Some((_, object)) => object.peek("size").and_then(|text| pairs::size(text, 1)),
                    None => pairs.take("mem").and_then(|text| pairs::size(text, 1 << 20)),
                };
                let mut cell =
                    Cell { id, cpus, memory: size.map(|bytes| Kib(bytes >> 10)), ..Cell::default() };
                if let Some((option, object)) = memdev {
                    accesses.push((option, object));
                    cell.mem_access = shared(object);
                }
                cells.push(cell);
            }
            Some("dist") => {
                let numbers = (pairs.small::<u32>("src"), pairs.small("dst"), pairs.small("val"));
                let (Some(from), Some(to), Some(value)) = numbers else { return };
                let cell = cells.iter_mut().find(|cell| cell.id == Some(from));
                let Some(cell) = cell else { return };
                cell.distances.push(Sibling { id: to, value, ..Sibling::default() });
            }
            _ => return,
        }
        if !pairs.is_spent() {
            return;
        }
        spent.push(option);
    }
    if cells.is_empty() || cells.iter().any(|cell| cell.memory.is_none()) {
        return;
    }
    for (option, object) in &accesses {
        if !source(build, option, object) {
            return;
        }
    }
    spent.iter().for_each(|option| option.take());
    accesses.iter().for_each(|(option, _)| option.take());
    build.domain().cpu.get_or_insert_default().numa.get_or_insert_default().cells = cells;
}

fn shared(object: &Pairs) -> Option<MemoryAccess> {
    let on = object.switch("share")?;
    Some(if on { MemoryAccess::Shared } else { MemoryAccess::Private })
}

/// What the whole memory is backed by.
fn backing(build: &mut Build<'_, '_, '_>) {
    if build.flag(&["mem-prealloc"]).is_some() {
        memory_backing(build).allocation = Some(MemoryAllocation::Immediate);
    }
    for (_, option) in build.named(&["overcommit"]) {
        match option.value.as_str() {
            "mem-lock=on" => memory_backing(build).locked = true,
            "mem-lock=off" => {}
            _ => continue,
        }
        option.take();
    }
    if let Some(option) = build.last(&["mem-path"]).filter(|option| option.value.contains("hugepages")) {
        option.take();
        memory_backing(build).hugepages = Some(Hugepages::default());
    }
    let of_machine = build.named(&["machine", "M"]).filter_map(|(_, option)| option.pairs.as_ref());
    let Some(machine) = of_machine.filter(|pairs| pairs.peek("memory-backend").is_some()).last() else {
        return;
    };
    let Some((option, object)) = machine.peek("memory-backend").and_then(|id| build.backend("object", id))
    else {
        return;
    };
    if source(build, option, object) {
        machine.take("memory-backend");
        memory_backing(build).access = shared(object);
        option.take();
    }
}

fn memory_backing<'b>(build: &'b mut Build<'_, '_, '_>) -> &'b mut MemoryBacking {
    build.domain().memory_backing.get_or_insert_default()
}

/// Says what an object backs memory by; false if the domain cannot say it.
fn source(build: &mut Build<'_, '_, '_>, _option: &Opt, object: &Pairs) -> bool {
    let kind = match object.take("qom-type") {
        Some("memory-backend-ram") => MemorySource::Anonymous,
        Some("memory-backend-memfd") => MemorySource::Memfd,
        Some("memory-backend-file") => MemorySource::File,
        _ => return false,
    };
    object.take("id");
    object.take("size");
    object.peek("share");
    let path = object.take("mem-path").unwrap_or_default();
    let huge = object.switch("hugetlb") == Some(true) || path.contains("hugepages");
    let page = object.take("hugetlbsize").and_then(|text| pairs::size(text, 1));
    let prealloc = object.switch("prealloc") == Some(true);
    let left = object.left().filter(|pair| !matches!(pair.key.as_str(), "share" | "seal"));
    if left.count() > 0 {
        return false;
    }
    let backing = memory_backing(build);
    backing.source = Some(kind).filter(|kind| *kind != MemorySource::Anonymous);
    if prealloc {
        backing.allocation = Some(MemoryAllocation::Immediate);
    }
    if huge {
        let pages = page.map(|bytes| domain_model::memory::Page {
            size: Some(Kib(bytes >> 10)),
            ..domain_model::memory::Page::default()
        });
        backing.hugepages = Some(Hugepages { pages: pages.into_iter().collect(), ..Hugepages::default() });
    }
    true
}

/// Whether another process can see the memory.
pub(super) fn is_shared(build: &mut Build<'_, '_, '_>) -> bool {
    let domain = build.domain();
    let whole = domain.memory_backing.as_ref().and_then(|backing| backing.access);
    let cells = domain.cpu.iter().filter_map(|cpu| cpu.numa.as_ref()).flat_map(|numa| &numa.cells);
    let mut accesses = cells.map(|cell| cell.mem_access).chain([whole]);
    accesses.any(|access| access == Some(MemoryAccess::Shared))
}

/// Memory modules.
pub(super) fn device<'o>(driver: &str, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let has_cells = build.domain().cpu.as_ref().is_some_and(|cpu| cpu.numa.is_some());
    // libvirt adds modules to NUMA nodes, and needs to know how many there can be.
    if !matches!(driver, "pc-dimm" | "nvdimm") || !has_cells || build.domain().max_memory.is_none() {
        return None;
    }
    let (option, object) = build.backend("object", frontend.pairs.take("memdev")?)?;
    let size = object.take("size").and_then(|text| pairs::size(text, 1)).map(|bytes| Kib(bytes >> 10));
    let kind = match (driver, object.take("qom-type")?) {
        ("pc-dimm", "memory-backend-ram") => MemoryKind::Dimm(ModuleSource::default()),
        ("nvdimm", "memory-backend-file") => {
            let path = object.take("mem-path").map(str::to_owned);
            let pmem = object.switch("pmem") == Some(true);
            MemoryKind::Nvdimm(Nvdimm { path, pmem, ..Nvdimm::default() })
        }
        _ => return None,
    };
    object.take("id");
    let access = shared(object);
    if !object.is_spent() {
        return None;
    }
    option.take();
    let node = frontend.pairs.small("node");
    let info = DeviceInfo { ..build.info(frontend) };
    // The domain's memory is what there is at the start, with its modules; QEMU counts without them.
    if let (Some(memory), Some(size)) = (&mut build.domain().memory, size) {
        memory.size = memory.size.map(|base| Kib(base.0.saturating_add(size.0)));
    }
    build.push(frontend, MemoryDevice { kind, access, size, node, ..MemoryDevice::default() }, info)
}
