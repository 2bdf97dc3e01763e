//! `<graphics>`: ways to see the screen.

use super::Family;
use crate::xml::Xml;

/// `<graphics>`: ways to see the screen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graphics {}

impl Family for Graphics {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
