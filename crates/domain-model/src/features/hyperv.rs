//! `<hyperv>`: what Windows expects of Hyper-V.

use crate::values;
use crate::words;
use crate::xml::text::OnOff;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `mode` of `<hyperv>`: who chooses what the guest gets; since libvirt 8.0.
    pub enum HypervMode {
        /// The XML.
        Custom = "custom",
        /// All that the host has.
        Passthrough = "passthrough",
    }
}

/// `<hyperv>`: what Windows expects of Hyper-V; since libvirt 1.0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hyperv {
    /// Who chooses; since libvirt 8.0.
    pub mode: Option<HypervMode>,
    /// Timers may be late.
    pub relaxed: Option<OnOff>,
    /// A paravirtual interrupt controller.
    pub vapic: Option<OnOff>,
    /// `<spinlocks>`: how long a spinlock spins.
    pub spinlocks: Option<Spinlocks>,
    /// Numbers of the virtual CPUs; since libvirt 1.3.3.
    pub vpindex: Option<OnOff>,
    /// The time that a CPU has run; since libvirt 1.3.3.
    pub runtime: Option<OnOff>,
    /// Synthetic interrupts; since libvirt 1.3.3.
    pub synic: Option<OnOff>,
    /// `<stimer>`: synthetic timers; since libvirt 1.3.3.
    pub stimer: Option<Stimer>,
    /// A way to reset the machine; since libvirt 1.3.3.
    pub reset: Option<OnOff>,
    /// `<vendor_id>`: the name of the hypervisor; since libvirt 1.3.3.
    pub vendor_id: Option<VendorId>,
    /// Frequencies of counters; since libvirt 4.7.
    pub frequencies: Option<OnOff>,
    /// Notes on a migration for nested guests; since libvirt 4.7.
    pub reenlightenment: Option<OnOff>,
    /// `<tlbflush>`: flushing of other CPUs' translations; since libvirt 4.7.
    pub tlbflush: Option<Tlbflush>,
    /// Interrupts between CPUs; since libvirt 4.10.
    pub ipi: Option<OnOff>,
    /// Nested virtualization in Microsoft's way; since libvirt 4.10.
    pub evmcs: Option<OnOff>,
    /// Interrupt controllers in hardware beside the synthetic ones; since libvirt 8.10.
    pub avic: Option<OnOff>,
    /// Which registers of nested guests are of interest; since libvirt 10.7.
    pub emsr_bitmap: Option<OnOff>,
    /// Hypercalls with parameters in vector registers; since libvirt 10.7.
    pub xmm_input: Option<OnOff>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Hyperv {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("mode", &mut self.mode);
        xml.container();
        xml.closed(&[]);
        explicit(xml, "relaxed", &mut self.relaxed);
        explicit(xml, "vapic", &mut self.vapic);
        xml.child("spinlocks", &mut self.spinlocks);
        explicit(xml, "vpindex", &mut self.vpindex);
        explicit(xml, "runtime", &mut self.runtime);
        explicit(xml, "synic", &mut self.synic);
        xml.child("stimer", &mut self.stimer);
        explicit(xml, "reset", &mut self.reset);
        xml.child("vendor_id", &mut self.vendor_id);
        explicit(xml, "frequencies", &mut self.frequencies);
        explicit(xml, "reenlightenment", &mut self.reenlightenment);
        xml.child("tlbflush", &mut self.tlbflush);
        explicit(xml, "ipi", &mut self.ipi);
        explicit(xml, "evmcs", &mut self.evmcs);
        explicit(xml, "avic", &mut self.avic);
        explicit(xml, "emsr_bitmap", &mut self.emsr_bitmap);
        explicit(xml, "xmm_input", &mut self.xmm_input);
    }
}

/// Names an element that says nothing without its attribute `state`.
pub(super) fn explicit<X: Xml>(xml: &mut X, name: &'static str, value: &mut Option<OnOff>) {
    xml.nested(name, |xml| {
        xml.attribute("state", value);
        if X::READS && value.is_none() {
            values::missing(xml, name, "state");
        }
    });
}

/// `<spinlocks>`: how long a spinlock spins before the CPU is given away; since libvirt 1.1.
#[derive(Debug, Clone, PartialEq)]
pub struct Spinlocks {
    /// Whether the guest is told.
    pub state: OnOff,
    /// How many times it tries, at least 4095.
    pub retries: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for Spinlocks {
    fn default() -> Self {
        Spinlocks { state: OnOff::On, retries: None, meta: Meta::default() }
    }
}

impl Element for Spinlocks {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("state", &mut self.state);
        xml.attribute("retries", &mut self.retries);
        if !X::READS || self.state == OnOff::Off {
            return;
        }
        match self.retries {
            None => values::missing(xml, "spinlocks", "retries"),
            Some(retries) if retries < 4095 => {
                let origin = xml.at("@retries");
                xml.report(Diagnostic::error(Code::BadValue, origin, "a spinlock tries at least 4095 times"));
            }
            Some(_) => {}
        }
    }
}

/// `<stimer>`: synthetic timers; since libvirt 1.3.3.
#[derive(Debug, Clone, PartialEq)]
pub struct Stimer {
    /// Whether the guest has them.
    pub state: OnOff,
    /// Whether they interrupt directly; since libvirt 5.7.
    pub direct: Option<OnOff>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for Stimer {
    fn default() -> Self {
        Stimer { state: OnOff::On, direct: None, meta: Meta::default() }
    }
}

impl Element for Stimer {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("state", &mut self.state);
        xml.closed(&[]);
        explicit(xml, "direct", &mut self.direct);
    }
}

/// `<vendor_id>`: the name of the hypervisor; since libvirt 1.3.3.
#[derive(Debug, Clone, PartialEq)]
pub struct VendorId {
    /// Whether the name is set.
    pub state: OnOff,
    /// The name, up to 12 characters, no comma.
    pub value: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for VendorId {
    fn default() -> Self {
        VendorId { state: OnOff::On, value: None, meta: Meta::default() }
    }
}

impl Element for VendorId {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("state", &mut self.state);
        xml.attribute("value", &mut self.value);
        if !X::READS || self.state == OnOff::Off {
            return;
        }
        match &self.value {
            None => values::missing(xml, "vendor_id", "value"),
            Some(value) if value.len() > 12 || value.contains(',') => {
                let origin = xml.at("@value");
                let message = "the name has up to 12 characters, and no comma";
                xml.report(Diagnostic::error(Code::BadValue, origin, message));
            }
            Some(_) => {}
        }
    }
}

/// `<tlbflush>`: flushing of other CPUs' translations; since libvirt 4.7.
#[derive(Debug, Clone, PartialEq)]
pub struct Tlbflush {
    /// Whether the guest can.
    pub state: OnOff,
    /// Nested guests too; since libvirt 11.0.
    pub direct: Option<OnOff>,
    /// Parts of the address space too; since libvirt 11.0.
    pub extended: Option<OnOff>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for Tlbflush {
    fn default() -> Self {
        Tlbflush { state: OnOff::On, direct: None, extended: None, meta: Meta::default() }
    }
}

impl Element for Tlbflush {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("state", &mut self.state);
        xml.closed(&[]);
        explicit(xml, "direct", &mut self.direct);
        explicit(xml, "extended", &mut self.extended);
    }
}
