//! `<shmem>`: memory shared between guests.

use super::Family;
use crate::xml::Xml;

/// `<shmem>`: memory shared between guests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shmem {}

impl Family for Shmem {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
