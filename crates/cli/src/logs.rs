//! What is kept of a guest's words: console and messages.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use runner::console::ConsoleLog;
use runner::runtime::file_name;

use crate::report::Report;
use crate::state;

/// The most that is kept of a console in one file; a full one is kept beside the new one.
const CONSOLE: u64 = 8 << 20;
/// The most that is kept of messages.
const MESSAGES: u64 = 1 << 20;

/// The log files of one guest. They outlast it, and are replaced when a guest of that name starts.
#[derive(Debug)]
pub struct Places {
    /// What the guest wrote on its first serial port.
    pub console: PathBuf,
    /// What QEMU said, and what a domx in the background did.
    pub messages: PathBuf,
}

impl Places {
    /// Those of a guest; none where there is no directory to keep things in.
    pub fn of(name: &str) -> Option<Self> {
        let directory = state::directory()?.join("logs");
        let place = |what: &str| directory.join(format!("{}.{what}", file_name(name)));
        Some(Places { console: place("console"), messages: place("messages") })
    }
}

/// The open logs of a guest. One that cannot be written is no reason not to run.
#[derive(Debug, Default)]
pub struct Logs {
    /// Its console.
    pub console: Option<ConsoleLog>,
    /// Its messages.
    pub messages: Option<Messages>,
}

impl Logs {
    /// Starts new logs.
    pub fn create(name: &str, report: &Report) -> Self {
        let Some(places) = Places::of(name) else {
            report.detail("no log is kept: neither XDG_STATE_HOME nor HOME is set");
            return Logs::default();
        };
        let directory = places.console.parent().map(|directory| {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map(|()| directory)
        });
        if let Some(Err(error)) = directory {
            report.warning(&format!("no log is kept in `{}`: {error}", places.console.display()));
            return Logs::default();
        }
        let warn = |path: &PathBuf, error: io::Error| {
            report.warning(&format!("no log is kept in `{}`: {error}", path.display()));
        };
        let console = ConsoleLog::create(&places.console, CONSOLE);
        let messages = Messages::create(&places.messages);
        Logs {
            console: console.map_err(|error| warn(&places.console, error)).ok(),
            messages: messages.map_err(|error| warn(&places.messages, error)).ok(),
        }
    }
}

/// A log that starts again when it is full: the newest is worth most.
#[derive(Debug)]
pub struct Messages(File);

impl Messages {
    fn create(path: &PathBuf) -> io::Result<Self> {
        // Replaced and not emptied: someone may have put a link there.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(path).map(Messages)
    }

    /// The file, for whoever writes to it as well.
    pub fn file(&self) -> &File {
        &self.0
    }

    /// Adds what was said. There is nobody to tell that it cannot be written.
    pub fn write(&mut self, text: &str) {
        if self.0.metadata().is_ok_and(|metadata| metadata.len() >= MESSAGES) {
            let _ = self.0.set_len(0);
        }
        let _ = self.0.write_all(text.as_bytes());
    }
}
