//! A runner that starts nothing, for tests of those who use runners.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::command::Command;
use crate::error::RunError;
use crate::process::{Output, Process, Runner, Status};
use crate::ready;

/// Plays scripted outcomes in order and remembers what it was asked to start.
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
        Ok(Box::new(process))
    }
}

/// A process that only claims to be one.
#[derive(Debug)]
pub struct FakeProcess {
    lasts: Option<Duration>,
    ends_at: Option<Instant>,
    status: Status,
    ended: bool,
    heeds_signals: bool,
    said: Vec<u8>,
    unread: Vec<u8>,
}

impl FakeProcess {
    /// A process that lasts until it is told to end.
    pub fn lasting() -> Self {
        Self {
            lasts: None,
            ends_at: None,
            status: Status::Code(0),
            ended: false,
            heeds_signals: true,
            said: Vec::new(),
            unread: Vec::new(),
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

    fn end(&mut self, status: Status) {
        if !self.has_ended() {
            (self.ended, self.status) = (true, status);
        }
    }

    fn has_ended(&mut self) -> bool {
        self.ended |= self.ends_at.is_some_and(|at| Instant::now() >= at);
        self.ended
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
        Ok(self.has_ended().then_some(self.status))
    }

    fn wait_deadline(&mut self, deadline: Instant) -> Result<Option<Status>, RunError> {
        if !self.has_ended() {
            let until = self.ends_at.map_or(deadline, |at| at.min(deadline));
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
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
        self.end(Status::Signal(Signal::KILL.as_raw()));
        Ok(self.status)
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
}
