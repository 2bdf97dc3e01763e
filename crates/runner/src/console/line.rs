//! Our end of a serial line.

use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use crate::ready::{self, Got, Interest};

/// How much of what was typed is kept for a guest that does not read.
const TYPED: usize = 64 << 10;

/// A serial line, and what has been typed and not yet taken by the other side.
#[derive(Debug)]
pub(crate) struct Line {
    stream: UnixStream,
    typed: Vec<u8>,
}

impl Line {
    pub(crate) fn new(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, typed: Vec::new() })
    }

    /// What to wait for; nothing is read while `output_is_full`.
    pub(crate) fn interest(&self, output_is_full: bool) -> Option<Interest<'_>> {
        let interest =
            Interest { fd: self.stream.as_fd(), read: !output_is_full, write: !self.typed.is_empty() };
        (interest.read || interest.write).then_some(interest)
    }

    /// Whether nothing more should be typed for now.
    pub(crate) fn is_full(&self) -> bool {
        self.typed.len() >= TYPED
    }

    /// Keeps what is for the other side; what it cannot take is lost, as on a real serial line.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let room = TYPED.saturating_mul(2).saturating_sub(self.typed.len());
        self.typed.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.write();
    }

    /// Writes what the other side takes now.
    pub(crate) fn write(&mut self) {
        match (&self.stream).write(&self.typed) {
            Ok(count) => drop(self.typed.drain(..count.min(self.typed.len()))),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // Reading finds the end.
            Err(_) => self.typed.clear(),
        }
    }

    /// Reads what the other side wrote.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Got {
        ready::read_once(&self.stream, buffer).unwrap_or(Got::End)
    }
}
