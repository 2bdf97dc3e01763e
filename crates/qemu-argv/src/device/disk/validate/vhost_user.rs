//! What cannot work of disks that another process serves.

use caps_parser::Capability;
use domain_model::device::disk::{Cache, Disk, DiskBus, Snapshot};
use domain_model::storage::SourceKind;

use crate::check::Problems;
use crate::context::Resolved;

/// Reports what the process behind the disk decides, and nobody else.
pub(super) fn check(device: &Resolved<'_, Disk>, out: &mut Problems<'_>) {
    let disk = device.spec;
    let driver = disk.driver.as_ref();
    match &disk.source.kind {
        SourceKind::VhostUser(_) => {}
        SourceKind::VhostVdpa { .. } => {
            let origin = device.at("@type");
            out.requires(Capability::VirtioBlkVhostVdpa, "<disk type='vhostvdpa'>", origin);
            out.shared_memory("`vhostvdpa`", origin);
            let cache = driver.and_then(|driver| driver.cache);
            if !matches!(cache, Some(Cache::None | Cache::Directsync)) {
                let message = "a disk of type `vhostvdpa` needs `cache='none'` or `cache='directsync'`";
                out.unsupported(device.at("driver/@cache"), message);
            }
            return;
        }
        _ => return,
    }
    let origin = device.at("@type");
    if disk.target.bus != Some(DiskBus::Virtio) {
        out.unsupported(device.at("target/@bus"), "a disk of type `vhostuser` is on the bus `virtio`");
    }
    if disk.snapshot.is_some_and(|snapshot| snapshot != Snapshot::No) {
        out.unsupported(device.at("@snapshot"), "a disk of type `vhostuser` has no part in snapshots");
    }
    for (is_there, path) in [
        (driver.is_some_and(|driver| driver.cache.is_some()), "driver/@cache"),
        (driver.is_some_and(|driver| driver.error_policy.is_some()), "driver/@error_policy"),
        (driver.is_some_and(|driver| driver.rerror_policy.is_some()), "driver/@rerror_policy"),
        (driver.is_some_and(|driver| driver.io.is_some()), "driver/@io"),
        (driver.is_some_and(|driver| driver.ioeventfd.is_some()), "driver/@ioeventfd"),
        (driver.is_some_and(|driver| driver.copy_on_read.is_some()), "driver/@copy_on_read"),
        (driver.is_some_and(|driver| driver.discard.is_some()), "driver/@discard"),
        (driver.is_some_and(|driver| driver.iothread.is_some()), "driver/@iothread"),
        (driver.is_some_and(|driver| driver.detect_zeroes.is_some()), "driver/@detect_zeroes"),
        (driver.is_some_and(|driver| driver.metadata_cache_max_size.is_some()), "driver/metadata_cache"),
        (disk.iotune.is_some(), "iotune"),
        (disk.backing_store.as_ref().is_some_and(|store| store.source.is_some()), "backingStore"),
        (disk.encryption().is_some(), "source/encryption"),
        (disk.auth().is_some(), "source/auth"),
        (disk.readonly, "readonly"),
        (disk.shareable, "shareable"),
        (disk.transient.is_some(), "transient"),
        (disk.serial.is_some(), "serial"),
        (disk.wwn.is_some(), "wwn"),
        (disk.vendor.is_some(), "vendor"),
        (disk.product.is_some(), "product"),
        (disk.geometry.is_some(), "geometry"),
        (disk.blockio.is_some(), "blockio"),
    ] {
        if is_there {
            let name = path.rsplit(['/', '@']).next().unwrap_or(path);
            let message = format!("`{name}` of a disk of type `vhostuser` is for the process behind it");
            out.unsupported(device.at(path), message);
        }
    }
    out.requires(Capability::VhostUserBlk, "<disk type='vhostuser'>", origin);
    out.shared_memory("`vhostuser`", origin);
}
