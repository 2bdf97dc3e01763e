//! What is kept of a guest that runs.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, test_kill_process};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Mark;
use crate::ready;

/// What an entry says of its guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The name it runs under.
    pub name: String,
    /// The process that looks after it.
    pub supervisor: u32,
    /// QEMU, once started.
    pub qemu: Option<ProcessId>,
    /// What else belongs to it, by a variable of the environment.
    #[serde(default)]
    pub mark: Option<Mark>,
    /// When it was started, in seconds since 1970.
    pub since: u64,
    /// What is written where once QEMU has ended, in order: it undoes what was done to the host for the guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Undo>,
    /// Whatever its starter wants to keep: the domain file, the log file, …
    pub detail: Value,
}

/// A text that is written to a file of the kernel's to undo something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The file, which is there already.
    pub path: PathBuf,
    /// What is written.
    pub text: String,
}

impl Undo {
    /// Does it.
    ///
    /// # Errors
    /// When the file is gone, or the kernel does not take it.
    pub fn write(&self) -> io::Result<()> {
        fs::OpenOptions::new().write(true).open(&self.path)?.write_all(self.text.as_bytes())
    }
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the host's start (field 22 of `/proc/PID/stat`).
    pub started: u64,
    /// Which start of the host that was (`/proc/sys/kernel/random/boot_id`): a directory may outlast one.
    pub boot: String,
}

impl ProcessId {
    /// The process that has this number now.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may contain anything, parentheses included.
        let (_, fields) = stat.rsplit_once(')')?;
        let started = fields.split_whitespace().nth(19)?.parse().ok()?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Some(Self { pid, started, boot: boot.trim_end().to_owned() })
    }

    /// Whether there is no such process any more. One that cannot be looked at counts as being there.
    pub(crate) fn is_gone(&self) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return true };
        match Self::of(self.pid) {
            Some(now) => now != *self,
            None => matches!(test_kill_process(pid), Err(Errno::SRCH)),
        }
    }

    /// Kills the process if it is still there, and waits a little for it to be gone.
    pub(super) fn end(&self) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return };
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        // Looked at after opening: the descriptor stays with the process whatever happens to the number.
        if Self::of(self.pid).as_ref() == Some(self) && pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
            let interest = ready::Interest::read(std::os::fd::AsFd::as_fd(&pidfd));
            let _ = ready::wait(&[interest], Some(ready::after(Duration::from_secs(2))));
        }
    }
}
