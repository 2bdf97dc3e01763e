//! `domx logs`: what a guest wrote on its first serial port.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use runner::console::ConsoleLog;

use crate::args;
use crate::logs::Places;
use crate::report::{Status, Stop};

/// Copies the log to standard output, the older part first.
pub fn run(args: &args::Logs) -> Result<Status, Stop> {
    let Some(places) = Places::of(&args.name) else {
        return Err(Stop::new(Status::Failed, "no logs are kept: neither XDG_STATE_HOME nor HOME is set"));
    };
    if args.messages {
        return copy(&places.messages, &args.name);
    }
    let old = ConsoleLog::old(&places.console);
    if old.exists() {
        copy(&old, &args.name)?;
    }
    copy(&places.console, &args.name)
}

fn copy(path: &Path, name: &str) -> Result<Status, Stop> {
    let failed = |error: io::Error| {
        let message = match error.kind() {
            ErrorKind::NotFound => format!("there is no log of a guest named `{name}`"),
            _ => format!("cannot read `{}`: {error}", path.display()),
        };
        Stop::new(Status::Failed, message)
    };
    let mut file = File::open(path).map_err(failed)?;
    match io::copy(&mut file, &mut io::stdout().lock()) {
        // A reader that has gone away is no failure of ours.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(Status::Ok),
    }
}
