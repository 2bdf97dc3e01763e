//! nbdkit: a process that serves network images to QEMU.

use domain_model::storage::{NetworkSource, Protocol};

use super::Image;
use crate::context::Context;
use crate::props::Props;

/// Whether nbdkit serves an image, and not QEMU's own client of the protocol.
pub(super) fn serves(network: &NetworkSource, cx: &Context<'_>) -> bool {
    let plugin = match network.protocol {
        Some(Protocol::Http | Protocol::Https | Protocol::Ftp | Protocol::Ftps | Protocol::Tftp) => "curl",
        Some(Protocol::Ssh) => "ssh",
        _ => return false,
    };
    cx.is_libvirt() && cx.config().storage_use_nbdkit && cx.inputs.host.has_nbdkit(plugin)
}

/// The node that has the content from nbdkit's socket.
pub(super) fn storage(image: &Image<'_>, cx: &Context<'_>) -> Props {
    let path = format!("{}/nbdkit-{}.socket", cx.guest_dir(), image.storage_node());
    let server = Props::plain(image.meta.at("source")).set("type", "unix").set("path", path);
    Props::new("driver", "nbd", image.meta.at("source/@protocol")).set("server", server)
}
