//! `<channel>`: channels between host and guest.

use super::Family;
use crate::xml::Xml;

/// `<channel>`: channels between host and guest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Channel {}

impl Family for Channel {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
