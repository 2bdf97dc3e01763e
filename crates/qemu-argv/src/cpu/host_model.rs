//! What `host-model` stands for on a host.

use caps_parser::facts::{CpuValue, HostCpu as Expanded};
use domain_model::os::Arch;
use domain_model::{Domain, DomainType};

use super::decode::{Abilities, Description, describe};
use super::feature;
use super::map::{CpuMap, FeatureSet, Signature};
use crate::context::Inputs;
use crate::host::HostCpu;

/// What is known of the CPU that guests can have at most.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostModel {
    /// The part that a guest can be migrated with: what `host-model` means.
    pub(crate) migratable: Description,
    /// All that the host and QEMU can do; what guests are compared with.
    pub(crate) all: FeatureSet,
    /// Who made the CPU, in the words of the map.
    pub(crate) vendor: Option<String>,
}

/// Whether the guest's instructions are the host's own.
pub(crate) fn is_native(domain: &Domain, inputs: Inputs<'_>) -> bool {
    let Some(host) = inputs.host.arch() else { return true };
    match domain.os.arch {
        Some(Arch::X86_64 | Arch::I686) => host == "x86_64" || (host == "i686" && is_i686(domain)),
        Some(Arch::Armv7l) => matches!(host, "aarch64" | "armv7l"),
        Some(Arch::Ppc64 | Arch::Ppc64le) => matches!(host, "ppc64" | "ppc64le" | "powerpc64"),
        Some(arch) => host == arch.as_str(),
        None => true,
    }
}

fn is_i686(domain: &Domain) -> bool {
    domain.os.arch == Some(Arch::I686)
}

/// The host's model on x86, if it is known: from QEMU's own answer, else from what is known of the host itself.
pub(crate) fn of_x86(map: &CpuMap, domain: &Domain, inputs: Inputs<'_>) -> Option<HostModel> {
    if !is_native(domain, inputs) {
        return None;
    }
    let known = inputs.cpus(domain.kind);
    let host = inputs.host.cpu();
    let Some(expanded) = inputs.host_cpu(domain.kind) else {
        let host = host?;
        let reported = match host.model.is_empty() {
            true => {
                let features = map.set(host.features.iter().map(String::as_str));
                let (vendor, signature) = (host.vendor.clone(), Signature::default());
                describe(map, &Abilities { vendor, signature, features }, known)?
            }
            false => host.describe(),
        };
        let all = features_of(map, &reported);
        let migratable = without_unmigratable(map, reported);
        return Some(HostModel { migratable, all, vendor: host.vendor });
    };
    let reported = abilities(map, expanded, false);
    let migratable = match expanded.migratability {
        true => describe(map, &abilities(map, expanded, true), known)?,
        false => without_unmigratable(map, describe(map, &reported, known)?),
    };
    // Only KVM runs on the host's CPU itself.
    let host = host.filter(|_| domain.kind == DomainType::Kvm);
    let vendor = host.as_ref().map_or(reported.vendor, |host| host.vendor.clone());
    let of_host = host.map(|host| features_of(map, &host.describe())).unwrap_or_default();
    let all = reported.features.union(&of_host);
    Some(HostModel { migratable, all, vendor })
}

impl HostCpu {
    /// The host's CPU without what QEMU never knew.
    fn describe(&self) -> Description {
        let known = self.features.iter().filter(|name| !feature::is_unknown_to_qemu(name));
        Description {
            model: self.model.clone(),
            vendor: self.vendor.clone(),
            features: known.map(|name| (name.clone(), true)).collect(),
        }
    }
}

/// A description without features that a guest cannot be migrated with.
fn without_unmigratable(map: &CpuMap, mut cpu: Description) -> Description {
    cpu.features.retain(|(name, _)| map.is_migratable(name));
    cpu
}

/// The features of a described CPU.
pub(crate) fn features_of(map: &CpuMap, cpu: &Description) -> FeatureSet {
    let mut features = map.model(&cpu.model).map(|model| model.features.clone()).unwrap_or_default();
    for (name, is_on) in &cpu.features {
        if let Some(place) = map.feature(name) {
            if *is_on { features.insert(place) } else { features.remove(place) }
        }
    }
    features
}

/// What QEMU says that a CPU can do.
fn abilities(map: &CpuMap, expanded: &Expanded, migratable: bool) -> Abilities {
    let mut cpu = Abilities::default();
    let (mut family, mut model, mut stepping) = (0, 0, 0);
    for prop in &expanded.props {
        match (&prop.value, prop.name.as_str()) {
            (CpuValue::Bool(true), name) if !migratable || prop.migratable != Some(false) => {
                if let Some(place) = map.feature(feature::from_qemu(name)) {
                    cpu.features.insert(place);
                }
            }
            (CpuValue::Text(id), "vendor") => cpu.vendor = map.vendor(id).map(str::to_owned),
            (CpuValue::Int(number), "family") => family = u32::try_from(*number).unwrap_or(0),
            (CpuValue::Int(number), "model") => model = u32::try_from(*number).unwrap_or(0),
            (CpuValue::Int(number), "stepping") => stepping = u32::try_from(*number).unwrap_or(0),
            _ => {}
        }
    }
    cpu.signature = Signature::new(family, model, stepping);
    cpu
}

/// Whether QEMU says that guests can have a feature, by QEMU's name.
pub(crate) fn has(expanded: &Expanded, name: &str) -> bool {
    expanded.props.iter().any(|prop| prop.name == name && prop.value == CpuValue::Bool(true))
}
