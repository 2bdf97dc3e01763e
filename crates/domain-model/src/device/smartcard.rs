//! `<smartcard>`: smartcard readers.

use super::Family;
use crate::xml::Xml;

/// `<smartcard>`: smartcard readers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Smartcard {}

impl Family for Smartcard {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
