//! Opening what QEMU is to inherit.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use domain_model::{Diagnostic, Origin};
use qemu_argv::{CommandLine, FdRequest};
use runner::{local, qmp};

use super::{Preparation, failed};

/// How long whoever listens on a path already may take to make room for a connection.
const REACH: Duration = Duration::from_millis(500);

/// Our ends of a guest's channels.
#[derive(Debug, Default)]
pub struct Ours {
    /// The QMP monitor.
    pub monitor: Option<UnixStream>,
    /// The first serial port.
    pub console: Option<UnixStream>,
}

impl Preparation<'_> {
    /// Opens one descriptor.
    pub(super) fn open(
        &mut self,
        request: &FdRequest,
        origin: Origin,
        line: &CommandLine,
        ours: &mut Ours,
    ) -> Result<OwnedFd, Diagnostic> {
        let read_write = |path: &str| open(OpenOptions::new().read(true).write(true), path, origin);
        let missing = |what: &str, device: &str| failed(origin, format!("`{device}` has no {what}"));
        match request {
            FdRequest::Monitor => pair(&mut ours.monitor, origin),
            FdRequest::Console { .. } => pair(&mut ours.console, origin),
            FdRequest::UnixListen { path } => {
                let listener =
                    listen(Path::new(path)).map_err(|error| refused("listen on", path, origin, &error))?;
                self.leftovers.sockets.push(path.into());
                Ok(listener.into())
            }
            FdRequest::File { path, append } | FdRequest::Log { path, append } => {
                let mut options = OpenOptions::new();
                // Opening it would wait for a reader, and nothing would end that.
                if std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
                    let message = format!("cannot open `{path}`: it is a pipe");
                    return Err(failed(origin, message).help("`type='pipe'` is for pipes"));
                }
                options.create(true).append(*append).write(true).truncate(!*append).mode(0o600);
                open(&options, path, origin)
            }
            FdRequest::Tap { device, .. } => {
                let tap = self.taps.get_mut(device).filter(|tap| !tap.queues.is_empty());
                tap.map(|tap| tap.queues.remove(0)).ok_or_else(|| missing("TAP device", device))
            }
            FdRequest::VhostNet { device, .. } => {
                let tap = line.needs.taps.iter().find(|tap| tap.device == *device);
                read_write(&tap.ok_or_else(|| missing("TAP device", device))?.vhost)
            }
            FdRequest::Helper { device } => {
                self.links.remove(device).ok_or_else(|| missing("process that serves it", device))
            }
            FdRequest::Iommu => read_write("/dev/iommu"),
            FdRequest::Vfio { path } => read_write(path),
            FdRequest::VhostVsock => read_write("/dev/vhost-vsock"),
            FdRequest::VhostScsi { .. } => read_write("/dev/vhost-scsi"),
            FdRequest::Vdpa { path } | FdRequest::Tpm { path } => read_write(path),
            FdRequest::TpmCancel { path } => open(OpenOptions::new().write(true), path, origin),
            FdRequest::Passed { group, .. } => {
                let message = format!("nobody has passed the descriptors of the group `{group}`");
                Err(failed(origin, message))
            }
        }
    }
}

fn pair(ours: &mut Option<UnixStream>, origin: Origin) -> Result<OwnedFd, Diagnostic> {
    let (own, theirs) =
        qmp::pair().map_err(|error| failed(origin, format!("cannot make a socket for QEMU: {error}")))?;
    *ours = Some(own);
    Ok(theirs)
}

fn open(options: &OpenOptions, path: &str, origin: Origin) -> Result<OwnedFd, Diagnostic> {
    options.open(path).map(OwnedFd::from).map_err(|error| refused("open", path, origin, &error))
}

fn refused(doing: &str, path: &str, origin: Origin, error: &io::Error) -> Diagnostic {
    failed(origin, format!("cannot {doing} `{path}`: {error}"))
}

/// Listens on a path, for this user alone. A socket that nobody listens on any more is replaced.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let is_socket = path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket());
    if is_socket {
        let in_use = || Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody listens there"));
        match local::connect(path, REACH) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            // There is no room for one more connection to him.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return in_use(),
            Ok(_) => return in_use(),
            Err(error) => return Err(error),
        }
    }
    local::listen(path)
}
