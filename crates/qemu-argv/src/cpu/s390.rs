//! CPUs of IBM Z guests: QEMU alone knows their models.

use caps_parser::facts::CpuValue;
use domain_model::cpu::{Cpu, CpuMode, FeaturePolicy};
use domain_model::os::Arch;
use domain_model::xml::text::OnOff;
use domain_model::{Code, Diagnostic, Domain, DomainType};

use super::decode::Description;
use super::start::{is_relative, set_feature, take_over, unknown_host};
use crate::resolve::Resolving;

/// Whether a machine type is from before there were CPU models for KVM guests: QEMU 2.4 to 2.7.
pub(super) fn knows_no_models(domain: &Domain, machine: &str) -> bool {
    matches!(domain.os.arch, Some(Arch::S390 | Arch::S390x))
        && domain.kind == DomainType::Kvm
        && machine
            .strip_prefix("s390-ccw-virtio-2.")
            .is_some_and(|minor| matches!(minor, "4" | "5" | "6" | "7"))
}

/// Settles what depends on the host's CPU.
pub(super) fn update(cpu: &mut Cpu, cx: &Resolving<'_>) -> Result<(), Diagnostic> {
    let expanded = cx.inputs.host_cpu(cx.domain.kind);
    if is_relative(cpu) {
        if cpu.mode != Some(CpuMode::HostModel) {
            let message = "CPUs of IBM Z guests are matched exactly, and their features are not optional";
            return Err(Diagnostic::error(Code::Unsupported, cpu.meta.origin, message));
        }
        let expanded = expanded.ok_or_else(|| unknown_host(cpu))?;
        let features = expanded.props.iter().filter_map(|prop| match prop.value {
            CpuValue::Bool(is_on) => Some((prop.name.clone(), is_on && prop.migratable != Some(false))),
            CpuValue::Int(_) | CpuValue::Text(_) => None,
        });
        let host = Description { model: expanded.model.clone(), vendor: None, features: features.collect() };
        take_over(cpu, &host);
    }
    let Some(deprecated) = cpu.deprecated_features else { return Ok(()) };
    let origin = cpu.meta.at("@deprecated_features");
    let policy = match deprecated {
        OnOff::On => FeaturePolicy::Require,
        OnOff::Off => FeaturePolicy::Disable,
    };
    for name in expanded.into_iter().flat_map(|expanded| expanded.deprecated.iter()) {
        set_feature(&mut cpu.features, name, policy, origin);
    }
    Ok(())
}
