//! `<serial>`: serial ports.

use super::Family;
use crate::xml::Xml;

/// `<serial>`: serial ports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Serial {}

impl Family for Serial {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
