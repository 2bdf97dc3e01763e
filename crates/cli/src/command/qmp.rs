//! `domx qmp`: one command for a guest's QEMU.

use std::time::Duration;

use runner::control::Request;
use serde_json::Value;

use crate::args::Qmp;
use crate::guests;
use crate::report::{Status, Stop};

/// How long QEMU may take. Commands that last longer run as jobs in QEMU and answer at once.
const ANSWER: Duration = Duration::from_secs(60);

/// Sends the command and prints what it returns.
pub fn run(args: &Qmp) -> Result<Status, Stop> {
    let arguments = args.arguments.as_deref().map(object).transpose()?;
    let mut supervisor = guests::supervisor(&args.name)?;
    let request = Request::Qmp { command: args.command.clone(), arguments };
    let answer = supervisor.ask(&request, ANSWER).map_err(|error| guests::unanswered(&args.name, &error))?;
    crate::print(&format!("{answer:#}\n"))
}

fn object(text: &str) -> Result<Value, Stop> {
    let wrong = |why: &str| Stop::new(Status::Usage, format!("`{text}` is not a JSON object{why}"));
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(wrong("")),
        Err(error) => Err(wrong(&format!(": {error}"))),
    }
}
