//! `<lease>`: lock manager leases.

use super::Family;
use crate::xml::Xml;

/// `<lease>`: lock manager leases.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lease {}

impl Family for Lease {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
