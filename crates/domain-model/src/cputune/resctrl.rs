//! `<cachetune>` and `<memorytune>`: parts of the host's caches and bandwidth.

use crate::values::{self, CpuSet, KIB, Scaled};
use crate::words;
use crate::xml::{Element, Meta, Xml};

/// `<cachetune>`: the part of the host's caches that some virtual CPUs use.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cachetune {
    /// The numbers of the virtual CPUs.
    pub vcpus: Option<CpuSet>,
    /// The name of the group on the host, given by a running domain.
    pub id: Option<String>,
    /// What is set aside for them.
    pub caches: Vec<CacheAllocation>,
    /// Whose use of the caches is watched; since libvirt 4.10.
    pub monitors: Vec<CacheMonitor>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Cachetune {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        values::required_set(xml, "cachetune", "vcpus", &mut self.vcpus);
        xml.attribute("id", &mut self.id);
        xml.children("cache", &mut self.caches);
        xml.children("monitor", &mut self.monitors);
    }
}

words! {
    /// `type` of a `<cache>` that is set aside: what it is used for.
    #[derive(Default)]
    pub enum CacheUse {
        /// Code and data.
        #[default]
        Both = "both",
        /// Code.
        Code = "code",
        /// Data.
        Data = "data",
    }
}

/// `<cache>` of `<cachetune>`: a part of a cache.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CacheAllocation {
    /// The number of the cache on the host.
    pub id: u32,
    /// Its level.
    pub level: u32,
    /// What the part is used for.
    pub kind: CacheUse,
    /// How much is set aside; KiB if no unit is written.
    pub size: Option<Scaled<KIB>>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for CacheAllocation {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("id", &mut self.id);
        xml.required("level", &mut self.level);
        xml.required("type", &mut self.kind);
        values::size_attribute(xml, "size", &mut self.size);
        if X::READS && self.size.is_none() {
            values::missing(xml, "cache", "size");
        }
    }
}

/// `<monitor>` of `<cachetune>`: whose use of the caches is watched.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CacheMonitor {
    /// The level of the caches.
    pub level: u32,
    /// The numbers of the virtual CPUs.
    pub vcpus: Option<CpuSet>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for CacheMonitor {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("level", &mut self.level);
        values::required_set(xml, "monitor", "vcpus", &mut self.vcpus);
    }
}

/// `<memorytune>`: the part of the host's memory bandwidth that some virtual CPUs use.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memorytune {
    /// The numbers of the virtual CPUs.
    pub vcpus: Option<CpuSet>,
    /// The name of the group on the host, given by a running domain.
    pub id: Option<String>,
    /// What is set aside for them.
    pub nodes: Vec<MemorytuneNode>,
    /// Whose use of the bandwidth is watched; since libvirt 6.0.
    pub monitors: Vec<MemorytuneMonitor>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Memorytune {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        values::required_set(xml, "memorytune", "vcpus", &mut self.vcpus);
        xml.attribute("id", &mut self.id);
        xml.children("node", &mut self.nodes);
        xml.children("monitor", &mut self.monitors);
    }
}

/// `<node>` of `<memorytune>`: a part of a NUMA node's bandwidth.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemorytuneNode {
    /// The number of the node on the host.
    pub id: u32,
    /// How much of the bandwidth, in percent.
    pub bandwidth: u32,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for MemorytuneNode {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("id", &mut self.id);
        xml.required("bandwidth", &mut self.bandwidth);
    }
}

/// `<monitor>` of `<memorytune>`: whose use of the bandwidth is watched.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemorytuneMonitor {
    /// The numbers of the virtual CPUs.
    pub vcpus: Option<CpuSet>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for MemorytuneMonitor {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        values::required_set(xml, "monitor", "vcpus", &mut self.vcpus);
    }
}
