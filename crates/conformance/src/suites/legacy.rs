//! What the suites of February 2011 share: their host and the stages.

use std::collections::BTreeMap;

use caps_parser::{Capabilities, machine_help};
use domain_model::{Diagnostic, Document, Domain, Severity};
use qemu_argv::{Config, Inputs, Layout, RecordedHost};

/// The machine types of the emulators that libvirt's tests know: the first is the default, and a name it goes by.
const MACHINES: &[(&str, Option<&str>, &[&str])] = &[
    ("/usr/bin/qemu", None, &["pc", "isapc"]),
    ("/usr/bin/qemu-system-x86_64", Some("pc"), &["pc-0.11", "pc-0.10", "isapc"]),
    ("/usr/bin/kvm", None, &["pc", "isapc"]),
    ("/usr/bin/xenner", None, &["xenner"]),
];

/// What a suite says of names of machine types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Machines {
    /// They stay as they are written.
    AsWritten,
    /// A name that means another is replaced.
    Canonical,
}

/// A domain with everything filled in, and what is wrong with it.
pub struct Resolved {
    pub domain: Domain,
    /// What the QEMU that the domain names can do.
    pub caps: Capabilities,
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
        // Nobody has chosen ports when these command lines are made.
        free_port: Some(0),
        env: BTreeMap::from(env.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        ..RecordedHost::default()
    }
}

/// Reads and completes a domain; fails if it is none.
pub fn resolve(
    xml: &str,
    mut caps: Capabilities,
    machines: Machines,
    config: &Config,
) -> Result<Resolved, String> {
    let document = Document::parse("domain.xml", xml).map_err(|error| error.to_string())?;
    let (domain, problems) = Domain::read(&document);
    let errors = messages(&problems);
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    let emulator = domain.devices.emulator.as_deref().unwrap_or_default();
    machine_help::parse(&machine_list(emulator, machines), &mut caps.facts);
    let (domain, problems) = qemu_argv::resolve(&domain, Inputs { caps: &caps, host: &host(), config });
    Ok(Resolved { domain, caps, errors: messages(&problems) })
}

/// What an emulator answers to `-M ?`; others than those that are known have the one machine.
fn machine_list(emulator: &str, machines: Machines) -> String {
    let known = MACHINES.iter().find(|(path, ..)| *path == emulator);
    let (alias, names) = known.map_or((None, &["pc"][..]), |(_, alias, names)| (*alias, names));
    let mut list = "Supported machines are:\n".to_owned();
    for (index, name) in names.iter().enumerate() {
        let mark = if index == 0 { " (default)" } else { "" };
        list.push_str(&format!("{name} a machine{mark}\n"));
    }
    match (alias, names.first()) {
        (Some(alias), Some(name)) if machines == Machines::Canonical => {
            list.push_str(&format!("{alias} a machine (alias of {name})\n"));
        }
        (Some(alias), _) => list.push_str(&format!("{alias} a machine\n")),
        _ => {}
    }
    list
}

/// The command line in one line as libvirt of 2011 prints it, without any quoting, and all errors.
pub fn lower(resolved: &Resolved, config: &Config) -> (String, Vec<String>) {
    let inputs = Inputs { caps: &resolved.caps, host: &host(), config };
    let (command_line, problems) = qemu_argv::lower(&resolved.domain, inputs);
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
