//! Images that are not there and that the guest can do without.

use domain_model::device::disk::{Disk, DiskDevice};
use domain_model::storage::{SourceKind, StartupPolicy};
use domain_model::{Code, Device, Diagnostic};

use crate::config::Layout;
use crate::resolve::Resolving;

/// Starts the guest without disks of the policy `optional` whose image is missing: a drive for CD-ROMs or floppy disks is
/// empty then (libvirt 0.9.7), and another disk is not there (1.1.2).
pub(crate) fn missing(cx: &mut Resolving<'_>) {
    // Whoever compares command lines with libvirt's has not got its images.
    if cx.inputs.config.layout == Layout::Libvirt {
        return;
    }
    let (host, config) = (cx.inputs.host, cx.inputs.config);
    let is_missing = |disk: &Disk| {
        let path = match &disk.source.kind {
            SourceKind::File(file) if file.fdgroup.is_none() => file.path.as_deref(),
            SourceKind::Block { path } => path.as_deref(),
            _ => None,
        };
        let may_be = disk.source.startup_policy == Some(StartupPolicy::Optional);
        path.filter(|path| may_be && !host.file_exists(&config.path(path))).map(str::to_owned)
    };
    let problems = &mut cx.problems;
    cx.domain.devices.disks.retain_mut(|device: &mut Device<Disk>| {
        let Some(path) = is_missing(&device.spec) else { return true };
        let has_drive = matches!(device.spec.device(), DiskDevice::Cdrom | DiskDevice::Floppy);
        let then = if has_drive { "the drive is empty" } else { "the guest goes without this disk" };
        let message = format!("`{path}` does not exist, so {then}");
        problems.push(Diagnostic::warning(Code::NotFound, device.at("source/@startupPolicy"), message));
        device.spec.source.kind = SourceKind::default();
        device.spec.source.startup_policy = None;
        device.spec.backing_store = None;
        has_drive
    });
}
