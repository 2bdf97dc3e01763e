//! `<cpu>` and `<vcpu>`: `-cpu` and `-smp`.

use caps_parser::Capability;
use caps_parser::facts::Machine;
use domain_model::cpu::{Cpu, CpuCheck, CpuFallback, CpuMatch, CpuMode, CpuModel, FeaturePolicy, Topology};
use domain_model::memory::{Placement, Vcpu};
use domain_model::xml::text::OnOff;
use domain_model::{Code, Diagnostic, DomainType};

use crate::arg::Args;
use crate::context::Context;
use crate::props::Props;
use crate::resolve::Resolving;

/// Fills in the number of processors and the machine type's own CPU model.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    let vcpu = cx.domain.vcpu.get_or_insert_with(Vcpu::default);
    if vcpu.count == Some(0) {
        let message = "a guest needs at least one processor";
        cx.problems.push(Diagnostic::error(Code::BadValue, vcpu.meta.origin, message));
    }
    vcpu.placement.get_or_insert(Placement::Static);
    let cpus = *vcpu.count.get_or_insert(1);
    if let (Some(current), true) = (vcpu.current, vcpu.current.is_some_and(|current| current > cpus)) {
        let origin = vcpu.meta.at("@current");
        let message = format!("{current} processors at start are more than the {cpus} that there are");
        cx.problems.push(Diagnostic::error(Code::Conflict, origin, message));
    }
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
}

/// Without a model, the machine type's own is named, so that it stays when QEMU's default changes.
fn default_model(cx: &mut Resolving<'_>) {
    let has_model = cx
        .domain
        .cpu
        .as_ref()
        .is_some_and(|cpu| cpu.model.is_some() || cpu.mode.is_some_and(|mode| mode != CpuMode::Custom));
    let machine = cx.domain.os.machine.as_deref().and_then(|name| cx.inputs.machine(cx.domain.kind, name));
    let Some(model) = machine.and_then(default_cpu) else { return };
    if has_model {
        return;
    }
    let origin = cx.domain.meta.at("os/type/@machine").implies("the machine type's own CPU model");
    let cpu = cx.domain.cpu.get_or_insert_with(Cpu::default);
    cpu.mode = Some(CpuMode::Custom);
    cpu.matching = Some(CpuMatch::Exact);
    cpu.check = Some(CpuCheck::None);
    cpu.model = Some(CpuModel {
        fallback: Some(CpuFallback::Forbid),
        name: Some(model.to_owned()),
        meta: domain_model::xml::Meta::from_origin(origin),
        ..CpuModel::default()
    });
}

/// The model behind the QOM type of a machine type's own CPU: `qemu64` for `qemu64-x86_64-cpu`.
fn default_cpu(machine: &Machine) -> Option<&str> {
    let kind = machine.default_cpu.as_deref()?;
    let model = kind.strip_suffix("-cpu")?;
    let archs = ["-x86_64", "-i386", "-arm", "-s390x", "-powerpc64", "-riscv", "-loongarch", "-powerpc"];
    Some(archs.iter().find_map(|arch| model.strip_suffix(arch)).unwrap_or(model))
}

/// `-cpu`
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    let Some(cpu) = &cx.domain.cpu else { return };
    let model_origin = cpu.model.as_ref().map_or(cpu.meta.at("@mode"), |model| model.meta.origin);
    let props = match cpu.mode.unwrap_or(CpuMode::Custom) {
        CpuMode::HostPassthrough => {
            if cx.domain.kind == DomainType::Qemu {
                let message = "CPU mode `host-passthrough` needs KVM, and the domain's type is `qemu`";
                out.problem(
                    Diagnostic::error(Code::Unsupported, cpu.meta.at("@mode"), message)
                        .help("use `<cpu mode='maximum'/>`, or `<domain type='kvm'>`"),
                );
            }
            let migratable = cpu.migratable.or(Some(OnOff::On)).filter(|_| cx.has(Capability::CpuMigratable));
            Props::new("model", "host", cpu.meta.at("@mode")).set_at(
                "migratable",
                migratable,
                cpu.meta.at("@migratable"),
            )
        }
        CpuMode::Maximum => {
            let props = Props::new("model", "max", cpu.meta.at("@mode"));
            props.set_at("migratable", cpu.migratable, cpu.meta.at("@migratable"))
        }
        CpuMode::HostModel => {
            cx.not_yet("CPU mode `host-model`", cpu.meta.at("@mode"), out);
            return;
        }
        CpuMode::Custom => match cpu.model.as_ref().and_then(|model| model.name.as_deref()) {
            Some(name) => Props::new("model", name, model_origin),
            None => return,
        },
    };
    let props = cpu.features.iter().fold(props, |props, feature| {
        let on = match feature.policy.unwrap_or(FeaturePolicy::Require) {
            FeaturePolicy::Force | FeaturePolicy::Require => true,
            FeaturePolicy::Disable | FeaturePolicy::Forbid => false,
            FeaturePolicy::Optional => return props,
        };
        props.set_at(&feature.name, on, feature.meta.origin)
    });
    out.props("-cpu", crate::features::cpu_properties(cx, props));
}

/// `-smp`
pub(crate) fn topology(cx: &Context<'_>, out: &mut Args) {
    let Some(vcpu) = &cx.domain.vcpu else { return };
    let max = vcpu.count.unwrap_or(1);
    let current = vcpu.current.unwrap_or(max);
    let written = cx.domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
    let default = Topology { sockets: max, cores: 1, threads: 1, ..Topology::default() };
    let topology = written.unwrap_or(&default);
    let origin = match written {
        Some(topology) => topology.meta.origin,
        None => vcpu.meta.origin.implies("without `<topology>`, each processor has a socket of its own"),
    };
    let props = Props::new("cpus", current, vcpu.meta.origin)
        .set_at("maxcpus", (current < max).then_some(max), vcpu.meta.origin)
        .set_at("sockets", topology.sockets, origin)
        .set_at("dies", topology.dies.filter(|_| cx.has(Capability::SmpDies)), origin)
        .set_at("clusters", topology.clusters.filter(|_| cx.has(Capability::SmpClusters)), origin)
        .set_at("cores", topology.cores, origin)
        .set_at("threads", topology.threads, origin);
    out.props("-smp", props);
}
