//! What only the command lines of QEMU 0.9 to 0.13 have.
//!
//! libvirt of February 2011 is the norm. Families of devices have their old forms beside the new ones.

mod boot;
mod clock;
mod cpu;
mod limits;

pub(crate) use boot::args as boot;
pub(crate) use clock::args as clock;
pub(crate) use cpu::{model, topology};
pub(crate) use limits::args as limits;

use caps_parser::Capability;
use domain_model::os::{OsType, SmbiosMode};
use domain_model::pm::LifecycleAction;
use domain_model::{Code, Diagnostic, Domain, DomainType, Origin};

use crate::arg::Args;
use crate::context::Context;
use crate::dialect::{Devices, Monitor};
use crate::gate;
use crate::props::{Props, Value};
use crate::sysinfo;

/// Where libvirt keeps the memory of its guests below a mount point of huge pages.
const HUGEPAGE_FOLDER: &str = "libvirt/qemu";
/// Where the monitor's socket is if nobody says.
const MONITOR_SOCKET: &str = "monitor.sock";

/// `-M`
pub(crate) fn machine(cx: &Context<'_>, out: &mut Args) {
    if let Some(machine) = &cx.domain.os.machine {
        out.text("-M", machine, cx.domain.meta.at("os/type/@machine"));
    }
}

/// `-no-kqemu`, `-enable-kqemu`, `-no-kvm`, `-enable-kvm`: an accelerator that QEMU would take by itself has to be
/// switched off, and one that it would not take has to be switched on.
pub(crate) fn accelerator(cx: &Context<'_>, out: &mut Args) {
    let origin = cx.domain.meta.at("@type");
    check_accelerator(cx, out);
    let (kqemu, kvm) = (cx.domain.kind == DomainType::Kqemu, cx.domain.kind == DomainType::Kvm);
    if !kqemu && !kvm && cx.domain.kind != DomainType::Qemu {
        return;
    }
    if kqemu && cx.has(Capability::EnableKqemu) {
        out.flag("-enable-kqemu", origin);
        out.flag("-kernel-kqemu", origin);
    } else if !kqemu && cx.has(Capability::Kqemu) {
        out.flag("-no-kqemu", origin);
    }
    if kvm && cx.has(Capability::EnableKvm) {
        out.flag("-enable-kvm", origin);
    } else if !kvm && cx.has(Capability::Kvm) {
        out.flag("-no-kvm", origin);
    }
}

/// Reports an accelerator that the QEMU in use lacks.
fn check_accelerator(cx: &Context<'_>, out: &mut Args) {
    let origin = cx.domain.meta.at("@type");
    let (what, either, or) = match cx.domain.kind {
        DomainType::Kvm => ("<domain type='kvm'>", Capability::EnableKvm, Capability::Kvm),
        DomainType::Kqemu => ("<domain type='kqemu'>", Capability::EnableKqemu, Capability::Kqemu),
        DomainType::Qemu | DomainType::Xen => return,
        DomainType::Hvf => {
            let message = "the Hypervisor framework is for QEMU 2.12 and later";
            out.problem(Diagnostic::error(Code::Unsupported, origin, message));
            return;
        }
    };
    if !cx.has(either) && !cx.has(or) {
        out.problem(gate::missing(or, what, origin, cx.inputs.caps));
    }
}

/// `-m`, in MiB, and huge pages below it.
pub(crate) fn memory(cx: &Context<'_>, out: &mut Args) {
    let origin = cx.domain.memory.as_ref().map_or(Origin::Built, |memory| memory.meta.origin);
    let kib = cx.domain.memory.as_ref().and_then(|memory| memory.size).unwrap_or_default().0;
    out.text("-m", kib.div_ceil(1024).to_string(), origin);
    let Some(backing) = cx.domain.memory_backing.as_ref().filter(|backing| backing.hugepages.is_some())
    else {
        return;
    };
    let origin = backing.meta.at("hugepages");
    match cx.config().hugepage_mounts.first() {
        Some((_, mount)) => {
            out.flag("-mem-prealloc", origin);
            out.text("-mem-path", format!("{mount}/{HUGEPAGE_FOLDER}"), origin);
            out.needing(Capability::MemPath);
        }
        None => {
            let message = "huge pages are not mounted anywhere";
            out.problem(Diagnostic::error(Code::NotFound, origin, message));
        }
    }
}

/// `-name` and `-uuid`, where QEMU has them.
pub(crate) fn names(cx: &Context<'_>, out: &mut Args) {
    if cx.has(Capability::Name) {
        out.text("-name", cx.name(), cx.domain.meta.at("name"));
    }
    if cx.has(Capability::Uuid) {
        crate::domain::uuid(cx, out);
    }
}

/// Whether the guest is written for Xen, whoever runs it.
pub(crate) fn is_xen(domain: &Domain) -> bool {
    domain.kind == DomainType::Xen || is_xen_system(domain)
}

/// Whether the guest's system is written for Xen.
pub(crate) fn is_xen_system(domain: &Domain) -> bool {
    matches!(domain.os.kind, Some(OsType::Xen | OsType::Linux))
}

/// `-domid`: the number under which Xen, or what stands in for it, knows the guest.
pub(crate) fn xen(cx: &Context<'_>, out: &mut Args) {
    if !is_xen(cx.domain) {
        return;
    }
    let origin = cx.domain.meta.at("os/type");
    let id = cx.config().domain_id.to_string();
    if !cx.has(Capability::Domid) && cx.has(Capability::XenDomid) {
        out.flag("-xen-attach", origin);
        out.text("-xen-domid", id, origin);
    } else {
        out.text("-domid", id, origin);
        out.needing(Capability::Domid);
    }
}

/// `-smbios`: of the tables that there are today, these QEMUs have the first two.
pub(crate) fn smbios(cx: &Context<'_>, out: &mut Args) {
    let origin = cx.domain.meta.at("os/smbios/@mode");
    if matches!(cx.domain.os.smbios, None | Some(SmbiosMode::Emulate | SmbiosMode::None)) {
        return;
    }
    if !cx.has(Capability::SmbiosType) {
        out.problem(gate::missing(Capability::SmbiosType, "<smbios>", origin, cx.inputs.caps));
    }
    sysinfo::smbios(cx, out);
}

/// `-nographic`: without it, QEMU opens a window. It stands before all ports, whose defaults it changes.
pub(crate) fn no_display(cx: &Context<'_>, out: &mut Args) {
    if !crate::device::has_own_display(cx.domain) {
        out.flag("-nographic", Origin::always("no `<graphics>` opens a window, so QEMU opens none"));
    }
}

/// `-nodefconfig -nodefaults`; QEMUs without `-device` are told of each default device that it is not wanted.
pub(crate) fn no_defaults(cx: &Context<'_>, out: &mut Args) {
    if cx.dialect.devices == Devices::Device {
        let origin = Origin::always("the guest has the devices of the domain and no others");
        if cx.has(Capability::Nodefconfig) {
            out.flag("-nodefconfig", origin);
        }
        out.flag("-nodefaults", origin);
    }
}

/// What stands in for a kind of device that QEMU without `-nodefaults` would add by itself.
pub(crate) fn none(flag: &'static str, cx: &Context<'_>, out: &mut Args) {
    if cx.dialect.devices == Devices::Options {
        out.text(flag, "none", Origin::always("the guest has the devices of the domain and no others"));
    }
}

/// The monitor: QEMU listens on a UNIX socket and takes commands for people, before QMP was complete.
pub(crate) fn monitor(cx: &Context<'_>, out: &mut Args) {
    if !cx.config().has_monitor() {
        return;
    }
    let origin = Origin::always("the guest is controlled by a monitor");
    let path = match &cx.config().monitor_socket {
        Some(path) => path.clone(),
        None => format!("{}/{MONITOR_SOCKET}", cx.guest_dir()),
    };
    match cx.dialect.monitor {
        Monitor::Word => out.text("-monitor", format!("unix:{path},server,nowait"), origin),
        Monitor::Chardev => {
            let socket = Props::new("backend", "socket", origin).set("id", "charmonitor").set("path", path);
            out.props("-chardev", socket.set("server", Value::Flag).set("nowait", Value::Flag));
            let monitor = Props::plain(origin).set("chardev", "charmonitor").set("id", "monitor");
            out.props("-mon", monitor.set("mode", "readline"));
        }
    }
}

/// `-no-reboot` and `-no-acpi`
pub(crate) fn power(cx: &Context<'_>, out: &mut Args) {
    let reboots = cx.domain.on_reboot.is_none_or(|action| action == LifecycleAction::Restart);
    if !reboots && cx.has(Capability::NoReboot) {
        out.flag("-no-reboot", cx.domain.meta.at("on_reboot"));
    }
    if cx.domain.features.as_ref().is_none_or(|features| !features.acpi) {
        out.flag("-no-acpi", Origin::always("a guest has ACPI only with `<acpi/>`"));
    }
}

/// `-usb`
pub(crate) fn usb(_: &Context<'_>, out: &mut Args) {
    out.flag("-usb", Origin::always("every guest of these QEMUs has a USB controller"));
}
