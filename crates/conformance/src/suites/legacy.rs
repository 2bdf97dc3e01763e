//! What the suites of February 2011 share: their host and the stages.

use std::collections::BTreeMap;

use caps_parser::Capabilities;
use domain_model::{Diagnostic, Document, Domain, Severity};
use qemu_argv::{Config, Inputs, Layout, RecordedHost};

/// A domain with everything filled in, and what is wrong with it.
pub struct Resolved {
    pub domain: Domain,
    /// A domain with errors is still built: libvirt of 2011 reports some and goes on.
    pub errors: Vec<String>,
}

/// The configuration that is in force where a case says nothing else.
pub fn config() -> Config {
    Config {
        layout: Layout::Libvirt,
        monitor_socket: Some("/tmp/test-monitor".to_owned()),
        domain_id: -1,
        hugepage_mounts: vec![(2048, "/dev/hugepages".to_owned())],
        ..Config::default()
    }
}

fn host() -> RecordedHost {
    let env = [("PATH", "/bin"), ("HOME", "/home/test"), ("USER", "test"), ("LOGNAME", "test")];
    RecordedHost {
        arch: Some("x86_64".to_owned()),
        env: BTreeMap::from(env.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        ..RecordedHost::default()
    }
}

/// Reads and completes a domain; fails if it is none.
pub fn resolve(xml: &str, caps: &Capabilities, config: &Config) -> Result<Resolved, String> {
    let document = Document::parse("domain.xml", xml).map_err(|error| error.to_string())?;
    let (domain, problems) = Domain::read(&document);
    let errors = messages(&problems);
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    let (domain, problems) = qemu_argv::resolve(&domain, Inputs { caps, host: &host(), config });
    Ok(Resolved { domain, errors: messages(&problems) })
}

/// The command line in one line as libvirt of 2011 prints it, without any quoting, and all errors.
pub fn lower(resolved: &Resolved, caps: &Capabilities, config: &Config) -> (String, Vec<String>) {
    let (command_line, problems) = qemu_argv::lower(&resolved.domain, Inputs { caps, host: &host(), config });
    // A path that starts with `/./` means the folder of the cases, which is cut off again.
    let program = match command_line.program.strip_prefix('/') {
        Some(relative) if relative.starts_with("./") => relative,
        _ => &command_line.program,
    };
    let mut words: Vec<String> =
        command_line.env.iter().map(|var| format!("{}={}", var.name, var.value)).collect();
    words.push(program.to_owned());
    words.extend(command_line.argv(&mut |_| "-1".to_owned()));
    let errors = resolved.errors.iter().cloned().chain(messages(&problems)).collect();
    (words.join(" "), errors)
}

fn messages(problems: &[Diagnostic]) -> Vec<String> {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| problem.message.clone()).collect()
}
