//! `legacy/xml2xml`: canonical XML of libvirt in February 2011.

use serde::Deserialize;

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
        let _ = (self.rows.get(index).map(|row| (&row.input, &row.out)), &self.folder);
        Outcome::Fail("not supported yet".to_owned())
    }
}
