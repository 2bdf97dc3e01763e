//! Memory: how much of it, how it is backed and limited.

use crate::values::{self, Bits, CpuSet, Kib};
use crate::words;
use crate::xml::text::{OnOff, YesNo};
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

/// `<maxMemory>`: how far memory can grow by plugging in modules; since libvirt 1.2.14.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MaxMemory {
    /// The number of slots for memory modules.
    pub slots: Option<u32>,
    /// Memory including all modules.
    pub size: Option<Kib>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for MaxMemory {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.optional("slots", &mut self.slots);
        values::size(xml, &mut self.size);
        let is_open = self.size.is_none_or(|size| size.0 == 0);
        if X::READS && is_open && self.slots.is_some_and(|slots| slots > 0) {
            let message = "slots for memory say nothing without the size of `<maxMemory>`";
            xml.report(Diagnostic::error(Code::Conflict, xml.at(""), message));
        }
    }
}

/// `<memory>`: the memory that the guest starts with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// Whether the guest's memory is part of a core dump of QEMU; since libvirt 0.10.2.
    pub dump_core: Option<OnOff>,
    /// How much there is; the sum of the NUMA cells, if there are any.
    pub size: Option<Kib>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Memory {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("dumpCore", &mut self.dump_core);
        values::size(xml, &mut self.size);
    }
}

/// `<memtune>`: limits that the host puts on the guest's process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memtune {
    /// The most memory that the process may use.
    pub hard_limit: Option<Kib>,
    /// What it is held to when the host is short of memory.
    pub soft_limit: Option<Kib>,
    /// What it is guaranteed.
    pub min_guarantee: Option<Kib>,
    /// The most memory and swap together.
    pub swap_hard_limit: Option<Kib>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Memtune {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("hard_limit", |xml| values::size(xml, &mut self.hard_limit));
        xml.nested("soft_limit", |xml| values::size(xml, &mut self.soft_limit));
        xml.nested("min_guarantee", |xml| values::size(xml, &mut self.min_guarantee));
        xml.nested("swap_hard_limit", |xml| values::size(xml, &mut self.swap_hard_limit));
    }
}

words! {
    /// `type` of `<source>`: where the guest's memory comes from; since libvirt 3.2.
    pub enum MemorySource: UnknownWord {
        /// A file on the host.
        File = "file",
        /// Anonymous memory.
        Anonymous = "anonymous",
        /// An anonymous file; since libvirt 4.10.
        Memfd = "memfd",
    }

    /// `mode` of `<access>`: who sees what the guest writes to its memory; since libvirt 3.2.
    pub enum MemoryAccess {
        /// Other processes too.
        Shared = "shared",
        /// The guest alone.
        Private = "private",
    }

    /// `mode` of `<allocation>`: when the host hands out the memory; since libvirt 3.2.
    pub enum MemoryAllocation: UnknownWord {
        /// Before the guest starts.
        Immediate = "immediate",
        /// When the guest touches it.
        Ondemand = "ondemand",
    }
}

/// `<memoryBacking>`: how the host provides the memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemoryBacking {
    /// `<hugepages>`: huge pages of the host.
    pub hugepages: Option<Hugepages>,
    /// `<nosharepages>`: equal pages of guests are not merged; since libvirt 1.0.6.
    pub nosharepages: bool,
    /// `<locked>`: the host does not swap the memory out; since libvirt 1.0.6.
    pub locked: bool,
    /// Where the memory comes from.
    pub source: Option<MemorySource>,
    /// Who sees what the guest writes; NUMA cells can differ.
    pub access: Option<MemoryAccess>,
    /// When the host hands out the memory.
    pub allocation: Option<MemoryAllocation>,
    /// How many threads hand it out before the start; since libvirt 8.2.
    pub allocation_threads: Option<u32>,
    /// `<discard>`: the content is given up when the guest ends; since libvirt 4.4.
    pub discard: bool,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for MemoryBacking {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.joined(&["hugepages", "source", "access", "allocation"]);
        xml.child("hugepages", &mut self.hugepages);
        xml.present("nosharepages", &mut self.nosharepages);
        xml.present("locked", &mut self.locked);
        xml.nested("source", |xml| xml.optional("type", &mut self.source));
        xml.nested("access", |xml| {
            xml.blamed_as(Code::UnknownWord, |xml| xml.optional("mode", &mut self.access));
        });
        xml.nested("allocation", |xml| {
            xml.optional("mode", &mut self.allocation);
            xml.optional("threads", &mut self.allocation_threads);
        });
        xml.present("discard", &mut self.discard);
    }
}

/// `<hugepages>`: which huge pages; the host's default size if nothing is said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hugepages {
    /// The sizes, each for some NUMA cells.
    pub pages: Vec<Page>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Hugepages {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.children("page", &mut self.pages);
        if !X::READS {
            return;
        }
        let mut claimed = Bits::new();
        let mut has_default = false;
        for page in &self.pages {
            let is_free = match &page.nodeset {
                Some(nodes) => claimed.claim(nodes),
                None => !std::mem::replace(&mut has_default, true),
            };
            if !is_free {
                let message = "a NUMA cell has pages of one size only";
                xml.report(Diagnostic::error(Code::Conflict, page.meta.at("@nodeset"), message));
            }
        }
    }
}

/// `<page>`: a size of huge pages; since libvirt 1.2.5.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The size of one page.
    pub size: Option<Kib>,
    /// The NUMA cells of the guest that get such pages; all if absent.
    pub nodeset: Option<CpuSet>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Page {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        values::size_attribute(xml, "size", &mut self.size);
        values::set(xml, "nodeset", &mut self.nodeset);
        if X::READS && self.size.is_none_or(|size| size.0 == 0) {
            values::missing(xml, "page", "size");
        }
    }
}

words! {
    /// `placement` of `<vcpu>`: who chooses the host CPUs.
    pub enum Placement {
        /// The XML.
        Static = "static",
        /// `numad`, a daemon that watches the host.
        Auto = "auto",
    }
}

/// `<vcpu>`: how many CPUs the guest has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vcpu {
    /// Who chooses the host CPUs; since libvirt 0.9.11.
    pub placement: Option<Placement>,
    /// The host CPUs that QEMU's threads may run on; since libvirt 0.4.4.
    pub cpuset: Option<CpuSet>,
    /// How many CPUs are there at the start, if not all; since libvirt 0.8.5.
    pub current: Option<u32>,
    /// The most CPUs that there can be; 1 if absent.
    pub count: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Vcpu {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("placement", &mut self.placement);
        values::set(xml, "cpuset", &mut self.cpuset);
        xml.attribute("current", &mut self.current);
        values::unless_empty(xml, &mut self.count);
        if !X::READS {
            return;
        }
        let count = self.count.unwrap_or(1);
        if self.current == Some(0) {
            xml.report(Diagnostic::error(Code::Unsupported, xml.at("@current"), "CPU 0 is always there"));
        }
        if count == 0 {
            xml.report(Diagnostic::error(Code::Unsupported, xml.at(""), "a guest has at least one CPU"));
        }
        if self.current.is_some_and(|current| current > count) {
            let message = format!("there are {count} CPUs at most");
            xml.report(Diagnostic::error(Code::Unsupported, xml.at("@current"), message));
        }
    }
}

/// `<vcpu>` in `<vcpus>`: the state of one CPU; since libvirt 2.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VcpuState {
    /// The number of the CPU, from 0.
    pub id: u32,
    /// Whether it is there at the start.
    pub enabled: Option<YesNo>,
    /// Whether it can be taken away later.
    pub hotpluggable: Option<YesNo>,
    /// The place in the order in which CPUs are plugged in, from 1.
    pub order: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for VcpuState {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("id", &mut self.id);
        xml.needed("enabled", &mut self.enabled);
        xml.attribute("hotpluggable", &mut self.hotpluggable);
        xml.attribute("order", &mut self.order);
    }
}
