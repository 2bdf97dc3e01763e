//! `<parallel>`: parallel ports.

use super::Family;
use crate::xml::Xml;

/// `<parallel>`: parallel ports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parallel {}

impl Family for Parallel {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
