//! `<vsock>`: virtio sockets.

use super::Family;
use crate::xml::Xml;

/// `<vsock>`: virtio sockets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vsock {}

impl Family for Vsock {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
