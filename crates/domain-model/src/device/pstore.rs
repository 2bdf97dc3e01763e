//! `<pstore>`: where a crashed kernel leaves its log.

use super::Family;
use crate::values::{self, Kib};
use crate::words;
use crate::xml::Xml;
use crate::{Code, Diagnostic};

words! {
    /// `backend` of `<pstore>`.
    #[derive(Default)]
    pub enum PstoreBackend {
        /// The error record store of the ACPI.
        #[default]
        AcpiErst = "acpi-erst",
    }
}

/// `<pstore>`: memory of the guest's that outlives it; since libvirt 10.6.
///
/// ```
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices><pstore backend='acpi-erst'>\
///     <path>/var/lib/guest.erst</path><size unit='KiB'>8</size></pstore></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// assert_eq!(devices.pstores[0].spec.size.map(|size| size.0), Some(8));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pstore {
    /// How the guest finds it.
    pub backend: PstoreBackend,
    /// The file that holds it on the host; chosen if nothing is said.
    pub path: Option<String>,
    /// Size of the memory; has to be said.
    pub size: Option<Kib>,
}

impl Family for Pstore {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("backend", &mut self.backend);
        xml.value("path", &mut self.path);
        xml.nested("size", |xml| values::size(xml, &mut self.size));
        values::need_element(xml, self.size.is_some(), "pstore", "size");
        let fits = |Kib(size): Kib| size >= 4 && size.is_power_of_two();
        if X::READS && self.size.is_some_and(|size| !fits(size)) {
            let message = "the size of a `<pstore>` is a power of two and at least 4 KiB";
            xml.report(Diagnostic::error(Code::BadValue, xml.at("size"), message));
        }
    }
}
