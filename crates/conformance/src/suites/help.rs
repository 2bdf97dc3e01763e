//! `help`: what help texts of QEMU 0.9 to 0.13 tell.

use std::collections::BTreeSet;

use caps_parser::{Capabilities, ParseError, device_help, help};
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

#[derive(Deserialize)]
struct Flag {
    name: String,
    computed_2011: bool,
}

impl Help {
    /// Reads the rows of the folder.
    pub fn load(folder: Reference) -> Result<Self, LoadError> {
        let rows = folder.json("expected-2011.json")?;
        let flags: Vec<Flag> = folder.json("flags.json")?;
        let known = flags.into_iter().filter(|flag| flag.computed_2011).map(|flag| flag.name).collect();
        Ok(Self { folder, rows, known })
    }

    fn compare(&self, row: &Row, capabilities: &Capabilities) -> Outcome {
        let facts = &capabilities.facts;
        let text = |version: u64, is_kvm: bool, kvm_version: u64, flags: &BTreeSet<&str>| {
            let head = format!("version {version}\nis_kvm {is_kvm}\nkvm_version {kvm_version}\n");
            flags.iter().fold(head, |text, flag| text + "flag " + flag + "\n")
        };
        let expected = row.flags.iter().map(String::as_str).collect();
        let actual =
            capabilities.flags().map(|flag| flag.name()).filter(|flag| self.known.contains(*flag)).collect();
        Outcome::equal(
            &text(row.version, row.is_kvm, row.kvm_version, &expected),
            &text(facts.version.cooked(), facts.is_kvm, facts.kvm_version.into(), &actual),
        )
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
        let Some(row) = self.rows.get(index) else { return Outcome::no_such_case() };
        let text = |name: &str| self.folder.text(name).map_err(|error| error.to_string());
        let parse = || -> Result<Capabilities, String> {
            let refused = |error: ParseError| error.to_string();
            let mut facts = help::parse(&text(&row.name)?).map_err(refused)?;
            if row.uses_device_file {
                device_help::parse(&text(&format!("{}-device", row.name))?, &mut facts);
            }
            Ok(Capabilities::detect(facts, row.name.as_str()))
        };
        parse().map(|capabilities| self.compare(row, &capabilities)).into()
    }
}
