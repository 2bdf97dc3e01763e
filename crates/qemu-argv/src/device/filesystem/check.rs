//! What cannot work of file systems.

use caps_parser::Capability;
use domain_model::Code;
use domain_model::device::filesystem::{
    AccessMode, Filesystem, FilesystemDriverType, FilesystemSource, Multidevs, WritePolicy,
};
use domain_model::xml::Tagged;

use crate::check::Problems;
use crate::context::Resolved;

/// Reports what QEMU or virtiofs does not share.
pub(super) fn check(device: &Resolved<'_, Filesystem>, out: &mut Problems<'_>) {
    let filesystem = device.spec;
    let at = |path| device.at(path);
    let is_virtiofs = filesystem.driver.kind == Some(FilesystemDriverType::Virtiofs);
    if !matches!(filesystem.source, FilesystemSource::Mount { .. }) {
        let kind = filesystem.source.tag();
        out.unsupported(at("@type"), format!("QEMU shares directories (type `mount`) only, not `{kind}`"));
    }
    for (is_there, path) in [
        (filesystem.space_hard_limit.is_some(), "space_hard_limit"),
        (filesystem.space_soft_limit.is_some(), "space_soft_limit"),
    ] {
        if is_there {
            out.unsupported(at(path), format!("QEMU does not limit what guests write: `<{path}>`"));
        }
    }
    let multidevs = filesystem.multidevs.filter(|multidevs| *multidevs != Multidevs::Default);
    if multidevs.is_some() && !is_virtiofs {
        out.requires(Capability::FsdevMultidevs, "multidevs=", at("@multidevs"));
    }
    if device.info.boot.is_some() && !is_virtiofs {
        out.unsupported(at("boot"), "guests boot from file systems of the kind `virtiofs` only");
    }
    let modes = [(filesystem.fmode, "@fmode"), (filesystem.dmode, "@dmode")];
    for (_, path) in modes.iter().filter(|(mode, _)| mode.is_some()) {
        if is_virtiofs || filesystem.accessmode != Some(AccessMode::Mapped) {
            let name = path.trim_start_matches('@');
            out.unsupported(at(path), format!("`{name}` is for the access mode `mapped` of 9pfs only"));
        }
    }
    match filesystem.driver.kind {
        Some(FilesystemDriverType::Virtiofs) => virtiofs(device, out),
        Some(FilesystemDriverType::Mtp) => {
            out.requires(Capability::UsbMtp, "<driver type='mtp'>", at("driver/@type"));
            if filesystem.accessmode != Some(AccessMode::Passthrough) {
                let message = "file systems of the kind `mtp` have the access mode `passthrough` only";
                out.unsupported(at("@accessmode"), message);
            }
        }
        Some(FilesystemDriverType::Handle) if filesystem.accessmode != Some(AccessMode::Passthrough) => {
            let message = "file systems of the kind `handle` have the access mode `passthrough` only";
            out.unsupported(at("@accessmode"), message);
        }
        None | Some(FilesystemDriverType::Path | FilesystemDriverType::Handle) => {}
        Some(kind) => {
            let message = format!("QEMU has no file systems of the kind `{kind}`");
            out.refuse(Code::Malformed, at("driver/@type"), message);
        }
    }
}

/// What does not go with virtiofs.
fn virtiofs(device: &Resolved<'_, Filesystem>, out: &mut Problems<'_>) {
    let filesystem = device.spec;
    let is_ours = filesystem.source.socket().is_none();
    let other_mode = filesystem.accessmode.is_some_and(|mode| mode != AccessMode::Passthrough);
    let policy = filesystem.driver.wrpolicy.is_some_and(|policy| policy != WritePolicy::Default);
    let multidevs = filesystem.multidevs.is_some_and(|multidevs| multidevs != Multidevs::Default);
    for (refused, path, message) in [
        (is_ours && other_mode, "@accessmode", "virtiofs has the access mode `passthrough` only"),
        (is_ours && policy, "driver/@wrpolicy", "virtiofs has no write policy"),
        (filesystem.model.is_some(), "@model", "virtiofs has no model"),
        (filesystem.driver.format.is_some(), "driver/@format", "virtiofs has no format"),
        (multidevs, "@multidevs", "virtiofs has one device for all files"),
    ] {
        if refused {
            out.unsupported(device.at(path), message);
        }
    }
    out.requires(Capability::VhostUserFs, "<driver type='virtiofs'>", device.at("driver/@type"));
    if device.info.boot.is_some() {
        out.requires(Capability::VhostUserFsBootindex, "<boot> of virtiofs", device.at("boot"));
    }
    out.shared_memory("virtiofs", device.at("driver/@type"));
}
