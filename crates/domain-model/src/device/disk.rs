//! `<disk>`: disks, CD-ROM and floppy drives.

use super::Family;
use crate::xml::Xml;

/// `<disk>`: disks, CD-ROM and floppy drives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Disk {}

impl Family for Disk {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
