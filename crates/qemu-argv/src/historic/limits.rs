//! What QEMU 0.9 to 0.13 cannot do, refused in one place.

use domain_model::device::interface::{Interface, InterfaceSource};
use domain_model::device::{
    crypto::Crypto, hub::Hub, iommu::Iommu, memory::MemoryDevice, nvram::Nvram, panic::Panic, pstore::Pstore,
    redirdev::Redirdev, rng::Rng, shmem::Shmem, tpm::Tpm, vsock::Vsock, watchdog::Watchdog,
};
use domain_model::xml::Tagged;
use domain_model::{Code, Diagnostic, Origin};

use crate::arg::Args;
use crate::config::Layout;
use crate::context::Context;
use crate::device::QemuDevice;
use crate::gate;

/// Reports what the domain asks for and no section of the command line says.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    families(cx, out);
    machine(cx, out);
    cx.each::<Interface>().for_each(|nic| interface(&nic, cx, out));
}

fn refuse(what: &str, origin: Origin, cx: &Context<'_>, out: &mut Args) {
    let message = format!("{} has no `{what}`", cx.inputs.qemu());
    out.problem(Diagnostic::error(Code::Unsupported, origin, message));
}

fn family<T: QemuDevice>(cx: &Context<'_>, out: &mut Args) {
    for device in cx.each::<T>() {
        refuse(&format!("<{}>", T::ELEMENT), device.origin, cx, out);
    }
}

/// Kinds of devices that came later.
fn families(cx: &Context<'_>, out: &mut Args) {
    for watchdog in cx.each::<Watchdog>().skip(1) {
        let message = "a guest of these QEMUs has one watchdog";
        out.problem(Diagnostic::error(Code::Unsupported, watchdog.origin, message));
    }
    family::<Tpm>(cx, out);
    family::<Redirdev>(cx, out);
    family::<Hub>(cx, out);
    family::<Rng>(cx, out);
    family::<Nvram>(cx, out);
    family::<Panic>(cx, out);
    family::<Shmem>(cx, out);
    family::<MemoryDevice>(cx, out);
    family::<Iommu>(cx, out);
    family::<Vsock>(cx, out);
    family::<Crypto>(cx, out);
    family::<Pstore>(cx, out);
}

/// Settings of the machine that came later.
fn machine(cx: &Context<'_>, out: &mut Args) {
    let domain = cx.domain;
    let features = domain.features.as_ref();
    let (os, cpu, backing) = (&domain.os, domain.cpu.as_ref(), domain.memory_backing.as_ref());
    let is_any = |is: fn(&domain_model::features::Features) -> bool| features.is_some_and(is);
    for (is_asked_for, what, path) in [
        (domain.max_memory.is_some(), "<maxMemory>", "maxMemory"),
        (domain.genid.is_some(), "<genid>", "genid"),
        (domain.iothreads.is_some_and(|count| count > 0), "<iothreads>", "iothreads"),
        (!domain.iothread_ids.is_empty(), "<iothreadids>", "iothreadids"),
        (!domain.throttle_groups.is_empty(), "<throttlegroups>", "throttlegroups"),
        (!domain.vcpus.is_empty(), "<vcpus>", "vcpus"),
        (domain.launch_security.is_some(), "<launchSecurity>", "launchSecurity"),
        (!domain.keywrap.is_empty(), "<keywrap>", "keywrap"),
        (domain.pm.is_some(), "<pm>", "pm"),
        (domain.qemu_override.is_some(), "<qemu:override>", "override"),
        (domain.qemu_deprecation.is_some(), "<qemu:deprecation>", "deprecation"),
        (os.firmware.is_some(), "<os firmware=…>", "os/@firmware"),
        (os.loader.is_some(), "<loader>", "os/loader"),
        (os.nvram.is_some(), "<nvram>", "os/nvram"),
        (os.dtb.is_some(), "<dtb>", "os/dtb"),
        (os.shim.is_some(), "<shim>", "os/shim"),
        (!os.acpi_tables.is_empty(), "<acpi>", "os/acpi"),
        (os.bootmenu_timeout.is_some(), "<bootmenu timeout=…>", "os/bootmenu/@timeout"),
        (os.bios_useserial.is_some(), "<bios useserial=…>", "os/bios/@useserial"),
        (os.bios_reboot_timeout.is_some(), "<bios rebootTimeout=…>", "os/bios/@rebootTimeout"),
        (cpu.is_some_and(|cpu| cpu.numa.is_some()), "<numa>", "cpu/numa"),
        (cpu.is_some_and(|cpu| cpu.cache.is_some()), "<cache>", "cpu/cache"),
        (cpu.is_some_and(|cpu| cpu.maxphysaddr.is_some()), "<maxphysaddr>", "cpu/maxphysaddr"),
        (backing.is_some_and(|backing| backing.nosharepages), "<nosharepages>", "memoryBacking/nosharepages"),
        (backing.is_some_and(|backing| backing.locked), "<locked>", "memoryBacking/locked"),
        (backing.is_some_and(|backing| backing.source.is_some()), "<source>", "memoryBacking/source"),
        (backing.is_some_and(|backing| backing.access.is_some()), "<access>", "memoryBacking/access"),
        (
            backing.is_some_and(|backing| backing.allocation.is_some()),
            "<allocation>",
            "memoryBacking/allocation",
        ),
        (backing.is_some_and(|backing| backing.discard), "<discard>", "memoryBacking/discard"),
        (is_any(|features| features.hyperv.is_some()), "<hyperv>", "features/hyperv"),
        (is_any(|features| features.kvm.is_some()), "<kvm>", "features/kvm"),
        (is_any(|features| features.pvspinlock.is_some()), "<pvspinlock>", "features/pvspinlock"),
        (is_any(|features| features.pmu.is_some()), "<pmu>", "features/pmu"),
        (is_any(|features| features.vmport.is_some()), "<vmport>", "features/vmport"),
        (is_any(|features| features.smm.is_some()), "<smm>", "features/smm"),
        (is_any(|features| features.ioapic.is_some()), "<ioapic>", "features/ioapic"),
        (is_any(|features| features.vmcoreinfo.is_some()), "<vmcoreinfo>", "features/vmcoreinfo"),
    ] {
        if is_asked_for {
            refuse(what, domain.meta.at(path), cx, out);
        }
    }
}

fn interface(nic: &crate::Resolved<'_, Interface>, cx: &Context<'_>, out: &mut Args) {
    let source = &nic.spec.source;
    match source {
        InterfaceSource::User { .. } if nic.spec.uses_passt() => {
            refuse("<backend type='passt'>", nic.at("backend/@type"), cx, out);
        }
        InterfaceSource::User { .. }
        | InterfaceSource::Internal { .. }
        | InterfaceSource::Ethernet(_)
        | InterfaceSource::Direct(_)
        | InterfaceSource::Client(_)
        | InterfaceSource::Server(_)
        | InterfaceSource::Mcast(_) => {}
        // Only libvirt, or a QEMU with a program for it, can plug a card into a bridge.
        InterfaceSource::Bridge(_) | InterfaceSource::Network(_) => {
            let can = cx.config().layout == Layout::Libvirt || cx.has(caps_parser::Capability::Bridge);
            if !can {
                let what = "-net bridge";
                out.problem(gate::missing(
                    caps_parser::Capability::Bridge,
                    what,
                    nic.at("@type"),
                    cx.inputs.caps,
                ));
            }
        }
        other => refuse(&format!("<interface type='{}'>", other.tag()), nic.at("@type"), cx, out),
    }
    let driver = nic.spec.driver.as_ref();
    // An address of the guest is for the scripts of Xen; QEMU hears nothing of it.
    let is_for_scripts = matches!(source, InterfaceSource::Ethernet(_) | InterfaceSource::Bridge(_));
    for (is_asked_for, what, path) in [
        (nic.spec.mtu.is_some(), "<mtu>", "mtu"),
        (!nic.spec.ips.is_empty() && !is_for_scripts, "<ip>", "ip"),
        (nic.spec.teaming.is_some(), "<teaming>", "teaming"),
        (driver.is_some_and(|driver| driver.queues.is_some()), "<driver queues=…>", "driver/@queues"),
        (
            driver.is_some_and(|driver| driver.ioeventfd.is_some()),
            "<driver ioeventfd=…>",
            "driver/@ioeventfd",
        ),
    ] {
        if is_asked_for {
            refuse(what, nic.at(path), cx, out);
        }
    }
}
