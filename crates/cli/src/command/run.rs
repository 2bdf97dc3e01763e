//! `domx run`: a guest from start to end.

use domain_model::cpu::CpuMode;
use domain_model::pm::LifecycleAction;
use domain_model::{Domain, DomainType};
use qemu_argv::{CommandLine, Config, shell};
use runner::console::Terminal;
use runner::runtime::{Entry, RuntimeDir};
use runner::signals::Signals;
use runner::supervise::{Action, End, Guest, Notice, Plan, Surroundings, supervise};
use runner::{Command, HostRunner, RunError, Runner};
use serde_json::json;

use super::argv;
use crate::args::{AccelName, LayoutName, Run};
use crate::descriptors::Descriptors;
use crate::host::ThisHost;
use crate::input::{self, Input};
use crate::report::{Report, Status, Stop};
use crate::{host, source};

/// Starts the guest and stays with it.
pub fn run(args: &Run, report: &Report) -> Result<Status, Stop> {
    let mut input = input::domain(&args.domain, report)?;
    input.settle(report)?;
    let chosen = source::choose(&input.domain, &args.qemu, report)?;
    let accelerator = choose_accelerator(&mut input.domain, args.accel, report)?;
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
    start(command, descriptors, entry, args, &input.domain, report)
}

fn claim(name: &str, input: &Input) -> Result<Entry, Stop> {
    let failed = |error: runner::runtime::RuntimeError| Stop::new(Status::Failed, error.to_string());
    let detail = json!({ "domain": input.document.name() });
    RuntimeDir::for_user().map_err(failed)?.claim(name, detail).map_err(failed)
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
    domain: &Domain,
    report: &Report,
) -> Result<Status, Stop> {
    let failed = |error: std::io::Error| Stop::new(Status::Failed, error.to_string());
    // Caught before anything is started, so that no moment is left in which a signal ends us alone.
    let signals = Signals::catch().map_err(failed)?;
    let terminal = Terminal::standard(true).map_err(failed)?;
    let Some(qmp) = descriptors.monitor else {
        return Err(Stop::new(Status::Failed, "the command line has no monitor"));
    };
    let program = command.program.clone();
    let process = HostRunner.start(&command).map_err(|error| stop(&error))?;
    // QEMU must be the only one to hold its ends, or its death would not close the channels.
    drop(command);
    let control = match entry {
        Some(mut entry) => {
            let runtime = |error: runner::runtime::RuntimeError| Stop::new(Status::Failed, error.to_string());
            entry.set_qemu(process.pid()).map_err(runtime)?;
            let control = entry.listen().map_err(runtime)?;
            Some((entry, control))
        }
        None => None,
    };
    let (entry, control) = control.unzip();
    let guest = Guest { program, process, qmp, console: descriptors.console, companions: Vec::new() };
    let surroundings = Surroundings {
        terminal: Some(terminal),
        control,
        signals: Some(signals),
        watch: Some(Box::new(|notice| tell(notice, report))),
        log: None,
    };
    let outcome = supervise(guest, plan(domain, args), surroundings).map_err(|error| stop(&error))?;
    drop(entry);
    match outcome.end {
        End::PoweredOff | End::Rebooted | End::Stopped(_) => Ok(Status::Ok),
        End::TimedOut => Err(Stop::new(Status::TimedOut, "the guest's time is over")),
        End::Panicked(detail) => Err(Stop::new(Status::Failed, format!("the guest panicked: {detail}"))),
        End::Silent | End::Failed => {
            let mut message = format!("QEMU failed: {}", outcome.status);
            if !outcome.stderr_tail.trim().is_empty() {
                message = format!("{message}\n{}", outcome.stderr_tail.trim_end());
            }
            Err(Stop::new(Status::Failed, message))
        }
    }
}

fn stop(error: &RunError) -> Stop {
    let status = match error {
        RunError::TimedOut { .. } => Status::TimedOut,
        _ => Status::Failed,
    };
    Stop::new(status, error.to_string())
}

fn tell(notice: &Notice, report: &Report) {
    match notice {
        Notice::Said(text) => report.detail(&format!("QEMU: {}", text.trim_end())),
        Notice::Stopping(means) => report.note(&format!("the guest is asked to end ({means:?})")),
        Notice::TimedOut => report.note("the guest's time is over"),
        Notice::Panicked(detail) => report.warning(&format!("the guest panicked: {detail}")),
        Notice::Refused(command, why) => report.warning(&format!("QEMU refuses `{command}`: {why}")),
        Notice::CompanionEnded(name, status) => report.warning(&format!("{name} ended: {status}")),
        Notice::LogFailed(why) => report.warning(why),
        Notice::Preserved => report.note("the guest has ended and is kept"),
        Notice::Paused | Notice::Running | Notice::Restarted | Notice::ConsoleLeft => {
            report.detail(&format!("{notice:?}").to_lowercase());
        }
    }
}

fn plan(domain: &Domain, args: &Run) -> Plan {
    let action = |action: Option<LifecycleAction>, default| match action {
        None => default,
        Some(
            LifecycleAction::Restart | LifecycleAction::RenameRestart | LifecycleAction::CoredumpRestart,
        ) => Action::Restart,
        Some(LifecycleAction::Destroy | LifecycleAction::CoredumpDestroy) => Action::Destroy,
        Some(LifecycleAction::Preserve) => Action::Preserve,
    };
    Plan {
        on_poweroff: action(domain.on_poweroff, Action::Destroy),
        on_reboot: action(domain.on_reboot, Action::Restart),
        on_crash: action(domain.on_crash, Action::Destroy),
        timeout: args.timeout,
        ..Plan::default()
    }
}

/// Decides what runs the guest, changes the domain to match, and says what it is.
fn choose_accelerator(domain: &mut Domain, wanted: AccelName, report: &Report) -> Result<&'static str, Stop> {
    let why_not = host::why_no_kvm();
    match (wanted, domain.kind, why_not) {
        (AccelName::Tcg, ..) => translate(domain, report),
        (AccelName::Kvm, _, Some(error)) => {
            return Err(Stop::new(Status::Unsupported, format!("cannot open `/dev/kvm`: {error}")));
        }
        (AccelName::Auto, DomainType::Kvm, Some(error)) => {
            report.warning(&format!(
                "cannot open `/dev/kvm` ({error}); the guest runs under TCG, which is slow"
            ));
            translate(domain, report);
        }
        (AccelName::Kvm, ..) => domain.kind = DomainType::Kvm,
        (AccelName::Auto, ..) => {}
    }
    Ok(if domain.kind == DomainType::Kvm { "KVM" } else { "TCG" })
}

/// Makes a domain that QEMU's own translation can run.
fn translate(domain: &mut Domain, report: &Report) {
    domain.kind = DomainType::Qemu;
    if let Some(cpu) = &mut domain.cpu
        && matches!(cpu.mode, Some(CpuMode::HostPassthrough | CpuMode::HostModel))
    {
        report.warning("TCG cannot pass on the host's CPU; the guest gets all that TCG can do (`max`)");
        cpu.mode = Some(CpuMode::Maximum);
        cpu.migratable = None;
        cpu.model = None;
    }
}
