//! The guest's memory, written to a file when it crashes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::runtime::file_name;

/// Where the memory of a guest is written to: `NAME-1.core`, `NAME-2.core`, … for their owner alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dumps {
    /// The directory; made if it is missing, for its owner alone.
    pub directory: PathBuf,
    /// The guest's name, which the files' names start with. No two guests that run may share a directory and a name.
    pub name: String,
    /// How many are written while the guest runs: one that crashes again and again shall not fill the disk.
    pub most: u32,
    /// How long QEMU may take without getting on with one.
    pub patience: Duration,
}

impl Dumps {
    /// Dumps of a guest in this directory: at most 5, and QEMU has 30 s to get on with one.
    pub fn of(name: &str, directory: PathBuf) -> Self {
        Self { directory, name: name.to_owned(), most: 5, patience: Duration::from_secs(30) }
    }

    /// Removes what a supervisor that was killed has left unfinished.
    pub fn sweep(&self) {
        let _ = fs::remove_file(self.unfinished());
    }

    fn unfinished(&self) -> PathBuf {
        self.directory.join(format!("{}.core.new", file_name(&self.name)))
    }
}

/// Writes the dumps of one guest, one after the other.
#[derive(Debug, Default)]
pub(super) struct Dumper {
    dumps: Option<Dumps>,
    begun: u32,
    current: Option<Unfinished>,
}

impl Dumper {
    pub(super) fn new(dumps: Option<Dumps>) -> Self {
        Self { dumps, ..Self::default() }
    }

    /// Makes the file for the next dump.
    pub(super) fn begin(&mut self) -> io::Result<File> {
        let Some(dumps) = &self.dumps else { return Err(io::Error::other("there is no place for it")) };
        if self.begun >= dumps.most {
            let message = format!("{} have been written since the guest was started", dumps.most);
            return Err(io::Error::other(message));
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&dumps.directory)?;
        dumps.sweep();
        let path = dumps.unfinished();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        self.begun = self.begun.saturating_add(1);
        self.current = Some(Unfinished(path));
        Ok(file)
    }

    /// Gives the dump that is complete its name, and tells it.
    pub(super) fn keep(&mut self) -> io::Result<PathBuf> {
        let (Some(dumps), Some(unfinished)) = (&self.dumps, self.current.take()) else {
            return Err(io::Error::other("none has been begun"));
        };
        let name = file_name(&dumps.name);
        let names = (1u32..).map(|number| dumps.directory.join(format!("{name}-{number}.core")));
        for path in names {
            // Nobody else writes dumps of this name.
            if fs::symlink_metadata(&path).is_err() {
                fs::rename(unfinished.path(), &path)?;
                return Ok(path);
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// Removes the dump that will not be complete.
    pub(super) fn drop_it(&mut self) {
        self.current = None;
    }
}

/// The file of a dump, removed when this is dropped; one that has got its name is not found any more.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Unfinished {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn only_complete_dumps_stay_and_they_are_private() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("dump");
        let dumps = Dumps { most: 4, ..Dumps::of("a/b", directory.clone()) };
        let left = || {
            let mut names: Vec<String> = fs::read_dir(&directory)
                .map(|all| {
                    all.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect()
                })
                .unwrap_or_default();
            names.sort();
            names.join(" ")
        };
        let mut dumper = Dumper::new(Some(dumps.clone()));
        assert!(dumper.keep().is_err());
        let file = dumper.begin().unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(directory.metadata().unwrap().mode() & 0o777, 0o700);
        assert_eq!(left(), "a%2fb.core.new");
        assert_eq!(dumper.keep().unwrap(), directory.join("a%2fb-1.core"));
        dumper.begin().unwrap();
        dumper.drop_it();
        assert_eq!(left(), "a%2fb-1.core");
        dumper.begin().unwrap();
        drop(dumper);
        assert_eq!(left(), "a%2fb-1.core");
        // A supervisor that was killed could not clean.
        let mut dumper = Dumper::new(Some(dumps.clone()));
        dumper.begin().unwrap();
        std::mem::forget(dumper);
        dumps.sweep();
        let mut dumper = Dumper::new(Some(Dumps { most: 1, ..dumps }));
        dumper.begin().unwrap();
        dumper.keep().unwrap();
        assert_eq!(left(), "a%2fb-1.core a%2fb-2.core");
        assert!(dumper.begin().is_err(), "one is the most");
    }
}
