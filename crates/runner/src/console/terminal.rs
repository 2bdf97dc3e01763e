//! The user's side of a console: standard streams, raw mode, `Ctrl-]`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

use crate::ready::{self, Got, Interest};

/// Leaves the console, as in virsh.
const ESCAPE: u8 = 0x1d;
/// How much is kept for an output that is slower than the guest before the guest has to wait.
const PENDING: usize = 64 << 10;
/// A pipe that is ready accepts this much at once; more could block.
const AT_ONCE: usize = 4096;

/// Shows what a guest writes, and passes on what the user types.
///
/// Making the descriptors non-blocking would do the same to every program that shares them, so each use waits for
/// readiness first, and a terminal is opened once more to be written to.
#[derive(Debug)]
pub struct Terminal {
    input: Option<File>,
    output: Option<File>,
    raw: Option<RawMode>,
    pending: Vec<u8>,
}

/// What came from the user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Bytes for the guest.
    Bytes(Vec<u8>),
    /// The user leaves, after these bytes.
    Leave(Vec<u8>),
    /// There will be nothing more.
    End,
}

impl Terminal {
    /// Shows the console on standard output and, if wanted, reads standard input.
    ///
    /// # Errors
    /// When a descriptor cannot be copied, or a terminal not be put into raw mode.
    pub fn standard(reads_input: bool) -> io::Result<Self> {
        let input = if reads_input { Some(io::stdin().as_fd().try_clone_to_owned()?) } else { None };
        Self::new(input, Some(io::stdout().as_fd().try_clone_to_owned()?))
    }

    /// Uses these descriptors. An input that is a terminal is in raw mode until the user leaves or this is dropped.
    ///
    /// # Errors
    /// When a terminal cannot be put into raw mode.
    pub fn new(input: Option<OwnedFd>, output: Option<OwnedFd>) -> io::Result<Self> {
        let raw = match &input {
            Some(input) if isatty(input) => Some(RawMode::enter(input)?),
            _ => None,
        };
        let output = output.map(|output| File::from(unshared(&output).unwrap_or(output)));
        Ok(Self { input: input.map(File::from), output, raw, pending: Vec::new() })
    }

    /// Whether there is a user who types at a terminal, and can leave it.
    pub fn is_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// What to wait for on the input; nothing while `is_full` says that the guest does not read.
    pub(crate) fn input(&self, is_full: bool) -> Option<Interest<'_>> {
        self.input.as_ref().filter(|_| !is_full).map(|input| Interest::read(input.as_fd()))
    }

    /// What to wait for on the output.
    pub(crate) fn output(&self) -> Option<Interest<'_>> {
        let fd: BorrowedFd<'_> = self.output.as_ref().filter(|_| !self.pending.is_empty())?.as_fd();
        Some(Interest { fd, read: false, write: true })
    }

    /// Whether the output is so far behind that the guest has to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.pending.len() >= PENDING
    }

    /// Takes what is to be shown.
    pub(crate) fn show(&mut self, bytes: &[u8]) {
        if self.output.is_some() {
            self.pending.extend_from_slice(bytes);
        }
    }

    /// Writes as much as is certain not to block, once the output is ready.
    pub(crate) fn write(&mut self) {
        let Some(output) = &self.output else { return };
        let now = self.pending.get(..AT_ONCE).unwrap_or(&self.pending);
        match rustix::io::write(output, now) {
            Ok(count) => drop(self.pending.drain(..count.min(self.pending.len()))),
            Err(Errno::INTR | Errno::AGAIN) => {}
            // Nobody is looking any more. The guest goes on; it has not been started for its output alone.
            Err(_) => {
                self.output = None;
                self.pending.clear();
            }
        }
    }

    /// Writes the rest, as long as the output takes it within this time.
    pub(crate) fn flush(&mut self, limit: Duration) {
        let deadline = ready::after(limit);
        while let Some(output) = self.output() {
            match ready::wait(&[output], Some(deadline)) {
                Ok(ready) if ready.first().is_some_and(|ready| ready.write) => self.write(),
                _ => return,
            }
        }
    }

    /// Reads what the user typed, once the input is ready.
    pub(crate) fn read(&mut self) -> Typed {
        let mut buffer = [0; AT_ONCE];
        let got = self.input.as_ref().map(|input| ready::read_once(input, &mut buffer));
        match got {
            Some(Ok(Got::Bytes(count))) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                let escape = bytes.iter().position(|byte| *byte == ESCAPE).filter(|_| self.raw.is_some());
                match escape {
                    Some(at) => {
                        let before = bytes.get(..at).unwrap_or_default().to_vec();
                        self.close_input();
                        Typed::Leave(before)
                    }
                    None => Typed::Bytes(bytes.to_vec()),
                }
            }
            Some(Ok(Got::Nothing)) => Typed::Bytes(Vec::new()),
            Some(Ok(Got::End) | Err(_)) | None => {
                self.close_input();
                Typed::End
            }
        }
    }

    fn close_input(&mut self) {
        (self.input, self.raw) = (None, None);
    }
}

/// A terminal that is ready may still take less than what it is given, and wait for its reader with the rest. So it is
/// opened once more, for us alone; none for what is no terminal, or one of somebody else.
fn unshared(output: impl AsFd) -> Option<OwnedFd> {
    let output = output.as_fd();
    let path = format!("/proc/self/fd/{}", output.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    isatty(output).then(|| open(path, flags, Mode::empty()).ok()).flatten()
}

/// Writes a message for people, as far as its reader takes it within this time: a terminal may be stopped, and a pipe
/// be full.
///
/// # Errors
/// When not all of it has been taken, or nobody is there.
pub fn tell(output: impl AsFd, message: &[u8], limit: Duration) -> io::Result<()> {
    let own = unshared(&output);
    let output = own.as_ref().map_or(output.as_fd(), AsFd::as_fd);
    let (deadline, mut rest) = (ready::after(limit), message);
    while !rest.is_empty() {
        let interest = Interest { fd: output, read: false, write: true };
        if !ready::wait(&[interest], Some(deadline))?.first().is_some_and(|ready| ready.write) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match rustix::io::write(output, rest.get(..AT_ONCE).unwrap_or(rest)) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A terminal that hands over every key as it is; it is as before when this is dropped.
#[derive(Debug)]
struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    fn enter(terminal: &OwnedFd) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
