//! `domx run`: a guest from start to end.

use std::io::IsTerminal;
use std::os::unix::net::UnixListener;

use domain_model::{Diagnostic, Domain};
use qemu_argv::{Arg, CommandLine, Config, shell};
use runner::console::Terminal;
use runner::local::LONGEST_PATH;
use runner::runtime::Entry;
use runner::signals::Signals;
use runner::supervise::{Guest, Plan, Surroundings, supervise};
use runner::{Command, HostRunner, Runner, User};
use serde_json::json;

use super::argv;
use crate::args::{LayoutName, Run};
use crate::host::ThisHost;
use crate::input::{self, Input};
use crate::logs::{Logs, Places};
use crate::report::{Report, Status, Stop};
use crate::resources::{self, Leftovers, Resources};
use crate::{guests, secrets, source};

mod accelerator;
mod blame;
mod network;
mod plan;
mod setup;
mod watch;

use blame::Given;

/// Room for what a guest has in its directory, in the path of a socket: a `/` and the longest name.
const LONGEST_NAME: usize = 40;

/// Starts the guest and stays with it; `supervising` in the background, where someone waits for the start only.
pub fn run(args: &Run, supervising: bool, report: &Report) -> Result<Status, Stop> {
    let mut input = input::domain(&args.domain, report)?;
    input.settle(report)?;
    let chosen = source::choose(&input.domain, &args.qemu, report)?;
    if let Some(net) = &args.net {
        network::replace(&mut input.domain, net, report);
    }
    let accelerator = accelerator::choose(&mut input.domain, args.accel, report)?;
    if args.dry_run {
        let config = argv::config(&input, LayoutName::Run);
        let line = argv::build(&input, &chosen, &config, &ThisHost, report)?;
        argv::announce(&line, report);
        let mut words = vec![argv::program(&line, &chosen)];
        words.extend(line.argv(&mut |_| "-1".to_owned()));
        return crate::print(&shell::lines(&[], &words));
    }
    let Some(program) = &chosen.program else {
        let message = format!("`{}` is only a recording; a guest needs a QEMU", chosen.capabilities.source);
        return Err(Stop::new(Status::Failed, message));
    };
    // Caught before anything is made, so that no moment is left in which a signal ends us alone.
    let signals = Signals::catch()
        .map_err(|error| Stop::new(Status::Failed, format!("cannot catch signals: {error}")))?;
    let Some(name) = input.domain.name.clone().filter(|name| !name.is_empty()) else {
        // Told with whatever else is wrong.
        let config = argv::config(&input, LayoutName::Run);
        argv::build(&input, &chosen, &config, &ThisHost, report)?;
        return Err(Stop::new(Status::Xml, "a guest needs a `<name>`, or nobody would find it"));
    };
    let mut entry = claim(&name, &input)?;
    let mut command = resources::serving(program, &entry);
    let user = args.user.as_deref().map(User::find).transpose().map_err(|error| no_user(&error))?;
    let mut config = Config {
        supervised: true,
        lib_dir: entry.path().display().to_string(),
        ..argv::config(&input, LayoutName::Run)
    };
    if let Some(user) = &user {
        let place =
            resources::directory_of(user, entry.path(), &mut command).map_err(|error| no_user(&error))?;
        config = config.in_guest_dir(&place);
    } else if entry.path().as_os_str().len() + LONGEST_NAME > LONGEST_PATH {
        let place = resources::by_descriptor(entry.path(), &mut command).map_err(|error| {
            let message = format!("cannot open `{}`: {error}", entry.path().display());
            Stop::new(Status::Failed, message)
        })?;
        config = config.in_guest_dir(&place);
    }
    let build = || argv::build_quietly(&input, &chosen, &config, &ThisHost, report);
    let (mut line, mut warnings) = build()?;
    let refused = |problems: Vec<Diagnostic>| {
        report.problems(&input.document, &problems);
        Stop::silent(Status::Failed)
    };
    if resources::take_devices(&line, &mut entry).map_err(refused)? {
        // How a device can be handed over shows once it has the driver for that.
        (line, warnings) = build()?;
    }
    report.problems(&input.document, &warnings);
    match &user {
        // Files that only their owner reads are the user's.
        Some(user) => user.act(|| secrets::write(&line.needs.secrets)).map_err(|error| no_user(&error))??,
        None => secrets::write(&line.needs.secrets)?,
    }
    command = with_environment(command, &line);
    let resources = resources::prepare(&line, command, user.as_ref(), &entry).map_err(refused)?;
    let given = given(&line, &resources);
    report.note(&format!("starting `{name}` with {accelerator} on {}", program.display()));
    if supervising {
        // For whoever waits for us.
        crate::print(&name)?;
    }
    let logs = Logs::create(&name, report);
    let (guest, leftovers) = launch(resources).map_err(|problem| match problem {
        Problem::OfDomain(problem) => {
            report.problems(&input.document, &[problem]);
            Stop::silent(Status::Failed)
        }
        Problem::OfQemu(stop) => stop,
    })?;
    let control = Some(enter(&mut entry, &guest)?);
    let surroundings = Surroundings {
        control,
        entry: Some(entry),
        leftovers: Some(Box::new(leftovers)),
        terminal: if supervising { None } else { Some(terminal(args, report)?) },
        signals: Some(signals),
        watch: Some(watch::watch(report, supervising, logs.messages)),
        log: logs.console,
    };
    let (setup, reasons): (Vec<_>, Vec<_>) = setup::setup(&line.needs).into_iter().unzip();
    let plan = Plan { setup, ..plan::plan(&input.domain, args) };
    let helpers: Vec<String> = line.needs.helpers.iter().map(|helper| helper.program.clone()).collect();
    // From here on only the text of the domain is needed, and that for days.
    drop((line, chosen));
    input.domain = Domain::default();
    let known = watch::Known { given, reasons, helpers };
    let outcome = supervise(guest, plan, surroundings)
        .map_err(|error| watch::not_started(&error, &known, &input.document, report))?;
    watch::result(outcome)
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

fn no_user(error: &std::io::Error) -> Stop {
    Stop::new(Status::Usage, format!("cannot run QEMU as another user: {error}"))
}

/// QEMU's environment is small and known; what a desktop needs is passed on.
fn with_environment(mut command: Command, line: &CommandLine) -> Command {
    // What a desktop needs to show a window.
    const PASSED: &[&str] = &["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"];
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

/// QEMU's arguments in its own words, with the reasons for them.
fn given(line: &CommandLine, resources: &Resources) -> Vec<Given> {
    let text = |arg: &Arg| match line.payload(arg, &mut |request| resources.number(request)) {
        Some(payload) => format!("{} {payload}", arg.flag),
        None => arg.flag.to_owned(),
    };
    line.args.iter().map(|arg| Given { text: text(arg), origin: arg.origin }).collect()
}

/// Why a guest is not started.
enum Problem {
    /// Something that the domain says.
    OfDomain(Diagnostic),
    /// QEMU itself.
    OfQemu(Stop),
}

/// Starts QEMU, and what waits for it.
fn launch(resources: Resources) -> Result<(Guest, Leftovers), Problem> {
    let Resources { command, monitor, console, mut companions, waiting, leftovers, .. } = resources;
    let Some(qmp) = monitor else {
        return Err(Problem::OfQemu(Stop::new(Status::Failed, "the command line has no monitor")));
    };
    let program = command.program.clone();
    // QEMU must be the only one to hold its ends, or its death would not close the channels.
    let started = HostRunner.start(&command).map_err(|error| Problem::OfQemu(watch::failed(&error)));
    drop(command);
    let mut process = started?;
    for helper in waiting {
        companions.extend(helper.start(&mut *process).map_err(Problem::OfDomain)?);
    }
    Ok((Guest { program, process, qmp, console, companions }, leftovers))
}

/// Makes a guest known to those who look for it, and lets them ask for it.
fn enter(entry: &mut Entry, guest: &Guest) -> Result<UnixListener, Stop> {
    let known = entry.set_qemu(guest.process.pid()).and_then(|()| entry.listen());
    known.map_err(|error| guests::refused(&error))
}

/// Where the console is shown. Whoever is at a terminal types at the guest on request only: Ctrl-C is to end it
/// otherwise.
fn terminal(args: &Run, report: &Report) -> Result<Terminal, Stop> {
    let reads_input = args.console || !std::io::stdin().is_terminal();
    let terminal = Terminal::standard(reads_input)
        .map_err(|error| Stop::new(Status::Failed, format!("cannot use the terminal: {error}")))?;
    if terminal.is_raw() {
        report.note("this is the guest's console; Ctrl-] leaves it, and the guest goes on");
    }
    Ok(terminal)
}
