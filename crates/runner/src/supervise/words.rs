//! What is said of a guest: states, events, steps, notices, ends.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::process::Status;
use crate::qmp;

/// Where a guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// QEMU is started and has not spoken yet.
    Starting,
    /// The virtual processors stand still.
    Paused,
    /// The virtual processors run.
    Running,
    /// The guest stands still while its memory is written to a file.
    Dumping,
    /// The guest has ended or crashed and is kept.
    Preserved,
    /// On its way out, by these means.
    Stopping(Means),
    /// QEMU is gone.
    Ended,
}

impl State {
    /// The state in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Paused => "paused",
            Self::Running => "running",
            Self::Dumping => "dumping",
            Self::Preserved => "preserved",
            Self::Stopping(_) => "stopping",
            Self::Ended => "ended",
        }
    }
}

/// Ways to end a guest, from polite to final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// The ACPI power button, which the guest may take as it likes.
    PowerDown,
    /// QMP's `quit`: QEMU writes back its caches and ends.
    Quit,
    /// SIGKILL.
    Kill,
}

/// What the state machine is told.
#[derive(Debug, Clone)]
pub enum Event {
    /// QMP has been negotiated.
    Negotiated,
    /// QEMU reports something.
    Qmp(qmp::Event),
    /// QEMU refuses this command of ours.
    Refused(&'static str, String),
    /// So many bytes of the guest's memory have been written.
    DumpedSoFar(u64),
    /// The guest's memory cannot be written, and why.
    DumpFailed(String),
    /// The QMP channel is closed or of no use any more.
    ChannelLost,
    /// QEMU has ended.
    Exited(Status),
    /// The moment given by [`Lifecycle::deadline`](super::Lifecycle::deadline) has come.
    Deadline,
    /// Someone wants the guest to end: a signal, or a request. Repeating it is insisting.
    Signal,
    /// Someone wants the guest to end at least by these means, and the next ones after this time.
    Stop(Means, Option<Duration>),
}

/// What the state machine wants to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this QMP command, which has no arguments.
    Execute(&'static str),
    /// Make a file and have QEMU write the guest's memory to it.
    Dump,
    /// Ask QEMU how much of it is written.
    AskForDump,
    /// Keep the file that is complete, or remove the one that will not be, for this reason; and tell so.
    EndDump(Result<(), String>),
    /// Kill QEMU's process group and report its end.
    Kill,
    /// Tell whoever watches.
    Tell(Notice),
}

/// What someone who watches a guest may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The guest stands still.
    Paused,
    /// The guest runs.
    Running,
    /// The guest did something final and has been reset.
    Restarted,
    /// The guest did something final and is kept.
    Preserved,
    /// The guest has panicked; what its device said of it.
    Panicked(Value),
    /// The guest has panicked and runs a kernel that examines that (pvpanic since QEMU 4.2).
    CrashKernel,
    /// Reading or writing a disk has failed; the data of QEMU's event `BLOCK_IO_ERROR`.
    DiskFailed(Value),
    /// Its watchdog has not been looked after.
    Hanging,
    /// Its memory is in this file.
    Dumped(PathBuf),
    /// Its memory is in no file, and why.
    DumpFailed(String),
    /// Its time is over.
    TimedOut,
    /// It is being ended by these means.
    Stopping(Means),
    /// QEMU refuses this command, and why.
    Refused(&'static str, String),
    /// What QEMU wrote on standard error.
    Said(String),
    /// What a companion process said: which one, and what.
    CompanionSaid(String, String),
    /// The user has left the console; the guest goes on.
    ConsoleLeft,
    /// The console log cannot be written any more.
    LogFailed(String),
    /// A companion process has ended before the guest: which, how, and its last lines.
    CompanionEnded(String, Status, String),
}

/// How a guest came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It powered itself off.
    PoweredOff,
    /// It rebooted, and that ends it here.
    Rebooted,
    /// It panicked; what its device said of it.
    Panicked(Value),
    /// It was told to end, and did by these means.
    Stopped(Means),
    /// Its time was over.
    TimedOut,
    /// QEMU never answered on its QMP channel.
    Silent,
    /// QEMU ended without being told by anyone.
    Failed,
}

impl End {
    /// The end in a word or two.
    pub fn word(&self) -> &'static str {
        match self {
            Self::PoweredOff => "powered off",
            Self::Rebooted => "rebooted",
            Self::Panicked(_) => "panicked",
            Self::Stopped(_) => "stopped",
            Self::TimedOut => "timed out",
            Self::Silent => "silent",
            Self::Failed => "failed",
        }
    }
}
