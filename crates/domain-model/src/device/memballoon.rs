//! `<memballoon>`: the memory balloon.

use super::Family;
use crate::xml::Xml;

/// `<memballoon>`: the memory balloon.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memballoon {}

impl Family for Memballoon {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
