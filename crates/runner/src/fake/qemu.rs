//! What a QEMU does that answers everything and has no guest.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Status;
use crate::ready::{self, Got, Interest};

/// How soon a pretended QEMU sees that it has been ended.
const GLANCE: Duration = Duration::from_millis(10);

/// The descriptors that a command line names for QEMU's channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Channels {
    /// That of the `-chardev` which `-mon` names.
    pub qmp: Option<RawFd>,
    /// That of the first other socket.
    pub serial: Option<RawFd>,
}

impl Channels {
    /// Finds them where QEMU would.
    pub fn of(args: &[OsString]) -> Self {
        let pairs =
            || args.windows(2).filter_map(|pair| Some((pair.first()?.to_str()?, pair.get(1)?.to_str()?)));
        let monitor = pairs().find(|(flag, _)| *flag == "-mon").and_then(|(_, value)| {
            value.split(',').map(|part| part.strip_prefix("chardev=").unwrap_or(part)).next()
        });
        let mut found = Self::default();
        for (_, value) in pairs().filter(|(flag, _)| *flag == "-chardev") {
            let key =
                |name: &str| value.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            let Some(fd) = key("fd").and_then(|fd| fd.parse().ok()) else { continue };
            if key("id").is_some() && key("id") == monitor {
                found.qmp = Some(fd);
            } else {
                found.serial = found.serial.or(Some(fd));
            }
        }
        found
    }
}

/// The first message of a QEMU of no version.
pub fn greeting() -> Value {
    let version = json!({"qemu": {"major": 0, "minor": 0, "micro": 0}, "package": "fake"});
    json!({"QMP": {"version": version, "capabilities": []}})
}

/// An event as QEMU sends it.
pub fn event(name: &str, data: &Value) -> Value {
    json!({"event": name, "data": data, "timestamp": {"seconds": 0, "microseconds": 0}})
}

/// The events that a command leads to, and whether QEMU ends by it.
pub fn effect(command: &str) -> (Vec<Value>, bool) {
    let shutdown = |guest: bool, reason: &str| event("SHUTDOWN", &json!({"guest": guest, "reason": reason}));
    let reset = || event("RESET", &json!({"guest": false, "reason": "host-qmp-system-reset"}));
    match command {
        "cont" => (vec![event("RESUME", &Value::Null)], false),
        "stop" => (vec![event("STOP", &Value::Null)], false),
        "system_reset" => (vec![reset()], false),
        "system_powerdown" => {
            (vec![event("POWERDOWN", &Value::Null), shutdown(true, "guest-shutdown")], true)
        }
        "dump-guest-memory" => {
            (vec![event("DUMP_COMPLETED", &json!({"result": {"status": "completed"}}))], false)
        }
        "quit" => (vec![shutdown(false, "host-qmp-quit")], true),
        _ => (Vec::new(), false),
    }
}

/// What a pretended QEMU is to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Manners {
    /// What commands return; an empty object for those that are not here.
    pub(super) answers: BTreeMap<String, Value>,
    /// What the guest writes on its first serial port once it runs.
    pub(super) console: Vec<u8>,
    /// When the guest powers off once it runs.
    pub(super) powers_off: Option<Duration>,
}

/// Plays QEMU until it is told to quit, its channel closes, or `ended` says how it was ended.
pub(super) fn play(
    mut qmp: UnixStream,
    mut serial: Option<UnixStream>,
    manners: &Manners,
    ended: &Weak<Mutex<Option<Status>>>,
) -> io::Result<()> {
    // A process that nobody holds any more has been killed.
    let has_ended =
        || ended.upgrade().is_none_or(|ended| ended.lock().unwrap_or_else(PoisonError::into_inner).is_some());
    let end = || {
        if let Some(ended) = ended.upgrade() {
            ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(Status::Code(0));
        }
    };
    let say = |qmp: &mut UnixStream, message: &Value| qmp.write_all(format!("{message}\r\n").as_bytes());
    // Whoever does not read is not waited for.
    qmp.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut off: Option<Instant> = None;
    let mut heard = Vec::new();
    say(&mut qmp, &greeting())?;
    while !has_ended() {
        if off.is_some_and(|off| Instant::now() >= off) {
            let (events, _) = effect("system_powerdown");
            events.iter().try_for_each(|event| say(&mut qmp, event))?;
            end();
            return Ok(());
        }
        let interest = Interest::read(std::os::fd::AsFd::as_fd(&qmp));
        let ready = ready::wait(&[interest], Some(ready::after(GLANCE)))?;
        if !ready.first().is_some_and(|ready| ready.read) {
            continue;
        }
        let mut buffer = [0; 4096];
        match ready::read_once(Read::by_ref(&mut qmp), &mut buffer)? {
            Got::Bytes(count) => heard.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Got::Nothing => {}
            Got::End => {
                end();
                return Ok(());
            }
        }
        while let Some(at) = heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = heard.drain(..=at).collect();
            let command: Value = serde_json::from_slice(&line)?;
            let name = command.get("execute").and_then(Value::as_str).unwrap_or_default();
            let value = manners.answers.get(name).cloned().unwrap_or_else(|| json!({}));
            say(&mut qmp, &json!({"return": value, "id": command.get("id")}))?;
            let (events, ends) = effect(name);
            events.iter().try_for_each(|event| say(&mut qmp, event))?;
            if ends {
                end();
                return Ok(());
            }
            if name == "cont" {
                if let Some(serial) = &mut serial {
                    serial.set_write_timeout(Some(Duration::from_secs(5)))?;
                    serial.write_all(&manners.console)?;
                }
                off = manners.powers_off.map(ready::after);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], qmp: Option<RawFd>, serial: Option<RawFd>) {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        assert_eq!(Channels::of(&args), Channels { qmp, serial }, "{args:?}");
    }

    #[test]
    fn channels_are_found_by_their_names() {
        let mon = ["-mon", "chardev=m,mode=control"];
        check(&[&["-chardev", "socket,id=m,fd=5"][..], &mon].concat(), Some(5), None);
        check(&["-chardev", "socket,id=s,fd=6", "-chardev", "socket,fd=7"], None, Some(6));
        check(
            &[&["-chardev", "socket,id=s,fd=6", "-chardev", "socket,id=m,fd=5"][..], &mon].concat(),
            Some(5),
            Some(6),
        );
        check(&["-chardev", "pty,id=m", "-chardev"], None, None);
    }
}
