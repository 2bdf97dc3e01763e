//! `<video>`: video cards.

use caps_parser::Capability;
use domain_model::device::video::{Video, VideoModel, VideoType};
use domain_model::xml::text::YesNo;
use domain_model::{Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;
use crate::resolve::Resolving;
use crate::{address, os, virtio};

impl QemuDevice for Video {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("video{index}")
    }

    fn defaults(device: &mut Device<Self>, index: usize, cx: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        let model = device.spec.model.get_or_insert_with(VideoModel::default);
        let kind = *model.kind.get_or_insert_with(|| default_type(cx));
        if kind == VideoType::None {
            return;
        }
        if kind == VideoType::Qxl {
            model.ram.get_or_insert(65536);
            model.vram.get_or_insert(65536);
            model.vgamem.get_or_insert(16384);
        } else if matches!(kind, VideoType::Vga | VideoType::Cirrus | VideoType::Vmvga | VideoType::Bochs) {
            model.vram.get_or_insert(16384);
        }
        model.heads.get_or_insert(1);
        if index == 0 {
            model.primary = Some(YesNo::Yes);
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let Some(model) = &device.spec.model else { return };
        let primary = device.index == 0;
        let plain = |driver: &str| Props::new("driver", driver, device.origin).set("id", device.alias);
        let vram_at = device.at("model/@vram");
        let props = match model.kind {
            None | Some(VideoType::None) => return,
            Some(VideoType::Cirrus) => plain("cirrus-vga"),
            Some(VideoType::Vmvga) => {
                plain("vmware-svga").set_at("vgamem_mb", model.vram.map(|vram| vram / 1024), vram_at)
            }
            Some(VideoType::Vga) => {
                let driver = if primary { "VGA" } else { "secondary-vga" };
                plain(driver).set_at("vgamem_mb", model.vram.map(|vram| vram / 1024), vram_at)
            }
            Some(VideoType::Bochs) => plain("bochs-display").set_at(
                "vgamem",
                model.vram.map(|vram| u64::from(vram) * 1024),
                vram_at,
            ),
            Some(VideoType::Qxl) => plain(if primary { "qxl-vga" } else { "qxl" })
                .set_at("max_outputs", model.heads, device.at("model/@heads"))
                .set_at("ram_size", bytes(model.ram), device.at("model/@ram"))
                .set_at("vram_size", bytes(model.vram), vram_at)
                .set_at("vram64_size_mb", model.vram64.unwrap_or_default() / 1024, device.at("model/@vram64"))
                .set_at("vgamem_mb", model.vgamem.map(|size| size / 1024), device.at("model/@vgamem")),
            Some(VideoType::Virtio) => {
                let accelerated =
                    model.acceleration.as_ref().is_some_and(|options| options.accel3d == Some(YesNo::Yes));
                let name = match (primary && os::is_x86(cx.domain), accelerated) {
                    (true, true) => "virtio-vga-gl",
                    (true, false) => "virtio-vga",
                    (false, true) => "virtio-gpu-gl",
                    (false, false) => "virtio-gpu",
                };
                let props = if name.starts_with("virtio-vga") {
                    Props::new("driver", name, device.origin)
                } else {
                    virtio::device(name, None, &device.spec.virtio, device, cx)
                };
                props
                    .set("id", device.alias)
                    .set_at("max_outputs", model.heads, device.at("model/@heads"))
                    .requires(Capability::VirtioGpuBlob, "blob", model.blob, device.at("model/@blob"))
            }
            Some(kind) => {
                cx.not_yet(&format!("a video card of type `{kind}`"), device.at("model/@type"), out);
                return;
            }
        };
        out.props("-device", address::address(props, device.info, cx));
    }
}

/// The card a domain gets that does not say which.
fn default_type(cx: &Resolving<'_>) -> VideoType {
    if os::is_x86(&cx.domain) {
        if cx.inputs.has(Capability::CirrusVga) { VideoType::Cirrus } else { VideoType::Vga }
    } else {
        VideoType::Virtio
    }
}

/// KiB to bytes.
fn bytes(kib: Option<u32>) -> Option<u64> {
    kib.map(|kib| u64::from(kib) * 1024)
}
