//! `<hostdev>`: devices of the host handed to the guest.

use super::Family;
use crate::xml::Xml;

/// `<hostdev>`: devices of the host handed to the guest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hostdev {}

impl Family for Hostdev {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
