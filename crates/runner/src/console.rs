//! Serial consoles: shown, typed at, kept in a file, attached to.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::ready::{self, Got, Interest};
use crate::signals::Signals;

mod line;
mod log;
mod terminal;

pub(crate) use line::Line;
pub use log::ConsoleLog;
pub(crate) use terminal::Typed;
pub use terminal::{Terminal, tell};

/// How long the last output of a guest may take to reach whoever reads it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why someone is no longer at a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The user typed `Ctrl-]`.
    Escape,
    /// The guest, or its supervisor, has ended.
    Ended,
    /// A signal came.
    Signal,
}

/// Puts the user at the console of a guest that someone else supervises.
///
/// The channel and what has come on it already are those of
/// [`ControlClient::into_console`](crate::control::ControlClient::into_console). The end of an input that is no
/// terminal is no reason to leave.
///
/// # Errors
/// When the system cannot wait for the channel.
pub fn attach(
    early: &[u8],
    stream: UnixStream,
    mut terminal: Terminal,
    signals: &Signals,
) -> io::Result<Left> {
    #[derive(Clone, Copy)]
    enum Source {
        Signals,
        Line,
        Input,
        Output,
    }
    let mut line = Line::new(stream)?;
    terminal.show(early);
    let left = 'attached: loop {
        let mut all = vec![(Source::Signals, Interest::read(signals.as_fd()))];
        all.extend(line.interest(terminal.is_full()).map(|interest| (Source::Line, interest)));
        all.extend(terminal.input(line.is_full()).map(|interest| (Source::Input, interest)));
        all.extend(terminal.output().map(|interest| (Source::Output, interest)));
        let (sources, interests): (Vec<Source>, Vec<Interest<'_>>) = all.into_iter().unzip();
        let ready = ready::wait(&interests, None)?;
        drop(interests);
        for (source, ready) in sources.into_iter().zip(ready).filter(|(_, ready)| ready.read || ready.write) {
            match source {
                Source::Signals => break 'attached Left::Signal,
                Source::Line => {
                    if ready.write {
                        line.write();
                    }
                    let mut buffer = [0; 16 << 10];
                    match if ready.read { line.read(&mut buffer) } else { Got::Nothing } {
                        Got::Bytes(count) => terminal.show(buffer.get(..count).unwrap_or_default()),
                        Got::Nothing => {}
                        Got::End => break 'attached Left::Ended,
                    }
                }
                Source::Input => match terminal.read() {
                    Typed::Bytes(bytes) => line.take(&bytes),
                    Typed::Leave(bytes) => {
                        line.take(&bytes);
                        break 'attached Left::Escape;
                    }
                    Typed::End => {}
                },
                Source::Output => terminal.write(),
            }
        }
    };
    terminal.flush(LAST_WORDS);
    Ok(left)
}
