//! `<cpu>`: the guest's CPUs.

mod numa;

pub use numa::{
    CacheAssociativity, CachePolicy, Cell, CellCache, Interconnect, InterconnectKind, Interconnects, Numa,
    Path, Sibling,
};

use std::collections::BTreeSet;

use crate::values;
use crate::words;
use crate::xml::text::OnOff;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `mode` of `<cpu>`: where the model comes from; since libvirt 0.9.10.
    pub enum CpuMode: UnknownWord {
        /// The XML names it.
        Custom = "custom",
        /// The named model that is nearest to the host's CPU.
        HostModel = "host-model",
        /// The host's CPU as it is.
        HostPassthrough = "host-passthrough",
        /// All that the hypervisor can do; since libvirt 7.1.
        Maximum = "maximum",
    }

    /// `match` of `<cpu>`: how near the guest's CPU must be to what is asked for.
    pub enum CpuMatch {
        /// It has all of it, and what the host has besides.
        Minimum = "minimum",
        /// It has just that.
        Exact = "exact",
        /// And the host has nothing else.
        Strict = "strict",
    }

    /// `check` of `<cpu>`: how the CPU is checked before the guest starts; since libvirt 3.2.
    pub enum CpuCheck {
        /// It is not.
        None = "none",
        /// Against the host's CPU.
        Partial = "partial",
        /// And the guest's CPU against what was asked for.
        Full = "full",
    }

    /// `fallback` of `<model>`: whether a nearby model will do.
    pub enum CpuFallback: UnknownWord {
        /// Yes.
        Allow = "allow",
        /// No.
        Forbid = "forbid",
    }

    /// `policy` of `<feature>`: whether the guest's CPU has a feature.
    pub enum FeaturePolicy: UnknownWord {
        /// Yes, even if the host's does not.
        Force = "force",
        /// Yes; the host's must have it.
        Require = "require",
        /// If the host's has it.
        Optional = "optional",
        /// No.
        Disable = "disable",
        /// No, and the host's must not have it.
        Forbid = "forbid",
    }

    /// `mode` of `<cache>`: which caches the guest sees.
    #[derive(Default)]
    pub enum CpuCacheMode {
        /// Some that QEMU makes up.
        #[default]
        Emulate = "emulate",
        /// The host's.
        Passthrough = "passthrough",
        /// None.
        Disable = "disable",
    }

    /// `mode` of `<maxphysaddr>`: where the size of physical addresses comes from.
    #[derive(Default)]
    pub enum MaxphysaddrMode {
        /// The XML.
        Emulate = "emulate",
        /// The host's CPU.
        #[default]
        Passthrough = "passthrough",
    }
}

/// `<cpu>`: the guest's CPUs; since libvirt 0.7.5.
///
/// ```
/// use domain_model::cpu::{Cpu, CpuMode};
/// use domain_model::{Document, xml};
///
/// let document = Document::parse("", "<cpu mode='host-passthrough'>\
///     <topology sockets='1' cores='4' threads='2'/></cpu>")?;
/// let (cpu, problems) = xml::read::<Cpu>(document.root());
/// assert!(problems.is_empty());
/// assert_eq!(cpu.mode, Some(CpuMode::HostPassthrough));
/// assert_eq!(cpu.topology.map(|topology| topology.cpus()), Some(8));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cpu {
    /// Where the model comes from; since libvirt 0.9.10.
    pub mode: Option<CpuMode>,
    /// How near the guest's CPU must be to what is asked for.
    pub matching: Option<CpuMatch>,
    /// How the CPU is checked before the guest starts; since libvirt 3.2.
    pub check: Option<CpuCheck>,
    /// Whether features that cannot be migrated are left out; since libvirt 6.5.
    pub migratable: Option<OnOff>,
    /// Whether features that are deprecated are kept; since libvirt 11.0.
    pub deprecated_features: Option<OnOff>,
    /// `<model>`: the model.
    pub model: Option<CpuModel>,
    /// The vendor that the host's CPU must have; since libvirt 0.8.3.
    pub vendor: Option<String>,
    /// `<topology>`: how the CPUs are put together.
    pub topology: Option<Topology>,
    /// `<cache>`: which caches the guest sees; since libvirt 3.3.
    pub cache: Option<CpuCache>,
    /// `<maxphysaddr>`: the size of physical addresses; since libvirt 8.7.
    pub maxphysaddr: Option<Maxphysaddr>,
    /// `<feature>`: what the CPU has or lacks beside its model.
    pub features: Vec<CpuFeature>,
    /// `<numa>`: memory near to some CPUs and far from others; since libvirt 0.9.8.
    pub numa: Option<Numa>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Cpu {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("mode", &mut self.mode);
        xml.attribute("match", &mut self.matching);
        xml.attribute("check", &mut self.check);
        xml.attribute("migratable", &mut self.migratable);
        xml.attribute("deprecated_features", &mut self.deprecated_features);
        xml.child("model", &mut self.model);
        xml.value("vendor", &mut self.vendor);
        xml.child("topology", &mut self.topology);
        xml.at_most_one("cache");
        xml.child("cache", &mut self.cache);
        xml.child("maxphysaddr", &mut self.maxphysaddr);
        xml.children("feature", &mut self.features);
        xml.child("numa", &mut self.numa);
        if X::READS {
            self.check(xml);
        }
    }
}

impl Cpu {
    /// Reports what makes no sense without a model, and features that are named twice.
    fn check<X: Xml>(&self, xml: &mut X) {
        let needs_model = self.mode.is_none_or(|mode| mode == CpuMode::Custom);
        if needs_model && self.model.is_none() {
            if self.vendor.is_some() {
                xml.report(Diagnostic::error(
                    Code::Conflict,
                    xml.at("vendor"),
                    "a `<vendor>` needs a `<model>`",
                ));
            }
            if !self.features.is_empty() {
                xml.report(Diagnostic::error(
                    Code::Conflict,
                    xml.at("feature"),
                    "a `<feature>` needs a `<model>`",
                ));
            }
        }
        let is_whole = matches!(self.mode, Some(CpuMode::HostPassthrough | CpuMode::Maximum));
        if self.migratable.is_some() && !is_whole {
            let message = "only a CPU of mode `host-passthrough` or `maximum` is `migratable` or not";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at("@migratable"), message));
        }
        let mut names = BTreeSet::new();
        for feature in &self.features {
            if !names.insert(feature.name.as_str()) {
                let message = format!("the feature `{}` is named twice", feature.name);
                xml.report(Diagnostic::error(Code::Conflict, feature.meta.at("@name"), message));
            }
        }
    }
}

/// `<model>`: the model of the CPU; since libvirt 0.7.5.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CpuModel {
    /// Whether a nearby model will do; since libvirt 0.9.10.
    pub fallback: Option<CpuFallback>,
    /// The vendor that the guest sees, 12 characters; since libvirt 0.10.
    pub vendor_id: Option<String>,
    /// The name, by libvirt's or QEMU's list.
    pub name: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for CpuModel {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.optional("fallback", &mut self.fallback);
        xml.optional("vendor_id", &mut self.vendor_id);
        values::unless_empty(xml, &mut self.name);
        if X::READS
            && self.vendor_id.as_ref().is_some_and(|vendor| vendor.len() != 12 || vendor.contains(','))
        {
            let origin = xml.at("@vendor_id");
            let message = "a vendor is 12 characters long and has no comma";
            xml.report(Diagnostic::error(Code::BadValue, origin, message));
        }
    }
}

/// `<topology>`: how the CPUs are put together. The product of the numbers is the number of CPUs.
/// Since libvirt 0.7.5.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// Sockets.
    pub sockets: u32,
    /// Dies in a socket; since libvirt 6.1.
    pub dies: Option<u32>,
    /// Clusters in a die; since libvirt 10.1.
    pub clusters: Option<u32>,
    /// Cores in a cluster.
    pub cores: u32,
    /// Threads of a core.
    pub threads: u32,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for Topology {
    fn default() -> Self {
        Topology { sockets: 1, dies: None, clusters: None, cores: 1, threads: 1, meta: Meta::default() }
    }
}

impl Topology {
    /// How many CPUs there are.
    pub fn cpus(&self) -> u64 {
        [self.sockets, self.dies.unwrap_or(1), self.clusters.unwrap_or(1), self.cores, self.threads]
            .into_iter()
            .fold(1_u64, |product, count| product.saturating_mul(count.into()))
    }
}

impl Element for Topology {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("sockets", &mut self.sockets);
        xml.attribute("dies", &mut self.dies);
        xml.attribute("clusters", &mut self.clusters);
        xml.required("cores", &mut self.cores);
        xml.required("threads", &mut self.threads);
        if X::READS && self.cpus() == 0 {
            let origin = xml.at("");
            xml.report(Diagnostic::error(Code::BadValue, origin, "no number in `<topology>` can be 0"));
        }
    }
}

/// `<cache>` of `<cpu>`: which caches the guest sees; since libvirt 3.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CpuCache {
    /// The level, 1 to 3; all if absent.
    pub level: Option<u32>,
    /// Which caches.
    pub mode: CpuCacheMode,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for CpuCache {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("level", &mut self.level);
        xml.required("mode", &mut self.mode);
        if X::READS && self.level.is_some_and(|level| !(1..=3).contains(&level)) {
            let origin = xml.at("@level");
            xml.report(Diagnostic::error(Code::BadValue, origin, "caches have the levels 1 to 3"));
        }
    }
}

/// `<maxphysaddr>`: the size of physical addresses; since libvirt 8.7.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Maxphysaddr {
    /// Where the size comes from.
    pub mode: MaxphysaddrMode,
    /// The size in bits.
    pub bits: Option<u32>,
    /// The most bits to take from the host; since libvirt 9.3.
    pub limit: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Maxphysaddr {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("mode", &mut self.mode);
        xml.attribute("bits", &mut self.bits);
        xml.attribute("limit", &mut self.limit);
        if X::READS && self.limit == Some(0) {
            xml.report(Diagnostic::error(Code::BadValue, xml.at("@limit"), "no address has 0 bits"));
        }
    }
}

/// `<feature>` of `<cpu>`: what the CPU has or lacks beside its model; since libvirt 0.7.5.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CpuFeature {
    /// Whether the guest's CPU has it; `require` if absent.
    pub policy: Option<FeaturePolicy>,
    /// The name, by libvirt's list.
    pub name: String,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for CpuFeature {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("policy", &mut self.policy);
        xml.required("name", &mut self.name);
        if X::READS && self.name.is_empty() {
            xml.report(Diagnostic::error(Code::BadValue, xml.at("@name"), "a feature has a name"));
        }
    }
}
