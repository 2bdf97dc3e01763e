//! `domx run --detach`: a guest that stays behind, with its supervisor.

use std::time::Duration;

use runner::detach::{Launched, launch};
use runner::{Command, HostRunner, Input, RunError};

use super::console;
use crate::args::Run;
use crate::report::{Report, Status, Stop};

/// How long QEMU may take to be asked what it can do, to start, and to answer.
const START: Duration = Duration::from_secs(120);

/// Starts domx again, in the background, and waits until its guest runs.
pub fn run(args: &Run, report: &Report) -> Result<Status, Stop> {
    let failed = |error: std::io::Error| {
        Stop::new(Status::Failed, format!("cannot start domx in the background: {error}"))
    };
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program).args(["--supervising"]).args(std::env::args_os().skip(1));
    command.env.extend(std::env::vars_os());
    if args.domain == "-" {
        command.stdin = Input::Inherit;
    }
    let launched = launch(&HostRunner, command, START).map_err(|error| match error {
        RunError::TimedOut { limit, stderr_tail, .. } => {
            let seconds = limit.as_secs();
            Stop::new(Status::TimedOut, format!("the guest did not start within {seconds} s\n{stderr_tail}"))
        }
        error => Stop::new(Status::Failed, error.to_string()),
    })?;
    let (stdout, stderr) = match launched {
        Launched::Ready { stdout, stderr, .. } => (stdout, stderr),
        Launched::Ended(output) => {
            report.pass_on(&output.stderr);
            return Err(Stop::silent(Status::from_child(output.status)));
        }
    };
    report.pass_on(&stderr);
    let name = String::from_utf8_lossy(&stdout).into_owned();
    if args.console {
        return console::run(&name, report);
    }
    report.note(&format!("`{name}` runs in the background; `domx console`, `logs` and `stop` find it"));
    crate::print(&format!("{name}\n"))
}
