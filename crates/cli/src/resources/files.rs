//! Files that QEMU opens by itself: looked at, and made from templates.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use domain_model::{Code, Diagnostic};
use qemu_argv::{Access, HostFile};
use runner::User;

use super::failed;

/// Looks whether QEMU will be able to open its files.
///
/// # Errors
/// Every file that is missing or that it may not open.
pub fn check(files: &[HostFile], user: Option<&User>) -> Result<(), Vec<Diagnostic>> {
    let mut problems: Vec<Diagnostic> = Vec::new();
    for file in files {
        // A missing file that can be made is no problem; its template may be one.
        let is_made = file.template.is_some() && !Path::new(&file.path).exists();
        let (path, access) = match &file.template {
            Some(template) if is_made => (template, Access::Read),
            _ => (&file.path, file.access),
        };
        let Err(error) = tried(path, access, user.filter(|_| !is_made)) else { continue };
        let message = match (error.kind(), access) {
            (io::ErrorKind::NotFound, _) => format!("`{path}` does not exist"),
            (io::ErrorKind::PermissionDenied, Access::Write) => {
                format!("`{path}` cannot be written: {error}")
            }
            _ => format!("`{path}` cannot be opened: {error}"),
        };
        let code =
            if error.kind() == io::ErrorKind::NotFound { Code::NotFound } else { Code::OperationFailed };
        let problem = Diagnostic::error(code, file.origin, message);
        problems.push(match file.help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Opens a file as QEMU will, and closes it.
fn tried(path: &str, access: Access, user: Option<&User>) -> io::Result<()> {
    let metadata = std::fs::metadata(path);
    // Opening a device may do something, and opening a pipe may wait.
    let is_plain = metadata.as_ref().is_ok_and(|metadata| metadata.is_file());
    let try_it = || match access {
        _ if !is_plain => std::fs::metadata(path).and_then(|found| match access {
            _ if found.is_dir() => std::fs::read_dir(path).map(drop),
            Access::Write => runner::confine::may_use(Path::new(path)),
            Access::Read => Ok(()),
        }),
        Access::Read => File::open(path).map(drop),
        Access::Write => OpenOptions::new().read(true).write(true).open(path).map(drop),
    };
    match user {
        Some(user) => user.act(try_it)?,
        None => try_it(),
    }
}

/// Looks whether QEMU's user may read and write a device, without opening it.
pub fn may_use(path: &Path, user: Option<&User>) -> io::Result<()> {
    match user {
        Some(user) => user.act(|| runner::confine::may_use(path))?,
        None => runner::confine::may_use(path),
    }
}

/// Makes a file from its template, if it has one and is missing.
///
/// # Errors
/// When it cannot be made; half of it is not left.
pub fn make(file: &HostFile, user: Option<&User>) -> Result<(), Diagnostic> {
    let Some(template) = &file.template else { return Ok(()) };
    let path = Path::new(&file.path);
    if path.exists() {
        return Ok(());
    }
    let made = copy(Path::new(template), path, user);
    made.map_err(|error| {
        failed(file.origin, format!("cannot make `{}` from `{template}`: {error}", file.path))
    })
}

/// Copies a file for its owner alone, whole or not at all.
fn copy(from: &Path, to: &Path, user: Option<&User>) -> io::Result<()> {
    if let Some(directory) = to.parent() {
        private_directory(directory)?;
    }
    let mut name = to.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let mut source = File::open(from)?;
    // Left by one that was killed.
    match std::fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    let made = io::copy(&mut source, &mut target).and_then(|_| target.sync_all()).and_then(|()| {
        if let Some(user) = user {
            chown(new, Some(user.uid()), Some(user.gid()))?;
        }
        std::fs::rename(new, to)
    });
    if made.is_err() {
        let _ = std::fs::remove_file(new);
    }
    made
}

/// Makes a directory that only its owner can enter, with those above it, if it is missing.
pub fn private_directory(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a directory for what outlasts the guest, that only the user who runs it can enter.
///
/// # Errors
/// When it cannot be made.
pub fn state_directory(path: &Path, user: Option<&User>) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    private_directory(path)?;
    match user {
        Some(user) => chown(path, Some(user.uid()), Some(user.gid())),
        None => std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)),
    }
}
