//! `legacy/xml2xml`: canonical XML of libvirt in February 2011.

use caps_parser::Capabilities;
use serde::Deserialize;

use super::legacy::{self, Helpers, Machines};
use crate::reference::{LoadError, Reference};
use crate::suite::{Outcome, Suite};

/// Domains and how libvirt of 2011 writes them.
pub struct Xml2Xml {
    folder: Reference,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    #[serde(rename = "in")]
    input: String,
    out: String,
}

impl Xml2Xml {
    /// Reads the manifest of the folder.
    pub fn load(folder: Reference) -> Result<Self, LoadError> {
        let rows = folder.json("manifest.json")?;
        Ok(Self { folder, rows })
    }
}

impl Suite for Xml2Xml {
    fn name(&self) -> &str {
        "legacy/xml2xml"
    }

    fn cases(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.name.as_str()).collect()
    }

    fn run(&self, index: usize) -> Outcome {
        let Some(row) = self.rows.get(index) else { return Outcome::no_such_case() };
        let run = || -> Result<Outcome, String> {
            let text = |name: &str| self.folder.text(name).map_err(|error| error.to_string());
            let caps = Capabilities::from_flags([]);
            let resolved = legacy::resolve(
                &text(&row.input)?,
                caps,
                Machines::AsWritten,
                &Helpers::default(),
                &legacy::config(),
            )?;
            match resolved.errors.is_empty() {
                true => Ok(Outcome::equal(&text(&row.out)?, &resolved.domain.write_historic())),
                false => Err(resolved.errors.join("\n")),
            }
        };
        run().into()
    }
}
