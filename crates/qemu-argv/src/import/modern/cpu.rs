//! `-cpu` and `-smp`.

use domain_model::clock::{Timer, TimerName};
use domain_model::cpu::{
    Cpu, CpuCheck, CpuFeature, CpuMatch, CpuMode, CpuModel, FeaturePolicy, Maxphysaddr, MaxphysaddrMode,
    Topology,
};
use domain_model::features::{Spinlocks, Stimer, Tlbflush, VendorId};
use domain_model::memory::Vcpu;
use domain_model::os::Arch;
use domain_model::xml::text::{OnOff, YesNo};

use super::{Build, machine, on_off};
use crate::import::pairs;

/// Reads how many CPUs there are, and of which model.
pub(super) fn read(build: &mut Build<'_, '_, '_>) {
    topology(build);
    let Some(option) = build.last(&["cpu"]) else { return };
    build.named(&["cpu"]).for_each(|(_, option)| option.take());
    let mut parts = pairs::split(&option.value).into_iter();
    let name = parts.next().unwrap_or_default();
    let mut cpu = build.domain().cpu.take().unwrap_or_default();
    match name.as_str() {
        "host" => cpu.mode = Some(CpuMode::HostPassthrough),
        "max" => cpu.mode = Some(CpuMode::Maximum),
        "" => build.cx.refuse(option.origin, format!("`{}` names no CPU", option.value)),
        name => {
            cpu.mode = Some(CpuMode::Custom);
            cpu.matching = Some(CpuMatch::Exact);
            cpu.model = Some(CpuModel { name: Some(name.to_owned()), ..CpuModel::default() });
        }
    }
    // QEMU starts whatever the host lacks, unless it is told to check.
    cpu.check = Some(CpuCheck::None);
    let mut others = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        if let Some(left) = property(&part, &mut cpu, build) {
            others.push(left);
        }
    }
    build.domain().cpu = Some(cpu);
    let base = match build.domain().os.arch {
        Some(Arch::X86_64) => "x86_64",
        Some(Arch::I686) => "i386",
        Some(Arch::Aarch64 | Arch::Armv7l | Arch::Armv6l) => "arm",
        Some(arch) => crate::os::qemu_word(arch),
        None => "",
    };
    for (key, value) in others {
        // What is said of a CPU behind its model is a global property of its type.
        build.cx.pass("-global", &format!("{base}-cpu.{key}={value}"), option.origin);
    }
}

/// Reads one property; gives back what the domain cannot say.
fn property(part: &str, cpu: &mut Cpu, build: &mut Build<'_, '_, '_>) -> Option<(String, String)> {
    let (key, value) = match (part.strip_prefix('+'), part.strip_prefix('-'), part.split_once('=')) {
        (Some(name), ..) => (name, "on"),
        (_, Some(name), _) => (name, "off"),
        (_, _, Some((name, value))) => (name, value),
        _ => (part, "on"),
    };
    let dashed = key.replace('_', "-");
    let on = pairs::switch(value);
    if let Some(name) = dashed.strip_prefix("hv-") {
        return enlightenment(name, value, build).is_none().then(|| (key.to_owned(), value.to_owned()));
    }
    match (dashed.as_str(), on) {
        ("enforce", Some(true)) => cpu.check = Some(CpuCheck::Full),
        ("check", Some(true)) => cpu.check = Some(CpuCheck::Partial),
        ("enforce" | "check", Some(false)) => {}
        ("migratable", Some(on)) if cpu.mode == Some(CpuMode::HostPassthrough) => {
            cpu.migratable = Some(on_off(on))
        }
        ("kvm", Some(on)) => machine::kvm(build).hidden = Some(on_off(!on)),
        ("kvm-hint-dedicated", Some(on)) => machine::kvm(build).hint_dedicated = Some(on_off(on)),
        ("kvm-poll-control", Some(on)) => machine::kvm(build).poll_control = Some(on_off(on)),
        ("kvm-pv-ipi", Some(on)) => machine::kvm(build).pv_ipi = Some(on_off(on)),
        ("kvm-pv-eoi", Some(on)) => {
            machine::features_of(build).apic.get_or_insert_default().eoi = Some(on_off(on));
        }
        ("kvmclock", Some(on)) => {
            let present = Some(YesNo::from(on));
            let timer = Timer { name: TimerName::Kvmclock, present, ..Timer::default() };
            build.domain().clock.get_or_insert_default().timers.push(timer);
        }
        ("pmu", Some(on)) => machine::features_of(build).pmu = Some(on_off(on)),
        ("vendor", None) if value.len() == 12 => match &mut cpu.model {
            Some(model) => model.vendor_id = Some(value.to_owned()),
            None => return Some((key.to_owned(), value.to_owned())),
        },
        ("phys-bits", None) => {
            let bits = value.parse().ok()?;
            cpu.maxphysaddr = Some(Maxphysaddr {
                mode: MaxphysaddrMode::Emulate,
                bits: Some(bits),
                ..Maxphysaddr::default()
            });
        }
        ("host-phys-bits", Some(true)) => {
            cpu.maxphysaddr.get_or_insert_default().mode = MaxphysaddrMode::Passthrough;
        }
        ("host-phys-bits-limit", None) => {
            cpu.maxphysaddr.get_or_insert_default().limit = value.parse().ok();
        }
        // These are no features of a CPU, but of QEMU.
        ("l3-cache" | "host-cache-info" | "cpuid-0xb" | "x-force-features" | "full-width-write", _) => {
            return Some((key.to_owned(), value.to_owned()));
        }
        (_, Some(on)) => {
            let policy = Some(if on { FeaturePolicy::Require } else { FeaturePolicy::Disable });
            cpu.features.retain(|feature| feature.name != key);
            cpu.features.push(CpuFeature { policy, name: key.to_owned(), ..CpuFeature::default() });
        }
        (_, None) => return Some((key.to_owned(), value.to_owned())),
    }
    None
}

fn enlightenment(name: &str, value: &str, build: &mut Build<'_, '_, '_>) -> Option<()> {
    if let ("time", Some(on)) = (name, pairs::switch(value)) {
        let present = Some(YesNo::from(on));
        let timer = Timer { name: TimerName::Hypervclock, present, ..Timer::default() };
        build.domain().clock.get_or_insert_default().timers.push(timer);
        return Some(());
    }
    let hyperv = machine::features_of(build).hyperv.get_or_insert_default();
    let on = pairs::switch(value).map(on_off);
    match name {
        "relaxed" => hyperv.relaxed = Some(on?),
        "vapic" => hyperv.vapic = Some(on?),
        "vpindex" => hyperv.vpindex = Some(on?),
        "runtime" => hyperv.runtime = Some(on?),
        "synic" => hyperv.synic = Some(on?),
        "reset" => hyperv.reset = Some(on?),
        "frequencies" => hyperv.frequencies = Some(on?),
        "reenlightenment" => hyperv.reenlightenment = Some(on?),
        "ipi" => hyperv.ipi = Some(on?),
        "evmcs" => hyperv.evmcs = Some(on?),
        "avic" => hyperv.avic = Some(on?),
        "emsr-bitmap" => hyperv.emsr_bitmap = Some(on?),
        "xmm-input" => hyperv.xmm_input = Some(on?),
        "stimer" => hyperv.stimer.get_or_insert_with(Stimer::default).state = on?,
        "stimer-direct" => hyperv.stimer.get_or_insert_with(Stimer::default).direct = Some(on?),
        "tlbflush" => hyperv.tlbflush.get_or_insert_with(Tlbflush::default).state = on?,
        "tlbflush-direct" => hyperv.tlbflush.get_or_insert_with(Tlbflush::default).direct = Some(on?),
        "tlbflush-ext" => hyperv.tlbflush.get_or_insert_with(Tlbflush::default).extended = Some(on?),
        "spinlocks" => {
            let retries = u32::try_from(pairs::number(value)?).ok()?;
            hyperv.spinlocks =
                Some(Spinlocks { state: OnOff::On, retries: Some(retries), ..Spinlocks::default() });
        }
        "vendor-id" => {
            hyperv.vendor_id =
                Some(VendorId { state: OnOff::On, value: Some(value.to_owned()), ..VendorId::default() });
        }
        "passthrough" => hyperv.mode = Some(domain_model::features::HypervMode::Passthrough),
        _ => return None,
    }
    Some(())
}

/// `-smp`, with what is not said filled in as QEMU does since 6.2: cores before sockets.
fn topology(build: &mut Build<'_, '_, '_>) {
    let mut vcpu = Vcpu { count: Some(1), ..Vcpu::default() };
    if let Some(option) = build.last(&["smp"]) {
        build.named(&["smp"]).for_each(|(_, option)| option.take());
        let Some(pairs) = &option.pairs else { return };
        let number = |key| pairs.small::<u32>(key).filter(|number| *number > 0);
        let (cpus, most) = (number("cpus"), number("maxcpus"));
        let (mut sockets, mut cores, mut threads) = (number("sockets"), number("cores"), number("threads"));
        let (dies, clusters) = (number("dies"), number("clusters"));
        let shape = |sockets: Option<u32>, cores: Option<u32>, threads: Option<u32>| Topology {
            sockets: sockets.unwrap_or(1),
            dies,
            clusters,
            cores: cores.unwrap_or(1),
            threads: threads.unwrap_or(1),
            ..Topology::default()
        };
        let count = match most.or(cpus) {
            None => u32::try_from(shape(sockets, cores, threads).cpus()).unwrap_or(u32::MAX),
            Some(count) => {
                let each =
                    |of: Topology| u32::try_from(u64::from(count) / of.cpus().max(1)).ok().filter(|n| *n > 0);
                if cores.is_none() {
                    cores = each(shape(sockets, None, threads));
                } else if sockets.is_none() {
                    sockets = each(shape(None, cores, threads));
                } else if threads.is_none() {
                    threads = each(shape(sockets, cores, None));
                }
                count
            }
        };
        vcpu.count = Some(count);
        vcpu.current = cpus.filter(|cpus| *cpus < count);
        let topology = shape(sockets, cores, threads);
        if count > 1 && topology.cpus() == u64::from(count) {
            build.domain().cpu.get_or_insert_default().topology = Some(topology);
        }
        let left = machine::left(pairs);
        machine::pass_left(build, "-smp", &left, option.origin);
    }
    build.domain().vcpu = Some(vcpu);
}
