//! What the suites of February 2011 share: their host and the stages.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use caps_parser::{Capabilities, cpu_help, machine_help};
use domain_model::{Diagnostic, Document, Domain, Severity};
use qemu_argv::{Config, CpuMap, HostCpu, Inputs, Layout, RecordedHost, shell};
use serde::de::DeserializeOwned;

use crate::reference::{LoadError, Reference};
use crate::suite::{Outcome, Suite};

/// The machine types of the emulators that libvirt's tests know: the first is the default, and a name it goes by.
const MACHINES: &[(&str, Option<&str>, &[&str])] = &[
    ("/usr/bin/qemu", None, &["pc", "isapc"]),
    ("/usr/bin/qemu-system-x86_64", Some("pc"), &["pc-0.11", "pc-0.10", "isapc"]),
    ("/usr/bin/kvm", None, &["pc", "isapc"]),
    ("/usr/bin/xenner", None, &["xenner"]),
];

/// What the host's CPU has beyond its model.
const HOST_FEATURES: [&str; 13] =
    ["lahf_lm", "xtpr", "cx16", "tm2", "est", "vmx", "ds_cpl", "pbe", "tm", "ht", "ss", "acpi", "ds"];

/// A suite that its manifest lists whole.
pub struct Listed<R> {
    folder: Reference,
    rows: Vec<R>,
}

/// A row of such a manifest.
pub trait Case: DeserializeOwned + Send + Sync {
    /// The name of the suite.
    const SUITE: &str;

    /// The id of the case.
    fn name(&self) -> &str;

    /// Runs it; the files that it names are in the folder.
    fn run(&self, folder: &Reference) -> Result<Outcome, String>;
}

impl<R: Case> Listed<R> {
    /// Reads the manifest of the folder.
    pub fn load(folder: Reference) -> Result<Self, LoadError> {
        let rows = folder.json("manifest.json")?;
        Ok(Self { folder, rows })
    }
}

impl<R: Case> Suite for Listed<R> {
    fn name(&self) -> &str {
        R::SUITE
    }

    fn cases(&self) -> Vec<&str> {
        self.rows.iter().map(Case::name).collect()
    }

    fn run(&self, index: usize) -> Outcome {
        self.rows.get(index).map_or_else(Outcome::no_such_case, |row| row.run(&self.folder).into())
    }
}

/// The text of a file that a case names.
pub fn text(folder: &Reference, name: &str) -> Result<String, String> {
    folder.text(name).map_err(|error| error.to_string())
}

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

/// What some cases find beside them: a script that stands in for QEMU, and libvirt's CPU map.
#[derive(Debug, Default)]
pub struct Helpers {
    /// What the script answers to `-cpu ?`.
    cpu_models: String,
    cpu_map: Option<Arc<CpuMap>>,
}

impl Helpers {
    /// Asks the script and reads the map.
    pub fn load(folder: &Reference) -> Result<Self, LoadError> {
        let (script, map) = ("helpers/qemu.sh", "helpers/cpu_map.xml");
        let answer = Command::new("sh").arg(folder.root().join(script)).args(["-cpu", "?"]).output();
        let answer = answer.map_err(|error| folder.malformed(script, error))?;
        // The map is one file; today there is an index of several.
        let text = folder.text(map)?.replace("<arch name='x86'>", "").replace("</arch>", "");
        let index = "<cpus><arch name='x86'><include filename='cpu_map.xml'/></arch></cpus>";
        let file = |name: &str| Some(if name == "index.xml" { index.to_owned() } else { text.clone() });
        let cpu_map = CpuMap::read(&mut { file }).map_err(|error| folder.malformed(map, error))?;
        Ok(Self {
            cpu_models: String::from_utf8_lossy(&answer.stdout).into_owned(),
            cpu_map: Some(Arc::new(cpu_map)),
        })
    }
}

/// The host that libvirt's tests pretend to run on.
fn host(helpers: &Helpers) -> RecordedHost {
    let env = [("PATH", "/bin"), ("HOME", "/home/test"), ("USER", "test"), ("LOGNAME", "test")];
    RecordedHost {
        arch: Some("x86_64".to_owned()),
        cpu_map: helpers.cpu_map.clone(),
        cpu: Some(HostCpu {
            model: "core2duo".to_owned(),
            vendor: Some("Intel".to_owned()),
            features: HOST_FEATURES.map(str::to_owned).to_vec(),
        }),
        // Nobody has chosen ports when these command lines are made.
        free_port: Some(0),
        env: BTreeMap::from(env.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        ..RecordedHost::default()
    }
}

/// Reads and completes a domain; fails if it is none.
pub fn resolve(
    xml: &str,
    caps: Capabilities,
    machines: Machines,
    helpers: &Helpers,
    config: &Config,
) -> Result<Resolved, String> {
    let document = Document::parse("domain.xml", xml).map_err(|error| error.to_string())?;
    let (domain, problems) = Domain::read(&document);
    let errors = messages(&problems);
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    Ok(complete(&domain, caps, machines, helpers, config))
}

/// Fills in what a domain leaves open.
pub fn complete(
    domain: &Domain,
    mut caps: Capabilities,
    machines: Machines,
    helpers: &Helpers,
    config: &Config,
) -> Resolved {
    let emulator = domain.devices.emulator.as_deref().unwrap_or_default();
    machine_help::parse(&machine_list(emulator, machines), &mut caps.facts);
    // The path of the script is given from the folder of the cases.
    if emulator.starts_with("/./") {
        cpu_help::parse(&helpers.cpu_models, &mut caps.facts);
    }
    let inputs = Inputs { caps: &caps, host: &host(helpers), config };
    let (domain, problems) = qemu_argv::resolve(domain, inputs);
    Resolved { domain, caps, errors: messages(&problems) }
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

/// A command line and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Lowered {
    env: Vec<(String, String)>,
    argv: Vec<String>,
    pub errors: Vec<String>,
}

impl Lowered {
    /// In one line as libvirt of 2011 prints it, without any quoting.
    pub fn text(&self) -> String {
        let env = self.env.iter().map(|(name, value)| format!("{name}={value}"));
        env.chain(self.argv.iter().cloned()).collect::<Vec<_>>().join(" ")
    }

    /// As a shell takes it.
    pub fn script(&self) -> String {
        shell::lines(&self.env, &self.argv)
    }
}

/// Builds the command line.
pub fn lower(resolved: &Resolved, helpers: &Helpers, config: &Config) -> Lowered {
    let inputs = Inputs { caps: &resolved.caps, host: &host(helpers), config };
    let (command_line, problems) = qemu_argv::lower(&resolved.domain, inputs);
    // A path that starts with `/./` means the folder of the cases, which is cut off again.
    let program = match command_line.program.strip_prefix('/') {
        Some(relative) if relative.starts_with("./") => relative,
        _ => &command_line.program,
    };
    let mut argv = vec![program.to_owned()];
    argv.extend(command_line.argv(&mut |_| "-1".to_owned()));
    let env = command_line.env.iter().map(|var| (var.name.clone(), var.value.clone())).collect();
    let errors = resolved.errors.iter().cloned().chain(messages(&problems)).collect();
    Lowered { env, argv, errors }
}

/// The messages of the errors among the problems.
pub fn messages(problems: &[Diagnostic]) -> Vec<String> {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| problem.message.clone()).collect()
}
