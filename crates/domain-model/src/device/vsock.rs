//! `<vsock>`: virtio sockets.

use std::num::NonZeroU32;

use super::Family;
use crate::virtio::VirtioOptions;
use crate::words;
use crate::xml::Xml;
use crate::xml::text::YesNo;

words! {
    /// `model` of `<vsock>`.
    pub enum VsockModel {
        /// In the transport that suits the machine.
        Virtio = "virtio",
        /// Virtio over PCI for old and new guest drivers; since libvirt 5.2.
        VirtioTransitional = "virtio-transitional",
        /// Virtio over PCI for virtio 1.0 guest drivers only; since libvirt 5.2.
        VirtioNonTransitional = "virtio-non-transitional",
    }
}

/// `<vsock>`: sockets between host and guest; since libvirt 4.4.
///
/// ```
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <vsock model='virtio'><cid auto='no' address='3'/></vsock></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// assert_eq!(devices.vsocks[0].spec.address.map(|cid| cid.get()), Some(3));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vsock {
    /// Which device it is.
    pub model: Option<VsockModel>,
    /// Whether a free number is chosen when the guest starts.
    pub auto: Option<YesNo>,
    /// The guest's number, its context identifier; guests have 3 or more.
    pub address: Option<NonZeroU32>,
    /// What all virtio devices share; since libvirt 6.3.
    pub virtio: VirtioOptions,
}

impl Family for Vsock {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("model", &mut self.model);
        xml.nested("cid", |xml| {
            xml.attribute("auto", &mut self.auto);
            xml.attribute("address", &mut self.address);
        });
    }

    fn describe_rest<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("driver", |xml| self.virtio.describe(xml));
    }
}
