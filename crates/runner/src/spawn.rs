//! Starting one child so that it cannot outlive us.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};

use crate::command::{Command, Input, Sink};

/// The write ends of the pipes that capture a child's output.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
}

/// Starts the command as leader of a process group of its own.
pub(crate) fn spawn(command: &Command, captures: Captures) -> io::Result<duct::Handle> {
    require_program(&command.program)?;
    let mut expression = duct::cmd(&command.program, &command.args).full_env(&command.env).unchecked();
    expression = match &command.stdin {
        Input::Null => expression.stdin_null(),
        Input::Inherit => expression,
        Input::Given(fd) => expression.stdin_file(fd.try_clone()?),
    };
    expression = match (&command.stdout, captures.stdout) {
        (Sink::Inherit, _) => expression,
        (Sink::Given(fd), _) => expression.stdout_file(fd.try_clone()?),
        (Sink::Captured, Some(pipe)) => expression.stdout_file(pipe),
        (Sink::Null | Sink::Captured, _) => expression.stdout_null(),
    };
    expression = match (&command.stderr, captures.stderr) {
        (Sink::Inherit, _) => expression,
        (Sink::Given(fd), _) => expression.stderr_file(fd.try_clone()?),
        (Sink::Captured, Some(pipe)) => expression.stderr_file(pipe),
        (Sink::Null | Sink::Captured, _) => expression.stderr_null(),
    };
    if let Some(cwd) = &command.cwd {
        expression = expression.dir(cwd);
    }
    let child = before_exec::Child {
        fds: command.fds.shared(),
        outlives_us: command.outlives_us,
        confinement: command.confinement.clone(),
    };
    expression = expression.before_spawn(move |command| {
        child.prepare(command);
        Ok(())
    });
    on_lasting_thread(move || start(&expression))?
}

/// Refuses what the C library would hand to a shell: a file that is neither a program nor names an interpreter.
fn require_program(path: &Path) -> io::Result<()> {
    let mut start = [0; 4];
    // A program that may be executed but not read is left to the kernel. Opening a pipe would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(mut file) = open(path, flags, Mode::empty()).map(File::from) else { return Ok(()) };
    match file.read_exact(&mut start) {
        Ok(()) if start == *b"\x7fELF" || start.starts_with(b"#!") => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(()),
        _ => Err(rustix::io::Errno::NOEXEC.into()),
    }
}

/// Starts the child, again when its file was still open for writing in a sibling that is about to exec.
fn start(expression: &duct::Expression) -> io::Result<duct::Handle> {
    let mut pause = Duration::from_millis(1);
    loop {
        match expression.start() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && pause.as_millis() < 100 => {
                std::thread::sleep(pause);
                pause = pause.saturating_mul(2);
            }
            result => return result,
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Runs a job on a thread that lasts as long as this process: a child's death signal fires when the *thread*
/// that started it ends, and no library can know how long its caller's thread lasts.
fn on_lasting_thread<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    static JOBS: OnceLock<Mutex<Option<Sender<Job>>>> = OnceLock::new();
    let gone = || io::Error::other("the thread that starts processes is gone");
    let (answer, answered) = sync_channel(1);
    {
        let mut jobs = JOBS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.is_none() {
            // Whoever started us may ignore SIGCHLD, which is inherited and makes children vanish unwaited for. A
            // handler, whatever it does, undoes that.
            signal_hook::flag::register(rustix::process::Signal::CHILD.as_raw(), Arc::default())?;
            let (sender, receiver) = channel::<Job>();
            std::thread::Builder::new().name("spawn".into()).stack_size(256 << 10).spawn(move || {
                for job in receiver {
                    job();
                }
            })?;
            *jobs = Some(sender);
        }
        // Nobody may be left to hear the answer, which is no reason to fail.
        let job: Job = Box::new(move || drop(answer.send(job())));
        jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
    }
    answered.recv().map_err(|_| gone())
}

/// What happens in the child between fork and exec.
mod before_exec {
    use std::io;
    use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
    use std::os::unix::process::CommandExt;
    use std::process::Command;
    use std::sync::Arc;

    use crate::confine::Confinement;
    use rustix::io::{FdFlags, fcntl_setfd};

    use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal, setsid};

    /// What the child needs to know of its future.
    #[derive(Clone)]
    pub(super) struct Child {
        pub(super) fds: Vec<Arc<OwnedFd>>,
        pub(super) outlives_us: bool,
        pub(super) confinement: Confinement,
    }

    impl Child {
        /// Registers the work with the command about to be started.
        pub(super) fn prepare(&self, command: &mut Command) {
            let child = self.clone();
            let parent = getpid();
            let open = open_descriptors();
            if !self.outlives_us {
                command.process_group(0);
            }
            #[allow(unsafe_code, reason = "`pre_exec` is the only way to run code between fork and exec")]
            // SAFETY: between fork and exec only async-signal-safe calls are allowed. `in_child` makes system
            // calls through rustix and builds errors from numbers; it takes no lock and allocates nothing.
            unsafe {
                command.pre_exec(move || child.in_child(parent, &open));
            }
        }

        fn in_child(&self, parent: Pid, open: &[RawFd]) -> io::Result<()> {
            // A supervisor may have a guest to end, and lets go of its starter once it is ready.
            let when_alone = if self.outlives_us { Signal::TERM } else { Signal::KILL };
            if self.outlives_us {
                setsid()?;
            }
            // Before the next line: the kernel forgets the death signal of a process that becomes someone else.
            self.confinement.apply()?;
            set_parent_process_death_signal(Some(when_alone))?;
            // A parent that died before the line above can no longer send the signal.
            if getppid() != Some(parent) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            for number in open {
                #[allow(unsafe_code, reason = "a number is all there is to a descriptor someone else opened")]
                // SAFETY: the number is used for one system call, which fails if it is closed by now.
                let fd = unsafe { BorrowedFd::borrow_raw(*number) };
                let _ = fcntl_setfd(fd, FdFlags::CLOEXEC);
            }
            for fd in &self.fds {
                fcntl_setfd(fd, FdFlags::empty())?;
            }
            Ok(())
        }
    }
    /// What is open in this process besides the standard streams: whoever started it, or a library written in C,
    /// may have left descriptors that would be inherited. Empty where `/proc` is not mounted.
    fn open_descriptors() -> Vec<RawFd> {
        let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|fd| *fd > 2).collect()
    }
}
