//! QMP: QEMU's machine protocol over a connected socket.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use thiserror::Error;

mod client;
mod connection;
mod message;

pub use client::QmpClient;
pub use connection::QmpConnection;
pub use message::{Event, Greeting, Message, Refusal, Reply};

/// A connected pair: the end for [`QmpConnection`] or [`QmpClient`], and the one for QEMU.
///
/// QEMU takes it as `-chardev socket,id=ID,fd=N` with `server=off` (the default); with `server=on` it would
/// want a listening socket. Tried with 7.2 and 10.0. Probes use it as standard input and output instead
/// (`-qmp stdio`), which every QEMU with QMP understands.
///
/// # Errors
/// When the system has no descriptors left.
pub fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    Ok((ours, theirs.into()))
}

/// What can go wrong on a QMP channel.
#[derive(Debug, Error)]
pub enum QmpError {
    /// The other end is closed.
    #[error("closed by the other end{}", if partial.is_empty() { String::new() } else { format!(" in the middle of `{partial}`") })]
    Closed {
        /// The beginning of the message it did not finish.
        partial: String,
    },
    /// A line is not a JSON object, or not one of the protocol.
    #[error("`{near}` is not a QMP message")]
    NotQmp {
        /// The beginning of the line.
        near: String,
    },
    /// A message, or all of them together, exceed what is accepted.
    #[error("more than {limit} bytes")]
    TooLong {
        /// The number of bytes allowed.
        limit: usize,
    },
    /// The answer did not come in time.
    #[error("no {awaited} within {}", crate::error::seconds(*limit))]
    TimedOut {
        /// What was waited for: "greeting", or "answer to `query-status`".
        awaited: String,
        /// The time it had.
        limit: Duration,
    },
    /// QEMU refused a command.
    #[error("`{command}` was refused: {refusal}")]
    Refused {
        /// The command.
        command: String,
        /// What QEMU said.
        refusal: Refusal,
    },
    /// The system failed us.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl QmpError {
    /// What is said of a line that is no message.
    pub(crate) fn not_qmp(line: &[u8]) -> Self {
        Self::NotQmp { near: beginning(line) }
    }
}

/// The beginning of a text that may be huge, for a message.
fn beginning(text: &[u8]) -> String {
    const SHOWN: usize = 80;
    let shown = text.get(..SHOWN).unwrap_or(text);
    let mut near: String = String::from_utf8_lossy(shown).trim_end().to_owned();
    near = near.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.len() > SHOWN {
        near.push('…');
    }
    near
}
