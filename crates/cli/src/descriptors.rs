//! Opening what QEMU is to inherit.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use domain_model::Origin;
use qemu_argv::FdRequest;
use runner::{Command, qmp};

use crate::report::{Status, Stop};

/// Our ends of a guest's channels, and the numbers of QEMU's.
#[derive(Debug, Default)]
pub struct Descriptors {
    /// The QMP monitor.
    pub monitor: Option<UnixStream>,
    /// The first serial port.
    pub console: Option<UnixStream>,
    numbers: HashMap<FdRequest, i32>,
}

impl Descriptors {
    /// Opens everything and hands QEMU's ends to the command.
    pub fn open(requests: &[(&FdRequest, Origin)], command: &mut Command) -> Result<Self, Stop> {
        let mut descriptors = Descriptors::default();
        for (request, _) in requests {
            if descriptors.numbers.contains_key(request) {
                continue;
            }
            let fd = descriptors.open_one(request)?;
            let number = command.fds.pass(fd).map_err(|error| {
                Stop::new(Status::Failed, format!("cannot hand a descriptor to QEMU: {error}"))
            })?;
            descriptors.numbers.insert((*request).clone(), number);
        }
        Ok(descriptors)
    }

    /// The number under which QEMU finds a descriptor.
    pub fn number(&self, request: &FdRequest) -> String {
        self.numbers.get(request).map_or_else(|| "-1".to_owned(), i32::to_string)
    }

    fn open_one(&mut self, request: &FdRequest) -> Result<OwnedFd, Stop> {
        match request {
            FdRequest::Monitor => pair(&mut self.monitor),
            FdRequest::Console { .. } => pair(&mut self.console),
            FdRequest::File { path, append } | FdRequest::Log { path, append } => {
                let mut options = OpenOptions::new();
                options.create(true).append(*append).write(true).truncate(!*append);
                open(&options, path)
            }
            FdRequest::VhostVsock => open(OpenOptions::new().read(true).write(true), "/dev/vhost-vsock"),
            FdRequest::VhostScsi { .. } => open(OpenOptions::new().read(true).write(true), "/dev/vhost-scsi"),
            FdRequest::Vdpa { path } | FdRequest::Tpm { path } => {
                open(OpenOptions::new().read(true).write(true), path)
            }
            FdRequest::TpmCancel { path } => open(OpenOptions::new().write(true), path),
            other => {
                let message = format!("`domx run` cannot provide this descriptor yet: {other:?}");
                Err(Stop::new(Status::Unsupported, message))
            }
        }
    }
}

fn pair(ours: &mut Option<UnixStream>) -> Result<OwnedFd, Stop> {
    let (own, theirs) = qmp::pair()
        .map_err(|error| Stop::new(Status::Failed, format!("cannot make a socket for QEMU: {error}")))?;
    *ours = Some(own);
    Ok(theirs)
}

fn open(options: &OpenOptions, path: &str) -> Result<OwnedFd, Stop> {
    options
        .open(path)
        .map(OwnedFd::from)
        .map_err(|error| Stop::new(Status::Failed, format!("cannot open `{path}`: {error}")))
}
