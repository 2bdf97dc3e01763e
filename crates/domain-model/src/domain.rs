//! `<domain>`: the root.

use crate::device::Devices;
use crate::words;
use crate::xml::{self, Element, Meta, Xml};
use crate::{Code, Diagnostic, Document, Severity};

words! {
    /// `type` of `<domain>`: what runs the guest.
    pub enum DomainType {
        /// QEMU's own translation of the guest's code (TCG).
        Qemu = "qemu",
        /// The kernel's virtual machines.
        Kvm = "kvm",
        /// QEMU's old accelerator module, gone since QEMU 0.12.
        Kqemu = "kqemu",
        /// The Hypervisor framework of macOS; since libvirt 8.1.
        Hvf = "hvf",
        /// Xen.
        Xen = "xen",
    }
}

/// A domain, as written: nothing is filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    /// What runs the guest.
    pub kind: DomainType,
    /// The number of a running domain.
    pub id: Option<u32>,
    /// The domain's name, unique on its host.
    pub name: Option<String>,
    /// The domain's UUID.
    pub uuid: Option<String>,
    /// Every device.
    pub devices: Devices,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for Domain {
    fn default() -> Self {
        Domain {
            kind: DomainType::Qemu,
            id: None,
            name: None,
            uuid: None,
            devices: Devices::default(),
            meta: Meta::default(),
        }
    }
}

impl Element for Domain {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("type", &mut self.kind);
        xml.attribute("id", &mut self.id);
        xml.value("name", &mut self.name);
        xml.value("uuid", &mut self.uuid);
        xml.section("devices", &mut self.devices);
    }
}

impl Domain {
    /// Reads the domain of a document, with every problem there is.
    ///
    /// The domain is there even if some of the problems are errors: what could not be read is left at its
    /// default.
    pub fn read(document: &Document) -> (Domain, Vec<Diagnostic>) {
        let root = document.root();
        if root.name() != "domain" {
            let origin = crate::Origin::Written { node: root.id(), path: "" };
            let message = format!("the root element is `<{}>`, not `<domain>`", root.name());
            return (Domain::default(), vec![Diagnostic::error(Code::WrongRoot, origin, message)]);
        }
        xml::read(root)
    }

    /// The domain as XML in libvirt's order and layout.
    pub fn write(&self) -> String {
        xml::write("domain", self)
    }
}

/// Whether any of the problems is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}
