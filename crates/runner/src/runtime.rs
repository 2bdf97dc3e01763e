//! Which guests run: one private directory, one locked entry per guest.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::control::{ControlClient, Report, Request};
use crate::ready;

/// The supervisor's socket in an entry.
const CONTROL: &str = "control";
/// What is known of the guest.
const RECORD: &str = "record.json";
/// The same while it is being written.
const NEW_RECORD: &str = "record.new";
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

/// What an entry says of its guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The name it runs under.
    pub name: String,
    /// The process that looks after it.
    pub supervisor: u32,
    /// QEMU, once started.
    pub qemu: Option<ProcessId>,
    /// When it was started, in seconds since 1970.
    pub since: u64,
    /// Whatever its starter wants to keep: the domain file, the log file, …
    pub detail: Value,
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the host's start (field 22 of `/proc/PID/stat`).
    pub started: u64,
}

impl ProcessId {
    /// The process that has this number now.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may contain anything, parentheses included.
        let (_, fields) = stat.rsplit_once(')')?;
        let started = fields.split_whitespace().nth(19)?.parse().ok()?;
        Some(Self { pid, started })
    }

    /// Kills the process if it is still there, and waits a little for it to be gone.
    fn end(self) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return };
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        // Looked at after opening: the descriptor stays with the process whatever happens to the number.
        if Self::of(self.pid) == Some(self) && pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
            let interest = ready::Interest::read(std::os::fd::AsFd::as_fd(&pidfd));
            let _ = ready::wait(&[interest], Some(ready::after(Duration::from_secs(2))));
        }
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
        let record = Record { name: name.into(), supervisor: std::process::id(), qemu: None, since, detail };
        let entry = Entry { path, dir, record };
        clear(&entry.path).map_err(RuntimeError::io("clear", &entry.path))?;
        entry.write()?;
        Ok(entry)
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
    /// [`RuntimeError::NotRunning`] when there is none.
    pub fn connect(&self, name: &str) -> Result<ControlClient, RuntimeError> {
        let missing = |_| RuntimeError::NotRunning { name: name.into() };
        connect(&self.entry(name)).map(ControlClient::new).map_err(missing)
    }

    fn entry(&self, name: &str) -> PathBuf {
        self.path.join(file_name(name))
    }

    /// Removes the entries of supervisors that are dead, and QEMUs that outlived theirs.
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
    }
}

/// The entry of a guest; removed when this is dropped.
#[derive(Debug)]
pub struct Entry {
    path: PathBuf,
    /// Locked as long as the supervisor lives, in whatever way it ends.
    dir: OwnedFd,
    record: Record,
}

impl Entry {
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
        let path = by_descriptor(&self.dir, &file_name(name));
        let listener = UnixListener::bind(&path).and_then(|listener| {
            // The directory keeps others out already.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map(|()| listener)
        });
        Ok((listener.map_err(RuntimeError::io("listen on", &socket))?, socket))
    }

    /// Notes which process QEMU is, so that it can be ended should it ever outlive its supervisor.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn set_qemu(&mut self, pid: u32) -> Result<(), RuntimeError> {
        self.record.qemu = ProcessId::of(pid);
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
        // What cannot be removed now is removed by the next start.
        let _ = fs::remove_dir_all(&self.path);
        self.path.parent().map(remove_if_empty);
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

enum Lock {
    /// The directory, locked until it is closed.
    Ours(OwnedFd),
    /// Someone who lives has it.
    Theirs,
    /// It has been removed meanwhile.
    Gone,
}

/// Locks a directory. The lock ends with its holder, so that a dead supervisor leaves none.
fn lock(path: &Path) -> io::Result<Lock> {
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
fn is_entry(path: &Path) -> bool {
    let has = |name: &str| path.join(name).exists();
    // A supervisor may have died before it wrote anything.
    has(RECORD) || has(NEW_RECORD) || fs::read_dir(path).is_ok_and(|mut files| files.next().is_none())
}

/// Removes what a dead supervisor left in an entry that is locked by us.
fn clear(path: &Path) -> io::Result<()> {
    if let Some(qemu) = read_record(path).and_then(|record| record.qemu) {
        qemu.end();
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

fn read_record(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path.join(RECORD)).ok()?).ok()
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    UnixStream::connect(by_descriptor(&open(path, flags, Mode::empty())?, CONTROL))
}

/// The path of a socket by way of its open directory: a socket's address has room for 107 bytes only.
fn by_descriptor(dir: &OwnedFd, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))
}

/// A file name for any guest name: letters, digits and `_-.` stay, the rest is written as `%XX`.
pub fn file_name(name: &str) -> String {
    /// Below the 255 bytes of a file name, with room for what others may append.
    const LONGEST: usize = 200;
    let mut file = String::new();
    for byte in name.bytes() {
        let plain =
            byte.is_ascii_alphanumeric() || b"_-".contains(&byte) || (byte == b'.' && !file.is_empty());
        if plain {
            file.push(char::from(byte));
        } else {
            file.push_str(&format!("%{byte:02x}"));
        }
    }
    if file.len() > LONGEST {
        // FNV-1a: names that long only have to be told apart.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        file.truncate(LONGEST);
        file.push_str(&format!("%~{hash:016x}"));
    }
    if file.is_empty() { "%".into() } else { file }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        assert_eq!(file_name(name), expected);
    }

    #[test]
    fn every_name_is_one_harmless_file_name() {
        check("hello", "hello");
        check("a.b-c_1", "a.b-c_1");
        check("..", "%2e.");
        check("../x", "%2e.%2fx");
        check("", "%");
        check("%", "%25");
        check("ü\n", "%c3%bc%0a");
        check(&"x".repeat(200), &"x".repeat(200));
        let long = |last: char| file_name(&format!("{}{last}", "x".repeat(1000)));
        assert!(long('a') != long('b') && long('a').len() == 218);
    }
}
