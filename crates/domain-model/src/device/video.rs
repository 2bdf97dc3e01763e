//! `<video>`: video cards.

use super::Family;
use crate::xml::Xml;

/// `<video>`: video cards.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Video {}

impl Family for Video {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
