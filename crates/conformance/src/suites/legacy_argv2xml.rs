//! `legacy/argv2xml`: domains read back from command lines of 2011.

use caps_parser::Capabilities;
use qemu_argv::dialect::Era;
use qemu_argv::import::NoFiles;
use serde::Deserialize;

use super::legacy::{self, Helpers, Machines};
use crate::args_file;
use crate::reference::{LoadError, Reference};
use crate::suite::{Outcome, Suite};

/// Command lines and the domains that libvirt of 2011 reads from them.
pub struct Argv2Xml {
    folder: Reference,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    args: String,
    xml: String,
    expect_warning: bool,
}

impl Argv2Xml {
    /// Reads the manifest of the folder.
    pub fn load(folder: Reference) -> Result<Self, LoadError> {
        let rows = folder.json("manifest.json")?;
        Ok(Self { folder, rows })
    }
}

impl Suite for Argv2Xml {
    fn name(&self) -> &str {
        "legacy/argv2xml"
    }

    fn cases(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.name.as_str()).collect()
    }

    fn run(&self, index: usize) -> Outcome {
        let Some(row) = self.rows.get(index) else { return Outcome::no_such_case() };
        let run = || -> Result<Outcome, String> {
            let text = |name: &str| self.folder.text(name).map_err(|error| error.to_string());
            let (xml, warned) = import(&args_file::join_lines(&text(&row.args)?))?;
            if warned != row.expect_warning {
                return Err(format!(
                    "there has to be a warning: {}; there is one: {warned}",
                    row.expect_warning
                ));
            }
            Ok(Outcome::equal(
                &without_incomparable_lines(&text(&row.xml)?),
                &without_incomparable_lines(&xml),
            ))
        };
        run().into()
    }
}

/// The domain of a command line as XML, and whether there was anything to warn of.
fn import(command_line: &str) -> Result<(String, bool), String> {
    let (domain, problems) = qemu_argv::import::import(command_line, Era::Historic, &NoFiles);
    let warned = !problems.is_empty();
    let caps = Capabilities::from_flags([]);
    let (helpers, config) = (Helpers::default(), legacy::config());
    let resolved = legacy::complete(&domain, caps, Machines::AsWritten, &helpers, &config);
    let errors: Vec<String> = legacy::messages(&problems).into_iter().chain(resolved.errors).collect();
    if errors.is_empty() { Ok((resolved.domain.write_historic(), warned)) } else { Err(errors.join("\n")) }
}

/// What both texts lose before they are compared: lines that a command line of 2011 says nothing, or too little, about.
fn without_incomparable_lines(xml: &str) -> String {
    xml.split_inclusive('\n').filter(|line| !is_incomparable(line)).collect()
}

fn is_incomparable(line: &str) -> bool {
    let holds = |element: &str, allowed: fn(char) -> bool| {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        line.match_indices(&open).any(|(start, _)| {
            let rest = line.get(start + open.len()..).unwrap_or_default();
            let value = rest.trim_start_matches(allowed);
            value.len() < rest.len() && value.starts_with(&close)
        })
    };
    holds("name", |c| c.is_ascii_alphanumeric())
        || holds("uuid", |c| c.is_ascii_alphanumeric() || c == '-')
        || holds("memory", |c| c.is_ascii_digit())
        || holds("currentMemory", |c| c.is_ascii_digit())
        || line.contains("<readonly/>")
        || line.contains("<sharable/>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_exactly_the_lines_that_cannot_be_compared() {
        let check = |line: &str, dropped: bool| {
            assert_eq!(without_incomparable_lines(line).is_empty(), dropped, "{line}")
        };
        check("  <name>guest1</name>\n", true);
        check("  <name>my-guest</name>\n", false);
        check("  <name></name>\n", false);
        check("  <uuid>c7-a5</uuid>\n", true);
        check("  <memory>219136</memory>\n", true);
        check("  <memory unit='KiB'>219136</memory>\n", false);
        check("      <readonly/>\n", true);
        check("      <shareable/>\n", false);
        check("  <vcpu>1</vcpu>\n", false);
    }
}
