//! What cannot work of `<cpu>` and `<vcpu>`.

use caps_parser::Capability;
use domain_model::cpu::{CpuCacheMode, CpuMode, FeaturePolicy, MaxphysaddrMode};
use domain_model::os::Arch;
use domain_model::xml::text::OnOff;

use crate::check::Problems;
use crate::resolve::board::Board;

/// The most processors that a PC has without interrupts in extended mode.
const MAX_CPUS_WITHOUT_EIM: u32 = 255;

/// Reports processors that the machine cannot have.
pub(crate) fn check(out: &mut Problems<'_>) {
    model(out);
    caches(out);
    addresses(out);
    scalable_vectors(out);
    count(out);
}

fn model(out: &mut Problems<'_>) {
    let Some(cpu) = &out.cx.domain.cpu else { return };
    match cpu.mode {
        Some(CpuMode::HostPassthrough) if cpu.migratable == Some(OnOff::On) => {
            out.requires(Capability::CpuMigratable, "migratable='on'", cpu.meta.at("@migratable"));
        }
        Some(CpuMode::Maximum) => {
            out.requires(Capability::CpuMax, "<cpu mode='maximum'>", cpu.meta.at("@mode"));
        }
        _ => {}
    }
}

/// QEMU makes up a third level of caches or shows all of the host's.
fn caches(out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    let Some(cpu) = &domain.cpu else { return };
    let Some(cache) = &cpu.cache else { return };
    if !crate::os::is_x86(domain) {
        let message = format!("the caches of CPUs cannot be chosen on {}", out.machine());
        out.unsupported(cache.meta.origin, message);
    }
    let mode = cache.mode;
    match mode {
        CpuCacheMode::Emulate if cache.level != Some(3) => {
            let message = "only caches of the third level are emulated: `level='3'`";
            out.unsupported(cache.meta.at("@level"), message);
        }
        CpuCacheMode::Passthrough
            if !matches!(cpu.mode, Some(CpuMode::HostPassthrough | CpuMode::Maximum)) =>
        {
            let message =
                "the host's caches need the host's CPU: `<cpu mode='host-passthrough'>` or `mode='maximum'`";
            out.unsupported(cache.meta.at("@mode"), message);
        }
        CpuCacheMode::Passthrough | CpuCacheMode::Disable if cache.level.is_some() => {
            let message = format!("`mode='{mode}'` is for all levels of caches; leave out `level`");
            out.unsupported(cache.meta.at("@level"), message);
        }
        CpuCacheMode::Emulate | CpuCacheMode::Passthrough | CpuCacheMode::Disable => {}
    }
}

fn addresses(out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    let Some(size) = domain.cpu.as_ref().and_then(|cpu| cpu.maxphysaddr.as_ref()) else { return };
    if !crate::os::is_x86(domain) {
        let message = format!("the size of addresses cannot be chosen on {}", out.machine());
        out.unsupported(size.meta.origin, message);
    }
    match size.mode {
        MaxphysaddrMode::Passthrough if size.bits.is_some() => {
            let message = "addresses of the host's size have no `bits` of their own";
            out.unsupported(size.meta.at("@bits"), message);
        }
        MaxphysaddrMode::Emulate if size.limit.is_some() => {
            let message = "`limit` is for addresses of the host's size; write `bits`";
            out.unsupported(size.meta.at("@limit"), message);
        }
        MaxphysaddrMode::Passthrough | MaxphysaddrMode::Emulate => {}
    }
}

/// Arm's vectors have lengths only if there are vectors.
fn scalable_vectors(out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    let Some(cpu) = domain.cpu.as_ref().filter(|_| Board::is_arm(domain)) else { return };
    let is_on = |policy: Option<FeaturePolicy>| {
        matches!(policy, None | Some(FeaturePolicy::Force | FeaturePolicy::Require))
    };
    let is_off = cpu.features.iter().any(|feature| feature.name == "sve" && !is_on(feature.policy));
    if let Some(length) = cpu.features.iter().find(|feature| is_off && is_sve_length(&feature.name)) {
        let message = format!("the feature `{}` needs the feature `sve`, which is turned off", length.name);
        out.unsupported(length.meta.at("@name"), message);
    }
}

/// Whether a feature is a length that Arm's vectors can have, such as `sve128`.
pub(super) fn is_sve_length(name: &str) -> bool {
    name.strip_prefix("sve").is_some_and(|rest| !rest.is_empty())
}

fn count(out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    let Some(vcpu) = &domain.vcpu else { return };
    let max = vcpu.count.unwrap_or(1);
    let current = vcpu.current.unwrap_or(max);
    if let Some(machine) = out.cx.machine().filter(|machine| machine.max_cpus > 0 && max > machine.max_cpus) {
        let message = format!(
            "{max} processors are more than the {} of machine type `{}`",
            machine.max_cpus, machine.name
        );
        out.unsupported(vcpu.meta.origin, message);
    }
    // pSeries guests get and give back cores as a whole.
    let topology = domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
    let threads = topology.map_or(1, |topology| topology.threads);
    if Board::of(domain) == Board::Pseries && threads > 0 && current % threads != 0 {
        let message = format!("{current} processors are not whole cores of {threads} threads each");
        out.unsupported(vcpu.meta.origin, message);
    }
    if !matches!(domain.os.arch, Some(Arch::X86_64 | Arch::I686)) || max <= MAX_CPUS_WITHOUT_EIM {
        return;
    }
    let has_eim = domain.devices.iommus.iter().any(|iommu| iommu.spec.eim == Some(OnOff::On));
    if !crate::os::is_q35(domain) {
        let message =
            format!("more than {MAX_CPUS_WITHOUT_EIM} processors need a Q35 machine, and there are {max}");
        out.unsupported(vcpu.meta.origin, message);
    } else if !has_eim {
        let message =
            format!("more than {MAX_CPUS_WITHOUT_EIM} processors need an IOMMU with extended interrupt mode");
        out.unsupported(vcpu.meta.origin, message);
    }
}
