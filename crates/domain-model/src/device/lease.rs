//! `<lease>`: lock manager leases.

use super::Family;
use crate::xml::Xml;
use crate::{Code, Diagnostic};

/// `<lease>`: a lease that the lock manager has to get before the guest starts.
///
/// ```
/// use domain_model::{Document, Domain};
///
/// let document = Document::parse("", "<domain type='kvm'><devices><lease>\
///     <lockspace>area</lockspace><key>guest</key><target path='/leases/guest' offset='512'/>\
///     </lease></devices></domain>")?;
/// let (domain, problems) = Domain::read(&document);
/// assert!(problems.is_empty());
/// assert_eq!(domain.devices.leases[0].spec.offset, Some(512));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lease {
    /// `<lockspace>`: the lockspace of the key.
    pub lockspace: Option<String>,
    /// `<key>`: the name of the lease, unique in its lockspace.
    pub key: Option<String>,
    /// `<target path=…>`: the path of the file that holds the lockspace.
    pub path: Option<String>,
    /// `<target offset=…>`: where in the file the lease is, in bytes.
    pub offset: Option<u64>,
}

impl Family for Lease {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.value("lockspace", &mut self.lockspace);
        xml.value("key", &mut self.key);
        xml.nested("target", |xml| {
            xml.attribute("path", &mut self.path);
            xml.attribute("offset", &mut self.offset);
        });
        if !X::READS {
            return;
        }
        for (child, value) in [("key", &self.key), ("target", &self.path)] {
            if value.is_none() {
                let message = format!("`<lease>` needs `<{child}>`");
                xml.report(Diagnostic::error(Code::MissingElement, xml.at(""), message));
            }
        }
    }
}
