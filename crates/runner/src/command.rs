//! What to start: program, arguments, environment, descriptors.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::fcntl_dupfd_cloexec;

use crate::confine::Confinement;

/// A process to be started, exactly as written here: no shell reads it and no environment is inherited.
#[derive(Debug, Default)]
pub struct Command {
    /// Path of the program. A bare name is a file of the working directory; `PATH` is never searched.
    pub program: PathBuf,
    /// Arguments after the program's own name.
    pub args: Vec<OsString>,
    /// The whole environment of the process.
    pub env: BTreeMap<OsString, OsString>,
    /// Descriptors the process inherits besides its standard streams; every other one is closed.
    pub fds: FdTable,
    /// Where standard input comes from.
    pub stdin: Input,
    /// Where standard output goes.
    pub stdout: Sink,
    /// Where standard error goes.
    pub stderr: Sink,
    /// Working directory; `None` is that of the caller.
    pub cwd: Option<PathBuf>,
    /// How long [`Runner::run`](crate::Runner::run) waits and how much it reads.
    pub limits: Limits,
    /// What the process may not do.
    pub confinement: Confinement,
    /// Survives the program that starts it, once it has said that it is ready (see [`detach`](crate::detach)); before,
    /// it gets SIGTERM when that program ends. Only a supervisor that is to stay behind wants that.
    pub outlives_us: bool,
}

impl Command {
    /// A command without arguments, with an empty environment and captured output.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), ..Self::default() }
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<T: Into<OsString>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets how long a run may last and how much it may say.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The command as a person would read it, for messages and logs; nothing ever executes this text.
    pub fn describe(&self) -> String {
        let mut text = self.program.display().to_string();
        for arg in &self.args {
            text.push(' ');
            text.push_str(&arg.to_string_lossy());
        }
        text
    }
}

/// Where a process reads its standard input from.
#[derive(Debug, Default)]
pub enum Input {
    /// `/dev/null`.
    #[default]
    Null,
    /// The caller's own standard input.
    Inherit,
    /// This descriptor.
    Given(OwnedFd),
}

/// Where a process writes one of its output streams to.
#[derive(Debug, Default)]
pub enum Sink {
    /// `/dev/null`.
    Null,
    /// The caller's own stream.
    Inherit,
    /// Kept by the runner: whole for a run, the last lines for a started process.
    #[default]
    Captured,
    /// This descriptor.
    Given(OwnedFd),
}

/// Bounds of a run that ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time from start to end, after which the whole process group is killed.
    pub time: Duration,
    /// Bytes of standard output and standard error together.
    pub output: usize,
}

impl Default for Limits {
    /// Ten seconds and 16 MiB: QEMU's longest help text is below 1 MiB.
    fn default() -> Self {
        Self { time: Duration::from_secs(10), output: 16 << 20 }
    }
}

/// Descriptors handed to a process, each under the number it has here.
///
/// Keeping the number spares every renumbering in the child: an argument that needs a descriptor is written
/// with what [`FdTable::pass`] returned.
#[derive(Debug, Default)]
pub struct FdTable {
    fds: Vec<Arc<OwnedFd>>,
}

impl FdTable {
    /// Takes over a descriptor and says under which number the process finds it (always above 2).
    ///
    /// # Errors
    /// When a descriptor below 3 cannot be moved out of the way of the standard streams.
    pub fn pass(&mut self, fd: impl Into<OwnedFd>) -> std::io::Result<RawFd> {
        let mut fd = fd.into();
        if fd.as_raw_fd() <= 2 {
            fd = fcntl_dupfd_cloexec(&fd, 3)?;
        }
        let number = fd.as_raw_fd();
        self.fds.push(Arc::new(fd));
        Ok(number)
    }

    /// The numbers handed out, in order.
    pub fn numbers(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.fds.iter().map(|fd| fd.as_raw_fd())
    }

    /// The descriptors themselves, shared because a copy would have another number.
    pub(crate) fn shared(&self) -> Vec<Arc<OwnedFd>> {
        self.fds.clone()
    }

    /// Forgets and closes every descriptor, as the caller should once the process has its own.
    pub fn close(&mut self) {
        self.fds.clear();
    }
}
