//! Keeping a guest company from its start to its end.
//!
//! [`Lifecycle`] decides and does nothing; a loop waits for whatever can happen, tells it, and does what it says.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Instant;

use crate::command::Command;
use crate::console::{ConsoleLog, Terminal};
use crate::error::RunError;
use crate::process::{Process, Runner, Status};
use crate::qmp;
use crate::runtime::Entry;
use crate::signals::Signals;

mod console;
mod dump;
mod lifecycle;
mod plan;
mod setup;
mod talk;
mod watch;
mod words;

pub use dump::Dumps;
pub use lifecycle::Lifecycle;
pub use plan::{Action, Plan, Setup, Thread};
pub use words::{End, Event, Means, Notice, State, Step};

/// A started guest: QEMU, our ends of its channels, and the processes that serve it.
pub struct Guest {
    /// The program, for messages.
    pub program: PathBuf,
    /// QEMU.
    pub process: Box<dyn Process>,
    /// Our end of its QMP channel, not yet spoken on.
    pub qmp: UnixStream,
    /// Our end of its first serial console.
    pub console: Option<UnixStream>,
    /// Processes that serve this guest only (swtpm, passt, virtiofsd) by name; ended after it in reverse order.
    pub companions: Vec<(String, Box<dyn Process>)>,
}

impl Guest {
    /// Starts QEMU with a QMP channel and a first serial port besides what the command says, which should have `-S`:
    /// the guest runs when [`supervise`] lets it.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn start(runner: &dyn Runner, mut command: Command) -> Result<Self, RunError> {
        let failed = RunError::io("make a channel for QEMU");
        let mut channel = || -> std::io::Result<_> {
            let (ours, theirs) = qmp::pair()?;
            Ok((ours, command.fds.pass(theirs)?))
        };
        let (qmp, monitor) = channel().map_err(&failed)?;
        let (console, port) = channel().map_err(&failed)?;
        command = command
            .args(["-chardev".to_owned(), format!("socket,id=monitor,fd={monitor}")])
            .args(["-mon", "chardev=monitor,mode=control"])
            .args(["-chardev".to_owned(), format!("socket,id=serial0,fd={port}")])
            .args(["-serial", "chardev:serial0"]);
        let process = runner.start(&command)?;
        // With the command go our copies of QEMU's ends: its end is to close them.
        Ok(Self { program: command.program, process, qmp, console: Some(console), companions: Vec::new() })
    }
}

/// Told what happens to a guest, as it happens.
pub type Watch<'a> = Box<dyn FnMut(&Notice) + Send + 'a>;

/// What surrounds a guest while it runs. All of it is optional.
#[derive(Default)]
pub struct Surroundings<'a> {
    /// Where its console is shown and typed at.
    pub terminal: Option<Terminal>,
    /// Where its console is kept.
    pub log: Option<ConsoleLog>,
    /// Where others may ask for things, see [`Request`](crate::control::Request).
    pub control: Option<UnixListener>,
    /// Its entry among the guests that run, removed before anyone is told that it has ended.
    pub entry: Option<Entry>,
    /// What else is put away by being dropped, at the same moment.
    pub leftovers: Option<Box<dyn Send + 'a>>,
    /// Signals that end it.
    pub signals: Option<Signals>,
    /// Told what happens.
    pub watch: Option<Watch<'a>>,
}

/// How it all ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Why there is no guest any more.
    pub end: End,
    /// How QEMU ended.
    pub status: Status,
    /// The last lines QEMU said.
    pub stderr_tail: String,
}

/// Stays with a guest until it has ended, in this one thread; nothing of it is left then.
///
/// # Errors
/// When QEMU ends, stays silent or talks nonsense before the guest could run, or the system fails us. Nothing is
/// left in that case either.
pub fn supervise(guest: Guest, plan: Plan, around: Surroundings<'_>) -> Result<Outcome, RunError> {
    let greeting_limit = plan.greeting_limit;
    let lifecycle = Lifecycle::new(plan, Instant::now());
    watch::Supervisor::new(guest, lifecycle, around)?.run(greeting_limit)
}
