//! `<watchdog>`: watchdog timers.

use super::Family;
use crate::xml::Xml;

/// `<watchdog>`: watchdog timers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watchdog {}

impl Family for Watchdog {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
