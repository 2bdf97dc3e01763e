//! `<crypto>`: virtio crypto devices.

use super::Family;
use crate::virtio::VirtioOptions;
use crate::words;
use crate::xml::{Element, Meta, Xml};

words! {
    /// `model` of `<crypto>`.
    #[derive(Default)]
    pub enum CryptoModel {
        /// Virtio.
        #[default]
        Virtio = "virtio",
    }

    /// `type` of `<crypto>`: which program is the device.
    #[derive(Default)]
    pub enum CryptoType {
        /// QEMU.
        #[default]
        Qemu = "qemu",
    }

    /// `model` of `<backend>`: who does the work.
    #[derive(Default)]
    pub enum CryptoBackendModel {
        /// QEMU's own code.
        #[default]
        Builtin = "builtin",
        /// The crypto framework of the host's Linux.
        Lkcf = "lkcf",
    }
}

/// `<crypto>`: encrypts and signs for the guest; since libvirt 9.1.
///
/// ```
/// use domain_model::device::crypto::CryptoBackendModel;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <crypto model='virtio' type='qemu'><backend model='lkcf' queues='2'/></crypto></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// assert_eq!(devices.cryptos[0].spec.backend.model, CryptoBackendModel::Lkcf);
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Crypto {
    /// Which device it is.
    pub model: CryptoModel,
    /// Which program is the device.
    pub kind: CryptoType,
    /// Who does the work.
    pub backend: CryptoBackend,
    /// What all virtio devices share.
    pub virtio: VirtioOptions,
}

impl Family for Crypto {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("model", &mut self.model);
        xml.required("type", &mut self.kind);
        xml.at_most_one("backend");
        xml.required_child("backend", &mut self.backend);
        xml.nested("driver", |xml| self.virtio.describe(xml));
    }
}

/// `<backend>`: who does the work.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CryptoBackend {
    /// Who does the work.
    pub model: CryptoBackendModel,
    /// Number of queues.
    pub queues: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for CryptoBackend {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("model", &mut self.model);
        xml.attribute("queues", &mut self.queues);
    }
}
