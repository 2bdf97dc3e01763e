//! The two traits everything else is built on.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Instant;

use rustix::process::Signal;

use crate::command::Command;
use crate::error::RunError;

/// Something that can start processes: the host, or a script of what would happen.
pub trait Runner {
    /// Runs a command to its end within its [`Limits`](crate::Limits), whatever its exit status is.
    ///
    /// # Errors
    /// When it cannot be started, or exceeds a limit; no process is left then.
    fn run(&self, command: &Command) -> Result<Output, RunError>;

    /// Starts a command that lasts.
    ///
    /// # Errors
    /// When it cannot be started.
    fn start(&self, command: &Command) -> Result<Box<dyn Process>, RunError>;
}

/// A started process. Dropping it kills it together with everything in its process group, unless its
/// [`Command`] says that it outlives us.
pub trait Process: Send {
    /// Its process id, which is the id of its process group too.
    fn pid(&self) -> u32;

    /// Turns readable when the process has ended. `None` where the system has no such thing (Linux before 5.3):
    /// then [`Process::try_wait`] has to be asked now and then.
    fn exit_fd(&self) -> Option<BorrowedFd<'_>>;

    /// Turns readable when the process has said something on a captured stream.
    fn said_fd(&self) -> Option<BorrowedFd<'_>>;

    /// What was said on the captured streams since the last call; never waits.
    fn read_said(&mut self) -> Vec<u8>;

    /// How the process ended, if it has; never waits.
    ///
    /// # Errors
    /// When the system cannot tell.
    fn try_wait(&mut self) -> Result<Option<Status>, RunError>;

    /// How the process ended, or `None` when it is still there at the deadline.
    ///
    /// # Errors
    /// When the system cannot tell.
    fn wait_deadline(&mut self, deadline: Instant) -> Result<Option<Status>, RunError>;

    /// Sends a signal to the process alone.
    ///
    /// # Errors
    /// When the system refuses. A process that has ended already is no error.
    fn signal(&mut self, signal: Signal) -> Result<(), RunError>;

    /// Kills the process group and collects the process.
    ///
    /// # Errors
    /// When the process is still there some seconds after SIGKILL.
    fn kill(&mut self) -> Result<Status, RunError>;

    /// The last lines said on the captured streams.
    fn stderr_tail(&mut self) -> String;
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// By itself, with this exit status (0 to 255).
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Status {
    /// Whether it ended by itself with status 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl From<ExitStatus> for Status {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            // Stopped and continued processes are never waited for, so this is unreachable in practice.
            (None, None) => Self::Code(255),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(number) => match Signal::from_named_raw(number) {
                Some(signal) => write!(f, "signal {number} ({})", signal_name(signal)),
                None => write!(f, "signal {number}"),
            },
        }
    }
}

/// The usual name of the signals processes die of.
fn signal_name(signal: Signal) -> &'static str {
    const NAMES: &[(Signal, &str)] = &[
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::TERM, "SIGTERM"),
        (Signal::SYS, "SIGSYS"),
    ];
    NAMES.iter().find(|(named, _)| *named == signal).map_or("unnamed", |(_, name)| name)
}

/// What a finished run left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: Status,
    /// Standard output, if captured.
    pub stdout: Vec<u8>,
    /// Standard error, if captured.
    pub stderr: Vec<u8>,
}

impl Output {
    /// The output of a run that succeeded.
    ///
    /// # Errors
    /// [`RunError::Exited`] with the last lines of standard error for any other end.
    pub fn success(self, program: &Path) -> Result<Self, RunError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let stderr_tail = crate::tail::Tail::of(&self.stderr).text();
        Err(RunError::Exited { process: program.display().to_string(), status: self.status, stderr_tail })
    }

    /// The last lines it said, of standard error if there are any; control characters made harmless.
    pub fn last_words(&self) -> String {
        let said = if self.stderr.is_empty() { &self.stdout } else { &self.stderr };
        crate::tail::Tail::of(said).text()
    }
}
