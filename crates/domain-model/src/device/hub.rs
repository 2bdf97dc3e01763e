//! `<hub>`: USB hubs.

use super::Family;
use crate::xml::Xml;
use crate::{Code, words};

words! {
    /// `type` of `<hub>`.
    #[derive(Default)]
    pub enum HubType: UnknownWord {
        /// A USB hub.
        #[default]
        Usb = "usb",
    }
}

/// `<hub>`: makes several ports of one; since libvirt 0.9.9.
///
/// ```
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <hub type='usb'><address type='usb' bus='0' port='1'/></hub></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// assert!(devices.hubs[0].info.address.is_some());
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hub {
    /// The bus it is for.
    pub kind: HubType,
}

impl Family for Hub {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.missing_as(Code::Malformed, |xml| xml.required("type", &mut self.kind));
    }
}
