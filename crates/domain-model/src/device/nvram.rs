//! `<nvram>`: the NVRAM of pSeries machines.

use super::Family;
use crate::xml::Xml;

/// `<nvram>`: the NVRAM of pSeries machines, which always have one. All there is to it is its address on the
/// VIO bus; since libvirt 1.0.5.
///
/// ```
/// use domain_model::address::Place;
/// use domain_model::{Document, Domain};
///
/// let document = Document::parse("", "<domain type='kvm'><devices><nvram>\
///     <address type='spapr-vio' reg='0x3000'/></nvram></devices></domain>")?;
/// let (domain, _) = Domain::read(&document);
/// let address = domain.devices.nvrams[0].info.address.as_ref();
/// assert!(matches!(address.map(|address| &address.place), Some(Place::SpaprVio(_))));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nvram {}

impl Family for Nvram {
    fn describe<X: Xml>(&mut self, _xml: &mut X) {}
}
