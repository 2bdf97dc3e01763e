//! What `-cpu` says of timers, Hyper-V and KVM.

use caps_parser::Capability;
use domain_model::Origin;
use domain_model::clock::{TickPolicy, TimerName};
use domain_model::device::panic::PanicModel;
use domain_model::features::{Features, Hyperv, Kvm};
use domain_model::os::Arch;
use domain_model::xml::text::{OnOff, YesNo};

use crate::context::Context;
use crate::props::{Props, Value};

/// Adds what timers and features ask of `-cpu`.
pub(crate) fn cpu_properties(cx: &Context<'_>, props: Props) -> Props {
    let none = Features::default();
    let features = cx.domain.features.as_ref().unwrap_or(&none);
    let at = |path| cx.domain.meta.at(path);
    let mut props = timers(cx, props);
    let eoi = features.apic.as_ref().and_then(|apic| apic.eoi);
    props = props.set_at("kvm-pv-eoi", eoi, at("features/apic/@eoi")).set_at(
        "kvm-pv-unhalt",
        features.pvspinlock,
        at("features/pvspinlock/@state"),
    );
    if super::passes_hyperv(features) {
        props = props.set_at("hv-passthrough", true, at("features/hyperv/@mode"));
    }
    if let Some(given) = &features.hyperv {
        props = hyperv(given, props);
    }
    if let Some(panic) =
        cx.domain.devices.panics.iter().find(|panic| panic.spec.model == Some(PanicModel::Hyperv))
    {
        props = props.set_at("hv-crash", Value::Flag, panic.meta.at("@model"));
    }
    if let Some(given) = &features.kvm {
        props = kvm(given, props);
    }
    // POWER CPUs always have performance counters, and no option for them.
    let pmu = features.pmu.filter(|_| !matches!(cx.domain.os.arch, Some(Arch::Ppc64 | Arch::Ppc64le)));
    props.set_at("pmu", pmu, at("features/pmu/@state"))
}

fn timers(cx: &Context<'_>, mut props: Props) -> Props {
    for timer in cx.domain.clock.iter().flat_map(|clock| &clock.timers) {
        let present = timer.meta.at("@present");
        props = match timer.name {
            TimerName::Kvmclock => props.set_at("kvmclock", timer.present, present),
            TimerName::Hypervclock if timer.present == Some(YesNo::Yes) => {
                props.set_at("hv-time", true, present)
            }
            TimerName::Tsc => {
                let frequency = timer.frequency.filter(|frequency| *frequency > 0);
                props.set_at("tsc-frequency", frequency, timer.meta.at("@frequency"))
            }
            TimerName::Armvtimer => {
                let value = match timer.tickpolicy {
                    Some(TickPolicy::Delay) => Some(false),
                    Some(TickPolicy::Discard) => Some(true),
                    Some(TickPolicy::Catchup | TickPolicy::Merge) | None => None,
                };
                props.requires(
                    Capability::CpuKvmNoAdjvtime,
                    "kvm-no-adjvtime",
                    value,
                    timer.meta.at("@tickpolicy"),
                )
            }
            _ => props,
        };
    }
    props
}

/// The enlightenments of Hyper-V, in QEMU's spelling and libvirt's order.
fn hyperv(hyperv: &Hyperv, props: Props) -> Props {
    let at = |path| hyperv.meta.at(path);
    let is_on = |state: Option<OnOff>| (state == Some(OnOff::On)).then_some(true);
    let spinlocks = hyperv.spinlocks.as_ref().filter(|spinlocks| spinlocks.state == OnOff::On);
    let retries = spinlocks.and_then(|spinlocks| spinlocks.retries).map(|retries| format!("{retries:#x}"));
    let vendor = hyperv.vendor_id.as_ref().filter(|vendor| vendor.state == OnOff::On);
    let stimer = hyperv.stimer.as_ref().filter(|stimer| stimer.state == OnOff::On);
    let flush = hyperv.tlbflush.as_ref().filter(|flush| flush.state == OnOff::On);
    props
        .set_at("hv-relaxed", is_on(hyperv.relaxed), at("relaxed/@state"))
        .set_at("hv-vapic", is_on(hyperv.vapic), at("vapic/@state"))
        .set_at("hv-spinlocks", retries, at("spinlocks/@retries"))
        .set_at("hv-vpindex", is_on(hyperv.vpindex), at("vpindex/@state"))
        .set_at("hv-runtime", is_on(hyperv.runtime), at("runtime/@state"))
        .set_at("hv-synic", is_on(hyperv.synic), at("synic/@state"))
        .set_at("hv-stimer", stimer.map(|_| true), at("stimer/@state"))
        .set_at(
            "hv-stimer-direct",
            stimer.and_then(|stimer| is_on(stimer.direct)),
            at("stimer/direct/@state"),
        )
        .set_at("hv-reset", is_on(hyperv.reset), at("reset/@state"))
        .set_at("hv-vendor-id", vendor.and_then(|vendor| vendor.value.as_ref()), at("vendor_id/@value"))
        .set_at("hv-frequencies", is_on(hyperv.frequencies), at("frequencies/@state"))
        .set_at("hv-reenlightenment", is_on(hyperv.reenlightenment), at("reenlightenment/@state"))
        .set_at("hv-tlbflush", flush.map(|_| true), at("tlbflush/@state"))
        .set_at(
            "hv-tlbflush-direct",
            flush.and_then(|flush| is_on(flush.direct)),
            at("tlbflush/direct/@state"),
        )
        .set_at(
            "hv-tlbflush-ext",
            flush.and_then(|flush| is_on(flush.extended)),
            at("tlbflush/extended/@state"),
        )
        .set_at("hv-ipi", is_on(hyperv.ipi), at("ipi/@state"))
        .set_at("hv-evmcs", is_on(hyperv.evmcs), at("evmcs/@state"))
        .set_at("hv-avic", is_on(hyperv.avic), at("avic/@state"))
        .set_at("hv-emsr-bitmap", is_on(hyperv.emsr_bitmap), at("emsr_bitmap/@state"))
        .set_at("hv-xmm-input", is_on(hyperv.xmm_input), at("xmm_input/@state"))
}

/// What KVM tells the guest.
fn kvm(kvm: &Kvm, props: Props) -> Props {
    let at = |path| -> Origin { kvm.meta.at(path) };
    let when = |state: Option<OnOff>, wanted| (state == Some(wanted)).then_some(bool::from(wanted));
    props
        .set_at("kvm", when(kvm.hidden, OnOff::On).map(|hidden| !hidden), at("hidden/@state"))
        .set_at("kvm-hint-dedicated", when(kvm.hint_dedicated, OnOff::On), at("hint-dedicated/@state"))
        .set_at("kvm-poll-control", when(kvm.poll_control, OnOff::On), at("poll-control/@state"))
        .set_at("kvm-pv-ipi", when(kvm.pv_ipi, OnOff::Off), at("pv-ipi/@state"))
}
