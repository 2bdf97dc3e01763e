//! Waiting for descriptors with a deadline.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How often to look where the system cannot wake us (no pidfd before Linux 5.3).
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// The moment this long from now; a time too long for the clock is a year.
pub(crate) fn after(time: Duration) -> Instant {
    let now = Instant::now();
    let year = || now.checked_add(Duration::from_secs(365 * 24 * 3600));
    now.checked_add(time).or_else(year).unwrap_or(now)
}

/// What to wait for on one descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interest<'fd> {
    /// The descriptor.
    pub(crate) fd: BorrowedFd<'fd>,
    /// Wait until there is something to read.
    pub(crate) read: bool,
    /// Wait until there is room to write.
    pub(crate) write: bool,
}

impl<'fd> Interest<'fd> {
    /// Waits until there is something to read.
    pub(crate) fn read(fd: BorrowedFd<'fd>) -> Self {
        Self { fd, read: true, write: false }
    }
}

/// What a descriptor is ready for. A closed peer makes it ready for everything that was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    /// Reading gives bytes, an end or an error at once.
    pub(crate) read: bool,
    /// Writing accepts bytes or fails at once.
    pub(crate) write: bool,
}

/// Waits until a descriptor is ready or the deadline has come; the answers are in the order of the questions.
pub(crate) fn wait(interests: &[Interest<'_>], deadline: Option<Instant>) -> io::Result<Vec<Ready>> {
    let mut fds: Vec<PollFd<'_>> = interests
        .iter()
        .map(|interest| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, interest.read);
            flags.set(PollFlags::OUT, interest.write);
            PollFd::from_borrowed_fd(interest.fd, flags)
        })
        .collect();
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // A timeout the kernel cannot represent is as good as none.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let over = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(interests
        .iter()
        .zip(&fds)
        .map(|(interest, fd)| {
            let seen = fd.revents();
            Ready {
                read: interest.read && seen.intersects(PollFlags::IN | over),
                write: interest.write && seen.intersects(PollFlags::OUT | over),
            }
        })
        .collect())
}

/// What one attempt at a non-blocking read gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// This many bytes.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// The other end is closed.
    End,
}

/// Reads once from a non-blocking descriptor. A peer that vanished is an end like any other.
pub(crate) fn read_once(mut from: impl Read, buffer: &mut [u8]) -> io::Result<Got> {
    loop {
        match from.read(buffer) {
            Ok(0) => return Ok(Got::End),
            Ok(count) => return Ok(Got::Bytes(count)),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return Ok(Got::Nothing),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => return Ok(Got::End),
                // A terminal whose other side is gone says EIO.
                _ if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Ok(Got::End),
                _ => return Err(error),
            },
        }
    }
}

/// Makes reads and writes return at once. Only for descriptors of our own: the flag is shared by all copies.
pub(crate) fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}
