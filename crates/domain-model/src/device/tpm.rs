//! `<tpm>`: trusted platform modules.

use super::Family;
use crate::xml::Xml;

/// `<tpm>`: trusted platform modules.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tpm {}

impl Family for Tpm {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
