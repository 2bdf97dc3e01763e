//! `<memory>`: memory modules.

use super::Family;
use crate::xml::Xml;

/// `<memory>`: memory modules.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemoryDevice {}

impl Family for MemoryDevice {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
