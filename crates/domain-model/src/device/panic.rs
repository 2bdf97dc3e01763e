//! `<panic>`: devices that report a crashed guest.

use super::Family;
use crate::xml::Xml;

/// `<panic>`: devices that report a crashed guest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panic {}

impl Family for Panic {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
