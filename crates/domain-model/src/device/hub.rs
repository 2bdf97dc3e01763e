//! `<hub>`: USB hubs.

use super::Family;
use crate::xml::Xml;

/// `<hub>`: USB hubs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hub {}

impl Family for Hub {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
