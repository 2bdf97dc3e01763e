//! `<cpu>` and `<vcpu>`: `-cpu` and `-smp`.

mod check;
mod compare;
mod decode;
mod feature;
mod host_model;
pub mod map;
mod power;
mod s390;
mod start;

pub(crate) use start::update;

use std::collections::BTreeSet;

use caps_parser::Capability;
use caps_parser::facts::{self, CpuValue, Machine};
use domain_model::cpu::{
    Cpu, CpuCacheMode, CpuCheck, CpuFallback, CpuFeature, CpuMatch, CpuMode, CpuModel, FeaturePolicy,
    MaxphysaddrMode, Topology,
};
use domain_model::memory::{Vcpu, VcpuState};
use domain_model::os::Arch;
use domain_model::xml::Meta;
use domain_model::xml::text::{OnOff, YesNo};
use domain_model::{Code, Diagnostic, DomainType, Origin};

use crate::arg::Args;
use crate::context::Context;
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;

pub(crate) use check::check;

/// Fills in the number of processors and the machine type's own CPU model.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    processors(cx);
    let cpus = cx.domain.vcpu.as_ref().and_then(|vcpu| vcpu.count).unwrap_or(1);
    if let Some(topology) = cx.domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref())
        && topology.cpus() != u64::from(cpus)
    {
        let message = format!(
            "the topology has {} processors and `<vcpu>` has {cpus}; they have to be equal",
            topology.cpus()
        );
        cx.problems.push(Diagnostic::error(Code::Unsupported, topology.meta.origin, message));
    }
    default_model(cx);
    model(cx);
    states(cx);
}

/// Fills in the number of processors.
pub(crate) fn processors(cx: &mut Resolving<'_>) {
    let vcpu = cx.domain.vcpu.get_or_insert_with(|| {
        let rule = Origin::always("a guest has one processor unless `<vcpu>` says otherwise");
        Vcpu { meta: Meta::from_origin(rule), ..Vcpu::default() }
    });
    if vcpu.count == Some(0) {
        let message = "a guest needs at least one processor";
        cx.problems.push(Diagnostic::error(Code::BadValue, vcpu.meta.origin, message));
    }
    let cpus = *vcpu.count.get_or_insert(1);
    if let (Some(current), true) = (vcpu.current, vcpu.current.is_some_and(|current| current > cpus)) {
        let origin = vcpu.meta.at("@current");
        let message = format!("{current} processors at start are more than the {cpus} that there are");
        cx.problems.push(Diagnostic::error(Code::Conflict, origin, message));
    }
}

/// Fills in which processors are there at the start and which can be taken away.
fn states(cx: &mut Resolving<'_>) {
    if cx.domain.vcpus.is_empty() {
        return;
    }
    for state in &mut cx.domain.vcpus {
        // The order is counted from 1.
        state.order.take_if(|order| *order == 0);
        let enabled = state.enabled.unwrap_or(YesNo::Yes) == YesNo::Yes;
        state.hotpluggable.get_or_insert(if enabled { YesNo::No } else { YesNo::Yes });
        if !enabled && state.hotpluggable == Some(YesNo::No) {
            let message =
                format!("processor {} is neither there at the start nor can be added later", state.id);
            cx.problems.push(Diagnostic::error(Code::Unsupported, state.meta.origin, message));
        }
    }
    // A list leaves out those that are added later.
    let count = cx.domain.vcpu.as_ref().and_then(|vcpu| vcpu.count).unwrap_or(1);
    let listed: BTreeSet<u32> = cx.domain.vcpus.iter().map(|state| state.id).collect();
    let meta = cx.domain.vcpus.first().map(|state| state.meta.clone()).unwrap_or_default();
    let missing = (0..count).filter(|id| !listed.contains(id)).map(|id| VcpuState {
        id,
        enabled: Some(YesNo::No),
        hotpluggable: Some(YesNo::Yes),
        meta: Meta::from_origin(
            meta.origin.implies("a processor that is not listed is not there at the start"),
        ),
        ..VcpuState::default()
    });
    cx.domain.vcpus.extend(missing);
    cx.domain.vcpus.sort_by_key(|state| state.id);
    let first = cx.domain.vcpus.iter().find(|state| state.id == 0);
    if let Some(first) = first
        && (first.enabled == Some(YesNo::No)
            || first.hotpluggable == Some(YesNo::Yes)
            || first.order.is_some_and(|order| order > 1))
    {
        let message = "processor 0 is there at the start, is the first and stays";
        cx.problems.push(Diagnostic::error(Code::Unsupported, first.meta.origin, message));
    }
    let there = cx.domain.vcpus.iter().filter(|state| state.enabled != Some(YesNo::No)).count();
    if let Some(vcpu) = &mut cx.domain.vcpu {
        let there = u32::try_from(there).unwrap_or(u32::MAX);
        vcpu.current = vcpu.count.filter(|count| *count != there).map(|_| there);
    }
}

/// Fills in what is not said of the CPU model and its features.
fn model(cx: &mut Resolving<'_>) {
    let kind = cx.domain.kind;
    let is_x86 = crate::os::is_x86(&cx.domain);
    let migratable = match cx.inputs.has(Capability::CpuMigratable) {
        true => Some(OnOff::On),
        false if is_x86 => Some(OnOff::Off),
        false => None,
    };
    let Some(cpu) = &mut cx.domain.cpu else { return };
    if cpu.mode.is_some_and(|mode| mode != CpuMode::Custom) {
        // Only a named model is matched.
        cpu.matching = None;
    }
    if matches!(cpu.mode, Some(CpuMode::HostPassthrough | CpuMode::Maximum)) {
        cpu.model = None;
    }
    for feature in &mut cpu.features {
        feature.policy.get_or_insert(FeaturePolicy::Require);
    }
    let has = |is_meant: fn(&str) -> bool| cpu.features.iter().find(|feature| is_meant(&feature.name));
    if let Some(length) = has(check::is_sve_length)
        && has(|name| name == "sve").is_none()
    {
        let meta = Meta::from_origin(length.meta.at("@name").implies("vectors of a length are vectors"));
        let policy = Some(FeaturePolicy::Require);
        cpu.features.push(CpuFeature { policy, name: "sve".to_owned(), meta });
    }
    if let Some(topology) = &mut cpu.topology {
        topology.dies.get_or_insert(1);
        topology.clusters.get_or_insert(1);
    }
    let check = match cpu.mode {
        // Only numbers of processors and cells are said, and nothing of the model.
        None if cpu.model.is_none() => return,
        Some(CpuMode::Custom) if cpu.model.is_none() => return,
        Some(CpuMode::HostPassthrough) => {
            cpu.migratable = cpu.migratable.or(migratable);
            CpuCheck::None
        }
        Some(CpuMode::Maximum) => CpuCheck::None,
        Some(CpuMode::HostModel) => CpuCheck::Partial,
        // TCG emulates models whatever the host's CPU is.
        Some(CpuMode::Custom) | None if kind == DomainType::Qemu => CpuCheck::None,
        Some(CpuMode::Custom) | None => CpuCheck::Partial,
    };
    if cpu.mode.is_none_or(|mode| mode == CpuMode::Custom) {
        cpu.mode = Some(CpuMode::Custom);
        cpu.matching.get_or_insert(CpuMatch::Exact);
        if let Some(model) = &mut cpu.model {
            model.fallback.get_or_insert(CpuFallback::Allow);
        }
    } else if cpu.model.as_ref().is_some_and(|model| model.name.is_none() && model.vendor_id.is_none()) {
        // A model that is not named says only what `host-model` does anyway.
        cpu.model = None;
    } else if let Some(model) = &mut cpu.model {
        // Only what is named can be replaced by something near.
        model.fallback = model.name.is_some().then(|| model.fallback.unwrap_or(CpuFallback::Allow));
    }
    cpu.check.get_or_insert(check);
}

/// Without a model, the machine type's own is named, so that it stays when QEMU's default changes.
fn default_model(cx: &mut Resolving<'_>) {
    // A vendor that the guest is told stays, whatever its model.
    let mut vendor_id = None;
    if let Some(cpu) =
        cx.domain.cpu.as_mut().filter(|cpu| cpu.mode.is_none_or(|mode| mode == CpuMode::Custom))
    {
        vendor_id = cpu.model.take_if(|model| model.name.is_none()).and_then(|model| model.vendor_id);
    }
    let has_model = cx
        .domain
        .cpu
        .as_ref()
        .is_some_and(|cpu| cpu.model.is_some() || cpu.mode.is_some_and(|mode| mode != CpuMode::Custom));
    if has_model {
        return;
    }
    let kind = cx.domain.kind;
    if !has_models(cx.domain.os.arch) {
        return;
    }
    // Arm's own CPUs are models of old ones, which nothing but translation can run.
    if kind != DomainType::Qemu && Board::is_arm(&cx.domain) {
        return;
    }
    let machine = cx.domain.os.machine.as_deref().and_then(|name| cx.inputs.machine(kind, name));
    let Some(model) = machine.and_then(|machine| default_cpu(machine, cx.inputs.cpus(kind))) else { return };
    let origin = cx.domain.meta.at("os/type/@machine").implies("the machine type's own CPU model");
    let meta = Meta::from_origin(origin);
    let cpu = cx.domain.cpu.get_or_insert_with(|| Cpu { meta: meta.clone(), ..Cpu::default() });
    if model == "host" {
        let is_s390 = matches!(cx.domain.os.arch, Some(Arch::S390 | Arch::S390x));
        cpu.mode = Some(if is_s390 { CpuMode::HostModel } else { CpuMode::HostPassthrough });
        return;
    }
    cpu.mode = Some(CpuMode::Custom);
    cpu.matching = Some(CpuMatch::Exact);
    cpu.check = Some(CpuCheck::None);
    let fallback = Some(CpuFallback::Forbid);
    cpu.model = Some(CpuModel { fallback, vendor_id, name: Some(model), meta });
}

/// Whether libvirt knows CPU models of an architecture.
fn has_models(arch: Option<Arch>) -> bool {
    matches!(
        arch,
        Some(
            Arch::X86_64
                | Arch::I686
                | Arch::Ppc64
                | Arch::Ppc64le
                | Arch::S390
                | Arch::S390x
                | Arch::Armv6l
                | Arch::Armv7l
                | Arch::Armv7b
                | Arch::Aarch64
                | Arch::Riscv64
                | Arch::Loongarch64
        )
    )
}

/// The model behind the QOM type of a machine type's own CPU: `qemu64` for `qemu64-x86_64-cpu`.
fn default_cpu(machine: &Machine, models: &[facts::CpuModel]) -> Option<String> {
    let kind = machine.default_cpu.as_deref()?;
    if let Some(model) = models.iter().find(|model| model.type_name.as_deref() == Some(kind)) {
        return Some(libvirt_name(&model.name));
    }
    // A machine type's own model may be one that the accelerator cannot run.
    if models.iter().any(|model| model.type_name.is_some()) {
        return None;
    }
    let model = kind.strip_suffix("-cpu")?;
    let archs = ["-x86_64", "-i386", "-arm", "-s390x", "-powerpc64", "-riscv", "-loongarch", "-powerpc"];
    Some(archs.iter().find_map(|arch| model.strip_suffix(arch)).unwrap_or(model).to_owned())
}

/// libvirt's spelling of a model: QEMU's in upper case for the POWER models that libvirt knows.
fn libvirt_name(model: &str) -> String {
    const POWER: [&str; 7] =
        ["POWER6", "POWER7", "POWER8", "POWER9", "POWER10", "POWERPC_e5500", "POWERPC_e6500"];
    POWER.iter().find(|known| known.eq_ignore_ascii_case(model)).map_or(model, |known| known).to_owned()
}

/// `-cpu`
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    let mut origin = Origin::always("a guest for 32 bits gets a CPU for 32 bits");
    let named = match &cx.domain.cpu {
        Some(cpu) if cpu.model.is_some() || cpu.mode.is_some_and(|mode| mode != CpuMode::Custom) => {
            let Some(props) = named(cpu, cx) else { return };
            Some(props)
        }
        _ if cx.domain.os.arch == Some(Arch::I686)
            && cx.inputs.caps.facts.libvirt_arch() == Some("x86_64") =>
        {
            Some(Props::new("model", "qemu32", origin))
        }
        _ => None,
    };
    let is_named = named.is_some();
    let default = match cx.domain.os.arch {
        Some(Arch::X86_64) => {
            origin = Origin::always("properties of the CPU need a model; this is QEMU's own default");
            "qemu64"
        }
        Some(Arch::I686) => "qemu32",
        _ => "",
    };
    let props = named.unwrap_or_else(|| Props::new("model", default, origin));
    let props = crate::features::cpu_properties(cx, props);
    let props = cache_and_addresses(cx, props);
    if !is_named && props.items().len() == 1 {
        return;
    }
    if !is_named && default.is_empty() {
        let message = "this architecture has no default CPU to give properties to; name a `<model>`";
        out.problem(Diagnostic::error(Code::Unsupported, cx.domain.meta.at("features"), message));
        return;
    }
    out.props("-cpu", props);
}

/// The CPU that `<cpu>` names, with its features.
fn named(cpu: &Cpu, cx: &Context<'_>) -> Option<Props> {
    let mode = cpu.meta.at("@mode");
    let model_origin = cpu.model.as_ref().map_or(mode, |model| model.meta.origin);
    let props = match cpu.mode.unwrap_or(CpuMode::Custom) {
        kind @ (CpuMode::HostPassthrough | CpuMode::Maximum) => {
            let migratable = cpu.migratable.filter(|_| cx.has(Capability::CpuMigratable));
            let name = if kind == CpuMode::Maximum { "max" } else { "host" };
            let small = cx.domain.os.arch == Some(Arch::Armv7l) && cx.inputs.host.arch() == Some("aarch64");
            let rule = cx.domain.meta.at("os/type/@arch").implies("the host's CPU runs in its 32-bit mode");
            Props::new("model", name, mode).set_at("aarch64", small.then_some(false), rule).set_at(
                "migratable",
                migratable,
                cpu.meta.at("@migratable"),
            )
        }
        CpuMode::HostModel if matches!(cx.domain.os.arch, Some(Arch::Ppc64 | Arch::Ppc64le)) => {
            Props::new("model", "host", mode)
        }
        CpuMode::HostModel => expanded_host(cpu, cx)?,
        CpuMode::Custom => {
            Props::new("model", cpu.model.as_ref().and_then(|model| model.name.as_ref())?, model_origin)
        }
    };
    let vendor = cpu.model.as_ref().and_then(|model| model.vendor_id.as_ref());
    let props = props.set_at("vendor", vendor, model_origin);
    Some(cpu.features.iter().fold(props, |props, feature| {
        let on = match feature.policy.unwrap_or(FeaturePolicy::Require) {
            FeaturePolicy::Force | FeaturePolicy::Require => true,
            FeaturePolicy::Disable | FeaturePolicy::Forbid => false,
            FeaturePolicy::Optional => return props,
        };
        props.set_at(feature::to_qemu(cx.domain, &feature.name).to_owned(), on, feature.meta.origin)
    }))
}

/// The host's CPU as QEMU itself expands it, for who has no models of libvirt's: starting leaves the mode as it is then.
fn expanded_host(cpu: &Cpu, cx: &Context<'_>) -> Option<Props> {
    let expanded = cx.inputs.host_cpu(cx.domain.kind)?;
    let origin = cpu.meta.at("@mode").implies("what QEMU says that this host's CPU can do and take along");
    let props = Props::new("model", expanded.model.as_str(), origin);
    let is_named =
        |name: &str| cpu.features.iter().any(|feature| feature::to_qemu(cx.domain, &feature.name) == name);
    let migratable = expanded.props.iter().filter(|prop| prop.migratable != Some(false));
    Some(migratable.filter(|prop| !is_named(&prop.name)).fold(props, |props, prop| match &prop.value {
        CpuValue::Bool(false) => props,
        CpuValue::Bool(true) => props.set_at(prop.name.clone(), true, origin),
        CpuValue::Int(number) => props.set_at(prop.name.clone(), *number, origin),
        CpuValue::Text(text) => props.set_at(prop.name.clone(), text.as_str(), origin),
    }))
}

/// What `-cpu` says of caches and of the size of addresses.
fn cache_and_addresses(cx: &Context<'_>, props: Props) -> Props {
    let Some(cpu) = &cx.domain.cpu else { return props };
    let mut props = props;
    if let Some(cache) = &cpu.cache {
        let mode = cache.meta.at("@mode");
        let is_host = matches!(cpu.mode, Some(CpuMode::HostPassthrough | CpuMode::Maximum));
        let hide_host = is_host.then_some(false);
        props = match cache.mode {
            CpuCacheMode::Emulate => {
                props.set_at("l3-cache", true, mode).set_at("host-cache-info", hide_host, mode)
            }
            CpuCacheMode::Passthrough => {
                props.set_at("host-cache-info", true, mode).set_at("l3-cache", false, mode)
            }
            CpuCacheMode::Disable => {
                props.set_at("host-cache-info", hide_host, mode).set_at("l3-cache", false, mode)
            }
        };
    }
    let Some(size) = &cpu.maxphysaddr else { return props };
    let mode = size.meta.at("@mode");
    match (size.mode, size.bits.filter(|bits| *bits > 0)) {
        (MaxphysaddrMode::Passthrough, _) => {
            let limit = size.limit.filter(|limit| *limit > 0);
            props.set_at("host-phys-bits", true, mode).set_at(
                "host-phys-bits-limit",
                limit,
                size.meta.at("@limit"),
            )
        }
        (MaxphysaddrMode::Emulate, Some(bits)) => props.set_at("phys-bits", bits, size.meta.at("@bits")),
        (MaxphysaddrMode::Emulate, None) => props.set_at("host-phys-bits", false, mode),
    }
}

/// `-smp`
pub(crate) fn topology(cx: &Context<'_>, out: &mut Args) {
    let Some(vcpu) = &cx.domain.vcpu else { return };
    let max = vcpu.count.unwrap_or(1);
    let states = &cx.domain.vcpus;
    // Processors that can be taken away are added over QMP, before the guest runs.
    let stays =
        |state: &&VcpuState| state.enabled != Some(YesNo::No) && state.hotpluggable != Some(YesNo::Yes);
    let current = match states.is_empty() {
        true => vcpu.current.unwrap_or(max),
        false => u32::try_from(states.iter().filter(stays).count()).unwrap_or(max),
    };
    let written = cx.domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
    let default = Topology { sockets: max, cores: 1, threads: 1, ..Topology::default() };
    let topology = written.unwrap_or(&default);
    let origin = match written {
        Some(topology) => topology.meta.origin,
        None => vcpu.meta.origin.implies("without `<topology>`, each processor has a socket of its own"),
    };
    // What is 1 need not be known to QEMU.
    let level = |count: Option<u32>, capability| count.filter(|count| *count > 1 || cx.has(capability));
    let props = Props::new("cpus", current, vcpu.meta.origin)
        .set_at("maxcpus", (current != max).then_some(max), vcpu.meta.at("@current"))
        .set_at("sockets", topology.sockets, origin)
        .requires(Capability::SmpDies, "dies", level(topology.dies, Capability::SmpDies), origin)
        .requires(
            Capability::SmpClusters,
            "clusters",
            level(topology.clusters, Capability::SmpClusters),
            origin,
        )
        .set_at("cores", topology.cores, origin)
        .set_at("threads", topology.threads, origin);
    out.props("-smp", props);
}
