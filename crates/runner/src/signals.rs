//! Signals that ask for the end, as bytes on a descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::SigId;
use signal_hook::low_level::{pipe, unregister};

use crate::ready::{self, Got};

/// Catches SIGINT, SIGTERM and SIGHUP as long as it lives; afterwards they are ignored.
///
/// A program that was started by `nohup`, which ignores SIGHUP for it, goes on ignoring that.
#[derive(Debug)]
pub struct Signals {
    stream: UnixStream,
    ids: Vec<SigId>,
}

impl Signals {
    /// Starts to catch.
    ///
    /// # Errors
    /// When the system has no descriptors left.
    pub fn catch() -> io::Result<Self> {
        let (stream, sender) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let mut signals = Self { stream, ids: Vec::new() };
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            if signal == Signal::HUP && is_ignored(signal) {
                continue;
            }
            signals.ids.push(pipe::register(signal.as_raw(), sender.try_clone()?)?);
        }
        Ok(signals)
    }

    /// How many came since the last call.
    pub(crate) fn take(&self) -> usize {
        let mut buffer = [0; 64];
        match ready::read_once(&self.stream, &mut buffer) {
            Ok(Got::Bytes(count)) => count,
            _ => 0,
        }
    }
}

/// Whether whoever started this program wants it not to hear this signal.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    // The lowest bit is signal 1.
    let bit =
        u32::try_from(signal.as_raw()).ok().and_then(|number| 1_u64.checked_shl(number.checked_sub(1)?));
    bit.is_some_and(|bit| ignored & bit != 0)
}

/// Asks for the end of this process as its user would, by SIGINT.
pub fn interrupt_ourselves() {
    // The system never refuses a process a signal to itself.
    let _ = kill_process(getpid(), Signal::INT);
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            unregister(id);
        }
    }
}
