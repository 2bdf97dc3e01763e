//! `<redirdev>`: USB devices redirected from elsewhere.

use super::Family;
use crate::xml::Xml;

/// `<redirdev>`: USB devices redirected from elsewhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Redirdev {}

impl Family for Redirdev {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
