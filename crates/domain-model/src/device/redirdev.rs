//! `<redirdev>`: USB devices redirected from elsewhere.

use super::{DeviceInfo, Family};
use crate::address::Place;
use crate::chardev::{Chardev, UnixPath};
use crate::words;
use crate::xml::Xml;
use crate::{Code, Diagnostic};

words! {
    /// The bus of a redirected device.
    pub enum RedirdevBus: UnknownWord {
        /// USB, the only one there is.
        Usb = "usb",
    }
}

/// `<redirdev>`: USB devices redirected from elsewhere, usually the computer that shows the screen.
///
/// Since libvirt 0.9.5.
///
/// ```
/// use domain_model::chardev::CharSource;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <redirdev type='spicevmc'/></devices>")?;
/// let (devices, problems) = xml::read::<Devices>(document.root());
/// assert!(problems.is_empty());
/// assert_eq!(devices.redirdevs[0].spec.chardev.source, CharSource::Spicevmc);
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Redirdev {
    /// The bus of the device.
    pub bus: RedirdevBus,
    /// Where the redirection protocol comes from.
    pub chardev: Chardev,
}

impl Default for Redirdev {
    fn default() -> Self {
        Redirdev { bus: RedirdevBus::Usb, chardev: Chardev::default() }
    }
}

impl Family for Redirdev {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.defaulted("bus", &mut self.bus);
        xml.missing_as(Code::Malformed, |xml| xml.required_tag("type", &mut self.chardev.source));
        self.chardev.describe(xml);
        self.chardev.check(xml, UnixPath::Needed);
    }

    fn check<X: Xml>(&self, info: &DeviceInfo, xml: &mut X) {
        if info.address.as_ref().is_some_and(|address| !matches!(address.place, Place::Usb(_))) {
            let message = "a redirected USB device has an address of type `usb`";
            xml.report(Diagnostic::error(Code::Conflict, xml.at("address"), message));
        }
    }
}
