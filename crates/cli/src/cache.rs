//! What is known of QEMU binaries from earlier probes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use caps_parser::Capabilities;

use crate::report::Report;

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
            "domx {} {} {} {}.{:09} {} kvm={}",
            env!("CARGO_PKG_VERSION"),
            program.display(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ino(),
            crate::host::can_use_kvm(),
        );
        let mut hasher = DefaultHasher::new();
        program.hash(&mut hasher);
        let name = program.file_name()?.to_string_lossy().into_owned();
        let path = directory()?.join(format!("{name}-{:016x}.json", hasher.finish()));
        Some(Entry { path, key })
    }

    /// What is known; a damaged file is as good as none, and is named in a warning.
    pub fn load(&self, report: &Report) -> Option<Capabilities> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        let (key, snapshot) = text.split_once('\n').unwrap_or((&text, ""));
        if key != self.key {
            return None;
        }
        match Capabilities::from_json(snapshot) {
            Ok(capabilities) => Some(capabilities),
            Err(error) => {
                let path = self.path.display();
                report.warning(&format!("the cache `{path}` is damaged and is made again: {error}"));
                None
            }
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
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(self.key.as_bytes())?;
        file.write_all(b"\n")?;
        file.write_all(snapshot.as_bytes())?;
        file.persist(&self.path)?;
        Ok(())
    }
}

fn directory() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    base.is_absolute().then(|| base.join("domx/capabilities"))
}
