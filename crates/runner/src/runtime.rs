//! Which guests run: one private directory, one locked entry per guest.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::geteuid;
use serde_json::Value;
use thiserror::Error;

use crate::control::{ControlClient, Report, Request};
use crate::{net, ready};

mod entry;
mod mark;
mod name;
mod record;

pub use entry::Entry;
use entry::{Lock, clear, connect, is_entry, lock, read_record};
pub use mark::{MARK, Mark};
pub use name::file_name;
pub use record::{ProcessId, Record, Undo};

/// How long to wait for an entry that someone is just making or removing.
const CLAIM: Duration = Duration::from_secs(1);
/// How long a supervisor may take to say how its guest is.
const REPORT: Duration = Duration::from_millis(500);

/// Why the runtime directory cannot be used as wished.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// Someone else could read or change it.
    #[error("`{}` cannot be trusted: {why}", path.display())]
    Untrusted {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A guest of this name runs.
    #[error("a guest named `{name}` is running already")]
    Taken {
        /// The name.
        name: String,
    },
    /// No guest of this name runs.
    #[error("no guest named `{name}` is running")]
    NotRunning {
        /// The name.
        name: String,
    },
    /// The system refuses.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RuntimeError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }
}

/// A guest that runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What its entry says.
    pub record: Record,
    /// How it says it is; `None` while it starts, or when its supervisor is busy.
    pub report: Option<Report>,
}

/// The directory all guests of one user are entered in.
#[derive(Debug, Clone)]
pub struct RuntimeDir {
    path: PathBuf,
}

impl RuntimeDir {
    /// `$XDG_RUNTIME_DIR/domx`, or `/tmp/domx-UID` where that is not set.
    ///
    /// # Errors
    /// When it is there and cannot be trusted.
    pub fn for_user() -> Result<Self, RuntimeError> {
        let base = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        Self::at(match base.filter(|base| base.is_absolute() && base.is_dir()) {
            Some(base) => base.join("domx"),
            None => PathBuf::from(format!("/tmp/domx-{}", geteuid().as_raw())),
        })
    }

    /// This directory. It is made for the first guest and removed after the last one.
    ///
    /// # Errors
    /// When it is a symbolic link, belongs to someone else, or others have rights in it.
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, RuntimeError> {
        let dir = Self { path: path.into() };
        match dir.check() {
            Err(RuntimeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(dir),
            checked => checked.map(|()| dir),
        }
    }

    fn check(&self) -> Result<(), RuntimeError> {
        let path = self.path.clone();
        let found = fs::symlink_metadata(&path).map_err(RuntimeError::io("look at", &path))?;
        let why = if !found.is_dir() {
            "it is not a directory"
        } else if found.uid() != geteuid().as_raw() {
            "it belongs to someone else"
        } else if found.mode() & 0o077 != 0 {
            "others have rights in it"
        } else {
            return Ok(());
        };
        Err(RuntimeError::Untrusted { path, why })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Enters a guest under a name nobody else has; what dead supervisors left is removed first.
    ///
    /// # Errors
    /// [`RuntimeError::Taken`] when a guest of that name runs.
    pub fn claim(&self, name: &str, detail: Value) -> Result<Entry, RuntimeError> {
        self.sweep();
        let path = self.entry(name);
        let deadline = ready::after(CLAIM);
        let dir = loop {
            let made =
                make_private(&self.path).and_then(|()| self.check()).and_then(|()| make_private(&path));
            match made {
                // Another guest was the last one at this moment, and the directory of all guests went with it.
                Err(RuntimeError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && Instant::now() < deadline =>
                {
                    sleep(Duration::from_millis(1));
                    continue;
                }
                made => made?,
            }
            match lock(&path).map_err(RuntimeError::io("lock", &path))? {
                Lock::Ours(dir) => break dir,
                Lock::Gone => {}
                Lock::Theirs if connect(&path).is_ok() || Instant::now() >= deadline => {
                    return Err(RuntimeError::Taken { name: name.into() });
                }
                // Either its supervisor does not listen yet, or someone is removing what a dead one left.
                Lock::Theirs => sleep(Duration::from_millis(5)),
            }
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let record = Record {
            name: name.into(),
            supervisor: std::process::id(),
            qemu: None,
            mark: Mark::of(&path),
            since,
            undo: Vec::new(),
            detail,
        };
        Entry::new(path, dir, record)
    }

    /// Every guest that runs, by name.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Found>, RuntimeError> {
        self.sweep();
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(RuntimeError::io("read", &self.path))?,
        };
        let mut found: Vec<Found> = entries
            .flatten()
            .filter_map(|entry| {
                let record = read_record(&entry.path())?;
                let report = connect(&entry.path()).ok().and_then(|stream| {
                    let report = ControlClient::new(stream).ask(&Request::Status, REPORT).ok()?;
                    serde_json::from_value(report).ok()
                });
                Some(Found { record, report })
            })
            .collect();
        found.sort_by(|a, b| a.record.name.cmp(&b.record.name));
        Ok(found)
    }

    /// What the entry of a guest says.
    ///
    /// # Errors
    /// [`RuntimeError::NotRunning`] when there is none.
    pub fn record(&self, name: &str) -> Result<Record, RuntimeError> {
        let missing = || RuntimeError::NotRunning { name: name.into() };
        read_record(&self.entry(name)).filter(|record| record.name == name).ok_or_else(missing)
    }

    /// A channel to the supervisor of a guest.
    ///
    /// # Errors
    /// [`RuntimeError::NotRunning`] when there is none, and another error when it does not accept anybody.
    pub fn connect(&self, name: &str) -> Result<ControlClient, RuntimeError> {
        let path = self.entry(name);
        let stream = connect(&path).map_err(|error| match error.kind() {
            // One that is there and does not come to accept anybody.
            io::ErrorKind::WouldBlock => RuntimeError::io("reach the supervisor of", &path)(error),
            _ => RuntimeError::NotRunning { name: name.into() },
        })?;
        Ok(ControlClient::new(stream))
    }

    fn entry(&self, name: &str) -> PathBuf {
        self.path.join(file_name(name))
    }

    /// Removes the entries of supervisors that are dead, QEMUs that outlived theirs, and devices that they made.
    fn sweep(&self) {
        // What cannot be read or removed now is tried again the next time.
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if let Ok(Lock::Ours(_dir)) = lock(&entry.path())
                && is_entry(&entry.path())
            {
                let _ = clear(&entry.path()).and_then(|()| fs::remove_dir(entry.path()));
            }
        }
        remove_if_empty(&self.path);
        net::remove_orphans();
    }
}

/// Makes a directory only its owner can enter, if there is nothing of that name.
fn make_private(path: &Path) -> Result<(), RuntimeError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(RuntimeError::io("make", path)(error))
        }
        _ => Ok(()),
    }
}

/// Removes the directory of all guests once there is none; with any it stays, as a directory in use cannot go.
fn remove_if_empty(path: &Path) {
    let _ = fs::remove_dir(path);
}
