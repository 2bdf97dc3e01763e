//! `domx argv`: the QEMU command line of a domain.

use std::collections::HashMap;

use domain_model::Diagnostic;
use qemu_argv::{CommandLine, Config, FdRequest, Host, Inputs, Layout, RecordedHost, review, shell};
use runner::runtime::{RuntimeDir, file_name};
use serde_json::json;

use crate::args::{Argv, ArgvFormat, LayoutName};
use crate::host::ThisHost;
use crate::input::{self, Input};
use crate::report::{Report, Status, Stop};
use crate::source;
use crate::source::Chosen;
use crate::state;

/// Prints the command line.
pub fn run(args: &Argv, report: &Report) -> Result<Status, Stop> {
    let input = input::domain(&args.domain, report)?;
    input.settle(report)?;
    let chosen = source::choose(&input.domain, &args.qemu, report)?;
    let mut config = config(&input, args.layout);
    if args.layout == LayoutName::Libvirt {
        config.base_dir = None;
    }
    let recorded: Option<RecordedHost> = match &args.host {
        Some(path) => Some(serde_json::from_str(&input::text(path)?).map_err(|error| {
            let message = format!("cannot read host facts from `{}`: {error}", path.display());
            Stop::new(Status::Usage, message)
        })?),
        None => None,
    };
    let host: &dyn Host = match &recorded {
        Some(recorded) => recorded,
        None => &ThisHost,
    };
    let line = build(&input, &chosen, &config, host, report)?;
    announce(&line, report);
    let (env, argv) = spell(&line, program(&line, &chosen));
    for helper in &line.needs.helpers {
        report.note(&format!("start first, for `{}`: {}", helper.device, helper.describe()));
    }
    match args.format {
        // libvirt's layout is one that a shell reads.
        ArgvFormat::Lines | ArgvFormat::Shell => crate::print(&shell::lines(&env, &argv)),
        ArgvFormat::Json => {
            let env: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
            crate::print(&format!("{}\n", json!({ "env": env, "argv": argv })))
        }
    }
}

/// What is chosen for a command line that a person runs.
pub fn config(input: &Input, layout: LayoutName) -> Config {
    let chosen = match layout {
        LayoutName::Run => of_our_own(input.domain.name.as_deref().unwrap_or_default()),
        LayoutName::Libvirt => Config { layout: Layout::Libvirt, ..Config::default() },
    };
    Config { base_dir: Some(input.directory.display().to_string()), ..chosen }
}

/// A guest's folder is where `domx run` makes it.
fn of_our_own(name: &str) -> Config {
    let guests = RuntimeDir::for_user().map(|directory| directory.path().to_owned());
    let guests = guests.unwrap_or_else(|_| std::env::temp_dir());
    let state = state::directory().unwrap_or_else(|| guests.clone());
    let (guest, state) = (guests.join(file_name(name)).display().to_string(), state.display().to_string());
    Config { hugepage_mounts: crate::host::hugepage_mounts(), ..Config::of_our_own(&guest, &state) }
}

/// Builds a command line and reports what is wrong.
pub fn build(
    input: &Input,
    chosen: &Chosen,
    config: &Config,
    host: &dyn Host,
    report: &Report,
) -> Result<CommandLine, Stop> {
    let (line, warnings) = build_quietly(input, chosen, config, host, report)?;
    report.problems(&input.document, &warnings);
    Ok(line)
}

/// The same for a command line that may be built again: gives the warnings.
pub fn build_quietly(
    input: &Input,
    chosen: &Chosen,
    config: &Config,
    host: &dyn Host,
    report: &Report,
) -> Result<(CommandLine, Vec<Diagnostic>), Stop> {
    let inputs = Inputs { caps: &chosen.capabilities, host, config };
    let refused = |problems: &[Diagnostic]| {
        report.problems(&input.document, problems);
        Stop::silent(Status::of(problems))
    };
    let (line, warnings) = qemu_argv::build(&input.domain, inputs).map_err(|problems| refused(&problems))?;
    // libvirt leaves it to QEMU to find these.
    let unknown = match config.layout {
        Layout::Run => review::unknown(&line, inputs.caps),
        Layout::Libvirt => Vec::new(),
    };
    if unknown.is_empty() {
        return Ok((line, warnings));
    }
    report.problems(&input.document, &warnings);
    Err(refused(&unknown))
}

/// Says what has to be there before somebody starts a command line.
pub fn announce(line: &CommandLine, report: &Report) {
    for secret in &line.needs.secrets {
        let path = &secret.path;
        report.note(&format!(
            "QEMU reads a secret from `{path}`, which has to be there, for nobody else to read"
        ));
    }
    for helper in &line.needs.helpers {
        report.note(&format!("to be started before QEMU: {}", helper.describe()));
    }
}

/// The binary to start: the one that was asked, else the one the domain names.
pub fn program(line: &CommandLine, chosen: &Chosen) -> String {
    match &chosen.program {
        Some(program) => program.display().to_string(),
        None => line.program.clone(),
    }
}

/// The command line as words; descriptors get the numbers that are free from 3 on.
fn spell(line: &CommandLine, program: String) -> (Vec<(String, String)>, Vec<String>) {
    let mut numbers: HashMap<FdRequest, usize> = HashMap::new();
    let mut argv = vec![program];
    argv.extend(line.argv(&mut |request| {
        let next = numbers.len() + 3;
        numbers.entry(request.clone()).or_insert(next).to_string()
    }));
    let env = line.env.iter().map(|variable| (variable.name.clone(), variable.value.clone())).collect();
    (env, argv)
}
