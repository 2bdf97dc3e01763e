//! A scripted stand-in for QEMU, for end-to-end tests without it.
//!
//! The script is the JSON file `PROGRAM.json` beside the program as it was called (so a symbolic link with
//! another name has another script), or the one `FAKE_QEMU_SCRIPT` names. Without either it is a polite QEMU:
//! it greets, answers every command with an empty object, reports what commands do as events, and repeats on
//! the serial port what it reads there. It finds its channels where QEMU would: the descriptor of the `-chardev`
//! that `-mon` names, or standard streams for `-qmp stdio`; the serial port is the first other socket chardev.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::Duration;

use runner::fake::qemu::{self, Channels};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, getpid, kill_process};
use serde::Deserialize;
use serde_json::{Value, json};

/// What to do instead of being QEMU.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Script {
    /// Answers to help queries: the first whose arguments all occur is taken, and nothing else happens.
    help: Vec<Help>,
    /// Otherwise these steps, one after the other; at their end it exits with 0.
    steps: Vec<Step>,
    /// Replies by command, `{"return": …}` or `{"error": …}`.
    replies: BTreeMap<String, Value>,
    /// Steps taken after the reply to a command, instead of what QEMU would do.
    on: BTreeMap<String, Vec<Step>>,
}

impl Default for Script {
    fn default() -> Self {
        let steps = vec![Step::Greet, Step::Serve];
        Self { help: Vec::new(), steps, replies: BTreeMap::new(), on: BTreeMap::new() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Help {
    args: Vec<String>,
    stdout: String,
    stderr: String,
    status: u8,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Writes to standard output.
    Print(String),
    /// Writes to standard error.
    Complain(String),
    /// Writes to the serial port.
    Serial(String),
    /// Writes to the QMP channel, as it is.
    Qmp(String),
    /// Sends an event: name and data.
    Event(String, Value),
    /// Sends the greeting.
    Greet,
    /// Answers commands until the channel is closed.
    Serve,
    /// Milliseconds of doing nothing.
    Sleep(u64),
    /// Does nothing for ever.
    Hang,
    /// Ends with this status.
    Exit(u8),
    /// Ends by this signal.
    Crash(i32),
    /// Survives SIGTERM and SIGINT.
    IgnoreTerm,
    /// Closes the QMP channel.
    CloseQmp,
    /// Writes this many bytes of one line to standard output, standard error or the QMP channel.
    Flood(Flood, usize),
    /// Starts a child that holds all standard streams and lasts.
    Fork,
    /// Writes its environment to a file, one variable per line, and the open descriptors in the last line.
    Record(String),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Flood {
    Stdout,
    Stderr,
    Qmp,
}

fn main() -> ExitCode {
    match play() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("fake-qemu: {error}");
            ExitCode::from(99)
        }
    }
}

fn play() -> io::Result<u8> {
    let args: Vec<OsString> = env::args_os().collect();
    let script = read_script(args.first().map(OsString::as_os_str).unwrap_or_default())?;
    for help in &script.help {
        if help.args.iter().all(|wanted| args.iter().any(|arg| arg.as_os_str() == OsStr::new(wanted))) {
            print!("{}", help.stdout);
            eprint!("{}", help.stderr);
            io::stdout().flush()?;
            return Ok(help.status);
        }
    }
    let mut machine = Machine::new(&args, &script)?;
    machine.play(&script.steps).map(Option::unwrap_or_default)
}

fn read_script(program: &OsStr) -> io::Result<Script> {
    let beside = {
        let mut path = program.to_owned();
        path.push(".json");
        path
    };
    let path = env::var_os("FAKE_QEMU_SCRIPT").unwrap_or(beside);
    match fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Script::default()),
        Err(error) => Err(error),
    }
}

/// One direction each, because standard streams are two descriptors.
struct Channel {
    input: File,
    output: File,
}

struct Machine<'a> {
    script: &'a Script,
    qmp: Option<Channel>,
    serial: Option<File>,
}

impl<'a> Machine<'a> {
    fn new(args: &[OsString], script: &'a Script) -> io::Result<Self> {
        let value_of = |flag: &str| {
            let at = args.iter().position(|arg| arg.as_os_str() == OsStr::new(flag))?;
            args.get(at.saturating_add(1)).and_then(|value| value.to_str())
        };
        let channels = Channels::of(args);
        let serial = channels.serial.map(inherited);
        let mut qmp = None;
        if let Some(output) = channels.qmp.map(inherited) {
            qmp = Some(Channel { input: output.try_clone()?, output });
        }
        if value_of("-qmp") == Some("stdio") {
            let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
            qmp = Some(Channel { input, output: File::from(io::stdout().as_fd().try_clone_to_owned()?) });
        }
        Ok(Self { script, qmp, serial })
    }

    /// Takes steps until one ends the program, which gives the exit status.
    fn play(&mut self, steps: &[Step]) -> io::Result<Option<u8>> {
        for step in steps {
            match step {
                Step::Print(text) => {
                    io::stdout().write_all(text.as_bytes())?;
                    io::stdout().flush()?;
                }
                Step::Complain(text) => io::stderr().write_all(text.as_bytes())?,
                Step::Serial(text) => {
                    if let Some(serial) = &mut self.serial {
                        serial.write_all(text.as_bytes())?;
                    }
                }
                Step::Qmp(text) => self.say(text)?,
                Step::Event(name, data) => self.event(name, data)?,
                Step::Greet => {
                    self.say(&format!("{}\r\n", qemu::greeting()))?;
                }
                Step::Serve => {
                    if let Some(status) = self.serve()? {
                        return Ok(Some(status));
                    }
                }
                Step::Sleep(millis) => sleep(Duration::from_millis(*millis)),
                Step::Hang => loop {
                    sleep(Duration::from_secs(3600));
                },
                Step::Exit(status) => return Ok(Some(*status)),
                Step::Crash(signal) => {
                    let signal = Signal::from_named_raw(*signal).unwrap_or(Signal::ABORT);
                    // The first SIGSEGV only ends the guard that turns stack overflows into messages.
                    kill_process(getpid(), signal)?;
                    kill_process(getpid(), signal)?;
                }
                Step::IgnoreTerm => {
                    for signal in [Signal::TERM, Signal::INT] {
                        let unread = Arc::new(AtomicBool::new(false));
                        signal_hook::flag::register(signal.as_raw(), unread)?;
                    }
                }
                Step::CloseQmp => self.qmp = None,
                Step::Flood(to, bytes) => self.flood(*to, *bytes)?,
                Step::Fork => {
                    // Named like this program, so that a test which looks for what is left finds it.
                    let own_name = env::args_os().next().unwrap_or_default();
                    drop(Command::new("sleep").arg0(own_name).arg("1000").spawn()?);
                }
                Step::Record(path) => record(path)?,
            }
        }
        Ok(None)
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        match &mut self.qmp {
            Some(qmp) => qmp.output.write_all(text.as_bytes()),
            None => Ok(()),
        }
    }

    fn event(&mut self, name: &str, data: &Value) -> io::Result<()> {
        self.say(&format!("{}\r\n", qemu::event(name, data)))
    }

    fn flood(&mut self, to: Flood, bytes: usize) -> io::Result<()> {
        let chunk = "x".repeat(64 << 10);
        let mut left = bytes;
        while left > 0 {
            let now = chunk.get(..left.min(chunk.len())).unwrap_or_default();
            match to {
                Flood::Stdout => io::stdout().write_all(now.as_bytes())?,
                Flood::Stderr => io::stderr().write_all(now.as_bytes())?,
                Flood::Qmp => self.say(now)?,
            }
            left = left.saturating_sub(now.len());
        }
        Ok(())
    }

    /// Answers commands and repeats serial input until the channel is closed or a command ends it.
    fn serve(&mut self) -> io::Result<Option<u8>> {
        let mut pending = Vec::new();
        loop {
            let Some(qmp) = &mut self.qmp else { return Ok(None) };
            let flags = PollFlags::IN;
            let mut fds = vec![PollFd::new(&qmp.input, flags)];
            fds.extend(self.serial.as_ref().map(|serial| PollFd::new(serial, flags)));
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            let mut buffer = [0; 4096];
            if ready.get(1) == Some(&true)
                && let Some(serial) = &mut self.serial
            {
                match serial.read(&mut buffer)? {
                    0 => self.serial = None,
                    count => serial.write_all(buffer.get(..count).unwrap_or_default())?,
                }
            }
            if ready.first() != Some(&true) {
                continue;
            }
            match qmp.input.read(&mut buffer)? {
                0 => return Ok(None),
                count => pending.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                let command: Value = serde_json::from_slice(&line)?;
                if let Some(status) = self.obey(&command)? {
                    return Ok(Some(status));
                }
            }
        }
    }

    fn obey(&mut self, command: &Value) -> io::Result<Option<u8>> {
        let name = command.get("execute").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut reply = self.script.replies.get(&name).cloned().unwrap_or_else(|| json!({"return": {}}));
        if let (Some(reply), Some(id)) = (reply.as_object_mut(), command.get("id")) {
            reply.insert("id".into(), id.clone());
        }
        if let Some(steps) = self.script.on.get(&name) {
            self.say(&format!("{reply}\r\n"))?;
            return self.play(steps);
        }
        self.say(&format!("{reply}\r\n"))?;
        let (events, ends) = qemu::effect(&name);
        for event in events {
            self.say(&format!("{event}\r\n"))?;
        }
        Ok(ends.then_some(0))
    }
}

/// The descriptor this program was given under a number.
fn inherited(number: i32) -> File {
    #[allow(unsafe_code, reason = "a number on the command line is all there is to an inherited descriptor")]
    // SAFETY: whoever started this program put the descriptor there for it and says so by its number; nothing
    // else in this single-threaded program uses that number, and each number is taken once.
    File::from(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Writes what this program got from its parent.
fn record(path: &str) -> io::Result<()> {
    let mut text = String::new();
    for (name, value) in env::vars_os() {
        text.push_str(&format!("{}={}\n", name.to_string_lossy(), value.to_string_lossy()));
    }
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        // The directory being read is open too, and is not a gift of the parent.
        let target = fs::read_link(entry.path()).unwrap_or_default();
        if !target.to_string_lossy().ends_with("/fd") {
            numbers.extend(entry.file_name().to_string_lossy().parse::<i32>());
        }
    }
    numbers.sort_unstable();
    text.push_str(&format!("descriptors {numbers:?}\n"));
    fs::write(path, text)
}
