//! `<input>`: keyboards, mice and tablets.

use super::Family;
use crate::xml::Xml;

/// `<input>`: keyboards, mice and tablets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {}

impl Family for Input {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
