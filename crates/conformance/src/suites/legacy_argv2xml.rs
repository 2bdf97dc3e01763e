//! `legacy/argv2xml`: domains read back from command lines of 2011.

use caps_parser::Capabilities;
use qemu_argv::dialect::Era;
use qemu_argv::import::NoFiles;
use serde::Deserialize;

use super::legacy::{self, Case, Helpers, Listed, Machines, text};
use crate::args_file;
use crate::reference::Reference;
use crate::suite::Outcome;

/// Command lines and the domains that libvirt of 2011 reads from them.
pub type Argv2Xml = Listed<Row>;

/// A case of the suite.
#[derive(Deserialize)]
pub struct Row {
    name: String,
    args: String,
    xml: String,
    expect_warning: bool,
}

impl Case for Row {
    const SUITE: &str = "legacy/argv2xml";

    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, folder: &Reference) -> Result<Outcome, String> {
        let (xml, warned) = import(&args_file::join_lines(&text(folder, &self.args)?))?;
        if warned != self.expect_warning {
            return Err(format!(
                "there has to be a warning: {}; there is one: {warned}",
                self.expect_warning
            ));
        }
        let expected = text(folder, &self.xml)?;
        Ok(Outcome::equal(&without_incomparable_lines(&expected), &without_incomparable_lines(&xml)))
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
