//! Talking to the supervisor of a guest: one JSON line each way.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::error::seconds;
use crate::process::Status;
use crate::ready;
use crate::supervise::{End, Means};

pub(crate) mod server;

/// What a supervisor can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How the guest is: the answer is a [`Report`].
    Status,
    /// End the guest by these means, and by stronger ones after the limit. The answer comes at once; another line
    /// comes at the end, a [`Farewell`], then the channel closes.
    Stop {
        /// What to begin with.
        means: Means,
        /// Milliseconds until the next means; absent is the supervisor's own limit.
        limit_ms: Option<u64>,
    },
    /// Pass a command on to QEMU; the answer is what it returned.
    Qmp {
        /// `query-status`, …
        command: String,
        /// Its arguments, an object.
        arguments: Option<Value>,
    },
    /// After the answer, the channel carries the bytes of the first serial console both ways.
    Console,
}

/// What a supervisor answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// It has been done; what came of it.
    Ok(Value),
    /// Why it has not been done.
    Error(String),
}

/// How a guest is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `starting`, `paused`, `running`, `preserved`, `stopping` or `ended`.
    pub state: String,
    /// QEMU's process id.
    pub pid: u32,
}

/// How a guest ended, for those who asked for its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Farewell {
    /// `powered off`, `rebooted`, `panicked`, `stopped`, `timed out`, `silent` or `failed`.
    pub end: String,
    /// By which means it was stopped, if it was.
    pub means: Option<Means>,
    /// How QEMU ended: `exit status 0`, …
    pub status: String,
}

impl Farewell {
    pub(crate) fn of(end: &End, status: Status) -> Self {
        let means = match end {
            End::Stopped(means) => Some(*means),
            _ => None,
        };
        Self { end: end.word().into(), means, status: status.to_string() }
    }
}

/// Why a supervisor cannot be asked.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Nobody is there.
    #[error("cannot reach the supervisor: {0}")]
    Unreachable(io::Error),
    /// It did not answer in time.
    #[error("no answer of the supervisor within {}", seconds(*.0))]
    Late(Duration),
    /// It closed instead of answering, or answered something else.
    #[error("the supervisor did not answer: {0}")]
    NoAnswer(String),
    /// It says no.
    #[error("{0}")]
    Refused(String),
}

/// The longest line either side accepts; a `query-qmp-schema` is below one megabyte.
const LONGEST: usize = 64 << 20;

/// A channel to the supervisor of one guest.
#[derive(Debug)]
pub struct ControlClient {
    lines: BufReader<UnixStream>,
}

impl ControlClient {
    /// Takes over a connected socket.
    pub fn new(stream: UnixStream) -> Self {
        Self { lines: BufReader::new(stream) }
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// When there is none within the limit, or it is a refusal.
    pub fn ask(&mut self, request: &Request, limit: Duration) -> Result<Value, ControlError> {
        let failed = |error: io::Error| ControlError::Unreachable(error);
        let mut line =
            serde_json::to_vec(request).map_err(|error| ControlError::NoAnswer(error.to_string()))?;
        line.push(b'\n');
        let stream = self.lines.get_ref();
        stream.set_write_timeout(Some(limit.max(Duration::from_millis(1)))).map_err(failed)?;
        (&*stream).write_all(&line).map_err(failed)?;
        self.next(limit)
    }

    /// Waits for another line: the end of a guest that was asked to stop.
    ///
    /// # Errors
    /// When there is none within the limit, or it is a refusal.
    pub fn next(&mut self, limit: Duration) -> Result<Value, ControlError> {
        let silent = |why: &str| ControlError::NoAnswer(why.to_owned());
        let deadline = ready::after(limit);
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ControlError::Late(limit));
            }
            self.lines.get_ref().set_read_timeout(Some(left)).map_err(ControlError::Unreachable)?;
            match self.lines.fill_buf() {
                Ok([]) => return Err(silent("it closed the channel")),
                Ok(more) => {
                    let end = more.iter().position(|byte| *byte == b'\n').map(|at| at.saturating_add(1));
                    let taken = end.unwrap_or(more.len());
                    line.extend_from_slice(more.get(..taken).unwrap_or_default());
                    self.lines.consume(taken);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {}
                    _ => return Err(silent(&error.to_string())),
                },
            }
            if line.len() > LONGEST {
                return Err(silent("it does not stop talking"));
            }
        }
        match serde_json::from_slice(&line) {
            Ok(Response::Ok(value)) => Ok(value),
            Ok(Response::Error(why)) => Err(ControlError::Refused(why)),
            Err(error) => Err(silent(&error.to_string())),
        }
    }

    /// The bytes of the console, after [`Request::Console`] has been granted: those that have come already, and
    /// the channel for the rest.
    ///
    /// # Errors
    /// When the socket refuses.
    pub fn into_console(mut self) -> io::Result<(Vec<u8>, UnixStream)> {
        let mut early = vec![0; self.lines.buffer().len()];
        self.lines.read_exact(&mut early)?;
        let stream = self.lines.into_inner();
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(None)?;
        Ok((early, stream))
    }
}
