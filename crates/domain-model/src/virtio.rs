//! Options that the `<driver>` of every virtio device may have.

use crate::words;
use crate::xml::Xml;
use crate::xml::text::OnOff;

words! {
    /// `model` of a virtio device: which guests it is for; since libvirt 5.2.
    pub enum VirtioModel {
        /// For all guests on conventional PCI, for modern ones on PCI Express.
        Virtio = "virtio",
        /// For all guests; conventional PCI only.
        VirtioTransitional = "virtio-transitional",
        /// For guests that know virtio 1.0.
        VirtioNonTransitional = "virtio-non-transitional",
    }
}

/// The attributes of `<driver>` that all virtio devices share.
///
/// ```
/// use domain_model::{Devices, Document, xml};
/// let document = Document::parse("", "<devices><memballoon model='virtio'>\
///     <driver iommu='on' ats='on'/></memballoon></devices>")?;
/// let (devices, problems) = xml::read::<Devices>(document.root());
/// assert!(problems.is_empty());
/// assert!(devices.memballoons[0].spec.virtio.iommu.is_some());
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct VirtioOptions {
    /// Whether the device goes through the guest's IOMMU; since libvirt 3.5.
    pub iommu: Option<OnOff>,
    /// Whether the device may cache translations (PCI Address Translation Services); since libvirt 3.5.
    pub ats: Option<OnOff>,
    /// Whether the rings use the packed layout of virtio 1.1; since libvirt 6.3.
    pub packed: Option<OnOff>,
    /// Whether each queue's notification register has a page of its own; since libvirt 7.9.
    pub page_per_vq: Option<OnOff>,
}

impl VirtioOptions {
    /// Names the attributes; to be called behind the family's own attributes of `<driver>`.
    pub(crate) fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("iommu", &mut self.iommu);
        xml.attribute("ats", &mut self.ats);
        xml.attribute("packed", &mut self.packed);
        xml.attribute("page_per_vq", &mut self.page_per_vq);
    }
}
