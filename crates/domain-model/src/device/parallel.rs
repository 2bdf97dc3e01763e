//! `<parallel>`: parallel ports.

use super::Family;
use crate::chardev::{Chardev, UnixPath};
use crate::xml::Xml;

/// `<parallel>`: parallel ports.
///
/// ```
/// use domain_model::chardev::CharSource;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <parallel type='dev'><source path='/dev/parport0'/></parallel></devices>")?;
/// let (devices, problems) = xml::read::<Devices>(document.root());
/// assert!(problems.is_empty());
/// assert!(matches!(devices.parallels[0].spec.chardev.source, CharSource::Dev(_)));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parallel {
    /// Where the characters go on the host.
    pub chardev: Chardev,
    /// Number of the port, from 0.
    pub port: Option<u32>,
}

impl Family for Parallel {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.tag("type", &mut self.chardev.source);
        self.chardev.describe(xml);
        xml.nested("target", |xml| xml.attribute("port", &mut self.port));
        self.chardev.check(xml, UnixPath::Needed);
    }
}
