//! Asking a QEMU binary what it can do.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::command::{Command, Input, Limits, Sink};
use crate::error::RunError;
use crate::process::{Output, Process, Runner};
use crate::qmp::{self, Message, QmpConnection, QmpError};
use crate::ready::{self, Interest};

/// A QMP conversation as text: what is asked and what that means is the business of whoever holds it.
///
/// The runner sees to the rest: that QEMU gets what is said, that every line reaches [`hear`](Self::hear) and is a
/// message of QMP, and that time and size have their limits.
pub trait Conversation {
    /// What to say to begin with: commands, one per line, `qmp_capabilities` being the first. QEMU's greeting need not
    /// be waited for.
    fn start(&mut self) -> String;

    /// Takes one line: the greeting, an event, or a reply with the id that its command had.
    fn hear(&mut self, line: &str) -> Next;
}

/// What comes next in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// QEMU is to answer more.
    Wait,
    /// More commands, one per line.
    Say(String),
    /// All has been said, so that QEMU can go.
    Over,
}

/// Bounds of a QMP conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeLimits {
    /// Time from start to the last reply.
    pub time: Duration,
    /// Bytes of all replies together.
    pub replies: usize,
}

impl Default for ProbeLimits {
    /// Thirty seconds and 32 MiB: a full probe of QEMU 10 takes below a second and 2 MiB.
    fn default() -> Self {
        Self { time: Duration::from_secs(30), replies: 32 << 20 }
    }
}

/// The environment of a probe: messages in English, and nothing of the caller's.
const ENVIRONMENT: [(&str, &str); 2] = [("LC_ALL", "C"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];

fn command<T: Into<OsString>>(program: &Path, args: impl IntoIterator<Item = T>) -> Command {
    let mut command = Command::new(program).args(args);
    command.env.extend(ENVIRONMENT.map(|(name, value)| (name.into(), value.into())));
    command
}

/// Runs one help query, as `["-device", "help"]`, and returns what was printed.
///
/// # Errors
/// When it cannot be run. A status other than 0 is no error here: old QEMUs end help with 1.
pub fn ask_help<T: Into<OsString>>(
    runner: &dyn Runner,
    program: &Path,
    args: impl IntoIterator<Item = T>,
    limits: Limits,
) -> Result<Output, RunError> {
    runner.run(&command(program, args).limits(limits))
}

/// The arguments of a guest that has nothing, is stopped, and answers QMP on its standard streams.
///
/// `accelerators` are tried in order (`kvm`, `tcg`), so that one process answers for all of them. This is the
/// form of QEMU 1.3 to today.
pub fn bare_guest(accelerators: &[&str]) -> Vec<OsString> {
    let machine = if accelerators.is_empty() {
        "none".to_owned()
    } else {
        format!("none,accel={}", accelerators.join(":"))
    };
    ["-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", &machine, "-qmp", "stdio"]
        .map(OsString::from)
        .to_vec()
}

/// Starts QEMU with these arguments, which must put QMP on its standard streams as [`bare_guest`] does, holds the
/// conversation, and ends QEMU.
///
/// # Errors
/// When QEMU cannot be started, ends early, is not done in time, says too much, or says what is no QMP.
pub fn converse<T: Into<OsString>>(
    runner: &dyn Runner,
    program: &Path,
    args: impl IntoIterator<Item = T>,
    limits: ProbeLimits,
    conversation: &mut dyn Conversation,
) -> Result<(), RunError> {
    let (ours, theirs) = qmp::pair().map_err(RunError::io("make a socket"))?;
    let mut command = command(program, args);
    command.stdout = Sink::Given(theirs.try_clone().map_err(RunError::io("copy a descriptor"))?);
    command.stdin = Input::Given(theirs);
    let mut connection = QmpConnection::new(ours).map_err(RunError::io("make a socket"))?;
    connection.limit(limits.replies, limits.replies);
    let mut process = runner.start(&command)?;
    // QEMU must be the only one to hold the other end, or its death would not close the channel.
    let told = command.describe();
    drop(command);
    let result = hold(&mut connection, process.as_mut(), conversation, limits.time);
    let status = match &result {
        // Whoever closes the channel is about to end, and how it ends says more than that it closed.
        Err(QmpError::Closed { .. }) => process.wait_deadline(ready::after(Duration::from_secs(1)))?,
        _ => None,
    };
    process.kill()?;
    let stderr_tail = process.stderr_tail();
    result.map_err(|source| match (source, status) {
        (QmpError::Closed { .. }, Some(status)) => RunError::Exited { process: told, status, stderr_tail },
        (QmpError::TimedOut { .. }, _) => {
            RunError::TimedOut { command: told, limit: limits.time, stderr_tail }
        }
        (QmpError::TooLong { limit }, _) => RunError::TooMuchOutput { command: told, limit, stderr_tail },
        (source, _) => RunError::Qmp { process: told, source, stderr_tail },
    })
}

/// Holds a conversation until it is over.
fn hold(
    connection: &mut QmpConnection,
    process: &mut dyn Process,
    conversation: &mut dyn Conversation,
    limit: Duration,
) -> Result<(), QmpError> {
    let deadline = ready::after(limit);
    let mut is_greeted = false;
    connection.say(&conversation.start());
    loop {
        while let Some(line) = connection.line()? {
            match Message::parse(line.as_bytes())? {
                Message::Reply(_) if !is_greeted => return Err(QmpError::not_qmp(line.as_bytes())),
                Message::Greeting(_) => is_greeted = true,
                Message::Reply(_) | Message::Event(_) => {}
            }
            match conversation.hear(&line) {
                Next::Wait => {}
                Next::Say(text) => connection.say(&text),
                Next::Over => return Ok(()),
            }
            // QEMU may never stop talking.
            if Instant::now() >= deadline {
                break;
            }
        }
        if Instant::now() >= deadline {
            let awaited = if is_greeted { "reply" } else { "greeting" };
            return Err(QmpError::TimedOut { awaited: awaited.into(), limit });
        }
        exchange(connection, process, deadline)?;
    }
}

/// Reads and writes what is possible, once something is.
fn exchange(
    connection: &mut QmpConnection,
    process: &mut dyn Process,
    deadline: Instant,
) -> Result<(), QmpError> {
    let qmp = Interest { fd: connection.as_fd(), read: true, write: connection.wants_write() };
    let said = process.said_fd().map(Interest::read);
    let interests: Vec<_> = [Some(qmp), said].into_iter().flatten().collect();
    let ready = ready::wait(&interests, Some(deadline))?;
    if ready.get(1).is_some_and(|said| said.read) {
        // Kept by the process for its tail; here it only has to be taken off the pipe.
        drop(process.read_said());
    }
    let ready = ready.first().copied().unwrap_or_default();
    if ready.write {
        match connection.write() {
            // What a dying QEMU managed to say is still worth reading.
            Ok(()) | Err(QmpError::Closed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if ready.read {
        connection.read()?;
    }
    Ok(())
}
