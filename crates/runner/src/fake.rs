//! A runner that starts nothing, for tests of those who use runners.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::command::Command;
use crate::error::RunError;
use crate::process::{Output, Process, Runner, Status};
use crate::ready;

pub mod qemu;

use qemu::{Channels, Manners};

/// Plays scripted outcomes in order and remembers what it was asked to start.
///
/// A program that runs guests is tested like this, without a QEMU and without a process:
///
/// ```
/// use std::time::Duration;
///
/// use runner::fake::{FakeProcess, FakeRunner};
/// use runner::supervise::{End, Guest, Outcome, Plan, Surroundings, supervise};
/// use runner::{Command, RunError, Runner};
///
/// /// The program: it takes any `Runner`, and is given `HostRunner` by its `main`.
/// fn boot(runner: &dyn Runner, disk: &str) -> Result<Outcome, RunError> {
///     let command = Command::new("/usr/bin/qemu-system-x86_64").args(["-S", "-m", "64", "-hda", disk]);
///     supervise(Guest::start(runner, command)?, Plan::default(), Surroundings::default())
/// }
///
/// // Its test: a guest that runs for a moment and powers off.
/// let runner = FakeRunner::new().on_start(Ok(FakeProcess::qemu().powers_off(Duration::from_millis(5))));
/// let outcome = boot(&runner, "disk.img")?;
/// assert_eq!(outcome.end, End::PoweredOff);
/// assert!(runner.started()[0].args.contains(&"disk.img".into()));
///
/// // And where there is no QEMU:
/// let error = boot(&FakeRunner::new(), "disk.img").unwrap_err();
/// assert_eq!(error.to_string(), "`/usr/bin/qemu-system-x86_64` does not exist");
/// # Ok::<(), RunError>(())
/// ```
#[derive(Debug, Default)]
pub struct FakeRunner {
    script: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    runs: VecDeque<Result<Output, RunError>>,
    starts: VecDeque<Result<FakeProcess, RunError>>,
    started: Vec<Started>,
}

/// What a [`FakeRunner`] was asked to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its environment.
    pub env: Vec<(OsString, OsString)>,
    /// How many descriptors it was given besides its standard streams.
    pub fds: usize,
}

impl FakeRunner {
    /// A runner without a script: everything it is asked to start does not exist.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next [`Runner::run`] gives this.
    #[must_use]
    pub fn on_run(self, outcome: Result<Output, RunError>) -> Self {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).runs.push_back(outcome);
        self
    }

    /// The next [`Runner::start`] gives this.
    #[must_use]
    pub fn on_start(self, outcome: Result<FakeProcess, RunError>) -> Self {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).starts.push_back(outcome);
        self
    }

    /// Everything asked for so far, in order.
    pub fn started(&self) -> Vec<Started> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).started.clone()
    }

    fn play<T>(
        &self,
        command: &Command,
        queue: impl FnOnce(&mut Script) -> &mut VecDeque<Result<T, RunError>>,
    ) -> Result<T, RunError> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.started.push(Started {
            program: command.program.clone(),
            args: command.args.clone(),
            env: command.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            fds: command.fds.numbers().count(),
        });
        let missing = || Err(RunError::NotFound { program: command.program.clone() });
        queue(&mut script).pop_front().unwrap_or_else(missing)
    }
}

impl Runner for FakeRunner {
    fn run(&self, command: &Command) -> Result<Output, RunError> {
        self.play(command, |script| &mut script.runs)
    }

    fn start(&self, command: &Command) -> Result<Box<dyn Process>, RunError> {
        let mut process = self.play(command, |script| &mut script.starts)?;
        process.ends_at = process.lasts.map(ready::after);
        process.begin(command)?;
        Ok(Box::new(process))
    }
}

/// A process that only claims to be one.
#[derive(Debug)]
pub struct FakeProcess {
    lasts: Option<Duration>,
    ends_at: Option<Instant>,
    status: Status,
    /// How it has ended, shared with whoever plays QEMU.
    ended: Arc<Mutex<Option<Status>>>,
    heeds_signals: bool,
    said: Vec<u8>,
    unread: Vec<u8>,
    manners: Option<Manners>,
    /// What it was given, closed at its end as those of a process are.
    fds: Vec<Arc<OwnedFd>>,
}

impl FakeProcess {
    /// A QEMU without a guest: on the channel that its command line names it greets, answers every command, and
    /// reports what `cont`, `stop`, `system_reset`, `system_powerdown` and `quit` do.
    pub fn qemu() -> Self {
        Self { manners: Some(Manners::default()), ..Self::lasting() }
    }

    /// As a QEMU, returns this for a command instead of an empty object.
    #[must_use]
    pub fn answers(mut self, command: &str, value: Value) -> Self {
        self.manners.get_or_insert_default().answers.insert(command.into(), value);
        self
    }

    /// As a QEMU whose guest writes this on its first serial port once it runs.
    #[must_use]
    pub fn writes(mut self, text: &str) -> Self {
        self.manners.get_or_insert_default().console = text.into();
        self
    }

    /// As a QEMU whose guest powers off this long after it has begun to run.
    #[must_use]
    pub fn powers_off(mut self, after: Duration) -> Self {
        self.manners.get_or_insert_default().powers_off = Some(after);
        self
    }

    /// A process that lasts until it is told to end.
    pub fn lasting() -> Self {
        Self {
            lasts: None,
            ends_at: None,
            status: Status::Code(0),
            ended: Arc::default(),
            heeds_signals: true,
            said: Vec::new(),
            unread: Vec::new(),
            manners: None,
            fds: Vec::new(),
        }
    }

    /// A process that ends by itself after a while.
    pub fn ending(after: Duration, status: Status) -> Self {
        Self { lasts: Some(after), status, ..Self::lasting() }
    }

    /// What it has said on its captured streams from the start.
    #[must_use]
    pub fn saying(mut self, text: &str) -> Self {
        self.said = text.as_bytes().to_vec();
        self.unread = self.said.clone();
        self
    }

    /// Ignores every signal but SIGKILL.
    #[must_use]
    pub fn stubborn(mut self) -> Self {
        self.heeds_signals = false;
        self
    }

    /// Takes over what the command gives it, and begins to play QEMU if it is one.
    fn begin(&mut self, command: &Command) -> Result<(), RunError> {
        self.fds = command.fds.shared();
        let Some(manners) = self.manners.clone() else { return Ok(()) };
        let channels = Channels::of(&command.args);
        let channel = |number: Option<RawFd>| {
            let fd = self.fds.iter().find(|fd| Some(fd.as_raw_fd()) == number);
            fd.map(|fd| fd.try_clone().map(UnixStream::from)).transpose()
        };
        let failed = RunError::io("play QEMU");
        let serial = channel(channels.serial).map_err(&failed)?;
        let Some(qmp) = channel(channels.qmp).map_err(&failed)? else { return Ok(()) };
        let ended = Arc::downgrade(&self.ended);
        let play = move || qemu::play(qmp, serial, &manners, &ended);
        std::thread::Builder::new().name("fake qemu".into()).spawn(play).map_err(&failed)?;
        Ok(())
    }

    fn end(&mut self, status: Status) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(status);
    }

    /// How it has ended, if it has.
    fn how_ended(&mut self) -> Option<Status> {
        if self.ends_at.is_some_and(|at| Instant::now() >= at) {
            self.end(self.status);
        }
        let ended = *self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_some() {
            self.fds.clear();
        }
        ended
    }
}

impl Process for FakeProcess {
    fn pid(&self) -> u32 {
        // No process has an id above the kernel's limit of 2^22.
        u32::MAX
    }

    fn exit_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn said_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn read_said(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    fn try_wait(&mut self) -> Result<Option<Status>, RunError> {
        Ok(self.how_ended())
    }

    fn wait_deadline(&mut self, deadline: Instant) -> Result<Option<Status>, RunError> {
        while self.how_ended().is_none() && Instant::now() < deadline {
            let until = self.ends_at.map_or(deadline, |at| at.min(deadline));
            std::thread::sleep(until.saturating_duration_since(Instant::now()).min(ready::TICK));
        }
        self.try_wait()
    }

    fn signal(&mut self, signal: Signal) -> Result<(), RunError> {
        if self.heeds_signals || signal == Signal::KILL {
            self.end(Status::Signal(signal.as_raw()));
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<Status, RunError> {
        let killed = Status::Signal(Signal::KILL.as_raw());
        self.end(killed);
        Ok(self.how_ended().unwrap_or(killed))
    }

    fn stderr_tail(&mut self) -> String {
        crate::tail::Tail::of(&self.said).text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plays_its_script_in_order_and_remembers() {
        let output =
            |text: &str| Ok(Output { status: Status::Code(0), stdout: text.into(), stderr: Vec::new() });
        let runner = FakeRunner::new().on_run(output("one")).on_run(output("two"));
        let run = |arg: &str| {
            runner.run(&Command::new("/qemu").args([arg]).env("A", "b")).map(|output| output.stdout)
        };
        assert_eq!(run("-a").unwrap(), b"one");
        assert_eq!(run("-b").unwrap(), b"two");
        assert_eq!(run("-c").unwrap_err().to_string(), "`/qemu` does not exist");
        let args: Vec<_> = runner.started().into_iter().map(|started| started.args).collect();
        assert_eq!(args, [["-a"], ["-b"], ["-c"]]);
        assert_eq!(runner.started().first().unwrap().env, [("A".into(), "b".into())]);
    }

    /// Starts a process, sends SIGTERM, waits a little, kills it; gives what each step saw.
    fn check(process: FakeProcess, expected: &str) {
        let runner = FakeRunner::new().on_start(Ok(process));
        let mut process = runner.start(&Command::new("/qemu")).unwrap();
        let before = process.try_wait().unwrap();
        process.signal(Signal::TERM).unwrap();
        let after = process.wait_deadline(ready::after(Duration::from_millis(20))).unwrap();
        let killed = process.kill().unwrap();
        assert_eq!(format!("{before:?} {after:?} {killed:?} {}", process.stderr_tail()), expected);
    }

    #[test]
    fn processes_end_as_they_are_told_to() {
        check(FakeProcess::lasting(), "None Some(Signal(15)) Signal(15) ");
        check(FakeProcess::lasting().stubborn().saying("no"), "None None Signal(9) no");
        let ending = |millis| FakeProcess::ending(Duration::from_millis(millis), Status::Code(3)).stubborn();
        check(ending(0), "Some(Code(3)) Some(Code(3)) Code(3) ");
        check(ending(5), "None Some(Code(3)) Code(3) ");
        check(ending(10_000), "None None Signal(9) ");
    }

    #[test]
    fn a_pretended_qemu_speaks_and_obeys() {
        use crate::console::Terminal;
        use crate::supervise::{Guest, Plan, Surroundings, supervise};
        let check = |process: FakeProcess, plan: Plan, expected: &str| {
            let runner = FakeRunner::new().on_start(Ok(process));
            let guest = Guest::start(&runner, Command::new("/qemu")).unwrap();
            let (mut shown, output) = std::io::pipe().unwrap();
            let terminal = Terminal::new(None, Some(output.into())).unwrap();
            let around = Surroundings { terminal: Some(terminal), ..Surroundings::default() };
            let end = match supervise(guest, plan, around) {
                Ok(outcome) => format!("{:?}, {}", outcome.end, outcome.status),
                Err(error) => error.to_string(),
            };
            let mut text = String::new();
            std::io::Read::read_to_string(&mut shown, &mut text).unwrap();
            assert_eq!(format!("{text}|{end}"), expected);
        };
        let moment = Duration::from_millis(5);
        let timeout = || Plan { timeout: Some(Duration::from_millis(200)), ..Plan::default() };
        let refusing = || FakeProcess::qemu().answers("query-name", Value::Null);
        check(FakeProcess::qemu().powers_off(moment), Plan::default(), "|PoweredOff, exit status 0");
        check(refusing().writes("boot\n"), timeout(), "boot\n|TimedOut, exit status 0");
        check(
            FakeProcess::ending(moment, Status::Code(3)),
            Plan::default(),
            "|`/qemu` ended with exit status 3",
        );
        check(FakeProcess::lasting(), timeout(), "|TimedOut, signal 9 (SIGKILL)");
    }
}
