//! `<cachetune>` and `<memorytune>`: parts of the host's caches and bandwidth.

use std::collections::BTreeSet;

use crate::values::{self, Bits, CpuSet, KIB, Scaled};
use crate::words;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

/// `<cachetune>`: the part of the host's caches that some virtual CPUs use; since libvirt 4.1.
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

/// `<cache>` of `<cachetune>`: a part of a cache; since libvirt 4.1.
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

/// `<monitor>` of `<cachetune>`: whose use of the caches is watched; since libvirt 4.10.
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

/// `<memorytune>`: the part of the host's memory bandwidth that some virtual CPUs use; since libvirt 4.7.
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

/// `<node>` of `<memorytune>`: a part of a NUMA node's bandwidth; since libvirt 4.7.
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

/// `<monitor>` of `<memorytune>`: whose use of the bandwidth is watched; since libvirt 6.0.
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

/// The level of the caches whose use the host's CPU measures.
const MONITORED: u32 = 3;

/// Reports parts of caches and bandwidths that contradict each other.
pub(super) fn check<X: Xml>(caches: &[Cachetune], bandwidths: &[Memorytune], xml: &mut X) {
    let mut report = |code, meta: &Meta, path, message: &str| {
        xml.report(Diagnostic::error(code, meta.at(path), message));
    };
    let mut claimed = Bits::new();
    for tune in caches {
        if tune.vcpus.as_ref().is_some_and(|vcpus| !claimed.claim(vcpus)) {
            report(
                Code::Conflict,
                &tune.meta,
                "@vcpus",
                "a CPU has its part of the caches from one `<cachetune>`",
            );
        }
        let mut seen = BTreeSet::new();
        for cache in &tune.caches {
            let uses: &[CacheUse] = match cache.kind {
                CacheUse::Both => &[CacheUse::Code, CacheUse::Data],
                CacheUse::Code => &[CacheUse::Code],
                CacheUse::Data => &[CacheUse::Data],
            };
            if uses.iter().filter(|kind| !seen.insert((cache.level, cache.id, **kind))).count() > 0 {
                report(Code::Conflict, &cache.meta, "", "a part of this cache is given already");
            }
        }
        for monitor in &tune.monitors {
            if monitor.level != MONITORED {
                report(Code::BadValue, &monitor.meta, "@level", "only caches of level 3 are measured");
            }
            let is_inside = |vcpus: &CpuSet| {
                vcpus.iter().all(|vcpu| tune.vcpus.as_ref().is_some_and(|all| all.contains(vcpu)))
            };
            if !monitor.vcpus.as_ref().is_none_or(is_inside) {
                report(
                    Code::InvalidArgument,
                    &monitor.meta,
                    "@vcpus",
                    "a monitor measures CPUs of its element",
                );
            }
        }
    }
    let mut claimed = Bits::new();
    for tune in bandwidths {
        let Some(vcpus) = &tune.vcpus else { continue };
        let overlaps = caches
            .iter()
            .filter_map(|other| other.vcpus.as_ref())
            .any(|other| other != vcpus && vcpus.iter().any(|vcpu| other.contains(vcpu)));
        if overlaps || !claimed.claim(vcpus) {
            report(Code::Conflict, &tune.meta, "@vcpus", "these CPUs overlap with others that share a part");
        }
        let mut nodes = BTreeSet::new();
        for node in tune.nodes.iter().filter(|node| !nodes.insert(node.id)) {
            report(Code::Conflict, &node.meta, "@id", "the bandwidth of this node is given already");
        }
    }
}
