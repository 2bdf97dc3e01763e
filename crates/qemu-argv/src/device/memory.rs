//! `<memory>` on the QEMU side: modules, and memory that comes and goes.

mod check;

use caps_parser::Capability;
use domain_model::address::{Dimm, Place};
use domain_model::device::memory::{MemoryDevice, MemoryKind, MemorySource, Nvdimm};
use domain_model::memory::{MemoryAccess, MemoryAllocation};
use domain_model::os::Arch;
use domain_model::values::Kib;
use domain_model::xml::Tagged;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::memory::backend::{Ram, RamFile, backend, pages};
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;
use crate::virtio;
use domain_model::virtio::VirtioOptions;

impl QemuDevice for MemoryDevice {
    fn defaults(device: &mut Device<Self>, _: usize, cx: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        let is_ppc = matches!(cx.domain.os.arch, Some(Arch::Ppc64 | Arch::Ppc64le));
        match &mut device.spec.kind {
            // POWER machines know persistent memory again by its UUID.
            MemoryKind::Nvdimm(_) if is_ppc && device.spec.uuid.is_none() => {
                device.spec.uuid = crate::domain::made_up(&cx.inputs.host.random(16));
            }
            MemoryKind::VirtioMem(memory) => {
                memory.requested.get_or_insert(Kib(0));
            }
            // What the guest writes has to reach the file.
            MemoryKind::VirtioPmem { .. } => {
                device.spec.access.get_or_insert(MemoryAccess::Shared);
            }
            _ => {}
        }
    }

    fn alias(device: &Device<Self>, index: usize, domain: &Domain, _: Inputs<'_>) -> String {
        let prefix = match device.spec.kind {
            MemoryKind::Dimm(_) => "dimm",
            MemoryKind::Nvdimm(_) => "nvdimm",
            MemoryKind::VirtioPmem { .. } => "virtiopmem",
            MemoryKind::VirtioMem(_) => "virtiomem",
            MemoryKind::SgxEpc { .. } => "epc",
        };
        if let Some(Place::Dimm(Dimm { slot: Some(slot), .. })) =
            device.info.address.as_ref().map(|address| &address.place)
        {
            return format!("{prefix}{slot}");
        }
        let before = domain.devices.memories.iter().take(index);
        let same = before.filter(|other| other.spec.kind.tag() == device.spec.kind.tag()).count();
        format!("{prefix}{same}")
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        check::check(device, &mut Problems::new(cx, problems));
        let needed = match &device.spec.kind {
            MemoryKind::Dimm(_) => Capability::PcDimm,
            MemoryKind::Nvdimm(nvdimm) if nvdimm.readonly => Capability::NvdimmUnarmed,
            MemoryKind::Nvdimm(_) => Capability::Nvdimm,
            MemoryKind::VirtioPmem { .. } => Capability::VirtioPmemPci,
            MemoryKind::VirtioMem(_) => Capability::VirtioMemPci,
            MemoryKind::SgxEpc { .. } => Capability::SgxEpc,
        };
        if !cx.has(needed) {
            let what = format!("<memory model='{}'>", device.spec.kind.tag());
            problems.push(crate::gate::missing(needed, &what, device.at("@model"), cx.inputs.caps));
        }
        let cells = crate::numa::cell(cx.domain, device.spec.node.unwrap_or_default());
        if device.spec.node.is_some() && cells.is_none() {
            let message = format!("the guest has no NUMA cell {}", device.spec.node.unwrap_or_default());
            problems.push(Diagnostic::error(Code::BadValue, device.at("target/node"), message));
        }
        if let Some((base, end)) = range(device.spec) {
            let others = cx.domain.devices.memories.iter().take(device.index);
            let mut ranges = others.filter_map(|other| range(&other.spec));
            if let Some((other, _)) = ranges.find(|(other, other_end)| base < *other_end && *other < end) {
                let message = format!("the memory at {base:#x} overlaps with that at {other:#x}");
                problems.push(Diagnostic::error(
                    Code::Unsupported,
                    device.at("target/address/@base"),
                    message,
                ));
            }
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let memory = device.spec;
        let memdev = format!("mem{}", device.alias);
        let size = aligned(memory, cx).bytes().unwrap_or_default();
        if let MemoryKind::SgxEpc { nodemask } = &memory.kind {
            let ram = Ram { nodes: nodemask.as_ref(), ..Ram::new(&memdev, size, device.origin) };
            backend(&ram, cx, out).into_enclave().emit(out);
            return;
        }
        let source = match &memory.kind {
            MemoryKind::Dimm(source) => source.clone(),
            MemoryKind::VirtioMem(memory) => memory.source.clone(),
            _ => MemorySource::default(),
        };
        let ram = Ram {
            cell: memory.node,
            access: memory.access,
            discard: memory.discard.map(bool::from),
            page: source.pagesize,
            nodes: source.nodemask.as_ref(),
            file: file(&memory.kind),
            is_resizable: matches!(memory.kind, MemoryKind::VirtioMem(_)),
            file_name: device.alias,
            ..Ram::new(&memdev, size, device.origin)
        };
        backend(&ram, cx, out).emit(out);
        let props = properties(device, cx).set("memdev", &memdev);
        let props = match &memory.kind {
            MemoryKind::VirtioMem(virtual_memory) => {
                let base = virtual_memory.base.map(|base| base.0);
                let prealloc = is_preallocated(memory, &source, cx).then_some(true);
                props
                    .set("prealloc", prealloc.filter(|_| cx.has(Capability::VirtioMemPciPrealloc)))
                    .set_at("memaddr", base, device.at("target/address/@base"))
                    .requires(
                        Capability::VirtioMemPciDynamicMemslots,
                        "dynamic-memslots",
                        virtual_memory.dynamic_memslots,
                        device.at("target/@dynamicMemslots"),
                    )
            }
            MemoryKind::VirtioPmem { base, .. } => {
                props.set_at("memaddr", base.map(|base| base.0), device.at("target/address/@base"))
            }
            _ => props,
        };
        let props = props.set("id", device.alias);
        let props = match device.info.address.as_ref().map(|address| (&address.place, address.meta.origin)) {
            Some((Place::Dimm(dimm), origin)) => props.set_at("slot", dimm.slot, origin).set_at(
                "addr",
                dimm.base.map(|base| base.0).filter(|base| *base > 0),
                origin,
            ),
            _ => crate::address::address(props, device.info, cx),
        };
        out.props("-device", props);
    }
}

/// Where the guest sees virtual memory that says so: the first byte, and the one behind the last.
fn range(memory: &MemoryDevice) -> Option<(u64, u64)> {
    let base = match &memory.kind {
        MemoryKind::VirtioMem(memory) => memory.base,
        MemoryKind::VirtioPmem { base, .. } => *base,
        _ => None,
    }?;
    Some((base.0, base.0.saturating_add(memory.size?.bytes()?)))
}

/// The size of a module, in units that the machine takes.
fn aligned(memory: &MemoryDevice, cx: &Context<'_>) -> Kib {
    let size = memory.size.unwrap_or_default().0;
    let unit = crate::memory::module_alignment(cx);
    match &memory.kind {
        // The label is on top of what a pSeries guest can use.
        MemoryKind::Nvdimm(Nvdimm { label_size: Some(label), .. })
            if Board::of(cx.domain) == Board::Pseries =>
        {
            crate::memory::labelled(Kib(size), *label)
        }
        _ => Kib(crate::memory::round_up(size, unit)),
    }
}

/// The file that keeps the content of persistent memory.
fn file(kind: &MemoryKind) -> Option<RamFile<'_>> {
    match kind {
        MemoryKind::Nvdimm(nvdimm) => Some(RamFile {
            path: nvdimm.path.as_deref()?,
            // Filling memory that is persistent by itself would only wear it out.
            prealloc: !nvdimm.pmem,
            align: nvdimm.alignsize.and_then(Kib::bytes),
            is_persistent: nvdimm.pmem,
        }),
        MemoryKind::VirtioPmem { path, .. } => {
            Some(RamFile { path: path.as_deref()?, prealloc: false, align: None, is_persistent: false })
        }
        _ => None,
    }
}

/// The properties in front of the memory itself.
fn properties(device: &Resolved<'_, MemoryDevice>, cx: &Context<'_>) -> Props {
    let memory = device.spec;
    let of_virtio = |name: &str| virtio::device(name, None, &VirtioOptions::default(), device, cx);
    let node = |props: Props| props.set_at("node", memory.node, device.at("target/node"));
    match &memory.kind {
        MemoryKind::Dimm(_) | MemoryKind::SgxEpc { .. } => {
            node(Props::new("driver", "pc-dimm", device.at("@model")))
        }
        MemoryKind::Nvdimm(Nvdimm { label_size, readonly, .. }) => {
            node(Props::new("driver", "nvdimm", device.at("@model")))
                .set_at("label-size", label_size.and_then(Kib::bytes), device.at("target/label/size"))
                .set_at("uuid", memory.uuid.map(|uuid| uuid.to_string()), device.at("uuid"))
                .set_at("unarmed", readonly.then_some(true), device.at("target/readonly"))
        }
        MemoryKind::VirtioPmem { .. } => node(of_virtio("virtio-pmem")),
        MemoryKind::VirtioMem(virtual_memory) => node(of_virtio("virtio-mem"))
            .set_at("block-size", virtual_memory.block.and_then(Kib::bytes), device.at("target/block"))
            .set_at(
                "requested-size",
                virtual_memory.requested.and_then(Kib::bytes).filter(|size| *size > 0),
                device.at("target/requested"),
            ),
    }
}

/// Whether memory is set aside when the guest plugs it in.
fn is_preallocated(memory: &MemoryDevice, source: &MemorySource, cx: &Context<'_>) -> bool {
    let allocation = cx.domain.memory_backing.as_ref().and_then(|backing| backing.allocation);
    allocation == Some(MemoryAllocation::Immediate) || pages(cx, memory.node, source.pagesize).huge.is_some()
}
