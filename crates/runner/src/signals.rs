//! Signals that ask for the end, as bytes on a descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::SigId;
use signal_hook::low_level::{pipe, unregister};

use crate::ready::{self, Got};

/// Catches SIGINT, SIGTERM and SIGHUP as long as it lives; afterwards they are ignored.
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
