//! What the user is told of a guest and its end.

use domain_model::{Code, Diagnostic, Document, Origin};
use runner::qmp::QmpError;
use runner::supervise::{End, Means, Notice, Outcome};
use runner::{RunError, detach, footprint};
use serde_json::Value;

use super::blame::{Blame, Given, blame};
use crate::logs::Messages;
use crate::report::{Report, Status, Stop};

/// Tells the user what happens, and whoever started us in the background that the guest runs.
pub(super) fn watch(
    report: &Report,
    supervising: bool,
    mut messages: Option<Messages>,
) -> Box<dyn FnMut(&Notice) + Send + '_> {
    let (mut is_awaited, mut is_fresh) = (supervising, true);
    Box::new(move |notice| {
        if is_fresh && matches!(notice, Notice::Running | Notice::Paused) {
            is_fresh = false;
            footprint::release_code();
        }
        if is_awaited && matches!(notice, Notice::Running | Notice::Paused) {
            is_awaited = false;
            if detach::report_ready(messages.as_ref().map(Messages::file)).is_err() {
                // Nobody knows of this guest, so it ends as if it had been interrupted.
                runner::signals::interrupt_ourselves();
            }
        }
        if let (Notice::Said(text) | Notice::CompanionSaid(_, text), Some(messages)) = (notice, &mut messages)
        {
            messages.write(text);
        }
        tell(notice, report);
    })
}

fn tell(notice: &Notice, report: &Report) {
    match notice {
        Notice::Said(text) => text.lines().for_each(|line| report.detail(&format!("QEMU: {line}"))),
        Notice::CompanionSaid(name, text) => {
            text.lines().for_each(|line| report.detail(&format!("{name}: {line}")));
        }
        Notice::Stopping(Means::PowerDown) => report.note("the guest's power button is pressed"),
        Notice::Stopping(Means::Quit) => report.note("QEMU is told to quit"),
        Notice::Stopping(Means::Kill) => report.note("QEMU is killed"),
        Notice::TimedOut => report.note("the guest's time is over"),
        Notice::Panicked(info) => report.warning(&panicked(info)),
        Notice::CrashKernel => report.warning("the guest panicked and runs its crash kernel"),
        Notice::DiskFailed(event) => report.warning(&disk_failed(event)),
        Notice::Hanging => report.warning("the guest does not look after its watchdog"),
        Notice::Dumped(path) => report.note(&format!("the guest's memory is in `{}`", path.display())),
        Notice::DumpFailed(why) => report.warning(&format!("the guest's memory is not kept: {why}")),
        Notice::Refused(command, why) => report.warning(&format!("QEMU refuses `{command}`: {why}")),
        // They go when QEMU closes its end, which may be seen before QEMU's own.
        Notice::CompanionEnded(name, status, _) if status.is_success() => {
            report.detail(&format!("`{name}` has ended"));
        }
        Notice::CompanionEnded(name, status, said) => {
            let said = if said.trim().is_empty() { String::new() } else { format!("\n{}", said.trim_end()) };
            report.warning(&format!("`{name}` ended before the guest: {status}{said}"));
        }
        Notice::LogFailed(why) => report.warning(&format!("the log of the console ends here: {why}")),
        Notice::Preserved => report.note("the guest has ended and is kept; `domx stop` ends QEMU"),
        Notice::ConsoleLeft => report.note("you left the console; Ctrl-C presses the guest's power button"),
        Notice::Paused => report.detail("the guest is paused"),
        Notice::Running => report.detail("the guest runs"),
        Notice::Restarted => report.note("the guest starts again"),
    }
}

/// What a panic device told; pvpanic tells nothing, Hyper-V and s390 have registers to show.
fn panicked(info: &Value) -> String {
    match info {
        Value::Null => "the guest panicked".to_owned(),
        info => format!("the guest panicked: {info}"),
    }
}

/// `BLOCK_IO_ERROR`: QEMU may have paused the guest, above all when the host's disk is full.
fn disk_failed(event: &Value) -> String {
    let text = |key: &str| event.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let disk = text("qom-path").or(text("device")).or(text("node-name")).unwrap_or("a disk");
    let operation = text("operation").unwrap_or("using");
    let why = text("reason").map(|why| format!(": {why}")).unwrap_or_default();
    let then = match text("action") {
        Some("stop") => "; the guest is paused, and `domx qmp NAME cont` resumes it",
        _ => "",
    };
    format!("the {operation} of disk `{disk}` failed{why}{then}")
}

/// What a guest's end means for our exit status.
pub(super) fn result(outcome: Outcome) -> Result<Status, Stop> {
    let Outcome { end, status, stderr_tail } = outcome;
    let said = match stderr_tail.trim_end() {
        "" => String::new(),
        said => format!("\n{said}"),
    };
    let failed = |what: &str| Err(Stop::new(Status::Failed, format!("{what}: {status}{said}")));
    match end {
        End::TimedOut => Err(Stop::new(Status::TimedOut, "the guest's time was over")),
        End::Panicked(info) => Err(Stop::new(Status::Failed, panicked(&info))),
        End::Silent | End::Failed => failed("QEMU failed"),
        End::Stopped(Means::Kill) => Ok(Status::Ok),
        // Its caches may not have been written back.
        End::PoweredOff | End::Rebooted | End::Stopped(_) if !status.is_success() => {
            failed("QEMU failed after the guest's end")
        }
        End::PoweredOff | End::Rebooted | End::Stopped(_) => Ok(Status::Ok),
    }
}

/// What is known of a guest that is being started.
pub(super) struct Known {
    /// QEMU's arguments, with the reasons for them.
    pub given: Vec<Given>,
    /// The reasons for what has to be so before the guest runs, in its order.
    pub reasons: Vec<Origin>,
    /// The names of the processes that serve it.
    pub helpers: Vec<String>,
}

/// A QEMU that did not get as far as to run its guest: what it says of the domain is shown at its place.
pub(super) fn not_started(error: &RunError, known: &Known, document: &Document, report: &Report) -> Stop {
    let Known { given, reasons, helpers } = known;
    match error {
        RunError::Exited { process, status, stderr_tail } => {
            let Blame { problems, rest } = blame(given, stderr_tail);
            report.problems(document, &problems);
            if problems.is_empty() {
                return failed(error);
            }
            let rest: String = rest.iter().map(|line| format!("\n  {line}")).collect();
            let rest = if rest.is_empty() { rest } else { format!("; it also said:{rest}") };
            Stop::new(Status::Failed, format!("`{process}` ended with {status}{rest}"))
        }
        RunError::Qmp { source: QmpError::TimedOut { .. }, .. } if !helpers.is_empty() => {
            let Stop { status, message } = failed(error);
            let helpers: Vec<String> = helpers.iter().map(|name| format!("`{name}`")).collect();
            let hint = format!("QEMU may be waiting for {}", helpers.join(" or "));
            Stop::new(status, format!("{}\n{hint}", message.unwrap_or_default()))
        }
        RunError::NotSetUp { step, why, .. } => match reasons.get(*step) {
            Some(origin) => {
                let problem = Diagnostic::error(Code::OperationFailed, *origin, why.clone());
                report.problems(document, &[problem]);
                Stop::silent(Status::Failed)
            }
            None => failed(error),
        },
        error => failed(error),
    }
}

/// A QEMU that could not be started, or never answered.
pub(super) fn failed(error: &RunError) -> Stop {
    let status = match error {
        RunError::TimedOut { .. } | RunError::Qmp { source: QmpError::TimedOut { .. }, .. } => {
            Status::TimedOut
        }
        _ => Status::Failed,
    };
    Stop::new(status, error.to_string())
}
