//! `legacy/xml2xml`: canonical XML of libvirt in February 2011.

use caps_parser::Capabilities;
use serde::Deserialize;

use super::legacy::{self, Case, Helpers, Listed, Machines, text};
use crate::reference::Reference;
use crate::suite::Outcome;

/// Domains and how libvirt of 2011 writes them.
pub type Xml2Xml = Listed<Row>;

/// A case of the suite.
#[derive(Deserialize)]
pub struct Row {
    name: String,
    #[serde(rename = "in")]
    input: String,
    out: String,
}

impl Case for Row {
    const SUITE: &str = "legacy/xml2xml";

    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, folder: &Reference) -> Result<Outcome, String> {
        let caps = Capabilities::from_flags([]);
        let (helpers, config) = (Helpers::default(), legacy::config());
        let resolved =
            legacy::resolve(&text(folder, &self.input)?, caps, Machines::AsWritten, &helpers, &config)?;
        match resolved.errors.is_empty() {
            true => Ok(Outcome::equal(&text(folder, &self.out)?, &resolved.domain.write_historic())),
            false => Err(resolved.errors.join("\n")),
        }
    }
}
