//! `<filesystem>`: host directories shared with the guest.

use super::Family;
use crate::xml::Xml;

/// `<filesystem>`: host directories shared with the guest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filesystem {}

impl Family for Filesystem {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
