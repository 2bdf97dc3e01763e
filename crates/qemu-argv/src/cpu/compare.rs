//! Whether a guest's CPU is possible on a host (`check='partial'`).

use domain_model::cpu::{Cpu, CpuMatch, CpuMode, FeaturePolicy};
use domain_model::{Code, Diagnostic};

use super::feature;
use super::host_model::{self, HostModel};
use super::map::{CpuMap, FeatureSet};
use crate::resolve::Resolving;

/// Refuses a CPU that the host cannot give.
///
/// Since libvirt 10.10 QEMU's own answer counts, except for models that libvirt compared itself before.
pub(super) fn check(
    cpu: &Cpu,
    map: &CpuMap,
    host: Option<&HostModel>,
    cx: &Resolving<'_>,
) -> Result<(), Diagnostic> {
    let model = cpu.model.as_ref().and_then(|model| model.name.as_deref());
    let is_compared_here = model.is_none_or(|name| map.model(name).is_some_and(|model| model.compared_here));
    if !is_compared_here && cpu.mode != Some(CpuMode::HostModel) {
        return ask_qemu(cpu, cx);
    }
    let host = host.ok_or_else(|| {
        let message = "the guest's CPU cannot be compared with the host's, which is not known";
        Diagnostic::error(Code::CpuIncompatible, cpu.meta.at("@check"), message)
            .help("start it without: `<cpu check='none'>`")
    })?;
    if let Some(vendor) = &cpu.vendor
        && host.vendor.as_ref() != Some(vendor)
    {
        let made_by =
            host.vendor.as_deref().map_or("somebody else".to_owned(), |vendor| format!("`{vendor}`"));
        return Err(incompatible(cpu, "vendor", format!("the host's CPU is made by {made_by}")));
    }
    let refuse = |what: &str, features: &FeatureSet| {
        let names: Vec<&str> = map.names(features).collect();
        Err(incompatible(cpu, "", format!("{what}: `{}`", names.join("`, `"))))
    };
    let with = |policy| set_of(cpu, map, policy);
    let forbidden = with(FeaturePolicy::Forbid).intersection(&host.all);
    if !forbidden.is_empty() {
        return refuse("the host's CPU has what the guest must not see", &forbidden);
    }
    let (optional, off, forced) =
        (with(FeaturePolicy::Optional), with(FeaturePolicy::Disable), with(FeaturePolicy::Force));
    let of_model =
        model.and_then(|name| map.model(name)).map(|model| model.features.clone()).unwrap_or_default();
    let required = of_model
        .union(&with(FeaturePolicy::Require))
        .difference(&forced)
        .difference(&optional)
        .difference(&off);
    let missing = required.difference(&host.all);
    if !missing.is_empty() {
        return refuse("the host's CPU lacks what the guest needs", &missing);
    }
    let extra = host.all.difference(&required).difference(&optional).difference(&off).difference(&forced);
    if cpu.matching == Some(CpuMatch::Strict) && !extra.is_empty() {
        return refuse("the host's CPU has more than the guest's, which has to match it strictly", &extra);
    }
    Ok(())
}

/// Refuses a CPU that QEMU says it cannot run here.
pub(super) fn ask_qemu(cpu: &Cpu, cx: &Resolving<'_>) -> Result<(), Diagnostic> {
    let says_off = |name: &str| {
        cpu.features.iter().any(|feature| {
            feature.name == name
                && matches!(feature.policy, Some(FeaturePolicy::Disable | FeaturePolicy::Forbid))
        })
    };
    let name = cpu.model.as_ref().and_then(|model| model.name.as_deref());
    let model = cx.inputs.cpus(cx.domain.kind).iter().find(|model| Some(model.name.as_str()) == name);
    if let Some(model) = model.filter(|model| model.usable == Some(false)) {
        let blockers = model.blockers.iter().map(feature::from_qemu);
        let missing: Vec<&str> = blockers.filter(|name| !says_off(name)).collect();
        if !missing.is_empty() {
            let message = format!("the host lacks features of `{}`: `{}`", model.name, missing.join("`, `"));
            return Err(incompatible(cpu, "model", message));
        }
    }
    let Some(expanded) = cx.inputs.host_cpu(cx.domain.kind) else { return Ok(()) };
    for feature in &cpu.features {
        let is_there = host_model::has(expanded, feature::to_qemu(&cx.domain, &feature.name));
        let (wanted, what) = match feature.policy {
            Some(FeaturePolicy::Require) => (true, "lacks what the guest needs"),
            Some(FeaturePolicy::Forbid) => (false, "has what the guest must not see"),
            _ => continue,
        };
        if is_there != wanted {
            let message = format!("the host's CPU {what}: `{}`", feature.name);
            return Err(Diagnostic::error(Code::CpuIncompatible, feature.meta.at("@policy"), message));
        }
    }
    Ok(())
}

fn incompatible(cpu: &Cpu, at: &'static str, message: String) -> Diagnostic {
    Diagnostic::error(Code::CpuIncompatible, cpu.meta.at(at), message)
}

/// The features that the definition says something of.
fn set_of(cpu: &Cpu, map: &CpuMap, policy: FeaturePolicy) -> FeatureSet {
    let of_policy = cpu.features.iter().filter(|feature| feature.policy == Some(policy));
    map.set(of_policy.map(|feature| feature.name.as_str()))
}

/// The features that a guest's CPU is to have.
pub(super) fn wanted(cpu: &Cpu, map: &CpuMap) -> FeatureSet {
    let features = cpu.features.iter().filter_map(|feature| match feature.policy {
        Some(FeaturePolicy::Force | FeaturePolicy::Require) | None => Some((feature.name.clone(), true)),
        Some(FeaturePolicy::Disable | FeaturePolicy::Forbid) => Some((feature.name.clone(), false)),
        Some(FeaturePolicy::Optional) => None,
    });
    let model = cpu.model.as_ref().and_then(|model| model.name.clone()).unwrap_or_default();
    let described = super::decode::Description { model, vendor: None, features: features.collect() };
    host_model::features_of(map, &described)
}
