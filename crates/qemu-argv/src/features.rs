//! `<features>`: `-machine`, and properties that it gives `-accel` and `-cpu`.

mod check;
mod enlightenments;

use caps_parser::Capability;
use caps_parser::facts::Gic as GicSupport;
use domain_model::clock::TimerName;
use domain_model::cpu::CpuMode;
use domain_model::device::iommu::IommuModel;
use domain_model::device::memory::MemoryKind;
use domain_model::device::sound::SoundModel;
use domain_model::features::{Features, Gic, GicVersion, Hyperv, HypervMode, IoapicDriver};
use domain_model::launch_security::{CipherName, LaunchSecurityKind};
use domain_model::os::Arch;
use domain_model::xml::Meta;
use domain_model::xml::text::{OnOff, YesNo};
use domain_model::{Code, Diagnostic, Domain, DomainType, Origin};

use crate::arg::Args;
use crate::context::Context;
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;

pub(crate) use check::check;
pub(crate) use enlightenments::cpu_properties;

/// Fills in what machine types imply.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    gic(cx);
    ioapic(cx);
    let is_s390 = matches!(cx.domain.os.arch, Some(Arch::S390 | Arch::S390x));
    let Some(features) = &mut cx.domain.features else { return };
    forget(features);
    // IBM Z has no ACPI; domains that asked for it before libvirt knew that never got it.
    if is_s390 && !cx.inputs.config.abi_update {
        features.acpi = false;
    }
    cx.domain.features.take_if(|features| *features == Features::default());
}

/// Drops what is said of features that are off, and what says nothing.
fn forget(features: &mut Features) {
    if let Some(hyperv) = &mut features.hyperv {
        let mode = *hyperv.mode.get_or_insert(HypervMode::Custom);
        if mode == HypervMode::Passthrough {
            // All that the host has is not chosen one by one.
            *hyperv =
                Hyperv { mode: hyperv.mode, meta: std::mem::take(&mut hyperv.meta), ..Hyperv::default() };
        }
        if let Some(spinlocks) = hyperv.spinlocks.as_mut().filter(|spinlocks| spinlocks.state == OnOff::Off) {
            spinlocks.retries = None;
        }
        if let Some(vendor) = hyperv.vendor_id.as_mut().filter(|vendor| vendor.state == OnOff::Off) {
            vendor.value = None;
        }
        let on = |state: OnOff, part: &mut Option<OnOff>| {
            part.take_if(|part| state == OnOff::Off || *part == OnOff::Off);
        };
        if let Some(stimer) = &mut hyperv.stimer {
            on(stimer.state, &mut stimer.direct);
        }
        if let Some(flush) = &mut hyperv.tlbflush {
            on(flush.state, &mut flush.direct);
            on(flush.state, &mut flush.extended);
        }
    }
    let ring = features.kvm.as_mut().and_then(|kvm| kvm.dirty_ring.as_mut());
    if let Some(ring) = ring.filter(|ring| ring.state == OnOff::Off) {
        ring.size = None;
    }
    if let Some(smm) = features.smm.as_mut().filter(|smm| smm.state == OnOff::Off) {
        smm.tseg = None;
    }
    features.tcg.take_if(|tcg| tcg.tb_cache.is_none_or(|size| size.0 == 0));
    features.hpt.take_if(|hpt| hpt.resizing.is_none() && hpt.maxpagesize.is_none());
}

/// Remapped interrupts need an I/O APIC outside of KVM.
fn ioapic(cx: &mut Resolving<'_>) {
    let remaps = cx.domain.devices.iommus.iter().find(|iommu| iommu.spec.intremap == Some(OnOff::On));
    let origin = match remaps {
        Some(iommu) => iommu.meta.at("driver/@intremap"),
        None if crate::device::iommu::needs_eim(&cx.domain) => cx.domain.meta.at("vcpu"),
        None => return,
    };
    let origin = origin.implies("remapped interrupts need an I/O APIC in QEMU");
    let fresh = || Features { meta: Meta::from_origin(origin), ..Features::default() };
    cx.domain.features.get_or_insert_with(fresh).ioapic.get_or_insert(IoapicDriver::Qemu);
}

/// The `virt` machine of Arm always has a GIC: the newest that the guest can have.
fn gic(cx: &mut Resolving<'_>) {
    let written = cx.domain.features.as_ref().and_then(|features| features.gic.as_ref());
    let is_open = match written {
        Some(gic) => gic.version.is_none(),
        None => Board::of(&cx.domain) == Board::ArmVirt,
    };
    if !is_open {
        return;
    }
    let emulated = cx.domain.kind == DomainType::Qemu;
    let known = cx.inputs.caps.facts.gic.as_deref().unwrap_or_default();
    let offers = |version| {
        known.iter().any(|gic: &GicSupport| {
            gic.version == version && if emulated { gic.emulated } else { gic.kernel }
        })
    };
    // The emulated GICv3 had no MSI controller for long, which PCIe needs.
    let version = if !emulated && offers(3) { GicVersion::V3 } else { GicVersion::V2 };
    let origin = match written {
        Some(gic) => gic.meta.origin,
        None => cx.domain.meta.at("os/type/@machine").implies("the `virt` machine always has a GIC"),
    };
    let features = cx.domain.features.get_or_insert_with(Features::default);
    let gic = features.gic.get_or_insert_with(|| Gic { version: None, meta: Meta::from_origin(origin) });
    gic.version = Some(version);
}

/// `-machine`
pub(crate) fn machine(cx: &Context<'_>, out: &mut Args) {
    let domain = cx.domain;
    let none = Features::default();
    let features = domain.features.as_ref().unwrap_or(&none);
    let at = |path| domain.meta.at(path);
    let machine = domain.os.machine.as_deref().unwrap_or_default();
    let usb = Origin::always("USB controllers are devices of the domain; the machine brings none along");
    let mut props = Props::new("type", machine, at("os/type/@machine")).set_at("usb", false, usb);
    if !domain.keywrap.is_empty() && Board::of(domain) != Board::S390Ccw {
        let message = "only guests of IBM Z wrap keys";
        out.problem(Diagnostic::error(Code::Unsupported, at("keywrap"), message));
    }
    for cipher in [CipherName::Aes, CipherName::Dea] {
        let written = domain.keywrap.iter().find(|written| written.name == cipher);
        let key = format!("{cipher}-key-wrap");
        props = props.set_at(key, written.and_then(|cipher| cipher.state), at("keywrap"));
    }
    if let Some(gic) = features.gic.as_ref().filter(|gic| gic.version != Some(GicVersion::V2))
        && cx.inputs.caps.facts.libvirt_arch() == Some("armv7l")
    {
        let message = "QEMU for 32-bit Arm has no other GIC than version 2";
        out.problem(Diagnostic::error(Code::Unsupported, gic.meta.at("@version"), message));
    }
    props = feature_options(props, features, cx);
    if let Some(iommu) = domain.devices.iommus.iter().find(|iommu| iommu.spec.model == IommuModel::Smmuv3) {
        props = props.set_at("iommu", "smmuv3", iommu.meta.origin);
    }
    props = memory_options(props, cx);
    props = props.set_at("memory-backend", crate::memory::backend_id(cx), at("memory"));
    if let Some(cpu) = &domain.cpu
        && cpu.mode == Some(CpuMode::HostModel)
        && Board::of(domain) == Board::Pseries
        && let Some(model) = &cpu.model
    {
        props = props.set_at("max-cpu-compat", model.name.as_ref(), model.meta.origin);
    }
    props = props.set_at("loadparm", loadparm(domain, cx.has(Capability::VirtioCcwLoadparm)), at("devices"));
    if let Some(security) = &domain.launch_security {
        let key = match security.kind {
            LaunchSecurityKind::Sev(_) if !cx.has(Capability::ConfidentialGuestSupport) => {
                "memory-encryption"
            }
            _ => "confidential-guest-support",
        };
        props = props.set_at(key, "lsec0", security.meta.origin);
    }
    props = crate::os::firmware::pflash_options(props, cx);
    let hmat = crate::numa::has_hmat(domain).then_some(true);
    props = props.set_at("hmat", hmat, at("cpu/numa"));
    let graphics = (domain.os.bios_useserial == Some(YesNo::Yes)).then_some(false);
    props = props.set_at("graphics", graphics, at("os/bios/@useserial"));
    if cx.has(Capability::MachineHpet) {
        for timer in domain.clock.iter().flat_map(|clock| &clock.timers) {
            if timer.name == TimerName::Hpet {
                props = props.set_at("hpet", timer.present, timer.meta.at("@present"));
            }
        }
    }
    if let Some(speaker) = domain.devices.sounds.iter().find(|sound| sound.spec.model == SoundModel::Pcspk) {
        let first = || domain.devices.audios.first().map(|audio| audio.spec.id);
        let id = speaker.spec.audio.or_else(first).map(|id| format!("audio{id}"));
        props = props.set_at("pcspk-audiodev", id, speaker.at("audio/@id"));
    }
    props = props.set_at("acpi", acpi(cx, features), at("features/acpi"));
    out.props("-machine", props);
}

/// The options of `-machine` that features choose.
fn feature_options(props: Props, features: &Features, cx: &Context<'_>) -> Props {
    let at = |path| cx.domain.meta.at(path);
    let irqchip = features.ioapic.map(|driver| match driver {
        IoapicDriver::Qemu => "split",
        IoapicDriver::Kvm => "on",
    });
    // QEMU for 32-bit Arm has no such option and no other GIC than version 2.
    let has_gic_version = cx.inputs.caps.facts.libvirt_arch() == Some("aarch64");
    let gic = features.gic.as_ref().and_then(|gic| gic.version);
    let gic =
        gic.filter(|version| has_gic_version || *version != GicVersion::V2).map(|version| version.as_str());
    let hpt = features.hpt.as_ref();
    let page = hpt.and_then(|hpt| hpt.maxpagesize).filter(|size| size.0 > 0);
    props
        .requires(Capability::MachineVmportOpt, "vmport", features.vmport, at("features/vmport/@state"))
        .set_at("smm", features.smm.as_ref().map(|smm| smm.state), at("features/smm/@state"))
        .set_at("gic-version", gic, at("features/gic/@version"))
        .set_at("kernel_irqchip", irqchip, at("features/ioapic/@driver"))
        .requires_known(
            cx,
            Capability::MachinePseriesResizeHpt,
            "resize-hpt",
            hpt.and_then(|hpt| hpt.resizing).map(|resizing| resizing.as_str()),
            at("features/hpt/@resizing"),
        )
        .requires_known(
            cx,
            Capability::MachinePseriesCapHptMaxPageSize,
            "cap-hpt-max-page-size",
            page.map(|size| format!("{}k", size.0)),
            at("features/hpt/maxpagesize"),
        )
        .requires_known(
            cx,
            Capability::MachinePseriesCapHtm,
            "cap-htm",
            features.htm,
            at("features/htm/@state"),
        )
        .requires_known(
            cx,
            Capability::MachinePseriesCapNestedHv,
            "cap-nested-hv",
            features.nested_hv,
            at("features/nested-hv/@state"),
        )
        .requires_known(
            cx,
            Capability::MachinePseriesCapCcfAssist,
            "cap-ccf-assist",
            features.ccf_assist,
            at("features/ccf-assist/@state"),
        )
        .requires_known(
            cx,
            Capability::MachinePseriesCapCfpc,
            "cap-cfpc",
            features.cfpc.map(|level| level.as_str()),
            at("features/cfpc/@value"),
        )
        .requires_known(
            cx,
            Capability::MachinePseriesCapSbbc,
            "cap-sbbc",
            features.sbbc.map(|level| level.as_str()),
            at("features/sbbc/@value"),
        )
        .requires_known(
            cx,
            Capability::MachinePseriesCapIbs,
            "cap-ibs",
            features.ibs.map(|level| level.as_str()),
            at("features/ibs/@value"),
        )
        .requires_known(cx, Capability::MachineVirtRas, "ras", features.ras, at("features/ras/@state"))
        .set_at(
            "i8042",
            features.ps2.filter(|_| cx.has(Capability::MachineI8042Opt)),
            at("features/ps2/@state"),
        )
        .set_at("aia", features.aia.map(|aia| aia.as_str()), at("features/aia/@value"))
}

/// The options of `-machine` that concern memory, besides where it is.
fn memory_options(props: Props, cx: &Context<'_>) -> Props {
    let domain = cx.domain;
    let core = Origin::always("core dumps of QEMU leave the guest's memory out");
    let (dump, origin) = match domain.memory.as_ref().and_then(|memory| memory.dump_core) {
        Some(dump) => (bool::from(dump), domain.meta.at("memory/@dumpCore")),
        None => (cx.config().dump_guest_core, core),
    };
    let merge = domain.memory_backing.as_ref().is_some_and(|backing| backing.nosharepages).then_some(false);
    let mut props = props.set_at("dump-guest-core", dump, origin).set_at(
        "mem-merge",
        merge,
        domain.meta.at("memoryBacking/nosharepages"),
    );
    let mut enclaves = 0;
    for (device, alias) in
        domain.devices.memories.iter().zip(cx.each::<domain_model::device::memory::MemoryDevice>())
    {
        let origin = device.meta.origin;
        match device.spec.kind {
            MemoryKind::Nvdimm(_) if props.get("nvdimm").is_none() => {
                props = props.set_at("nvdimm", true, origin);
            }
            MemoryKind::SgxEpc { .. } => {
                let key = |name| format!("sgx-epc.{enclaves}.{name}");
                props = props.set_at(key("memdev"), format!("mem{}", alias.alias), origin).set_at(
                    key("node"),
                    device.spec.node.unwrap_or_default(),
                    device.meta.at("target/node"),
                );
                enclaves += 1;
            }
            _ => {}
        }
    }
    props
}

/// What an s390x guest's firmware is told to boot, from the first device of the boot order.
fn loadparm(domain: &Domain, by_device: bool) -> Option<&str> {
    if !matches!(domain.os.arch, Some(Arch::S390 | Arch::S390x)) || by_device {
        return None;
    }
    let devices = &domain.devices;
    let boots = devices.disks.iter().map(|device| &device.info);
    let boots = boots.chain(devices.interfaces.iter().map(|device| &device.info));
    let mut boots = boots.chain(devices.hostdevs.iter().map(|device| &device.info));
    boots.find_map(|info| info.boot.as_ref().filter(|boot| boot.order == 1)?.loadparm.as_deref())
}

/// Whether the guest has ACPI, for machine types that let one choose.
fn acpi(cx: &Context<'_>, features: &Features) -> Option<bool> {
    let machine = cx.machine()?;
    (machine.acpi == Some(true)).then_some(features.acpi)
}

/// Adds what features ask of `-accel`.
pub(crate) fn accelerator_options(cx: &Context<'_>, props: Props) -> Props {
    let Some(features) = &cx.domain.features else { return props };
    match cx.domain.kind {
        DomainType::Qemu => {
            let cache = features.tcg.as_ref().and_then(|tcg| tcg.tb_cache).filter(|size| size.0 > 0);
            props.set_at(
                "tb-size",
                cache.map(|size| size.0 / 1024),
                cx.domain.meta.at("features/tcg/tb-cache"),
            )
        }
        DomainType::Kvm => {
            let ring = features.kvm.as_ref().and_then(|kvm| kvm.dirty_ring.as_ref());
            let ring = ring.filter(|ring| ring.state == OnOff::On);
            let origin = ring.map_or(Origin::Built, |ring| ring.meta.at("@size"));
            props.set_at("dirty-ring-size", ring.and_then(|ring| ring.size), origin)
        }
        _ => props,
    }
}

/// How much memory is kept for system management mode.
pub(crate) fn tseg(cx: &Context<'_>, out: &mut Args) {
    let smm = cx.domain.features.as_ref().and_then(|features| features.smm.as_ref());
    if let Some(smm) = smm
        && let Some(size) = smm.tseg
    {
        let text = format!("mch.extended-tseg-mbytes={}", size.0 >> 20);
        out.text("-global", text, smm.meta.at("tseg"));
        out.needing(Capability::MchExtendedTsegMbytes);
    }
}

/// `-no-acpi`, for QEMUs before 8.0, whose machines do not say whether they have ACPI.
pub(crate) fn no_acpi(cx: &Context<'_>, out: &mut Args) {
    let can = matches!(cx.domain.os.arch, Some(Arch::X86_64 | Arch::I686 | Arch::Aarch64));
    let wants = cx.domain.features.as_ref().is_some_and(|features| features.acpi);
    let says = cx.machine().is_some_and(|machine| machine.acpi.is_some());
    if can && !wants && !says {
        let rule = Origin::always("a guest has ACPI only if `<features>` has `<acpi/>`");
        out.flag("-no-acpi", rule);
    }
}

/// The device that tells a crashed kernel where to leave its dump.
pub(crate) fn vmcoreinfo(cx: &Context<'_>, out: &mut Args) {
    let wanted = cx.domain.features.as_ref().and_then(|features| features.vmcoreinfo);
    if wanted == Some(OnOff::On) {
        let origin = cx.domain.meta.at("features/vmcoreinfo/@state");
        out.props("-device", Props::new("driver", "vmcoreinfo", origin));
        out.needing(Capability::Vmcoreinfo);
    }
}

/// Whether the guest gets all enlightenments that the host has.
fn passes_hyperv(features: &Features) -> bool {
    features.hyperv.as_ref().is_some_and(|hyperv| hyperv.mode == Some(HypervMode::Passthrough))
}
