//! `<memballoon>`: the memory balloon.

use super::Family;
use crate::virtio::VirtioOptions;
use crate::words;
use crate::xml::Xml;
use crate::xml::text::OnOff;

words! {
    /// `model` of `<memballoon>`.
    #[derive(Default)]
    pub enum MemballoonModel {
        /// The virtio balloon, in the transport that suits the machine.
        #[default]
        Virtio = "virtio",
        /// The balloon of Xen guests.
        Xen = "xen",
        /// No balloon, not even the one that guests get when nothing is said.
        None = "none",
        /// Virtio over PCI for old and new guest drivers; since libvirt 5.2.
        VirtioTransitional = "virtio-transitional",
        /// Virtio over PCI for virtio 1.0 guest drivers only; since libvirt 5.2.
        VirtioNonTransitional = "virtio-non-transitional",
    }
}

/// `<memballoon>`: takes memory from a running guest and gives it back; since libvirt 0.8.3.
///
/// ```
/// use domain_model::device::memballoon::MemballoonModel;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <memballoon model='virtio'><stats period='10'/></memballoon></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// let balloon = &devices.memballoons[0].spec;
/// assert_eq!((balloon.model, balloon.stats_period), (MemballoonModel::Virtio, Some(10)));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memballoon {
    /// Which device it is.
    pub model: MemballoonModel,
    /// Whether the guest gives up balloon pages before it kills a process; since libvirt 1.3.1.
    pub autodeflate: Option<OnOff>,
    /// Whether the guest reports free pages so that the host can reuse them; since libvirt 6.9.
    pub free_page_reporting: Option<OnOff>,
    /// Seconds between two collections of statistics, 0 for none; since libvirt 1.1.1.
    pub stats_period: Option<u32>,
    /// What all virtio devices share; since libvirt 3.5.
    pub virtio: VirtioOptions,
}

impl Family for Memballoon {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("model", &mut self.model);
        xml.attribute("autodeflate", &mut self.autodeflate);
        xml.attribute("freePageReporting", &mut self.free_page_reporting);
        xml.nested("stats", |xml| xml.attribute("period", &mut self.stats_period));
    }

    fn describe_rest<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("driver", |xml| self.virtio.describe(xml));
    }
}
