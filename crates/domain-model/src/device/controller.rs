//! `<controller>`: controllers and buses.

use super::Family;
use crate::xml::Xml;

/// `<controller>`: controllers and buses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Controller {}

impl Family for Controller {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
