//! `<interface>`: network cards.

use super::Family;
use crate::xml::Xml;

/// `<interface>`: network cards.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interface {}

impl Family for Interface {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
