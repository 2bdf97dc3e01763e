//! The folder with the reference data, and reading from it.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// The environment variable that names another folder than the default one.
pub const VARIABLE: &str = "DOMX_CONFORMANCE";

/// Why a reference folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder is missing or unreadable.
    #[error("cannot read {path}: {cause}", path = path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A file is not of the layout that its suite has.
    #[error("{path} is not as expected: {problem}", path = path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// A folder of the layout that the reference data has.
#[derive(Debug, Clone)]
pub struct Reference {
    root: PathBuf,
}

impl Reference {
    /// The folder `root`, which has to exist.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, LoadError> {
        let root = root.into();
        match std::fs::read_dir(&root) {
            Ok(_) => Ok(Self { root }),
            Err(cause) => Err(LoadError::Read { path: root, cause }),
        }
    }

    /// The folder that is used where none is named: that of [`VARIABLE`], else `shared/conformance` beside the workspace.
    pub fn default_root() -> PathBuf {
        match std::env::var_os(VARIABLE) {
            Some(root) if !root.is_empty() => PathBuf::from(root),
            _ => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        }
    }

    /// Where the folder is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The part of this folder in `name`, if it is there.
    pub fn part(&self, name: &str) -> Option<Reference> {
        let root = self.root.join(name);
        root.is_dir().then_some(Reference { root })
    }

    /// Whether there is a file `name`.
    pub fn has(&self, name: &str) -> bool {
        self.root.join(name).is_file()
    }

    /// The text of the file `name`. Bytes that are no UTF-8 are replaced, because a case may hold such on purpose.
    pub fn text(&self, name: &str) -> Result<String, LoadError> {
        let path = self.root.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(cause) => Err(LoadError::Read { path, cause }),
        }
    }

    /// The JSON file `name`.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, LoadError> {
        let text = self.text(name)?;
        serde_json::from_str(&text).map_err(|error| self.malformed(name, error))
    }

    /// The names of all files below the folder `name` that end in `ending`, as paths from the root, sorted.
    pub fn files(&self, name: &str, ending: &str) -> Result<Vec<String>, LoadError> {
        let mut found = Vec::new();
        let mut pending = vec![self.root.join(name)];
        while let Some(folder) = pending.pop() {
            let fail = |cause| LoadError::Read { path: folder.clone(), cause };
            for entry in std::fs::read_dir(&folder).map_err(fail)? {
                let path = entry.map_err(fail)?.path();
                if path.is_dir() {
                    pending.push(path);
                } else if let Ok(relative) = path.strip_prefix(&self.root) {
                    let relative = relative.to_string_lossy();
                    if relative.ends_with(ending) {
                        found.push(relative.into_owned());
                    }
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// An error that says what is wrong with the file `name`.
    pub fn malformed(&self, name: &str, problem: impl ToString) -> LoadError {
        LoadError::Layout { path: self.root.join(name), problem: problem.to_string() }
    }
}
