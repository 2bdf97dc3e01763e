//! `<pstore>`: where a crashed kernel leaves its log.

use super::Family;
use crate::xml::Xml;

/// `<pstore>`: where a crashed kernel leaves its log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pstore {}

impl Family for Pstore {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
