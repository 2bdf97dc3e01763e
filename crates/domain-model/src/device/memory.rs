//! `<memory>`: memory modules.

use super::Family;
pub use crate::memory::MemoryAccess;
use crate::values::{self, CpuSet, Kib, Uuid};
use crate::xml::text::{Hex, YesNo};
use crate::xml::{Tagged, Xml};
use crate::{Code, Diagnostic};

/// `<memory>`: memory beyond what the guest starts with; since libvirt 1.2.14.
///
/// ```
/// use domain_model::device::memory::MemoryKind;
/// use domain_model::values::Kib;
/// use domain_model::{Document, Domain};
///
/// let document = Document::parse("", "<domain type='kvm'><devices><memory model='dimm'>\
///     <target><size unit='MiB'>512</size><node>0</node></target></memory></devices></domain>")?;
/// let (domain, problems) = Domain::read(&document);
/// assert!(problems.is_empty());
/// let module = &domain.devices.memories[0].spec;
/// assert!(matches!(module.kind, MemoryKind::Dimm(_)));
/// assert_eq!((module.size, module.node), (Some(Kib(524288)), Some(0)));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemoryDevice {
    /// What it is, `model`, and what only that has.
    pub kind: MemoryKind,
    /// Whether others see what the guest writes; the domain's memory backing says it if this does not. Since
    /// libvirt 3.2. Since libvirt 3.2.
    pub access: Option<MemoryAccess>,
    /// Whether the content is dropped when the guest ends; since libvirt 4.4.
    pub discard: Option<YesNo>,
    /// `<uuid>`: the identity of an NVDIMM of a pSeries guest; since libvirt 6.2.
    pub uuid: Option<Uuid>,
    /// `<size>` of `<target>`: the size; for virtio-mem the largest. `None` only if it could not be read.
    pub size: Option<Kib>,
    /// `<node>` of `<target>`: the guest NUMA node it belongs to.
    pub node: Option<u32>,
}

/// What a memory device is.
#[derive(Debug, Clone, PartialEq)]
pub enum MemoryKind {
    /// A module of ordinary memory; since libvirt 1.2.14.
    Dimm(MemorySource),
    /// A module of persistent memory; since libvirt 3.2.
    Nvdimm(Nvdimm),
    /// Virtual persistent memory; since libvirt 7.1.
    VirtioPmem {
        /// `<path>` of `<source>`: the file that keeps the content.
        path: Option<String>,
        /// `<address base=…>` of `<target>`: where the guest sees it; since libvirt 9.4.
        base: Option<Hex<1>>,
    },
    /// Virtual memory whose size can change; since libvirt 7.9.
    VirtioMem(VirtioMem),
    /// Protected memory for SGX enclaves; since libvirt 8.10.
    SgxEpc {
        /// `<nodemask>` of `<source>`: the host NUMA nodes it is from.
        nodemask: Option<CpuSet>,
    },
}

/// `<source>` of ordinary memory; since libvirt 1.2.14.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemorySource {
    /// `<nodemask>`: the host NUMA nodes it is from.
    pub nodemask: Option<CpuSet>,
    /// `<pagesize>`: the size of its pages.
    pub pagesize: Option<Kib>,
}

/// A module of persistent memory; since libvirt 3.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nvdimm {
    /// `<path>` of `<source>`: the file or device that keeps the content.
    pub path: Option<String>,
    /// `<alignsize>` of `<source>`: the alignment of the mapping; since libvirt 5.0.
    pub alignsize: Option<Kib>,
    /// `<pmem>` of `<source>`: whether the host's memory is persistent itself; since libvirt 5.0.
    pub pmem: bool,
    /// `<label>` of `<target>`: the size of the area for labels.
    pub label_size: Option<Kib>,
    /// `<readonly>` of `<target>`: whether the guest cannot write; since libvirt 5.0.
    pub readonly: bool,
}

/// Virtual memory whose size can change; since libvirt 7.9.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VirtioMem {
    /// `<source>`: where it is from.
    pub source: MemorySource,
    /// `dynamicMemslots` of `<target>`: whether memory slots are taken as they are needed; since libvirt 10.1.
    pub dynamic_memslots: Option<YesNo>,
    /// `<block>` of `<target>`: the unit in which the size changes, a power of 2.
    pub block: Option<Kib>,
    /// `<requested>` of `<target>`: the size that the guest is asked to use.
    pub requested: Option<Kib>,
    /// `<current>` of `<target>`: the size that a running guest uses.
    pub current: Option<Kib>,
    /// `<address base=…>` of `<target>`: where the guest sees it; since libvirt 9.4.
    pub base: Option<Hex<1>>,
}

impl Default for MemoryKind {
    fn default() -> Self {
        MemoryKind::Dimm(MemorySource::default())
    }
}

impl Tagged for MemoryKind {
    const TAGS: &'static [&'static str] = &["dimm", "nvdimm", "virtio-pmem", "virtio-mem", "sgx-epc"];

    fn tag(&self) -> &'static str {
        match self {
            MemoryKind::Dimm(_) => "dimm",
            MemoryKind::Nvdimm(_) => "nvdimm",
            MemoryKind::VirtioPmem { .. } => "virtio-pmem",
            MemoryKind::VirtioMem(_) => "virtio-mem",
            MemoryKind::SgxEpc { .. } => "sgx-epc",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "dimm" => MemoryKind::default(),
            "nvdimm" => MemoryKind::Nvdimm(Nvdimm::default()),
            "virtio-pmem" => MemoryKind::VirtioPmem { path: None, base: None },
            "virtio-mem" => MemoryKind::VirtioMem(VirtioMem::default()),
            "sgx-epc" => MemoryKind::SgxEpc { nodemask: None },
            _ => return None,
        })
    }
}

impl Family for MemoryDevice {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required_tag("model", &mut self.kind);
        xml.attribute("access", &mut self.access);
        xml.attribute("discard", &mut self.discard);
        xml.blamed_as(Code::Malformed, |xml| xml.optional_value("uuid", &mut self.uuid));
        xml.nested("source", |xml| self.kind.describe_source(xml));
        xml.nested("target", |xml| {
            if let MemoryKind::VirtioMem(memory) = &mut self.kind {
                xml.attribute("dynamicMemslots", &mut memory.dynamic_memslots);
            }
            size(xml, "size", &mut self.size);
            xml.value("node", &mut self.node);
            self.kind.describe_target(xml);
        });
        if X::READS {
            self.check(xml);
        }
    }
}

/// The smallest label of a module that keeps its content, in KiB.
const MIN_LABEL: u64 = 128;

impl MemoryDevice {
    fn check<X: Xml>(&self, xml: &mut X) {
        if let MemoryKind::Nvdimm(Nvdimm { label_size: Some(label), .. }) = &self.kind {
            let origin = xml.at("target/label/size");
            if label.0 < MIN_LABEL {
                let message = format!("the label of a module has at least {MIN_LABEL} KiB");
                xml.report(Diagnostic::error(Code::BadValue, origin, message));
            } else if self.size.is_some_and(|size| *label >= size) {
                let message = "the label of a module is smaller than the module";
                xml.report(Diagnostic::error(Code::Conflict, origin, message));
            }
        }
        let missing = match &self.kind {
            _ if self.size.is_none() => "`<target>` with a `<size>`",
            MemoryKind::Nvdimm(Nvdimm { path: None, .. }) | MemoryKind::VirtioPmem { path: None, .. } => {
                "`<source>` with a `<path>`"
            }
            _ => return,
        };
        let message = format!("`<memory model='{}'>` needs a {missing}", self.kind.tag());
        xml.report(Diagnostic::error(Code::MissingElement, xml.at(""), message));
    }
}

impl MemoryKind {
    fn describe_source<X: Xml>(&mut self, xml: &mut X) {
        match self {
            MemoryKind::Dimm(source) => source.describe(xml),
            MemoryKind::Nvdimm(nvdimm) => {
                xml.value("path", &mut nvdimm.path);
                size(xml, "alignsize", &mut nvdimm.alignsize);
                xml.present("pmem", &mut nvdimm.pmem);
            }
            MemoryKind::VirtioPmem { path, .. } => xml.value("path", path),
            MemoryKind::VirtioMem(memory) => memory.source.describe(xml),
            MemoryKind::SgxEpc { nodemask } => xml.optional_value("nodemask", nodemask),
        }
    }

    fn describe_target<X: Xml>(&mut self, xml: &mut X) {
        match self {
            MemoryKind::Dimm(_) | MemoryKind::SgxEpc { .. } => {}
            MemoryKind::Nvdimm(nvdimm) => {
                xml.nested("label", |xml| size(xml, "size", &mut nvdimm.label_size));
                xml.present("readonly", &mut nvdimm.readonly);
            }
            MemoryKind::VirtioPmem { base, .. } => describe_base(xml, base),
            MemoryKind::VirtioMem(memory) => {
                size(xml, "block", &mut memory.block);
                size(xml, "requested", &mut memory.requested);
                size(xml, "current", &mut memory.current);
                describe_base(xml, &mut memory.base);
            }
        }
    }
}

impl MemorySource {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.optional_value("nodemask", &mut self.nodemask);
        size(xml, "pagesize", &mut self.pagesize);
    }
}

fn size<X: Xml>(xml: &mut X, name: &'static str, value: &mut Option<Kib>) {
    xml.nested(name, |xml| values::size(xml, value));
}

fn describe_base<X: Xml>(xml: &mut X, base: &mut Option<Hex<1>>) {
    xml.nested("address", |xml| xml.attribute("base", base));
}
