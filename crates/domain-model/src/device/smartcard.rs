//! `<smartcard>`: smartcard readers.

use super::Family;
use crate::chardev::{Chardev, UnixPath};
use crate::xml::{Tagged, Xml};
use crate::{Code, Diagnostic};

/// `<smartcard>`: smartcard readers, each with one card; since libvirt 0.8.8.
///
/// ```
/// use domain_model::device::smartcard::SmartcardMode;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <smartcard mode='passthrough' type='spicevmc'/></devices>")?;
/// let (devices, problems) = xml::read::<Devices>(document.root());
/// assert!(problems.is_empty());
/// assert!(matches!(devices.smartcards[0].spec.mode, SmartcardMode::Passthrough(_)));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Smartcard {
    /// Where the card comes from.
    pub mode: SmartcardMode,
}

/// Where the card comes from, `mode` of `<smartcard>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum SmartcardMode {
    /// A card in a reader of the host.
    #[default]
    Host,
    /// A card that QEMU makes from certificates in a database of the host.
    HostCertificates(HostCertificates),
    /// A card that somebody else provides, usually the computer that shows the screen.
    Passthrough(Chardev),
}

/// The certificates of a card that QEMU makes; since libvirt 0.8.8.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostCertificates {
    /// `<certificate>`: the names of exactly three certificates in the database.
    pub certificates: Vec<String>,
    /// `<database>`: absolute path of the database's directory; `/etc/pki/nssdb` if it is not said.
    pub database: Option<String>,
}

impl Tagged for SmartcardMode {
    const TAGS: &'static [&'static str] = &["host", "host-certificates", "passthrough"];

    fn tag(&self) -> &'static str {
        match self {
            SmartcardMode::Host => "host",
            SmartcardMode::HostCertificates(_) => "host-certificates",
            SmartcardMode::Passthrough(_) => "passthrough",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "host" => SmartcardMode::Host,
            "host-certificates" => SmartcardMode::HostCertificates(HostCertificates::default()),
            "passthrough" => SmartcardMode::Passthrough(Chardev::default()),
            _ => return None,
        })
    }
}

impl Family for Smartcard {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required_tag("mode", &mut self.mode);
        match &mut self.mode {
            SmartcardMode::Host => {}
            SmartcardMode::HostCertificates(host) => {
                xml.values("certificate", &mut host.certificates);
                xml.value("database", &mut host.database);
                host.check(xml);
            }
            SmartcardMode::Passthrough(chardev) => {
                xml.required_tag("type", &mut chardev.source);
                chardev.describe(xml);
                chardev.check(xml, UnixPath::Needed);
            }
        }
    }
}

impl HostCertificates {
    fn check<X: Xml>(&self, xml: &mut X) {
        if !X::READS {
            return;
        }
        if self.certificates.len() != 3 {
            let message =
                format!("a card is made from three certificates, and there are {}", self.certificates.len());
            xml.report(Diagnostic::error(Code::MissingElement, xml.at(""), message));
        }
        if self.database.as_ref().is_some_and(|path| !path.starts_with('/')) {
            let message = "the database of certificates needs an absolute path";
            xml.report(Diagnostic::error(Code::BadValue, xml.at("database"), message));
        }
    }
}
