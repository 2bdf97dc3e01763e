//! A real QEMU: what it can do, and whether it comes up.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use caps_parser::Capabilities;
use caps_parser::qmp::probe::{Probe, Step};
use runner::probe::bare_guest;
use runner::qmp::{QmpClient, QmpError, pair};
use runner::{Command, HostRunner, Input, Runner, Sink};
use serde_json::{Value, json};

use super::stand_in::Arg;

/// How long QEMU may take for anything.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks a QEMU what it can do.
///
/// # Errors
/// When it does not start or does not answer.
pub fn capabilities(qemu: &Path) -> Result<Capabilities, String> {
    let say = |error: &dyn std::fmt::Display| format!("{}: {error}", qemu.display());
    let (ours, theirs) = pair().map_err(|error| say(&error))?;
    ours.set_read_timeout(Some(LIMIT)).map_err(|error| say(&error))?;
    let mut command = command(qemu).args(bare_guest(&["tcg"]));
    command.stdout = Sink::Given(theirs.try_clone().map_err(|error| say(&error))?);
    command.stdin = Input::Given(theirs);
    let _process = HostRunner.start(&command).map_err(|error| say(&error))?;
    drop(command);
    let mut probe = Probe::new();
    let mut writer = &ours;
    let mut reader = BufReader::new(&ours);
    writer.write_all(probe.start().as_bytes()).map_err(|error| say(&error))?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).map_err(|error| say(&error))?;
        match probe.feed(&line).map_err(|error| say(&error))? {
            Step::Wait => {}
            Step::Send(text) => writer.write_all(text.as_bytes()).map_err(|error| say(&error))?,
            Step::Restart(accel) => return Err(say(&format!("cannot do without {}", accel.qemu()))),
            Step::Done => break,
        }
    }
    let facts = probe.finish().map_err(|error| say(&error))?;
    Ok(Capabilities::detect(facts, qemu.display().to_string()))
}

fn command(qemu: &Path) -> Command {
    Command::new(qemu).env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent")
}

/// A QEMU that is about to be started, with the channel to its monitor.
pub struct Guest {
    command: Command,
    ours: UnixStream,
    monitor: i32,
}

impl Guest {
    /// Prepares a start.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn new(qemu: &Path) -> std::io::Result<Self> {
        let (ours, theirs) = pair()?;
        let mut command = command(qemu);
        let monitor = command.fds.pass(theirs)?;
        Ok(Guest { command, ours, monitor })
    }

    /// The number of the descriptor that QEMU's monitor is to be at.
    pub fn monitor(&self) -> i32 {
        self.monitor
    }

    /// Starts the guest, stopped, and looks whether it has what the command line names; then ends it.
    ///
    /// # Errors
    /// What QEMU says against it, or what is missing.
    pub fn comes_up(mut self, args: &[Arg]) -> Result<(), String> {
        let words = args.iter().flat_map(|(flag, value)| std::iter::once(flag).chain(value));
        self.command = self.command.args(words);
        let mut process = HostRunner.start(&self.command).map_err(|error| error.to_string())?;
        self.command.fds.close();
        let outcome = QmpClient::open(self.ours, LIMIT).and_then(|mut client| missing(&mut client, args));
        match outcome {
            Ok(missing) if missing.is_empty() => Ok(()),
            Ok(missing) => Err(format!("comes up without {}", missing.join(", "))),
            Err(QmpError::Closed { .. }) => {
                // How it ended says more than that the channel is closed.
                let _ = process.wait_deadline(Instant::now() + Duration::from_secs(5));
                Err(process.stderr_tail())
            }
            Err(error) => Err(format!("{}\n{error}", process.stderr_tail())),
        }
    }
}

/// What the command line names and the running QEMU does not have.
fn missing(client: &mut QmpClient, args: &[Arg]) -> Result<Vec<String>, QmpError> {
    let of_type = |path: &str| Some(json!({ "path": path }));
    let mut missing = Vec::new();
    for (flag, key, command, arguments, name) in [
        ("-device", "id", "qom-list", of_type("/machine/peripheral"), "name"),
        ("-object", "id", "qom-list", of_type("/objects"), "name"),
        ("-blockdev", "node-name", "query-named-block-nodes", Some(json!({ "flat": true })), "node-name"),
        ("-chardev", "id", "query-chardev", None, "label"),
    ] {
        let wanted: Vec<String> = args
            .iter()
            .filter(|(given, _)| given == flag)
            .filter_map(|(_, value)| id(value.as_ref()?, key))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let reply = client.execute(command, arguments)?;
        let list: Vec<Value> = serde_json::from_str(reply.get()).unwrap_or_default();
        let there: BTreeSet<&str> = list.iter().filter_map(|item| item.get(name)?.as_str()).collect();
        let gone = wanted.into_iter().filter(|id| !there.contains(id.as_str()));
        missing.extend(gone.map(|id| format!("{flag} {id}")));
    }
    Ok(missing)
}

fn id(value: &str, key: &str) -> Option<String> {
    match serde_json::from_str::<Value>(value) {
        Ok(value) => Some(value.get(key)?.as_str()?.to_owned()),
        Err(_) => {
            value.split(',').find_map(|part| part.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned)
        }
    }
}
