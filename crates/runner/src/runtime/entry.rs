//! The directory of one guest that runs, locked by its supervisor.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open};
use rustix::io::Errno;

use super::{Mark, ProcessId, Record, RuntimeError, Undo, file_name, remove_if_empty};
use crate::local;

/// The supervisor's socket in an entry.
const CONTROL: &str = "control";
/// What is known of the guest.
const RECORD: &str = "record.json";
/// The same while it is being written.
const NEW_RECORD: &str = "record.new";
/// How long a supervisor may take to make room for someone who wants to talk to it.
const REACH: Duration = Duration::from_millis(500);

/// The entry of a guest; removed when this is dropped.
#[derive(Debug)]
pub struct Entry {
    path: PathBuf,
    /// Locked as long as the supervisor lives, in whatever way it ends.
    dir: OwnedFd,
    record: Record,
}

impl Entry {
    /// Fills an entry whose directory is locked by us.
    pub(super) fn new(path: PathBuf, dir: OwnedFd, record: Record) -> Result<Self, RuntimeError> {
        clear(&path).map_err(RuntimeError::io("clear", &path))?;
        let entry = Self { path, dir, record };
        entry.write()?;
        Ok(entry)
    }

    /// The directory, for files that shall not outlast the guest.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the socket on which this guest's supervisor can be reached.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn listen(&self) -> Result<UnixListener, RuntimeError> {
        self.socket(CONTROL).map(|(listener, _)| listener)
    }

    /// Makes a listening socket for a process that serves the guest, and says where it is.
    ///
    /// QEMU may connect before that process, which inherits the socket, is ready for it: so nobody has to wait.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn socket(&self, name: &str) -> Result<(UnixListener, PathBuf), RuntimeError> {
        let socket = self.path.join(file_name(name));
        let listener = local::listen(&local::in_directory(self.dir.as_fd(), file_name(name).as_ref()));
        Ok((listener.map_err(RuntimeError::io("listen on", &socket))?, socket))
    }

    /// A listening socket for a process that serves the guest, and the one connection to it: its name vanishes at once,
    /// so that nobody else can connect.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn link(&self, name: &str) -> Result<(UnixListener, UnixStream), RuntimeError> {
        let (listener, socket) = self.socket(name)?;
        let place = local::in_directory(self.dir.as_fd(), file_name(name).as_ref());
        let connection = local::connect(&place, REACH);
        fs::remove_file(&socket).map_err(RuntimeError::io("remove", &socket))?;
        Ok((listener, connection.map_err(RuntimeError::io("connect to", &socket))?))
    }

    /// The value of the variable [`MARK`](super::MARK) in the environment of whatever serves the guest: what is left of
    /// that is killed with the entry, what it has started included.
    pub fn mark(&self) -> String {
        self.record.mark.as_ref().map(|mark| mark.value.clone()).unwrap_or_default()
    }

    /// Notes which process QEMU is, so that it can be ended should it ever outlive its supervisor.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn set_qemu(&mut self, pid: u32) -> Result<(), RuntimeError> {
        self.record.qemu = ProcessId::of(pid);
        self.write()
    }

    /// Notes what is to be undone after the guest, by whoever cleans: to be called before it is done.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn set_undo(&mut self, undo: Vec<Undo>) -> Result<(), RuntimeError> {
        self.record.undo = undo;
        self.write()
    }

    /// Replaces the record at once, so that nobody ever reads half of one.
    fn write(&self) -> Result<(), RuntimeError> {
        let (path, new) = (self.path.join(RECORD), self.path.join(NEW_RECORD));
        let write = || {
            let mut file =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&serde_json::to_vec(&self.record)?)?;
            fs::rename(&new, &path)
        };
        write().map_err(RuntimeError::io("write", &path))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.record.mark.iter().for_each(Mark::end);
        undo(&self.record.undo);
        // What cannot be removed now is removed by the next start.
        let _ = fs::remove_dir_all(&self.path);
        self.path.parent().map(remove_if_empty);
    }
}

/// What came of locking a directory.
pub(super) enum Lock {
    /// The directory, locked until it is closed.
    Ours(OwnedFd),
    /// Someone who lives has it.
    Theirs,
    /// It has been removed meanwhile.
    Gone,
}

/// Locks a directory. The lock ends with its holder, so that a dead supervisor leaves none.
pub(super) fn lock(path: &Path) -> io::Result<Lock> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = match open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Lock::Gone),
        other => other?,
    };
    match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(Lock::Theirs),
        other => other?,
    }
    // Whoever held the lock before may have removed what we opened.
    let ours = fstat(&dir)?;
    match fs::symlink_metadata(path) {
        Ok(found) if (found.dev(), found.ino()) == (ours.st_dev, ours.st_ino) => Ok(Lock::Ours(dir)),
        _ => Ok(Lock::Gone),
    }
}

/// Whether a directory was made for a guest. Whoever has one directory for all purposes keeps other things beside it.
pub(super) fn is_entry(path: &Path) -> bool {
    let has = |name: &str| path.join(name).exists();
    // A supervisor may have died before it wrote anything.
    has(RECORD) || has(NEW_RECORD) || fs::read_dir(path).is_ok_and(|mut files| files.next().is_none())
}

/// Removes what a dead supervisor left in an entry that is locked by us.
pub(super) fn clear(path: &Path) -> io::Result<()> {
    if let Some(record) = read_record(path) {
        if let Some(qemu) = record.qemu {
            qemu.end();
        }
        record.mark.iter().for_each(Mark::end);
        undo(&record.undo);
    }
    for file in fs::read_dir(path)? {
        let file = file?;
        if file.file_type()?.is_dir() {
            fs::remove_dir_all(file.path())?;
        } else {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// Undoes all that can be undone; what is gone meanwhile need not be.
fn undo(all: &[Undo]) {
    for one in all {
        let _ = one.write();
    }
}

/// What an entry says, if it says anything yet.
pub(super) fn read_record(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path.join(RECORD)).ok()?).ok()
}

/// Reaches the supervisor of an entry. One that does not come to accept anybody leaves no room at some time.
pub(super) fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = open(path, flags, Mode::empty())?;
    local::connect(&local::in_directory(dir.as_fd(), CONTROL.as_ref()), REACH)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::{RuntimeDir, make_private};
    use super::*;

    #[test]
    fn what_was_done_for_a_guest_is_undone_by_whoever_cleans() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("driver");
        let state = || fs::read_to_string(&file).unwrap();
        fs::write(&file, "vfio").unwrap();
        let runtime = RuntimeDir::at(place.path().join("domx")).unwrap();
        let mut entry = runtime.claim("one", Value::Null).unwrap();
        let gone = Undo { path: place.path().join("gone"), text: "x".into() };
        entry.set_undo(vec![gone.clone(), Undo { path: file.clone(), text: "host".into() }]).unwrap();
        let record = fs::read(entry.path().join(RECORD)).unwrap();
        let folder = entry.path().to_owned();
        assert_eq!(state(), "vfio");
        drop(entry);
        assert!(state() == "host" && !gone.path.exists());
        // As a supervisor leaves it that was killed: the next start cleans, of whichever guest.
        fs::write(&file, "vfio").unwrap();
        make_private(runtime.path()).unwrap();
        make_private(&folder).unwrap();
        fs::write(folder.join(RECORD), record).unwrap();
        let other = runtime.claim("two", Value::Null).unwrap();
        assert_eq!(state(), "host");
        drop(other);
        assert!(!runtime.path().exists());
    }
}
