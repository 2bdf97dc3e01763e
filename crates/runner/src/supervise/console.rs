//! The guest's console, passed on to whoever is to see it.

use std::time::{Duration, Instant};

use super::watch::Supervisor;
use super::words::Notice;
use crate::ready::{self, Got};

/// How long the last output of a guest may take to reach whoever reads it.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Supervisor<'_> {
    /// Passes on what someone typed.
    pub(super) fn take_typed(&mut self, bytes: &[u8]) {
        if let Some(console) = &mut self.console {
            console.take(bytes);
        }
    }

    /// Passes on what the guest wrote; says whether there may be more at once.
    pub(super) fn read_console(&mut self) -> bool {
        let Some(console) = &self.console else { return false };
        let mut buffer = [0; 16 << 10];
        let count = match console.read(&mut buffer) {
            Got::Bytes(count) => count,
            Got::Nothing => return false,
            Got::End => {
                self.console = None;
                return false;
            }
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        if let Some(terminal) = &mut self.terminal {
            terminal.show(bytes);
        }
        if let Some(server) = &mut self.server {
            server.show(bytes);
        }
        if let Some(log) = &mut self.log
            && let Err(error) = log.write(bytes)
        {
            self.log = None;
            self.notify(&Notice::LogFailed(error.to_string()));
        }
        true
    }

    /// Shows what is still in the console's socket and in our buffer, which may be more than the buffer holds.
    pub(super) fn hear_last_words(&mut self) {
        let deadline = ready::after(LAST_WORDS);
        loop {
            let has_more = self.read_console();
            if let Some(terminal) = &mut self.terminal
                && (terminal.is_full() || !has_more)
            {
                terminal.flush(deadline.saturating_duration_since(Instant::now()));
            }
            if !has_more || Instant::now() >= deadline {
                return;
            }
        }
    }
}
