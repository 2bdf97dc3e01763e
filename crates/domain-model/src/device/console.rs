//! `<console>`: consoles.

use super::Family;
use crate::xml::Xml;

/// `<console>`: consoles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Console {}

impl Family for Console {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
