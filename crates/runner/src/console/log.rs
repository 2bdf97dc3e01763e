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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_console_takes_a_bounded_room() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("console");
        let mut log = ConsoleLog::create(&path, 1000).unwrap();
        let mut all = Vec::new();
        for number in 0..10_000 {
            let line = format!("line {number}\n");
            log.write(line.as_bytes()).unwrap();
            all.extend_from_slice(line.as_bytes());
        }
        let mut kept = std::fs::read(ConsoleLog::old(&path)).unwrap();
        kept.extend(std::fs::read(&path).unwrap());
        assert!((1000..2100).contains(&kept.len()), "{}", kept.len());
        assert!(all.ends_with(&kept));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
        // The next guest of that name begins anew.
        drop(ConsoleLog::create(&path, 1000).unwrap());
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }
}
