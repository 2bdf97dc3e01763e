//! `<iommu>`: I/O memory management units.

use super::Family;
use crate::words;
use crate::xml::Xml;
use crate::xml::text::OnOff;

words! {
    /// `model` of `<iommu>`.
    #[derive(Default)]
    pub enum IommuModel {
        /// Intel's VT-d, for Q35 machines.
        #[default]
        Intel = "intel",
        /// Arm's SMMUv3, for virt machines; since libvirt 5.5.
        Smmuv3 = "smmuv3",
        /// Virtio; since libvirt 8.3.
        Virtio = "virtio",
    }
}

/// `<iommu>`: translates and confines what devices read and write; since libvirt 2.1.
///
/// ```
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <iommu model='intel'><driver aw_bits='48'/></iommu></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// assert_eq!(devices.iommus[0].spec.aw_bits, Some(48));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Iommu {
    /// Which device it is.
    pub model: IommuModel,
    /// Whether interrupts are translated too; needs a split IOAPIC. Since libvirt 3.4.
    pub intremap: Option<OnOff>,
    /// Whether host devices can be used behind it; since libvirt 3.4.
    pub caching_mode: Option<OnOff>,
    /// Extended interrupt mode, for more than 255 CPUs; since libvirt 3.4.
    pub eim: Option<OnOff>,
    /// Whether devices may cache translations; since libvirt 3.5.
    pub iotlb: Option<OnOff>,
    /// Width of guest addresses in bits; since libvirt 6.5.
    pub aw_bits: Option<u32>,
    /// Whether memory accesses are translated, and not only interrupts; since libvirt 10.7.
    pub dma_translation: Option<OnOff>,
}

impl Family for Iommu {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("model", &mut self.model);
        xml.nested("driver", |xml| {
            xml.attribute("intremap", &mut self.intremap);
            xml.attribute("caching_mode", &mut self.caching_mode);
            xml.attribute("eim", &mut self.eim);
            xml.attribute("iotlb", &mut self.iotlb);
            xml.attribute("aw_bits", &mut self.aw_bits);
            xml.attribute("dma_translation", &mut self.dma_translation);
        });
    }
}
