//! `domx console`: the first serial port of a guest.

use runner::console::{Left, Terminal, attach};
use runner::control::Request;
use runner::signals::Signals;

use crate::guests;
use crate::report::{Report, Status, Stop};

/// Stays at the console until the user leaves or the guest ends.
pub fn run(name: &str, report: &Report) -> Result<Status, Stop> {
    let failed = |error: std::io::Error| {
        Stop::new(Status::Failed, format!("cannot use the console of `{name}`: {error}"))
    };
    let signals = Signals::catch().map_err(failed)?;
    let mut supervisor = guests::supervisor(name)?;
    let refused = |error| guests::unanswered(name, &error);
    supervisor.ask(&Request::Console, guests::ANSWER).map_err(refused)?;
    let (early, stream) = supervisor.into_console().map_err(failed)?;
    let terminal = Terminal::standard(true).map_err(failed)?;
    if terminal.is_raw() {
        report.note(&format!("this is the console of `{name}`; Ctrl-] leaves it"));
    }
    match attach(&early, stream, terminal, &signals).map_err(failed)? {
        Left::Escape | Left::Signal => {
            report.note(&format!("you left the console of `{name}`, which goes on"))
        }
        Left::Ended => report.note(&format!("`{name}` has ended")),
    }
    Ok(Status::Ok)
}
