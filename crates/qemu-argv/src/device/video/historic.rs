//! Video cards of QEMU 0.9 to 0.13: `-std-vga`, `-vga`.

use caps_parser::Capability;
use domain_model::device::video::{Video, VideoType};
use domain_model::{Code, Device, Diagnostic, Origin};

use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::dialect::{Devices, VideoOption};
use crate::props::Props;
use crate::resolve::Resolving;

/// The video memory of most cards, in KiB.
const VRAM: u32 = 9 * 1024;
/// That of a card that draws for Spice.
const QXL_VRAM: u32 = 64 * 1024;
/// That of the screen of a Xen guest.
const XEN_VRAM: u32 = 4 * 1024;

/// Fills in the kind of card and its memory.
pub(super) fn defaults(device: &mut Device<Video>, cx: &Resolving<'_>) {
    let is_xen = crate::historic::is_xen_system(&cx.domain);
    let model = device.spec.model.get_or_insert_default();
    let kind = *model.kind.get_or_insert(if is_xen { VideoType::Xen } else { VideoType::Cirrus });
    model.vram.get_or_insert(match kind {
        VideoType::Qxl => QXL_VRAM,
        VideoType::Xen => XEN_VRAM,
        _ => VRAM,
    });
    model.heads.get_or_insert(1);
}

/// Tells a QEMU that would add a card by itself not to.
pub(super) fn none(cx: &Context<'_>, out: &mut Args) {
    let can = cx.dialect.video == VideoOption::Vga && cx.has(Capability::VgaNone);
    if can && cx.dialect.devices == Devices::Options {
        out.text("-vga", "none", Origin::always("the guest has the devices of the domain and no others"));
    }
}

/// The first card is one that the machine brings along; others are plugged in.
pub(super) fn args(device: &Resolved<'_, Video>, cx: &Context<'_>, out: &mut Args) {
    let Some(model) = &device.spec.model else { return };
    let Some(kind) = model.kind else { return };
    for (path, is_said) in [
        ("model/@heads", model.heads.is_some_and(|heads| heads > 1)),
        ("model/@ram", model.ram.is_some()),
        ("model/@vgamem", model.vgamem.is_some()),
        ("model/acceleration", model.acceleration.is_some()),
    ] {
        if is_said {
            let message = "these QEMUs have no such setting of a video card";
            out.problem(Diagnostic::error(Code::Unsupported, device.at(path), message));
        }
    }
    match (device.index, cx.dialect.video) {
        (0, VideoOption::StdVga) => std_vga(kind, device, out),
        (0, _) => vga(kind, device, cx, out),
        _ => further(kind, device, cx, out),
    }
}

fn refuse(kind: VideoType, device: &Resolved<'_, Video>, out: &mut Args) {
    let message = format!("these QEMUs have no video card of type `{kind}` here");
    out.problem(Diagnostic::error(Code::Unsupported, device.at("model/@type"), message));
}

fn std_vga(kind: VideoType, device: &Resolved<'_, Video>, out: &mut Args) {
    match kind {
        VideoType::Vga => out.flag("-std-vga", device.at("model/@type")),
        VideoType::Vmvga => out.flag("-vmwarevga", device.at("model/@type")),
        // What QEMU has by itself, and what Xen draws.
        VideoType::Cirrus | VideoType::Xen => {}
        kind => refuse(kind, device, out),
    }
}

fn vga(kind: VideoType, device: &Resolved<'_, Video>, cx: &Context<'_>, out: &mut Args) {
    let word = match kind {
        VideoType::Vga => "std",
        VideoType::Cirrus => "cirrus",
        VideoType::Vmvga => "vmware",
        VideoType::Qxl => "qxl",
        VideoType::Xen => return,
        kind => {
            refuse(kind, device, out);
            return;
        }
    };
    out.text("-vga", word, device.at("model/@type"));
    if kind == VideoType::Qxl {
        out.needing(Capability::VgaQxl);
        let vram = device.spec.model.as_ref().and_then(|model| model.vram).unwrap_or(QXL_VRAM);
        // libvirt of 2011 left it to QEMU; it says the size to those that have the card as a device.
        if vram != QXL_VRAM && cx.has(Capability::DeviceQxlVga) {
            let size = u64::from(vram) * 1024;
            out.text("-global", format!("qxl-vga.vram_size={size}"), device.at("model/@vram"));
        }
    }
}

fn further(kind: VideoType, device: &Resolved<'_, Video>, cx: &Context<'_>, out: &mut Args) {
    if kind != VideoType::Qxl || cx.dialect.devices == Devices::Options {
        refuse(kind, device, out);
        return;
    }
    let props = Props::new("driver", "qxl", device.origin).set("id", device.alias);
    out.props("-device", crate::address::address(props, device.info, cx));
}
