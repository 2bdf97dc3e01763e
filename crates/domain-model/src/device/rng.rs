//! `<rng>`: random number generators.

use super::Family;
use crate::xml::Xml;

/// `<rng>`: random number generators.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rng {}

impl Family for Rng {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
