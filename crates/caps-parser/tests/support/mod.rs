//! Where the reference data is.

use std::path::PathBuf;

/// A folder of the reference data; says so and gives nothing where it is absent.
pub fn reference(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("DOMX_CONFORMANCE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no reference data in {} (set DOMX_CONFORMANCE)", folder.display());
    None
}
