//! `domx run`: a guest from start to end.

use std::io::IsTerminal;

use domain_model::Domain;
use qemu_argv::{CommandLine, Config, shell};
use runner::console::Terminal;
use runner::runtime::Entry;
use runner::signals::Signals;
use runner::supervise::{Guest, Surroundings, supervise};
use runner::{Command, HostRunner, Runner};
use serde_json::json;

use super::argv;
use crate::args::{LayoutName, Run};
use crate::descriptors::Descriptors;
use crate::host::ThisHost;
use crate::input::{self, Input};
use crate::logs::{Logs, Places};
use crate::report::{Report, Status, Stop};
use crate::{guests, source};

mod accelerator;
mod plan;
mod watch;

/// Starts the guest and stays with it; `supervising` in the background, where someone waits for the start only.
pub fn run(args: &Run, supervising: bool, report: &Report) -> Result<Status, Stop> {
    let mut input = input::domain(&args.domain, report)?;
    input.settle(report)?;
    let chosen = source::choose(&input.domain, &args.qemu, report)?;
    let accelerator = accelerator::choose(&mut input.domain, args.accel, report)?;
    if args.dry_run {
        let config = argv::config(&input, LayoutName::Run);
        let line = argv::build(&input, &chosen, &config, &ThisHost, report)?;
        let mut words = vec![argv::program(&line, &chosen)];
        words.extend(line.argv(&mut |_| "-1".to_owned()));
        return crate::print(&shell::lines(&[], &words));
    }
    let Some(program) = &chosen.program else {
        let message = format!("`{}` is only a recording; a guest needs a QEMU", chosen.capabilities.source);
        return Err(Stop::new(Status::Failed, message));
    };
    let name = input.domain.name.clone().unwrap_or_default();
    let entry = if name.is_empty() { None } else { Some(claim(&name, &input)?) };
    let config = Config {
        supervised: true,
        lib_dir: entry.as_ref().map(|entry| entry.path().display().to_string()).unwrap_or_default(),
        ..argv::config(&input, LayoutName::Run)
    };
    let line = argv::build(&input, &chosen, &config, &ThisHost, report)?;
    let mut command = command(program, &line);
    let descriptors = Descriptors::open(&line.fd_requests(), &mut command)?;
    command = command.args(line.argv(&mut |request| descriptors.number(request)));
    report.note(&format!("starting `{name}` with {accelerator} on {}", program.display()));
    if supervising {
        if entry.is_none() {
            let message = "a guest without a `<name>` cannot run in the background: nobody would find it";
            return Err(Stop::new(Status::Xml, message));
        }
        // For whoever waits for us.
        crate::print(&name)?;
    }
    start(command, descriptors, entry, args, supervising, &input.domain, report)
}

fn claim(name: &str, input: &Input) -> Result<Entry, Stop> {
    let log = Places::of(name).map(|places| places.console.display().to_string());
    let domain = match input.document.name() {
        "<stdin>" => None,
        file => std::path::absolute(file).ok().map(|path| path.display().to_string()),
    };
    let detail = json!({ "domain": domain, "log": log });
    guests::directory()?.claim(name, detail).map_err(|error| guests::refused(&error))
}

/// QEMU's environment is small and known; what a desktop needs is passed on.
fn command(program: &std::path::Path, line: &CommandLine) -> Command {
    const PASSED: &[&str] = &[
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "TMPDIR",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        "XDG_RUNTIME_DIR",
    ];
    let mut command = Command::new(program).env("LC_ALL", "C");
    for name in PASSED {
        if let Some(value) = std::env::var_os(name) {
            command = command.env(*name, value);
        }
    }
    for variable in &line.env {
        command = command.env(&variable.name, &variable.value);
    }
    command
}

fn start(
    command: Command,
    descriptors: Descriptors,
    entry: Option<Entry>,
    args: &Run,
    supervising: bool,
    domain: &Domain,
    report: &Report,
) -> Result<Status, Stop> {
    let failed = |error: std::io::Error| Stop::new(Status::Failed, error.to_string());
    // Caught before anything is started, so that no moment is left in which a signal ends us alone.
    let signals = Signals::catch().map_err(failed)?;
    let terminal = if supervising {
        None
    } else {
        // Whoever is at a terminal types at the guest on request only: Ctrl-C is to end it otherwise.
        let reads_input = args.console || !std::io::stdin().is_terminal();
        Some(Terminal::standard(reads_input).map_err(failed)?)
    };
    if terminal.as_ref().is_some_and(Terminal::is_raw) {
        report.note("this is the guest's console; Ctrl-] leaves it, and the guest goes on");
    }
    let Some(qmp) = descriptors.monitor else {
        return Err(Stop::new(Status::Failed, "the command line has no monitor"));
    };
    let logs = match &entry {
        Some(_) => Logs::create(domain.name.as_deref().unwrap_or_default(), report),
        None => Logs::default(),
    };
    let program = command.program.clone();
    let process = HostRunner.start(&command).map_err(|error| watch::failed(&error))?;
    // QEMU must be the only one to hold its ends, or its death would not close the channels.
    drop(command);
    let control = match entry {
        Some(mut entry) => {
            entry.set_qemu(process.pid()).map_err(|error| guests::refused(&error))?;
            let control = entry.listen().map_err(|error| guests::refused(&error))?;
            Some((entry, control))
        }
        None => None,
    };
    let (entry, control) = control.unzip();
    let guest = Guest { program, process, qmp, console: descriptors.console, companions: Vec::new() };
    let surroundings = Surroundings {
        terminal,
        control,
        signals: Some(signals),
        watch: Some(watch::watch(report, supervising, logs.messages)),
        log: logs.console,
    };
    let outcome = supervise(guest, plan::plan(domain, args, report), surroundings)
        .map_err(|error| watch::failed(&error))?;
    drop(entry);
    watch::result(outcome)
}
