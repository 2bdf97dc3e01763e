//! `<redirfilter>`: which USB devices may be redirected.

use super::Family;
use crate::xml::Xml;

/// `<redirfilter>`: which USB devices may be redirected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Redirfilter {}

impl Family for Redirfilter {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
