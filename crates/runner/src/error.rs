//! What can go wrong between asking for a process and its end.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};
use thiserror::Error;

use crate::process::Status;
use crate::qmp::QmpError;

/// Why a process could not be started, asked or brought to its end.
#[derive(Debug, Error)]
pub enum RunError {
    /// There is no such program.
    #[error("`{}` does not exist", program.display())]
    NotFound {
        /// The program asked for.
        program: PathBuf,
    },
    /// The file is there and cannot be executed.
    #[error("`{}` cannot be executed: {reason}", program.display())]
    NotExecutable {
        /// The program asked for.
        program: PathBuf,
        /// What is wrong with the file.
        reason: String,
    },
    /// The system refused to start the process.
    #[error("cannot start `{}`: {source}", program.display())]
    Spawn {
        /// The program asked for.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process ended when it should not have, or with failure.
    #[error("`{process}` ended with {status}{}", quoted(stderr_tail))]
    Exited {
        /// What was started: the program, or its whole command line where that is what was asked.
        process: String,
        /// How it ended.
        status: Status,
        /// The last lines it said.
        stderr_tail: String,
    },
    /// The process was still at it when its time was over, and has been killed.
    #[error("`{command}` did not end within {}{}", seconds(*limit), quoted(stderr_tail))]
    TimedOut {
        /// The command line.
        command: String,
        /// The time it had.
        limit: Duration,
        /// The last lines it said.
        stderr_tail: String,
    },
    /// The process said more than anyone wants to read, and has been killed.
    #[error("`{command}` wrote more than {limit} bytes{}", quoted(stderr_tail))]
    TooMuchOutput {
        /// The command line.
        command: String,
        /// The number of bytes allowed.
        limit: usize,
        /// The last lines it said on its standard error.
        stderr_tail: String,
    },
    /// The process does not speak QMP as it should.
    #[error("`{process}` on its QMP channel: {source}{}", quoted(stderr_tail))]
    Qmp {
        /// What was started: the program, or its whole command line where that is what was asked.
        process: String,
        /// What was wrong.
        source: QmpError,
        /// The last lines it said.
        stderr_tail: String,
    },
    /// Something that had to be so before the guest runs is not, see [`Plan::setup`](crate::supervise::Plan::setup).
    #[error("`{process}` cannot be set up: {why}{}", quoted(stderr_tail))]
    NotSetUp {
        /// What was started.
        process: String,
        /// The place in the setup of what failed.
        step: usize,
        /// What was wrong.
        why: String,
        /// The last lines it said.
        stderr_tail: String,
    },
    /// A pipe, a descriptor or a wait failed.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was attempted, as in "read the console".
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl RunError {
    /// Wraps what the system said with what was being done.
    pub(crate) fn io(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    /// Sorts a failed start by what the caller can do about it.
    pub(crate) fn from_spawn(program: &Path, source: io::Error) -> Self {
        let program = program.to_path_buf();
        let not_executable =
            |reason: &str| Self::NotExecutable { program: program.clone(), reason: reason.into() };
        match source.kind() {
            // A script whose interpreter is missing, or a missing working directory, gives the same error.
            io::ErrorKind::NotFound if !program.exists() => Self::NotFound { program },
            io::ErrorKind::NotADirectory => Self::NotFound { program },
            io::ErrorKind::PermissionDenied if program.is_dir() => not_executable("it is a directory"),
            // What is refused before the program gets to run is another thing.
            io::ErrorKind::PermissionDenied if access(&program, Access::EXEC_OK).is_err() => {
                not_executable("permission denied")
            }
            _ if source.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
                not_executable("it is not a program")
            }
            _ => Self::Spawn { program, source },
        }
    }
}

/// Characters of one line that a message shows.
const LINE_SHOWN: usize = 500;

/// The last lines a process said, on lines of their own below the message.
fn quoted(tail: &str) -> String {
    let tail = tail.trim_end();
    if tail.is_empty() {
        return String::new();
    }
    let mut text = String::from("; it said:");
    for line in tail.lines() {
        text.push_str("\n  ");
        text.extend(line.chars().take(LINE_SHOWN));
        if line.chars().nth(LINE_SHOWN).is_some() {
            text.push('…');
        }
    }
    text
}

/// A duration in seconds, without digits nobody needs.
pub(crate) fn seconds(time: Duration) -> String {
    let text = format!("{:.3}", time.as_secs_f64());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}
