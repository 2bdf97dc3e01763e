//! What cannot work of video cards.

use caps_parser::Capability;
use domain_model::Code;
use domain_model::device::video::{Video, VideoBackend, VideoModel, VideoType};
use domain_model::memory::MemorySource;
use domain_model::xml::text::{OnOff, YesNo};

use crate::check::Problems;
use crate::context::Resolved;

/// Reports what a card cannot do, or this QEMU not with it.
pub(super) fn check(device: &Resolved<'_, Video>, out: &mut Problems<'_>) {
    let Some(model) = &device.spec.model else { return };
    let Some(kind) = model.kind.filter(|kind| *kind != VideoType::None) else { return };
    let origin = device.at("model/@type");
    let needed = match kind {
        VideoType::Vga => Capability::VgaDevice,
        VideoType::Cirrus => Capability::CirrusVga,
        VideoType::Vmvga => Capability::VmwareSvga,
        VideoType::Qxl => Capability::Qxl,
        VideoType::Virtio if device.spec.backend == Some(VideoBackend::Vhostuser) => Capability::VhostUserGpu,
        VideoType::Virtio => Capability::VirtioGpu,
        VideoType::Bochs => Capability::BochsDisplay,
        VideoType::Ramfb => Capability::Ramfb,
        VideoType::Xen | VideoType::Vbox | VideoType::Parallels | VideoType::Gop | VideoType::None => {
            out.unsupported(origin, format!("QEMU has no video cards of type `{kind}`"));
            return;
        }
    };
    out.requires(needed, &format!("<model type='{kind}'>"), origin);
    if kind != VideoType::Virtio {
        out.no_virtio(&device.spec.virtio, "this card", &device.device().meta);
    }
    if !matches!(kind, VideoType::Qxl | VideoType::Virtio) {
        if device.index > 0 {
            let message = format!("a card of type `{kind}` is the first of a guest");
            out.unsupported(origin, message);
        }
        if model.heads.is_some_and(|heads| heads != 1) {
            let message = format!("a card of type `{kind}` has one screen");
            out.unsupported(device.at("model/@heads"), message);
        }
    }
    memory(kind, model, device, out);
    acceleration(kind, model, device, out);
    if let Some(resolution) = &model.resolution {
        let origin = resolution.meta.origin;
        if resolution.x == 0 || resolution.y == 0 {
            out.unsupported(origin, "a screen is at least one pixel wide and high");
        }
        if !matches!(kind, VideoType::Vga | VideoType::Qxl | VideoType::Virtio | VideoType::Bochs) {
            let message = format!("the resolution of a card of type `{kind}` cannot be chosen");
            out.refuse(Code::Conflict, origin, message);
        }
    }
}

/// The sizes of a card's memory, in KiB.
fn memory(kind: VideoType, model: &VideoModel, device: &Resolved<'_, Video>, out: &mut Problems<'_>) {
    if kind == VideoType::Qxl
        && let Some(size) = model.vgamem.filter(|size| *size > 0)
        && (size < 1024 || !size.is_power_of_two())
    {
        let message = format!("`vgamem` is a power of two and at least 1024 KiB, not {size}");
        out.unsupported(device.at("model/@vgamem"), message);
    }
    if matches!(kind, VideoType::Vga | VideoType::Vmvga)
        && let Some(size) = model.vram.filter(|size| *size > 0 && *size < 1024)
    {
        out.unsupported(device.at("model/@vram"), format!("`vram` is at least 1024 KiB, not {size}"));
    }
    // QEMU takes bytes in 32 bits.
    let sizes = [("model/@ram", model.ram), ("model/@vram", model.vram)];
    for (path, size) in sizes.into_iter().filter(|_| kind == VideoType::Qxl) {
        if size.is_some_and(|size| size > u32::MAX / 1024) {
            out.unsupported(device.at(path), "a card of type `qxl` has less than 4 GiB in one piece");
        }
    }
    if model.blob.is_none() {
        return;
    }
    let origin = device.at("model/@blob");
    if kind != VideoType::Virtio {
        out.unsupported(origin, format!("a card of type `{kind}` shares no buffers with the guest"));
        return;
    }
    out.requires(Capability::VirtioGpuBlob, "blob=", origin);
    let backing = out.cx.domain.memory_backing.as_ref();
    if model.blob == Some(OnOff::On)
        && backing.and_then(|backing| backing.source) != Some(MemorySource::Memfd)
    {
        let message = "a card shares its memory only if the guest's memory is of the kind `memfd`";
        out.unsupported(origin, message);
    }
}

fn acceleration(kind: VideoType, model: &VideoModel, device: &Resolved<'_, Video>, out: &mut Problems<'_>) {
    let is_helped = device.spec.backend == Some(VideoBackend::Vhostuser);
    if is_helped && kind != VideoType::Virtio {
        let message = format!("a helper draws for cards of type `virtio`, not `{kind}`");
        out.unsupported(device.at("driver/@name"), message);
    }
    let Some(options) = &model.acceleration else { return };
    if !is_helped && options.rendernode.is_some() {
        let message = "only a helper (`<driver name='vhostuser'/>`) has a render node of its own";
        out.unsupported(options.meta.at("@rendernode"), message);
    }
    if options.accel2d == Some(YesNo::Yes) {
        out.unsupported(options.meta.at("@accel2d"), "QEMU accelerates no drawing in two dimensions");
    }
    if is_helped || options.accel3d != Some(YesNo::Yes) {
        return;
    }
    let origin = options.meta.at("@accel3d");
    let can = [Capability::VirtioGpuVirgl, Capability::VirtioGpuGlPci, Capability::VirtioVgaGl];
    if kind != VideoType::Virtio {
        out.unsupported(origin, format!("cards of type `virtio` are accelerated, not those of `{kind}`"));
    } else if !can.iter().any(|capability| out.cx.has(*capability)) {
        out.requires(Capability::VirtioGpuGlPci, "accel3d='yes'", origin);
    }
}
