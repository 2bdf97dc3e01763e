//! `legacy/xml2argv`: command lines of libvirt in February 2011.

use caps_parser::{Capabilities, Capability};
use qemu_argv::Config;
use qemu_argv::dialect::Era;
use qemu_argv::import::{NoFiles, import};
use serde::Deserialize;

use super::legacy::{self, Helpers, Lowered, Machines};
use crate::reference::{LoadError, Reference};
use crate::suite::{Outcome, Suite};
use crate::{args_file, diff};

/// Domains, the capabilities in force and the command lines of them.
pub struct Xml2Argv {
    folder: Reference,
    rows: Vec<Row>,
    helpers: Helpers,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    xml: String,
    args: String,
    /// All flags in force.
    caps: Vec<String>,
    expect_error: bool,
    driver: Driver,
    migrate_from: Option<String>,
    migrate_fd: Option<u32>,
}

/// The configuration of libvirt's driver, as far as it changes between cases.
#[derive(Deserialize)]
struct Driver {
    domain_id: i32,
    vnc_listen: Option<String>,
    vnc_password: Option<String>,
    vnc_tls: bool,
    vnc_tls_x509_verify: bool,
    vnc_tls_x509_cert_dir: Option<String>,
    vnc_sasl: bool,
    vnc_sasl_dir: Option<String>,
    vnc_allow_host_audio: bool,
    spice_listen: Option<String>,
    spice_tls: bool,
    spice_tls_x509_cert_dir: Option<String>,
    spice_password: Option<String>,
}

impl Driver {
    fn config(&self) -> Config {
        let base = legacy::config();
        Config {
            domain_id: self.domain_id,
            vnc_listen: self.vnc_listen.clone().unwrap_or_default(),
            vnc_password: self.vnc_password.clone(),
            vnc_tls: self.vnc_tls,
            vnc_tls_verify: self.vnc_tls_x509_verify,
            vnc_tls_dir: self.vnc_tls_x509_cert_dir.clone().unwrap_or_default(),
            vnc_sasl: self.vnc_sasl,
            vnc_sasl_dir: self.vnc_sasl_dir.clone(),
            vnc_allow_host_audio: self.vnc_allow_host_audio,
            spice_listen: self.spice_listen.clone().unwrap_or_default(),
            spice_tls: self.spice_tls,
            spice_tls_dir: self.spice_tls_x509_cert_dir.clone().unwrap_or_default(),
            spice_password: self.spice_password.clone(),
            ..base
        }
    }
}

impl Xml2Argv {
    /// Reads the manifest of the folder.
    pub fn load(folder: Reference) -> Result<Self, LoadError> {
        let rows = folder.json("manifest.json")?;
        let helpers = Helpers::load(&folder)?;
        Ok(Self { folder, rows, helpers })
    }

    /// The command line of a case, the capabilities that are in force, and the configuration.
    fn build(&self, row: &Row) -> Result<(Lowered, Capabilities, Config), String> {
        let flags: Result<Vec<Capability>, _> = row.caps.iter().map(|name| name.parse()).collect();
        let caps = Capabilities::from_flags(flags.map_err(|error| format!("{error}"))?);
        let mut config = row.driver.config();
        config.incoming.clone_from(&row.migrate_from);
        config.incoming_fd = row.migrate_fd;
        let xml = self.folder.text(&row.xml).map_err(|error| error.to_string())?;
        let resolved = legacy::resolve(&xml, caps, Machines::Canonical, &self.helpers, &config)?;
        Ok((legacy::lower(&resolved, &self.helpers, &config), resolved.caps, config))
    }

    /// Reads the command line of the case at `index` back as a domain, and builds the command line of that: both, as a
    /// shell takes them; `None` if the first is not understood in full.
    ///
    /// # Errors
    /// The case is not as it should be.
    pub fn there_and_back(&self, index: usize) -> Result<Option<(String, String)>, String> {
        let row = self.rows.get(index).ok_or("no such case")?;
        let (first, caps, config) = self.build(row)?;
        let (domain, problems) = import(&first.script(), Era::Historic, &NoFiles);
        if !problems.is_empty() {
            return Ok(None);
        }
        let resolved = legacy::complete(&domain, caps, Machines::Canonical, &self.helpers, &config);
        let second = legacy::lower(&resolved, &self.helpers, &config);
        Ok(Some((first.script(), second.script())))
    }

    fn compare(&self, row: &Row) -> Result<Outcome, String> {
        let text = |name: &str| self.folder.text(name).map_err(|error| error.to_string());
        let (lowered, ..) = self.build(row)?;
        let (command_line, errors) = (lowered.text(), lowered.errors);
        if errors.is_empty() == row.expect_error {
            return Err(format!(
                "an error has to be reported: {}; reported:\n{}",
                row.expect_error,
                errors.join("\n")
            ));
        }
        let expected = args_file::join_lines(&text(&row.args)?);
        let expected = expected.strip_suffix('\n').unwrap_or(&expected);
        // One long line; the argument where it goes wrong is easier to find with a line for each word.
        let words = |line: &str| line.replace(' ', "\n") + "\n";
        match expected == command_line {
            true => Ok(Outcome::Pass),
            false => Err(diff::lines(&words(expected), &words(&command_line))),
        }
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
        match self.rows.get(index) {
            Some(row) => self.compare(row).into(),
            None => Outcome::no_such_case(),
        }
    }
}
