//! `<audio>`: where sound goes on the host.

use super::Family;
use crate::xml::Xml;

/// `<audio>`: where sound goes on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audio {}

impl Family for Audio {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
