//! Descriptions of the firmware that is installed.

use std::path::PathBuf;

use qemu_argv::FirmwareFile;

/// A description is a few KiB; more is none.
const MAX_BYTES: u64 = 1 << 20;

/// The files that describe firmware: the user's, the administrator's, the distribution's.
pub fn files() -> Vec<FirmwareFile> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".config"));
    let own = config.filter(|path| path.is_absolute()).or_else(home).map(|path| path.join("qemu/firmware"));
    let places = ["/etc/qemu/firmware", "/usr/share/qemu/firmware"].map(PathBuf::from);
    own.into_iter().chain(places).flat_map(|place| inside(&place)).collect()
}

fn inside(place: &std::path::Path) -> Vec<FirmwareFile> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter(|path| path.metadata().is_ok_and(|found| found.is_file() && found.len() <= MAX_BYTES))
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).ok()?;
        Some(FirmwareFile { path: path.display().to_string(), text })
    };
    paths.into_iter().filter_map(read).collect()
}
