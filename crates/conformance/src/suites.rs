//! All suites, and which of them a reference folder has.

mod help;
mod legacy;
mod legacy_argv2xml;
mod legacy_xml2argv;
mod legacy_xml2xml;
pub mod modern;
mod qmp;
mod roundtrip;

use crate::reference::{LoadError, Reference};
use crate::suite::Suite;

pub use legacy_xml2argv::Xml2Argv;
pub use roundtrip::Roundtrip;

/// The suites that `reference` has data for, in the order in which scores are printed.
pub fn found(reference: &Reference) -> Result<Vec<Box<dyn Suite>>, LoadError> {
    let mut suites: Vec<Box<dyn Suite>> = Vec::new();
    if let Some(part) = reference.part("help") {
        suites.push(Box::new(help::Help::load(part)?));
    }
    if let Some(part) = reference.part("modern/qmp") {
        suites.push(Box::new(qmp::Qmp::load(part)?));
    }
    if let Some(suite) = Roundtrip::load(reference)? {
        suites.push(Box::new(suite));
    }
    if let Some(part) = reference.part("legacy/xml2argv") {
        suites.push(Box::new(Xml2Argv::load(part)?));
    }
    if let Some(part) = reference.part("legacy/argv2xml") {
        suites.push(Box::new(legacy_argv2xml::Argv2Xml::load(part)?));
    }
    if let Some(part) = reference.part("legacy/xml2xml") {
        suites.push(Box::new(legacy_xml2xml::Xml2Xml::load(part)?));
    }
    if let Some(part) = reference.part("modern").filter(|part| part.has("manifest.json")) {
        suites.extend(modern::load(part)?);
    }
    Ok(suites)
}
