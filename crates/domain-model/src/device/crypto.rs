//! `<crypto>`: virtio crypto devices.

use super::Family;
use crate::xml::Xml;

/// `<crypto>`: virtio crypto devices.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Crypto {}

impl Family for Crypto {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
