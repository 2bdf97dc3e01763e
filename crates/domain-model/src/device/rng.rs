//! `<rng>`: random number generators.

use super::Family;
use crate::chardev::{Chardev, UnixPath};
use crate::values;
use crate::virtio::VirtioOptions;
use crate::words;
use crate::xml::{Element, Meta, Tagged, Xml};

words! {
    /// `model` of `<rng>`.
    #[derive(Default)]
    pub enum RngModel {
        /// Virtio, in the transport that suits the machine.
        #[default]
        Virtio = "virtio",
        /// Virtio over PCI for old and new guest drivers; since libvirt 5.2.
        VirtioTransitional = "virtio-transitional",
        /// Virtio over PCI for virtio 1.0 guest drivers only; since libvirt 5.2.
        VirtioNonTransitional = "virtio-non-transitional",
    }
}

/// `<rng>`: gives the guest random numbers; since libvirt 1.0.3.
///
/// ```
/// use domain_model::device::rng::RngBackendKind;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices><rng model='virtio'>\
///     <rate bytes='1024'/><backend model='random'>/dev/random</backend></rng></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// let rng = &devices.rngs[0].spec;
/// assert_eq!(rng.rate.as_ref().map(|rate| rate.bytes), Some(1024));
/// assert_eq!(rng.backend.kind, RngBackendKind::Random { path: Some("/dev/random".to_owned()) });
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rng {
    /// Which device it is.
    pub model: RngModel,
    /// `<rate>`: how much the guest may take; since libvirt 1.0.4.
    pub rate: Option<Rate>,
    /// Where the numbers come from.
    pub backend: RngBackend,
    /// What all virtio devices share.
    pub virtio: VirtioOptions,
}

impl Family for Rng {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("model", &mut self.model);
        xml.at_most_one("backend");
        xml.joined(&["rate"]);
        xml.child("rate", &mut self.rate);
        xml.required_child("backend", &mut self.backend);
        xml.nested("driver", |xml| self.virtio.describe(xml));
    }
}

/// `<rate>`: how much the guest may take; since libvirt 1.0.4.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rate {
    /// Bytes in a period; 0, as if nothing is said, for any number.
    pub bytes: u32,
    /// Length of a period in milliseconds; a second if nothing is said.
    pub period: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Rate {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.defaulted("bytes", &mut self.bytes);
        xml.optional("period", &mut self.period);
    }
}

/// `<backend>`: where the numbers come from; since libvirt 1.0.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RngBackend {
    /// The kind, and what it needs.
    pub kind: RngBackendKind,
    /// Where it was written.
    pub meta: Meta,
}

/// `model` of `<backend>`.
#[derive(Debug, Clone, PartialEq)]
pub enum RngBackendKind {
    /// A device of the host.
    Random {
        /// Its path; `/dev/urandom` if nothing is said.
        path: Option<String>,
    },
    /// A program that speaks the protocol of the Entropy Gathering Daemon.
    Egd(Box<Chardev>),
    /// QEMU's own generator; since libvirt 6.1.
    Builtin,
}

impl Default for RngBackendKind {
    fn default() -> Self {
        RngBackendKind::Random { path: None }
    }
}

impl Tagged for RngBackendKind {
    const TAGS: &'static [&'static str] = &["random", "egd", "builtin"];

    fn tag(&self) -> &'static str {
        match self {
            RngBackendKind::Random { .. } => "random",
            RngBackendKind::Egd(_) => "egd",
            RngBackendKind::Builtin => "builtin",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "random" => RngBackendKind::Random { path: None },
            "egd" => RngBackendKind::Egd(Box::default()),
            "builtin" => RngBackendKind::Builtin,
            _ => return None,
        })
    }
}

impl Element for RngBackend {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required_tag("model", &mut self.kind);
        match &mut self.kind {
            RngBackendKind::Random { path } => values::unless_empty(xml, path),
            RngBackendKind::Egd(chardev) => {
                xml.required_tag("type", &mut chardev.source);
                chardev.describe(xml);
                chardev.check(xml, UnixPath::Needed);
            }
            RngBackendKind::Builtin => {}
        }
    }
}
