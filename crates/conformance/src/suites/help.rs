//! `help`: what help texts of QEMU 0.9 to 0.13 tell.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::reference::{LoadError, Reference};
use crate::suite::{Outcome, Suite};

/// The texts and what libvirt of 2011 reads from them.
pub struct Help {
    folder: Reference,
    rows: Vec<Row>,
    /// Only these flags are compared; the project may know more.
    known: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    version: u64,
    is_kvm: bool,
    kvm_version: u64,
    flags: BTreeSet<String>,
    uses_device_file: bool,
}

impl Help {
    /// Reads the rows of the folder.
    pub fn load(folder: Reference) -> Result<Self, LoadError> {
        let rows = folder.json("expected-2011.json")?;
        Ok(Self { folder, rows, known: BTreeSet::new() })
    }
}

impl Suite for Help {
    fn name(&self) -> &str {
        "help"
    }

    fn cases(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.name.as_str()).collect()
    }

    fn run(&self, index: usize) -> Outcome {
        let _ = (self.rows.get(index), &self.known, &self.folder);
        Outcome::Fail("not supported yet".to_owned())
    }
}
