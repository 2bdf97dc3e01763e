//! The console's log file, bounded.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Keeps what a guest wrote on its console in a file, and what it wrote before in another named `….old`.
#[derive(Debug)]
pub struct ConsoleLog {
    path: PathBuf,
    file: File,
    written: u64,
    limit: u64,
}

impl ConsoleLog {
    /// Starts a new log, readable by its owner only. Once it exceeds `limit` bytes it becomes the old one, so that
    /// both together never take more than twice that.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: impl Into<PathBuf>, limit: u64) -> io::Result<Self> {
        let path = path.into();
        let file = Self::open(&path)?;
        // What an earlier guest wrote has nothing to do with this one.
        match std::fs::remove_file(Self::old(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self { path, file, written: 0, limit })
    }

    /// Where the older part of a log is.
    pub fn old(path: &Path) -> PathBuf {
        let mut old = path.as_os_str().to_owned();
        old.push(".old");
        old.into()
    }

    fn open(path: &PathBuf) -> io::Result<File> {
        let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(nofollow)
            .open(path)
    }

    /// Adds what the guest wrote.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written >= self.limit {
            std::fs::rename(&self.path, Self::old(&self.path))?;
            self.file = Self::open(&self.path)?;
            self.written = 0;
        }
        self.file.write_all(bytes)?;
        self.written = self.written.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}
