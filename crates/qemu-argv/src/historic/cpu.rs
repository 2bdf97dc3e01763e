//! Processors: `-cpu` and `-smp`.

use caps_parser::Capability;
use domain_model::cpu::{Cpu, CpuMatch, CpuMode, FeaturePolicy};
use domain_model::os::Arch;
use domain_model::{Code, Diagnostic};

use crate::arg::Args;
use crate::context::Context;
use crate::cpu::map::{CpuMap, FeatureSet};
use crate::gate;
use crate::host::HostCpu;
use crate::props::Props;

/// The feature for which KVM has to be told that guests may be hosts themselves.
const NESTING: &str = "svm";

/// `-cpu`
pub(crate) fn model(cx: &Context<'_>, out: &mut Args) {
    if let Some(cpu) = cx.domain.cpu.as_ref().filter(|cpu| cpu.model.is_some() || cpu.mode.is_some()) {
        match described(cpu, cx) {
            Ok((text, nests)) => {
                out.text("-cpu", text, cpu.meta.origin);
                if nests && cx.has(Capability::Nesting) {
                    out.flag("-enable-nesting", cpu.meta.origin);
                }
            }
            Err(problem) => out.problem(problem),
        }
        return;
    }
    // A QEMU for 64-bit guests starts 32-bit ones with a 64-bit processor unless told otherwise; that of KVM is for the
    // guests of its host.
    let emulator = cx.domain.devices.emulator.as_deref().unwrap_or_default();
    let is_64_bit =
        emulator.contains("x86_64") || cx.inputs.host.arch() == Some("x86_64") && emulator.contains("kvm");
    if cx.domain.os.arch == Some(Arch::I686) && is_64_bit {
        out.text("-cpu", "qemu32", cx.domain.meta.at("os/type/@arch"));
    }
}

/// A model that QEMU has and how it differs from what the guest gets; and whether guests in the guest are
/// possible.
fn described(cpu: &Cpu, cx: &Context<'_>) -> Result<(String, bool), Diagnostic> {
    let refuse = |code, at, message: String| Err(Diagnostic::error(code, cpu.meta.at(at), message));
    let name = cpu.model.as_ref().and_then(|model| model.name.as_deref());
    let (None | Some(CpuMode::Custom), Some(name)) = (cpu.mode, name) else {
        let message = "a guest of these QEMUs has a CPU model of its own, by name";
        return refuse(Code::Unsupported, "@mode", message.to_owned());
    };
    let host = cx.inputs.host;
    let known: Vec<&str> = cx.inputs.cpus(cx.domain.kind).iter().map(|model| model.name.as_str()).collect();
    match (host.cpu_map(), host.cpu()) {
        (Some(map), Some(host)) if !known.is_empty() => {
            let guest = guest(cpu, name, map, &host)?;
            let nests = map.feature(NESTING).is_some_and(|place| guest.contains(place));
            let minimum = cpu.matching == Some(CpuMatch::Minimum);
            let preferred = if minimum { host.model.as_str() } else { name };
            match nearest(&guest, map, &known, preferred) {
                Some(text) => Ok((text, nests)),
                None => refuse(Code::Unsupported, "model", format!("{} has no CPU model", cx.inputs.qemu())),
            }
        }
        // Whoever does not know the host's CPU, or QEMU's models, leaves it to QEMU whether it can be had.
        _ => Ok(as_written(cpu, name)),
    }
}

/// The model and features in the domain's own words.
fn as_written(cpu: &Cpu, name: &str) -> (String, bool) {
    let mut text = name.to_owned();
    let mut nests = false;
    for feature in &cpu.features {
        let sign = match feature.policy {
            Some(FeaturePolicy::Disable | FeaturePolicy::Forbid) => '-',
            Some(FeaturePolicy::Optional) => continue,
            Some(FeaturePolicy::Force | FeaturePolicy::Require) | None => '+',
        };
        nests |= sign == '+' && feature.name == NESTING;
        text.push_str(&format!(",{sign}{}", feature.name));
    }
    (text, nests)
}

/// The features that the guest gets of those of the host.
///
/// An exact match takes away what the guest does not speak of; other matches leave it.
fn guest(cpu: &Cpu, name: &str, map: &CpuMap, host: &HostCpu) -> Result<FeatureSet, Diagnostic> {
    let refuse =
        |at, message: String| Err(Diagnostic::error(Code::CpuIncompatible, cpu.meta.at(at), message));
    if cpu.vendor.is_some() && cpu.vendor != host.vendor {
        return refuse("vendor", "the host's CPU is made by somebody else".to_owned());
    }
    if let Some(feature) = cpu.features.iter().find(|feature| map.feature(&feature.name).is_none()) {
        return refuse("feature", format!("no CPU has a feature `{}`", feature.name));
    }
    let Some(model) = map.model(name) else {
        return refuse("model", format!("there is no CPU model `{name}`"));
    };
    let with = |wanted: FeaturePolicy| {
        let policy = |policy: Option<FeaturePolicy>| policy.unwrap_or(FeaturePolicy::Require);
        let features = cpu.features.iter().filter(|feature| policy(feature.policy) == wanted);
        map.set(features.map(|feature| feature.name.as_str()))
    };
    let names = |set: &FeatureSet| map.names(set).collect::<Vec<_>>().join("`, `");
    let of_host_model = map.model(&host.model).map(|model| model.features.clone()).unwrap_or_default();
    let all = of_host_model.union(&map.set(host.features.iter().map(String::as_str)));
    let forbidden = with(FeaturePolicy::Forbid).intersection(&all);
    if !forbidden.is_empty() {
        return refuse(
            "feature",
            format!("the host's CPU has what the guest must not see: `{}`", names(&forbidden)),
        );
    }
    let (off, forced) = (with(FeaturePolicy::Disable), with(FeaturePolicy::Force));
    let required = model.features.union(&with(FeaturePolicy::Require)).difference(&off);
    let missing = required.difference(&all);
    if !missing.is_empty() {
        return refuse("model", format!("the host's CPU lacks what the guest needs: `{}`", names(&missing)));
    }
    let spoken_of = required.union(&with(FeaturePolicy::Optional)).union(&off).union(&forced);
    let more = all.difference(&spoken_of);
    let guest = match cpu.matching {
        Some(CpuMatch::Strict) if !more.is_empty() => {
            let message = format!(
                "the host's CPU has more than the guest's, which has to match it strictly: `{}`",
                names(&more)
            );
            return refuse("@match", message);
        }
        Some(CpuMatch::Minimum | CpuMatch::Strict) => all,
        Some(CpuMatch::Exact) | None => all.difference(&more),
    };
    Ok(guest.union(&forced).difference(&off))
}

/// The preferred model if QEMU has it, else the one with the shortest difference; later models and features
/// of the map come first.
fn nearest(guest: &FeatureSet, map: &CpuMap, known: &[&str], preferred: &str) -> Option<String> {
    let candidates = map.models.iter().rev().filter(|model| known.contains(&model.name.as_str()));
    let described = candidates.map(|model| {
        let signed = |set: FeatureSet, sign: char| {
            let mut names: Vec<String> = map.names(&set).map(|name| format!(",{sign}{name}")).collect();
            names.reverse();
            names
        };
        let more = signed(guest.difference(&model.features), '+');
        let less = signed(model.features.difference(guest), '-');
        (model.name.as_str(), [more, less].concat())
    });
    let best = described.min_by_key(|(name, features)| (*name != preferred, features.len()));
    best.map(|(name, features)| format!("{name}{}", features.concat()))
}

/// `-smp`
pub(crate) fn topology(cx: &Context<'_>, out: &mut Args) {
    let Some(vcpu) = &cx.domain.vcpu else { return };
    let most = vcpu.count.unwrap_or(1);
    let current = vcpu.current.unwrap_or(most);
    let props = Props::new("cpus", current, vcpu.meta.origin);
    if !cx.has(Capability::SmpTopology) {
        if current != most {
            let what = "<vcpu current=…>";
            let origin = vcpu.meta.at("@current");
            out.problem(gate::missing(Capability::SmpTopology, what, origin, cx.inputs.caps));
        }
        out.props("-smp", props);
        return;
    }
    let topology = cx.domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
    let (sockets, cores, threads, origin) = match topology {
        Some(topology) => (topology.sockets, topology.cores, topology.threads, topology.meta.origin),
        None => (most, 1, 1, vcpu.meta.origin),
    };
    out.props(
        "-smp",
        props
            .set("maxcpus", (current != most).then_some(most))
            .set_at("sockets", sockets, origin)
            .set_at("cores", cores, origin)
            .set_at("threads", threads, origin),
    );
}
