//! What is known of QEMU binaries from earlier probes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use caps_parser::Capabilities;

use crate::report::Report;

/// How the first line of every file begins.
const KEY_START: &str = "domx ";
/// How the name of a file begins that is being written.
const UNFINISHED: &str = ".new-";
/// Longer than this nobody writes.
const WRITING: Duration = Duration::from_secs(60);

/// The place of one binary in the cache.
///
/// A file begins with a line that says all that the capabilities depend on; if that line is another, the file
/// is of another binary, or the binary has changed.
#[derive(Debug)]
pub struct Entry {
    path: PathBuf,
    key: String,
}

impl Entry {
    /// The place of a binary; none if there is no directory for caches or the binary is gone.
    pub fn of(program: &Path) -> Option<Self> {
        let program = program.canonicalize().ok()?;
        let metadata = program.metadata().ok()?;
        let key = format!(
            "{KEY_START}{} {} {} {}.{:09} {} kvm={} linux={}",
            env!("CARGO_PKG_VERSION"),
            program.display(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ino(),
            crate::host::can_use_kvm(),
            crate::host::kernel(),
        );
        let mut hasher = DefaultHasher::new();
        program.hash(&mut hasher);
        let name = program.file_name()?.to_string_lossy().into_owned();
        let path = directory()?.join(format!("{name}-{:016x}.json", hasher.finish()));
        Some(Entry { path, key })
    }

    /// What is known; a damaged file is as good as none, and is named in a warning.
    pub fn load(&self, report: &Report) -> Option<Capabilities> {
        let path = self.path.display();
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    report.detail(&format!("cannot read the cache `{path}`: {error}"));
                }
                return None;
            }
        };
        self.read(&bytes).unwrap_or_else(|damage| {
            report.warning(&format!("the cache `{path}` cannot be used and is made again: {damage}"));
            None
        })
    }

    /// What a file says, nothing if it is of another binary or of another domx, or what is wrong with it.
    fn read(&self, bytes: &[u8]) -> Result<Option<Capabilities>, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        match text.split_once('\n') {
            Some((key, snapshot)) if key == self.key => {
                Capabilities::from_json(snapshot).map(Some).map_err(|error| error.to_string())
            }
            Some((key, _)) if key.starts_with(KEY_START) => Ok(None),
            Some(_) => Err("its first line does not say what it is of".to_owned()),
            None => Err("it ends in its first line".to_owned()),
        }
    }

    /// Remembers what a probe said. Without a cache everything works as well, only slower.
    pub fn store(&self, capabilities: &Capabilities, report: &Report) {
        if let Err(error) = self.write(&capabilities.to_json()) {
            report.detail(&format!("cannot write the cache `{}`: {error}", self.path.display()));
        }
    }

    /// Readers see the old file or the new one and nothing in between, however many write at once.
    fn write(&self, snapshot: &str) -> std::io::Result<()> {
        let Some(directory) = self.path.parent() else { return Ok(()) };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        sweep(directory);
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
        file.write_all(self.key.as_bytes())?;
        file.write_all(b"\n")?;
        file.write_all(snapshot.as_bytes())?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// Removes what someone was killed over while he wrote it.
fn sweep(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_old = || entry.metadata().ok()?.modified().ok()?.elapsed().ok().map(|age| age > WRITING);
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && is_old() == Some(true) {
            // Another one may be faster.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn directory() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    base.is_absolute().then(|| base.join("domx/capabilities"))
}
