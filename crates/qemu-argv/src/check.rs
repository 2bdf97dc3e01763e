//! What cannot work of a resolved domain, before arguments are built.

use caps_parser::Capability;
use domain_model::virtio::VirtioOptions;
use domain_model::xml::Meta;
use domain_model::{Code, Diagnostic, Origin};

use crate::context::Context;
use crate::dialect::Era;
use crate::{
    clock, cpu, device, domain, features, gate, iothreads, launch_security, memory, numa, os, pm, sysinfo,
    throttle,
};

/// The problems of a domain, in the order in which they are found.
pub(crate) struct Problems<'a> {
    /// The resolved domain and what it is for.
    pub(crate) cx: &'a Context<'a>,
    list: &'a mut Vec<Diagnostic>,
}

impl<'a> Problems<'a> {
    /// Adds to a list.
    pub(crate) fn new(cx: &'a Context<'a>, list: &'a mut Vec<Diagnostic>) -> Self {
        Problems { cx, list }
    }

    /// Refuses something.
    pub(crate) fn refuse(&mut self, code: Code, origin: Origin, message: impl Into<String>) {
        self.list.push(Diagnostic::error(code, origin, message));
    }

    /// Warns of something that libvirt lets pass.
    pub(crate) fn warn(&mut self, code: Code, origin: Origin, message: impl Into<String>) {
        self.list.push(Diagnostic::warning(code, origin, message));
    }

    /// Refuses what neither QEMU nor the machine type can do.
    pub(crate) fn unsupported(&mut self, origin: Origin, message: impl Into<String>) {
        self.refuse(Code::Unsupported, origin, message);
    }

    /// Refuses what rests on a capability that the QEMU in use lacks.
    pub(crate) fn requires(&mut self, capability: Capability, what: &str, origin: Origin) {
        if !self.cx.has(capability) {
            self.list.push(gate::missing(capability, what, origin, self.cx.inputs.caps));
        }
    }

    /// Refuses options of virtio for a device that is none; `device` is where it was written.
    pub(crate) fn no_virtio(&mut self, options: &VirtioOptions, what: &str, device: &Meta) {
        for (name, path, is_there) in [
            ("iommu", "driver/@iommu", options.iommu.is_some()),
            ("ats", "driver/@ats", options.ats.is_some()),
            ("packed", "driver/@packed", options.packed.is_some()),
            ("page_per_vq", "driver/@page_per_vq", options.page_per_vq.is_some()),
        ] {
            if is_there {
                self.unsupported(
                    device.at(path),
                    format!("`{name}` is for virtio devices, and {what} is none"),
                );
            }
        }
    }

    /// Refuses a device that another process serves if that cannot see the guest's memory.
    pub(crate) fn shared_memory(&mut self, what: &str, origin: Origin) {
        if !memory::is_shared(self.cx.domain) {
            let message = format!("{what} needs memory that is shared with the process behind it");
            let problem = Diagnostic::error(Code::Unsupported, origin, message);
            self.list.push(problem.help("use `<memoryBacking>` with `<access mode='shared'/>`"));
        }
    }

    /// What a message calls the machine: its architecture and its type.
    pub(crate) fn machine(&self) -> String {
        let os = &self.cx.domain.os;
        let arch = os.arch.map_or("unknown", |arch| arch.as_str());
        format!("`{arch}` machines of type `{}`", os.machine.as_deref().unwrap_or_default())
    }
}

/// The parts of a domain besides its devices, in the order in which libvirt looks at them.
const PARTS: &[fn(&mut Problems<'_>)] = &[
    os::check,
    domain::check,
    cpu::check,
    memory::check,
    clock::check,
    pm::check,
    features::check,
    iothreads::check,
    numa::check,
    sysinfo::check,
    throttle::check,
    launch_security::check,
];

/// Reports what cannot work of a resolved domain.
pub(crate) fn check(cx: &Context<'_>, list: &mut Vec<Diagnostic>) {
    if cx.dialect.era == Era::Modern {
        let mut problems = Problems::new(cx, list);
        PARTS.iter().for_each(|check| check(&mut problems));
    }
    device::validate(cx, list);
}
