//! Sockets for one connection of a process that is just starting.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::chown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::confine::User;
use crate::local;
use crate::process::Process;
use crate::ready::{self, Interest, TICK};

/// A UNIX socket for one connection. Its name vanishes with it.
///
/// What connects is not kept waiting before somebody serves it: so whoever serves it can be started afterwards.
#[derive(Debug)]
pub struct Doorway {
    listener: UnixListener,
    path: PathBuf,
}

impl Doorway {
    /// Listens on a path in a private directory, for this user or another one alone.
    ///
    /// # Errors
    /// When something is there, or the socket cannot be made.
    pub fn at(path: impl Into<PathBuf>, user: Option<&User>) -> io::Result<Self> {
        let path = path.into();
        let listener = local::listen(&path)?;
        let doorway = Self { listener, path };
        doorway.listener.set_nonblocking(true)?;
        if let Some(user) = user {
            chown(&doorway.path, Some(user.uid()), Some(user.gid()))?;
        }
        Ok(doorway)
    }

    /// The connection of a process; `None` if it ended before it connected.
    ///
    /// # Errors
    /// When it takes longer than the limit.
    pub fn accept(self, process: &mut dyn Process, limit: Duration) -> io::Result<Option<UnixStream>> {
        let deadline = ready::after(limit);
        loop {
            // Looked at before the socket: the end of a process comes after all that it did.
            let ended = process.try_wait().map_err(|error| io::Error::other(error.to_string()))?.is_some();
            match self.listener.accept() {
                Ok((connection, _)) => return Ok(Some(connection)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if ended {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                return Err(Errno::TIMEDOUT.into());
            }
            let exit = process.exit_fd();
            let until = if exit.is_none() { deadline.min(ready::after(TICK)) } else { deadline };
            let interests: Vec<_> =
                exit.into_iter().chain([self.listener.as_fd()]).map(Interest::read).collect();
            ready::wait(&interests, Some(until))?;
        }
    }
}

impl Drop for Doorway {
    fn drop(&mut self) {
        // Whoever removed it has done our work.
        let _ = fs::remove_file(&self.path);
    }
}
