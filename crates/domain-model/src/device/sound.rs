//! `<sound>`: sound cards.

use super::Family;
use crate::xml::Xml;

/// `<sound>`: sound cards.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sound {}

impl Family for Sound {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
