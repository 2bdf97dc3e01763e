//! `qmp`: what recorded QMP sessions of QEMU tell.

use std::collections::BTreeSet;

use crate::reference::{LoadError, Reference};
use crate::suite::{Outcome, Suite};

/// Recordings (`.replies`), each beside the capabilities that libvirt reads from it (`.xml`).
pub struct Qmp {
    folder: Reference,
    names: Vec<String>,
    /// Only these flags are compared; the project may know more.
    live: BTreeSet<String>,
}

impl Qmp {
    /// Lists the recordings of the folder.
    pub fn load(folder: Reference) -> Result<Self, LoadError> {
        let mut names = folder.files("", ".replies")?;
        for name in &mut names {
            name.truncate(name.len() - ".replies".len());
        }
        Ok(Self { folder, names, live: BTreeSet::new() })
    }
}

impl Suite for Qmp {
    fn name(&self) -> &str {
        "qmp"
    }

    fn cases(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    fn run(&self, index: usize) -> Outcome {
        let _ = (self.names.get(index), &self.live, &self.folder);
        Outcome::Fail("not supported yet".to_owned())
    }
}
