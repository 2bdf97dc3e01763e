//! `<nvram>`: the NVRAM of pSeries machines.

use super::Family;
use crate::xml::Xml;

/// `<nvram>`: the NVRAM of pSeries machines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nvram {}

impl Family for Nvram {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
