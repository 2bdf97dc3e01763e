//! Processes of this host.

use std::fs::File;
use std::io::pipe;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open, waitid,
};

use crate::command::{Command, Sink};
use crate::error::RunError;
use crate::process::{Output, Process, Runner, Status};
use crate::ready::{self, Got, Interest, TICK};
use crate::spawn::{Captures, spawn};
use crate::tail::Tail;

/// How long a process may take to vanish after SIGKILL. Only a hanging device or file system exceeds it.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// Starts real processes.
///
/// Every process leads a group of its own, inherits nothing but what its command names, and is killed by the
/// kernel when this program dies in whatever way.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostRunner;

impl Runner for HostRunner {
    fn run(&self, command: &Command) -> Result<Output, RunError> {
        let deadline = ready::after(command.limits.time);
        let mut child = Child::spawn(command, false)?;
        let mut output = Output { status: Status::Code(0), stdout: Vec::new(), stderr: Vec::new() };
        loop {
            // Looked at before reading, so that what was said until the end is read after the end.
            let ended = child.has_ended()?;
            let stdout = drain(&mut child.stdout, |text| output.stdout.extend_from_slice(text));
            let stderr = drain(&mut child.stderr, |text| output.stderr.extend_from_slice(text));
            stdout.and(stderr).map_err(RunError::io("read the output of a process"))?;
            if output.stdout.len().saturating_add(output.stderr.len()) > command.limits.output {
                child.kill()?;
                return Err(RunError::TooMuchOutput {
                    command: command.describe(),
                    limit: command.limits.output,
                    stderr_tail: Tail::of(&output.stderr).text(),
                });
            }
            if ended {
                output.status = child.kill()?;
                return Ok(output);
            }
            if Instant::now() >= deadline {
                child.kill()?;
                return Err(RunError::TimedOut {
                    command: command.describe(),
                    limit: command.limits.time,
                    stderr_tail: Tail::of(&output.stderr).text(),
                });
            }
            child.await_news(deadline)?;
        }
    }

    fn start(&self, command: &Command) -> Result<Box<dyn Process>, RunError> {
        Ok(Box::new(HostProcess {
            child: Child::spawn(command, true)?,
            tail: Tail::default(),
            unread: Vec::new(),
        }))
    }
}

/// Reads whatever is there and calls `keep` for it; closes the pipe at its end.
///
/// At most one pipe buffer is taken per call, so that a process that never stops talking cannot hold us here.
fn drain(pipe: &mut Option<File>, mut keep: impl FnMut(&[u8])) -> std::io::Result<()> {
    let Some(open) = pipe else { return Ok(()) };
    let mut buffer = [0; 16 << 10];
    for _ in 0..8 {
        match ready::read_once(&*open, &mut buffer)? {
            Got::Bytes(count) => keep(buffer.get(..count).unwrap_or_default()),
            Got::Nothing => return Ok(()),
            Got::End => {
                *pipe = None;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A pipe for a child to talk into: our end, which never waits, and the child's.
fn capture() -> Result<(Option<File>, Option<OwnedFd>), RunError> {
    let piped = || {
        let (ours, theirs) = pipe()?;
        ready::set_nonblocking(&ours)?;
        Ok((Some(File::from(OwnedFd::from(ours))), Some(theirs.into())))
    };
    piped().map_err(RunError::io("make a pipe"))
}

/// A child, its process group, and the pipes it talks into.
struct Child {
    program: PathBuf,
    handle: duct::Handle,
    pid: Pid,
    pidfd: Option<OwnedFd>,
    stdout: Option<File>,
    stderr: Option<File>,
    status: Option<Status>,
    outlives_us: bool,
}

impl Child {
    /// Starts the child; `merged` captures both streams in one pipe, in the order they were written.
    fn spawn(command: &Command, merged: bool) -> Result<Self, RunError> {
        let mut captures = Captures::default();
        let (mut stdout, mut stderr) = (None, None);
        if matches!(command.stderr, Sink::Captured) {
            (stderr, captures.stderr) = capture()?;
        }
        if matches!(command.stdout, Sink::Captured) {
            match &captures.stderr {
                Some(pipe) if merged => {
                    captures.stdout = Some(pipe.try_clone().map_err(RunError::io("copy a descriptor"))?);
                }
                _ => (stdout, captures.stdout) = capture()?,
            }
        }
        let failed = |source| RunError::from_spawn(&command.program, source);
        let handle = spawn(command, captures).map_err(failed)?;
        let pid = handle.pids().first().and_then(|pid| Pid::from_raw(i32::try_from(*pid).ok()?));
        let Some(pid) = pid else {
            return Err(failed(std::io::Error::other("the process has no id")));
        };
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok();
        Ok(Self {
            program: command.program.clone(),
            handle,
            pid,
            pidfd,
            stdout,
            stderr,
            status: None,
            outlives_us: command.outlives_us,
        })
    }

    /// Whether the child has ended. It stays collectable, so its id and group id stay ours.
    fn has_ended(&self) -> Result<bool, RunError> {
        if self.status.is_some() {
            return Ok(true);
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid), options) {
            Ok(found) => Ok(found.is_some()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(RunError::io("wait for a process")(error.into())),
        }
    }

    /// Waits until the child says something, ends, or the deadline has come.
    fn await_news(&self, deadline: Instant) -> Result<(), RunError> {
        let pipes = [&self.stdout, &self.stderr].into_iter().flatten().map(AsFd::as_fd);
        let interests: Vec<_> =
            pipes.chain(self.pidfd.as_ref().map(AsFd::as_fd)).map(Interest::read).collect();
        let tick = if self.pidfd.is_none() { deadline.min(ready::after(TICK)) } else { deadline };
        ready::wait(&interests, Some(tick)).map_err(RunError::io("wait for a process"))?;
        Ok(())
    }

    /// Kills what is left of the group and collects the child.
    ///
    /// The group is killed before the child is collected: until then its id cannot belong to anyone else.
    fn kill(&mut self) -> Result<Status, RunError> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        // Fails only when the whole group is gone.
        let _ = kill_process_group(self.pid, Signal::KILL);
        let deadline = ready::after(AFTER_KILL);
        self.collect(deadline)?.ok_or_else(|| RunError::TimedOut {
            command: format!("{} (process {}) after SIGKILL", self.program.display(), self.pid),
            limit: AFTER_KILL,
            stderr_tail: String::new(),
        })
    }

    /// Waits for a child that has ended or is about to.
    fn collect(&mut self, deadline: Instant) -> Result<Option<Status>, RunError> {
        let output = self.handle.wait_deadline(deadline).map_err(RunError::io("wait for a process"))?;
        self.status = output.map(|output| output.status.into());
        Ok(self.status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.outlives_us {
            // There is nobody left to tell.
            let _ = self.kill();
        }
    }
}

/// A process that lasts.
struct HostProcess {
    child: Child,
    tail: Tail,
    unread: Vec<u8>,
}

impl HostProcess {
    /// Takes what the child has said off its pipe, which would block the child when full.
    fn hear(&mut self) {
        let Self { child, tail, unread } = self;
        let mut keep = |text: &[u8]| {
            tail.push(text);
            // What nobody fetches is bounded like the tail is; the newest is worth most.
            let excess = unread.len().saturating_add(text.len()).saturating_sub(1 << 20).min(unread.len());
            unread.drain(..excess);
            unread.extend_from_slice(text);
        };
        // A pipe that cannot be read has nothing to tell.
        let _ = drain(&mut child.stderr, &mut keep);
        let _ = drain(&mut child.stdout, &mut keep);
    }
}

impl Process for HostProcess {
    fn pid(&self) -> u32 {
        self.child.pid.as_raw_nonzero().get().unsigned_abs()
    }

    fn exit_fd(&self) -> Option<BorrowedFd<'_>> {
        self.child.pidfd.as_ref().map(AsFd::as_fd)
    }

    fn said_fd(&self) -> Option<BorrowedFd<'_>> {
        self.child.stderr.as_ref().or(self.child.stdout.as_ref()).map(AsFd::as_fd)
    }

    fn read_said(&mut self) -> Vec<u8> {
        self.hear();
        std::mem::take(&mut self.unread)
    }

    fn try_wait(&mut self) -> Result<Option<Status>, RunError> {
        if !self.child.has_ended()? {
            return Ok(None);
        }
        self.hear();
        self.child.kill().map(Some)
    }

    fn wait_deadline(&mut self, deadline: Instant) -> Result<Option<Status>, RunError> {
        loop {
            let status = self.try_wait()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            self.child.await_news(deadline)?;
            self.hear();
        }
    }

    fn signal(&mut self, signal: Signal) -> Result<(), RunError> {
        if self.child.has_ended()? {
            return Ok(());
        }
        match kill_process(self.child.pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(RunError::io("send a signal")(error.into())),
        }
    }

    fn kill(&mut self) -> Result<Status, RunError> {
        let status = self.child.kill();
        self.hear();
        status
    }

    fn stderr_tail(&mut self) -> String {
        self.hear();
        self.tail.text()
    }
}
