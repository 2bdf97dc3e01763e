//! What starting a guest makes of its CPU: models, translations and checks.

use caps_parser::Capability;
use domain_model::cpu::{Cpu, CpuCheck, CpuFallback, CpuFeature, CpuMatch, CpuMode, CpuModel, FeaturePolicy};
use domain_model::os::Arch;
use domain_model::xml::Meta;
use domain_model::{Code, Diagnostic, DomainType, Origin};

use super::decode::{Abilities, Description, describe};
use super::feature;
use super::host_model::{self, HostModel};
use super::map::CpuMap;
use super::{compare, power, s390};
use crate::config::Layout;
use crate::resolve::Resolving;
use crate::resolve::board::Board;

/// Puts a model that QEMU has, with all its features, in the place of what the definition leaves open.
pub(crate) fn update(cx: &mut Resolving<'_>) {
    let Some(mut cpu) = cx.domain.cpu.take() else { return };
    if !super::has_models(cx.domain.os.arch) {
        let message = "libvirt knows nothing of the CPUs of this architecture";
        cx.problems.push(Diagnostic::error(Code::Unsupported, cpu.meta.origin, message));
    }
    let says_which = cpu.model.is_some() || cpu.mode.is_some_and(|mode| mode != CpuMode::Custom);
    if says_which && let Err(problem) = updated(&mut cpu, cx) {
        cx.problems.push(problem);
    }
    cx.domain.cpu = Some(cpu);
}

fn updated(cpu: &mut Cpu, cx: &Resolving<'_>) -> Result<(), Diagnostic> {
    let is_x86 = crate::os::is_x86(&cx.domain);
    if is_x86 && is_machines_own(cpu, cx) {
        return Ok(());
    }
    let map = cx.inputs.host.cpu_map();
    if let Some(map) = map {
        known_features(cpu, map, is_x86, cx)?;
    }
    supported_mode(cpu, cx)?;
    if cpu.deprecated_features.is_some() && !cx.inputs.has(Capability::QueryCpuModelExpansionDeprecatedProps)
    {
        let message = format!("{} does not say which features are deprecated", cx.inputs.qemu());
        let problem = Diagnostic::error(Code::Unsupported, cpu.meta.at("@deprecated_features"), message);
        return Err(problem.help("QEMU 9.1 and later do for IBM Z; name each `<feature>` instead"));
    }
    match cx.domain.os.arch {
        Some(Arch::X86_64 | Arch::I686) => {
            if let Some(map) = map {
                x86(cpu, map, cx)?;
            } else {
                x86_without_map(cpu, cx)?;
            }
        }
        Some(Arch::S390 | Arch::S390x) => s390::update(cpu, cx)?,
        Some(Arch::Ppc64 | Arch::Ppc64le) => power::check(cpu, cx)?,
        _ if is_relative(cpu) => return Err(not_of_this_architecture(cpu)),
        _ => {}
    }
    if is_x86 {
        leave_out_unknown(cpu, cx);
        return Ok(());
    }
    known_model(cpu, cx)
}

/// Whether this is the model that QEMU would take without a word. It needs no comparison with libvirt's map, which
/// takes longer to read than all else that is done for a small guest; libvirt's own layout compares it all the same.
fn is_machines_own(cpu: &Cpu, cx: &Resolving<'_>) -> bool {
    let is_implied = matches!(cpu.meta.origin, Origin::Implied { .. });
    let name = cpu.model.as_ref().and_then(|model| model.name.as_deref());
    let is_known = || cx.inputs.cpus(cx.domain.kind).iter().any(|known| Some(known.name.as_str()) == name);
    cx.inputs.config.layout == Layout::Run
        && is_implied
        && cpu.features.is_empty()
        && cpu.check != Some(CpuCheck::Partial)
        && is_known()
}

/// Refuses a model that QEMU does not have; only x86 models can be put together from others.
fn known_model(cpu: &Cpu, cx: &Resolving<'_>) -> Result<(), Diagnostic> {
    let name = cpu.model.as_ref().and_then(|model| model.name.as_deref());
    let Some(name) = name.filter(|_| cpu.mode == Some(CpuMode::Custom)) else { return Ok(()) };
    let models = cx.inputs.cpus(cx.domain.kind);
    if models.is_empty() || models.iter().any(|model| super::libvirt_name(&model.name) == name) {
        return Ok(());
    }
    let message = format!("{} has no CPU model `{name}`", cx.inputs.qemu());
    Err(Diagnostic::error(Code::Unsupported, cpu.meta.at("model"), message))
}

fn not_of_this_architecture(cpu: &Cpu) -> Diagnostic {
    let message = "guests of this architecture cannot have a CPU that depends on the host's";
    Diagnostic::error(Code::Unsupported, cpu.meta.origin, message)
        .help("name a `<model>`, match it with `exact`, and have no `optional` features")
}

/// Whether what the guest gets depends on the host's CPU.
pub(super) fn is_relative(cpu: &Cpu) -> bool {
    let mode = cpu.mode.unwrap_or(CpuMode::Custom);
    let is_optional = |feature: &CpuFeature| feature.policy == Some(FeaturePolicy::Optional);
    match mode {
        CpuMode::HostPassthrough | CpuMode::Maximum => false,
        CpuMode::HostModel => true,
        CpuMode::Custom => cpu.matching == Some(CpuMatch::Minimum) || cpu.features.iter().any(is_optional),
    }
}

/// Refuses features that x86 and Arm CPUs are not known to have.
fn known_features(cpu: &Cpu, map: &CpuMap, is_x86: bool, cx: &Resolving<'_>) -> Result<(), Diagnostic> {
    let is_known = |name: &str| match is_x86 {
        true => map.feature(name).is_some(),
        false => map.arm_features.is_empty() || map.arm_features.iter().any(|known| known == name),
    };
    if !is_x86 && !Board::is_arm(&cx.domain) {
        return Ok(());
    }
    match cpu.features.iter().find(|feature| !is_known(&feature.name)) {
        None => Ok(()),
        Some(unknown) => {
            let of = if is_x86 { "x86" } else { "Arm" };
            let message = format!("`{}` is no feature of {of} CPUs", unknown.name);
            Err(Diagnostic::error(Code::Unsupported, unknown.meta.at("@name"), message))
        }
    }
}

/// Refuses modes that the accelerator or the machine type cannot do.
fn supported_mode(cpu: &Cpu, cx: &Resolving<'_>) -> Result<(), Diagnostic> {
    let origin = cpu.meta.at("@mode");
    let refuse = |why: &str, help: &str| {
        Err(Diagnostic::error(Code::Unsupported, origin, why.to_owned()).help(help.to_owned()))
    };
    let mode = cpu.mode.unwrap_or(CpuMode::Custom);
    let machine = cx.domain.os.machine.as_deref().unwrap_or_default();
    if mode != CpuMode::HostPassthrough && s390::knows_no_models(&cx.domain, machine) {
        return refuse(
            "guests of this machine type that run on KVM have the host's CPU",
            "use `<cpu mode='host-passthrough'/>`",
        );
    }
    match mode {
        CpuMode::HostPassthrough => {
            if !matches!(cx.domain.kind, DomainType::Kvm | DomainType::Hvf) {
                let message = format!(
                    "CPU mode `host-passthrough` needs KVM, and the domain's type is `{}`",
                    cx.domain.kind
                );
                return refuse(&message, "use `<cpu mode='maximum'/>`, or `<domain type='kvm'>`");
            }
            if !host_model::is_native(&cx.domain, cx.inputs) {
                return refuse(
                    "CPU mode `host-passthrough` needs a guest of the host's architecture",
                    "use `<cpu mode='maximum'/>`",
                );
            }
            Ok(())
        }
        CpuMode::HostModel if !host_model::is_native(&cx.domain, cx.inputs) => refuse(
            "CPU mode `host-model` needs a guest of the host's architecture",
            "name a `<model>`, or use `<cpu mode='maximum'/>`",
        ),
        _ => Ok(()),
    }
}

/// The CPU of an x86 guest, where libvirt's models are known.
fn x86(cpu: &mut Cpu, map: &CpuMap, cx: &Resolving<'_>) -> Result<(), Diagnostic> {
    let mode = cpu.mode.unwrap_or(CpuMode::Custom);
    if matches!(mode, CpuMode::HostPassthrough | CpuMode::Maximum) {
        return Ok(());
    }
    let is_known = |name: &str| map.model(name).is_some();
    if let Some(model) = cpu.model.as_ref().filter(|_| mode == CpuMode::Custom)
        && cx.inputs.config.layout == Layout::Libvirt
        && let Some(name) = model.name.as_deref().filter(|name| !is_known(name))
        && cx.inputs.cpus(cx.domain.kind).iter().any(|known| known.name == name)
    {
        // libvirt compares models with its map, whatever QEMU has.
        let message = format!("libvirt has no CPU model `{name}`");
        return Err(Diagnostic::error(Code::HostFact, model.meta.origin, message));
    }
    let needs_host = is_relative(cpu) || cpu.check == Some(CpuCheck::Partial);
    let host = if needs_host { host_model::of_x86(map, &cx.domain, cx.inputs) } else { None };
    if cpu.check == Some(CpuCheck::Partial) {
        compare::check(cpu, map, host.as_ref(), cx)?;
    }
    if is_relative(cpu) {
        let host = host.ok_or_else(|| unknown_host(cpu))?;
        relative(cpu, map, &host);
    }
    if let Some(model) = &cpu.model
        && let Some(known) = model.name.as_deref().and_then(|name| map.model(name))
    {
        let rule = "whether the model has this feature depends on the machine type, so it is always said";
        let origin = model.meta.origin.implies(rule);
        for name in &known.removed {
            if cpu.features.iter().all(|feature| feature.name != *name) {
                set_feature(&mut cpu.features, name, FeaturePolicy::Disable, origin);
            }
        }
    }
    translate(cpu, map, cx)
}

/// Settles what depends on the host's CPU.
fn relative(cpu: &mut Cpu, map: &CpuMap, host: &HostModel) {
    let features = host_model::features_of(map, &host.migratable);
    for feature in &mut cpu.features {
        if feature.policy == Some(FeaturePolicy::Optional) {
            let is_there = map.feature(&feature.name).is_some_and(|place| features.contains(place));
            feature.policy = Some(if is_there { FeaturePolicy::Require } else { FeaturePolicy::Disable });
        }
    }
    if cpu.mode == Some(CpuMode::HostModel) || cpu.matching == Some(CpuMatch::Minimum) {
        take_over(cpu, &host.migratable);
    }
}

/// Gives the guest the host's model; what the definition says of features and of the vendor goes before.
pub(super) fn take_over(cpu: &mut Cpu, host: &Description) {
    let asked = if cpu.mode == Some(CpuMode::HostModel) { "@mode" } else { "@match" };
    let origin =
        cpu.meta.at(asked).implies("the named model that is nearest to the host's CPU, and the difference");
    let vendor_id = cpu.model.as_ref().and_then(|model| model.vendor_id.clone());
    let name = Some(host.model.clone());
    let fallback = Some(CpuFallback::Allow);
    cpu.model = Some(CpuModel { fallback, vendor_id, name, meta: Meta::from_origin(origin) });
    add_to(cpu, host, origin);
    cpu.mode = Some(CpuMode::Custom);
    cpu.matching = Some(CpuMatch::Exact);
}

/// Puts a description's features in front of those that the definition names, which go before in what they say.
fn add_to(cpu: &mut Cpu, description: &Description, origin: Origin) {
    let own = std::mem::take(&mut cpu.features);
    for (name, is_on) in &description.features {
        let policy = if *is_on { FeaturePolicy::Require } else { FeaturePolicy::Disable };
        set_feature(&mut cpu.features, name, policy, origin);
    }
    for feature in own {
        match cpu.features.iter_mut().find(|known| known.name == feature.name) {
            Some(known) => *known = feature,
            None => cpu.features.push(feature),
        }
    }
}

/// Says something of a feature, in its place if something is said of it already.
pub(super) fn set_feature(features: &mut Vec<CpuFeature>, name: &str, policy: FeaturePolicy, origin: Origin) {
    let feature = CpuFeature { policy: Some(policy), name: name.to_owned(), meta: Meta::from_origin(origin) };
    match features.iter_mut().find(|known| known.name == name) {
        Some(known) => *known = feature,
        None => features.push(feature),
    }
}

/// Describes a model that this QEMU lacks by one that it has.
fn translate(cpu: &mut Cpu, map: &CpuMap, cx: &Resolving<'_>) -> Result<(), Diagnostic> {
    let known = cx.inputs.cpus(cx.domain.kind);
    let Some(model) = &cpu.model else { return Ok(()) };
    let name = model.name.as_deref().unwrap_or_default();
    if known.is_empty() || known.iter().any(|known| known.name == name) {
        return Ok(());
    }
    let origin = model.meta.origin;
    if model.fallback != Some(CpuFallback::Allow) {
        let message = format!("{} has no CPU model `{name}`", cx.inputs.qemu());
        return Err(Diagnostic::error(Code::Unsupported, origin, message)
            .help("allow a nearby one: `<model fallback='allow'>`"));
    }
    let unknown = || {
        let message = format!("neither {} nor libvirt has a CPU model `{name}`", cx.inputs.qemu());
        Diagnostic::error(Code::HostFact, origin, message)
    };
    let described = map.model(name).ok_or_else(unknown)?;
    let wanted = Abilities {
        vendor: described.vendor.clone(),
        signature: described.signatures.first().map(|signature| signature.first()).unwrap_or_default(),
        features: compare::wanted(cpu, map),
    };
    let nearest = describe(map, &wanted, known).ok_or_else(unknown)?;
    let rule = "the model that is nearest to one that this QEMU lacks, and the difference";
    add_to(cpu, &nearest, origin.implies(rule));
    if let Some(model) = &mut cpu.model {
        model.name = Some(nearest.model);
    }
    Ok(())
}

/// The CPU of an x86 guest, where nobody has told what libvirt's models are: QEMU alone is asked.
fn x86_without_map(cpu: &mut Cpu, cx: &Resolving<'_>) -> Result<(), Diagnostic> {
    if cpu.check == Some(CpuCheck::Partial) {
        compare::ask_qemu(cpu, cx)?;
    }
    if !is_relative(cpu) {
        return Ok(());
    }
    let expanded = cx.inputs.host_cpu(cx.domain.kind);
    let (Layout::Run, Some(expanded)) = (cx.inputs.config.layout, expanded) else {
        return Err(unknown_host(cpu));
    };
    for feature in &mut cpu.features {
        if feature.policy == Some(FeaturePolicy::Optional) {
            let is_there = host_model::has(expanded, feature::to_qemu(&cx.domain, &feature.name));
            feature.policy = Some(if is_there { FeaturePolicy::Require } else { FeaturePolicy::Disable });
        }
    }
    if cpu.matching == Some(CpuMatch::Minimum) {
        // What QEMU says of the host goes into the argument as it is.
        cpu.mode = Some(CpuMode::HostModel);
        cpu.model = None;
    }
    Ok(())
}

pub(super) fn unknown_host(cpu: &Cpu) -> Diagnostic {
    let message = "what this CPU is depends on the host's CPU, and that is not known";
    Diagnostic::error(Code::Unsupported, cpu.meta.origin, message)
        .help("name a `<model>`, or use `<cpu mode='maximum'/>`; libvirt's `cpu_map` and a QEMU that was asked on this host would do too")
}

/// Leaves out what QEMU does not know: features it never had, and those that are off for not being there.
fn leave_out_unknown(cpu: &mut Cpu, cx: &Resolving<'_>) {
    let expanded = cx.inputs.host_cpu(cx.domain.kind);
    let is_known = |name: &str| {
        expanded
            .is_none_or(|expanded| expanded.props.iter().any(|prop| feature::from_qemu(&prop.name) == name))
    };
    cpu.features.retain(|feature| {
        let is_off = matches!(feature.policy, Some(FeaturePolicy::Disable | FeaturePolicy::Forbid));
        !feature::is_unknown_to_qemu(&feature.name) && (!is_off || is_known(&feature.name))
    });
}
