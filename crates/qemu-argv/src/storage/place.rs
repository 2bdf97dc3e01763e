//! The node that has an image's content as it is.

use caps_parser::Capability;
use domain_model::storage::SourceKind;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic};

use super::secrets::Secrets;
use super::{Image, nbdkit, protocol};
use crate::address::host_pci;
use crate::arg::Args;
use crate::config::Layout;
use crate::context::Context;
use crate::host::{FdRequest, FileKind};
use crate::needs::{Access, HostDevice, VfioDevice};
use crate::props::Props;

/// What says where the content is; `None` if it cannot be said.
pub(super) fn storage(
    image: &Image<'_>,
    secrets: &Secrets,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<Props> {
    let origin = image.meta.origin;
    note(image, cx, out);
    let file = |driver: &str, path: &str, at: &'static str| {
        let (io, io_origin) = image.of_driver(|driver| driver.io, "@io");
        Props::new("driver", driver, origin)
            .set_at("filename", cx.config().path(path), image.meta.at(at))
            .set_at("aio", io.map(domain_model::device::disk::Io::as_str), io_origin)
            .set("pr-manager", secrets.reservations.as_deref())
    };
    match &image.source.kind {
        SourceKind::File(source) => {
            if let Some(group) = &source.fdgroup {
                let path = passed(image, group, cx, out)?;
                return Some(file("file", &path, "source/@fdgroup"));
            }
            Some(file("file", source.path.as_deref().unwrap_or_default(), "source/@file"))
        }
        SourceKind::Block { path } => {
            let path = path.as_deref().unwrap_or_default();
            // Only the driver for CD-ROM drives notices when the medium changes.
            let is_drive =
                image.is_cdrom && cx.inputs.host.file_kind(&cx.config().path(path)) == FileKind::CdromDrive;
            Some(file(if is_drive { "host_cdrom" } else { "host_device" }, path, "source/@dev"))
        }
        SourceKind::Dir { path } => Some(
            Props::new("driver", "vvfat", origin)
                .set_at(
                    "dir",
                    cx.config().path(path.as_deref().unwrap_or_default()),
                    image.meta.at("source/@dir"),
                )
                .set("floppy", image.is_floppy)
                .set("rw", !image.readonly),
        ),
        SourceKind::Nvme(nvme) => {
            out.needs.host_devices.push(HostDevice {
                which: VfioDevice::Pci(host_pci(&nvme.address)),
                managed: nvme.managed == Some(YesNo::Yes),
                driver: None,
                file: None,
                origin: image.meta.at("source/address"),
            });
            Some(
                Props::new("driver", "nvme", origin)
                    .set_at("device", host_pci(&nvme.address), image.meta.at("source/address"))
                    .set_at("namespace", nvme.namespace, image.meta.at("source/@namespace")),
            )
        }
        SourceKind::Network(network) if nbdkit::serves(network, cx) => Some(nbdkit::storage(image, cx)),
        SourceKind::Network(network) => protocol::storage(image, network, secrets, cx, out),
        // Starting the guest said why it is not known what the volume is.
        SourceKind::Volume(_) => None,
        SourceKind::VhostVdpa { path } => {
            let path = cx.config().path(path.as_deref().unwrap_or_default());
            let at = image.meta.at("source/@dev");
            let path = match cx.config().layout {
                Layout::Libvirt => {
                    out.fdset(FdRequest::Vdpa { path }, &format!("{}-vdpa", image.storage_node()), at, origin)
                }
                Layout::Run => {
                    out.file(&path, Access::Write, at);
                    path
                }
            };
            out.needing(Capability::VirtioBlkVhostVdpa);
            Some(Props::new("driver", "virtio-blk-vhost-vdpa", origin).set_at("path", path, at))
        }
        // The disk speaks to the process itself; there is no node.
        SourceKind::VhostUser(_) => None,
    }
}

/// Hands over the descriptors of an image, and gives the path to open them by.
fn passed(image: &Image<'_>, group: &str, cx: &Context<'_>, out: &mut Args) -> Option<String> {
    let origin = image.meta.at("source/@fdgroup");
    let Some(found) = cx.inputs.host.fd_group(group).filter(|group| group.count > 0) else {
        let message = format!("no descriptors are handed over as the group `{group}`");
        out.problem(Diagnostic::error(Code::InvalidArgument, origin, message).help("name the file alone"));
        return None;
    };
    let node = image.storage_node();
    let set = crate::device::disk::fdset(cx.domain, &image.name);
    Some(out.numbered_fdset(set, group, found.count, &node, origin))
}

/// Notes the file that QEMU will open.
fn note(image: &Image<'_>, cx: &Context<'_>, out: &mut Args) {
    let (path, at) = match &image.source.kind {
        SourceKind::File(source) if source.fdgroup.is_none() => (&source.path, "source/@file"),
        SourceKind::Block { path } => (path, "source/@dev"),
        SourceKind::Dir { path } => (path, "source/@dir"),
        _ => return,
    };
    // Images below the top one are opened for writing only by jobs that come later.
    let access = if image.readonly || !image.is_top { Access::Read } else { Access::Write };
    if let Some(path) = path {
        out.file(cx.config().path(path), access, image.meta.at(at));
    }
}
