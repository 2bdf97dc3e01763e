//! What cannot work of `<features>`.

use caps_parser::Capability;
use domain_model::features::Features;
use domain_model::os::Arch;
use domain_model::values::MIB;
use domain_model::xml::text::{OnOff, YesNo};
use domain_model::{DomainType, Origin};

use crate::check::Problems;
use crate::resolve::board::Board;

/// Reports features that the machine or the QEMU in use does not have.
pub(crate) fn check(out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    let Some(features) = &domain.features else { return };
    let at = |path| domain.meta.at(path);
    let is_x86 = crate::os::is_x86(domain);
    let is_ppc = matches!(domain.os.arch, Some(Arch::Ppc64 | Arch::Ppc64le));
    let board = Board::of(domain);
    let (is_pseries, is_arm_virt) = (board == Board::Pseries, board == Board::ArmVirt);
    let eoi = features.apic.as_ref().and_then(|apic| apic.eoi);
    for (name, path, is_there, fits) in [
        ("ioapic", "features/ioapic", features.ioapic.is_some(), is_x86),
        ("hpt", "features/hpt", features.hpt.is_some(), is_pseries),
        ("htm", "features/htm", features.htm.is_some(), is_pseries),
        ("nested-hv", "features/nested-hv", features.nested_hv.is_some(), is_pseries),
        ("ccf-assist", "features/ccf-assist", features.ccf_assist.is_some(), is_pseries),
        ("cfpc", "features/cfpc", features.cfpc.is_some(), is_pseries),
        ("sbbc", "features/sbbc", features.sbbc.is_some(), is_pseries),
        ("ibs", "features/ibs", features.ibs.is_some(), is_pseries),
        ("gic", "features/gic", features.gic.is_some(), is_arm_virt),
        ("ras", "features/ras", features.ras.is_some(), is_arm_virt),
        ("aia", "features/aia", features.aia.is_some(), board == Board::RiscvVirt),
        ("apic eoi", "features/apic/@eoi", eoi.is_some(), is_x86),
        ("pvspinlock", "features/pvspinlock", features.pvspinlock.is_some(), is_x86),
        ("hyperv", "features/hyperv", features.hyperv.is_some(), is_x86 || is_arm_virt),
        ("ps2", "features/ps2", features.ps2.is_some(), is_x86),
    ] {
        if is_there && !fits {
            let message = format!("the feature `{name}` is not one of {}", out.machine());
            out.unsupported(at(path), message);
        }
    }
    if features.pmu == Some(OnOff::Off) && is_ppc {
        out.unsupported(at("features/pmu/@state"), "POWER CPUs always have performance counters");
    }
    capabilities(features, out);
    smm(features, out);
    tcg(features, out);
}

/// What a newer QEMU could do.
fn capabilities(features: &Features, out: &mut Problems<'_>) {
    let meta = &out.cx.domain.meta;
    let at = |path| -> Origin { meta.at(path) };
    let hpt = features.hpt.as_ref();
    for (is_there, capability, what, path) in [
        (
            hpt.is_some_and(|hpt| hpt.resizing.is_some()),
            Capability::MachinePseriesResizeHpt,
            "<hpt resizing=…>",
            "features/hpt/@resizing",
        ),
        (
            hpt.is_some_and(|hpt| hpt.maxpagesize.is_some_and(|size| size.0 > 0)),
            Capability::MachinePseriesCapHptMaxPageSize,
            "<maxpagesize>",
            "features/hpt/maxpagesize",
        ),
        (features.ps2.is_some(), Capability::MachineI8042Opt, "<ps2>", "features/ps2/@state"),
        (features.vmport.is_some(), Capability::MachineVmportOpt, "<vmport>", "features/vmport/@state"),
        (
            features.vmcoreinfo == Some(OnOff::On),
            Capability::Vmcoreinfo,
            "<vmcoreinfo>",
            "features/vmcoreinfo/@state",
        ),
        (
            features.async_teardown == Some(YesNo::Yes),
            Capability::RunWithAsyncTeardown,
            "<async-teardown>",
            "features/async-teardown/@enabled",
        ),
        (features.aia.is_some(), Capability::MachineVirtAia, "<aia>", "features/aia/@value"),
        (features.ras.is_some(), Capability::MachineVirtRas, "<ras>", "features/ras/@state"),
    ] {
        // Snapshots of machines that were not asked do not know.
        if is_there && out.cx.inputs.caps.knows(capability) {
            out.requires(capability, what, at(path));
        }
    }
}

/// System management mode, and the memory that is kept for it.
fn smm(features: &Features, out: &mut Problems<'_>) {
    let Some(smm) = &features.smm else { return };
    if smm.tseg.is_none() {
        return;
    }
    let origin = smm.meta.at("tseg");
    if smm.tseg.is_some_and(|size| !size.0.is_multiple_of(MIB)) {
        out.unsupported(origin, "the size of `<tseg>` is in whole MiB");
    }
    if !crate::os::is_q35(out.cx.domain) {
        let message = format!("the size of `<tseg>` can be chosen on Q35, not on {}", out.machine());
        out.unsupported(origin, message);
    } else {
        out.requires(Capability::MchExtendedTsegMbytes, "<tseg>", origin);
    }
}

/// QEMU's own translation of code.
fn tcg(features: &Features, out: &mut Problems<'_>) {
    let Some(tcg) = &features.tcg else { return };
    let kind = out.cx.domain.kind;
    if kind != DomainType::Qemu {
        let message = format!("a domain of type `{kind}` does not translate code, so `<tcg>` says nothing");
        out.unsupported(tcg.meta.origin, message);
    }
    if tcg.tb_cache.is_some_and(|size| size.0 % 1024 != 0) {
        out.unsupported(tcg.meta.at("tb-cache"), "the size of the cache is in whole MiB");
    }
}
