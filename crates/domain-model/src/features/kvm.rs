//! `<kvm>`: what KVM tells the guest.

use super::hyperv::explicit;
use crate::xml::text::OnOff;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

/// `<kvm>`: what KVM tells the guest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kvm {
    /// Whether KVM hides from the guest.
    pub hidden: Option<OnOff>,
    /// Whether the guest may rely on CPUs of its own; since libvirt 5.7.
    pub hint_dedicated: Option<OnOff>,
    /// Whether the guest can switch off the host's polling; since libvirt 6.10.
    pub poll_control: Option<OnOff>,
    /// Paravirtual interrupts between CPUs; since libvirt 7.10.
    pub pv_ipi: Option<OnOff>,
    /// `<dirty-ring>`: how KVM notes which memory was written; since libvirt 8.0.
    pub dirty_ring: Option<DirtyRing>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Kvm {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.container();
        xml.closed(&[]);
        explicit(xml, "hidden", &mut self.hidden);
        explicit(xml, "hint-dedicated", &mut self.hint_dedicated);
        explicit(xml, "poll-control", &mut self.poll_control);
        explicit(xml, "pv-ipi", &mut self.pv_ipi);
        xml.child("dirty-ring", &mut self.dirty_ring);
    }
}

/// `<dirty-ring>`: a ring in which KVM notes which memory was written; since libvirt 8.0.
#[derive(Debug, Clone, PartialEq)]
pub struct DirtyRing {
    /// Whether there is one.
    pub state: OnOff,
    /// Entries for each CPU: a power of two from 1024 to 65536.
    pub size: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for DirtyRing {
    fn default() -> Self {
        DirtyRing { state: OnOff::On, size: None, meta: Meta::default() }
    }
}

impl Element for DirtyRing {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("state", &mut self.state);
        xml.attribute("size", &mut self.size);
        let fits = |size: u32| size.is_power_of_two() && (1024..=65536).contains(&size);
        if X::READS && self.state == OnOff::On && !self.size.is_some_and(fits) {
            let origin = xml.at("@size");
            let message = "the size of the ring is a power of two from 1024 to 65536";
            xml.report(Diagnostic::error(Code::BadValue, origin, message));
        }
    }
}
