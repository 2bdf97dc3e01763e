//! Leaving a supervisor behind that looks after a guest.

use std::fs::{File, OpenOptions};
use std::io::{self, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::process::set_parent_process_death_signal;
use rustix::stdio;

use crate::command::{Command, Sink};
use crate::error::RunError;
use crate::process::{Output, Runner, Status};
use crate::ready::{self, Got, Interest};

/// What a supervisor writes on its standard output when its guest runs.
const READY: &[u8] = b"ready\n";
/// How much a supervisor may say before its guest runs.
const SAID: usize = 1 << 20;

/// What came of leaving a supervisor behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launched {
    /// The guest runs, and this process looks after it.
    Ready {
        /// Its process id.
        supervisor: u32,
        /// What it printed before it was ready.
        stdout: Vec<u8>,
        /// What it said on standard error so far: warnings.
        stderr: Vec<u8>,
    },
    /// The supervisor ended without a guest. Its output is for the user, its status for whoever started us.
    Ended(Output),
}

/// Starts a supervisor in a session of its own and waits until it has called [`report_ready`].
///
/// The command is this program again, with whatever tells it to supervise; once ready, the supervisor survives the
/// end of this program, its terminal and its user's session. Until then it may read the command's standard input.
///
/// # Errors
/// When it cannot be started, or neither is ready nor ends within the limit; it is killed then.
pub fn launch(runner: &dyn Runner, mut command: Command, limit: Duration) -> Result<Launched, RunError> {
    let piped = || -> io::Result<(Option<File>, OwnedFd)> {
        let (ours, theirs) = pipe()?;
        ready::set_nonblocking(&ours)?;
        Ok((Some(File::from(OwnedFd::from(ours))), theirs.into()))
    };
    let (mut stdout, theirs) = piped().map_err(RunError::io("make a pipe"))?;
    command.stdout = Sink::Given(theirs);
    let (mut stderr, theirs) = piped().map_err(RunError::io("make a pipe"))?;
    command.stderr = Sink::Given(theirs);
    command.outlives_us = true;
    let told = command.describe();
    let mut process = runner.start(&command)?;
    // The supervisor must be the only one to hold the other ends, or its death would not close them.
    drop(command);
    let deadline = ready::after(limit);
    let mut output = Output { status: Status::Code(0), stdout: Vec::new(), stderr: Vec::new() };
    while stdout.is_some() && !output.stdout.ends_with(READY) {
        if Instant::now() >= deadline {
            process.kill()?;
            let stderr_tail = crate::tail::Tail::of(&output.stderr).text();
            return Err(RunError::TimedOut { command: told, limit, stderr_tail });
        }
        let interests: Vec<_> =
            [&stdout, &stderr].into_iter().flatten().map(AsFd::as_fd).map(Interest::read).collect();
        ready::wait(&interests, Some(deadline)).map_err(RunError::io("wait for the supervisor"))?;
        drop(interests);
        gather(&mut stderr, &mut output.stderr);
        gather(&mut stdout, &mut output.stdout);
    }
    gather(&mut stderr, &mut output.stderr);
    if let Some(printed) = output.stdout.strip_suffix(READY) {
        let (stdout, stderr) = (printed.to_vec(), output.stderr);
        return Ok(Launched::Ready { supervisor: process.pid(), stdout, stderr });
    }
    output.status = match process.wait_deadline(deadline)? {
        Some(status) => status,
        None => process.kill()?,
    };
    Ok(Launched::Ended(output))
}

/// Takes what is there, up to a bound.
fn gather(pipe: &mut Option<File>, into: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    while let Some(open) = pipe {
        match ready::read_once(&*open, &mut buffer) {
            Ok(Got::Bytes(count)) if into.len() < SAID => {
                into.extend_from_slice(buffer.get(..count).unwrap_or_default());
            }
            Ok(Got::Nothing) => return,
            Ok(Got::Bytes(_) | Got::End) | Err(_) => *pipe = None,
        }
    }
}

/// Says, in a process started by [`launch`], that the guest runs, and lets go of whoever waits for that: standard
/// streams are replaced by `/dev/null`, standard error by the log if there is one.
///
/// # Errors
/// When nobody waits any more, or a stream cannot be replaced. The guest should end then: nobody knows of it.
pub fn report_ready(log: Option<&File>) -> io::Result<()> {
    // Whoever started us may end from now on.
    set_parent_process_death_signal(None)?;
    rustix::io::write(stdio::stdout(), READY)?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    stdio::dup2_stdin(&null)?;
    stdio::dup2_stdout(&null)?;
    stdio::dup2_stderr(log.unwrap_or(&null))?;
    Ok(())
}
