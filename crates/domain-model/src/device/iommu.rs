//! `<iommu>`: I/O memory management units.

use super::Family;
use crate::xml::Xml;

/// `<iommu>`: I/O memory management units.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Iommu {}

impl Family for Iommu {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
