//! `legacy/xml2argv`: command lines of libvirt in February 2011.

use serde::Deserialize;

use crate::reference::{LoadError, Reference};
use crate::suite::{Outcome, Suite};

/// Domains, the capabilities in force and the command lines of them.
pub struct Xml2Argv {
    folder: Reference,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    xml: String,
    args: String,
}

impl Xml2Argv {
    /// Reads the manifest of the folder.
    pub fn load(folder: Reference) -> Result<Self, LoadError> {
        let rows = folder.json("manifest.json")?;
        Ok(Self { folder, rows })
    }
}

impl Suite for Xml2Argv {
    fn name(&self) -> &str {
        "legacy/xml2argv"
    }

    fn cases(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.name.as_str()).collect()
    }

    fn run(&self, index: usize) -> Outcome {
        let _ = (self.rows.get(index).map(|row| (&row.xml, &row.args)), &self.folder);
        Outcome::Fail("not supported yet".to_owned())
    }
}
