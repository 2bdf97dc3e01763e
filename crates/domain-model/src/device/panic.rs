//! `<panic>`: devices that report a crashed guest.

use super::Family;
use crate::words;
use crate::xml::Xml;

words! {
    /// `model` of `<panic>`; since libvirt 1.3.
    pub enum PanicModel: UnknownWord {
        /// A device on the ISA bus of PCs.
        Isa = "isa",
        /// The firmware call of pSeries guests, always there.
        Pseries = "pseries",
        /// Hyper-V's crash registers, which Windows knows.
        Hyperv = "hyperv",
        /// The disabled wait of s390x guests, always there.
        S390 = "s390",
        /// A PCI device; since libvirt 9.1.
        Pvpanic = "pvpanic",
    }
}

/// `<panic>`: how the host learns that the guest's kernel has crashed; since libvirt 1.2.1.
///
/// ```
/// use domain_model::device::panic::PanicModel;
/// use domain_model::{Devices, Document, xml};
///
/// let document =
///     Document::parse("", "<devices><panic model='hyperv'/></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// assert_eq!(devices.panics[0].spec.model, Some(PanicModel::Hyperv));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panic {
    /// Which device it is; without it the machine's own.
    pub model: Option<PanicModel>,
}

impl Family for Panic {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("model", &mut self.model);
    }
}
