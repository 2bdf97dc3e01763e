//! `<shmem>`: memory shared between guests.

use super::Family;
use crate::values::{self, Bytes};
use crate::words;
use crate::xml::text::OnOff;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `type` of `<model>`.
    pub enum ShmemModel {
        /// The device of QEMU before 2.6, with or without a server.
        Ivshmem = "ivshmem",
        /// Memory alone.
        IvshmemPlain = "ivshmem-plain",
        /// Memory and interrupts, through a server.
        IvshmemDoorbell = "ivshmem-doorbell",
    }

    /// `role` of `<shmem>`: who takes the memory along when a guest is migrated; since libvirt 6.6.
    pub enum ShmemRole {
        /// This guest.
        Master = "master",
        /// Another one; this guest cannot be migrated.
        Peer = "peer",
    }
}

/// `<shmem>`: memory shared with other guests or with the host; since libvirt 1.2.10.
///
/// ```
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices><shmem name='ring'>\
///     <model type='ivshmem-plain'/><size unit='M'>4</size></shmem></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// assert_eq!(devices.shmems[0].spec.size.map(|size| size.0), Some(4 << 20));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shmem {
    /// The memory's name on the host.
    pub name: String,
    /// Who takes the memory along.
    pub role: Option<ShmemRole>,
    /// Which device it is; the oldest if nothing is said.
    pub model: Option<ShmemModel>,
    /// Size of the memory, in bytes; a power of two of at least 1 MiB.
    pub size: Option<Bytes>,
    /// `<server>`: a program that holds the memory and passes interrupts on.
    pub server: Option<ShmemServer>,
    /// `<msi>`: interrupts; only with a server.
    pub msi: Option<Msi>,
}

impl Family for Shmem {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.attribute("role", &mut self.role);
        xml.nested("model", |xml| xml.attribute("type", &mut self.model));
        xml.nested("size", |xml| match self.size {
            // libvirt writes whole MiB with the unit `M`, unlike any other size.
            Some(Bytes(bytes)) if !X::READS && bytes.is_multiple_of(1 << 20) => {
                xml.attribute("unit", &mut Some("M".to_owned()));
                xml.text(&mut Some(bytes >> 20));
            }
            _ => values::size(xml, &mut self.size),
        });
        xml.child("server", &mut self.server);
        xml.child("msi", &mut self.msi);
        if X::READS && self.msi.is_some() && self.server.is_none() {
            let message = "`<msi>` of `<shmem>` needs a `<server>` to pass the interrupts on";
            xml.report(Diagnostic::error(Code::Conflict, xml.at("msi"), message));
        }
    }
}

/// `<server>`: a program that holds the memory and passes interrupts on; since libvirt 1.2.10.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShmemServer {
    /// The path of its socket; made of the memory's name if nothing is said.
    pub path: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for ShmemServer {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("path", &mut self.path);
    }
}

/// `<msi>`: message-signalled interrupts; since libvirt 1.2.10.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Msi {
    /// How many there are.
    pub vectors: Option<u32>,
    /// Whether a thread of its own handles them.
    pub ioeventfd: Option<OnOff>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Msi {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("vectors", &mut self.vectors);
        xml.attribute("ioeventfd", &mut self.ioeventfd);
    }
}
