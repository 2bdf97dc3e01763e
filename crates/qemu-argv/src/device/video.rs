//! `<video>`: video cards.

mod historic;

mod check;

use caps_parser::Capability;
use domain_model::device::video::{Resolution, VgaConf, Video, VideoBackend, VideoModel, VideoType};
use domain_model::xml::text::YesNo;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::{Era, VideoOption};
use crate::host::FdRequest;
use crate::props::{Props, Value};
use crate::resolve::Resolving;
use crate::resolve::board::Board;
use crate::{address, virtio};

impl QemuDevice for Video {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("video{index}")
    }

    fn defaults(device: &mut Device<Self>, index: usize, cx: &Resolving<'_>, problems: &mut Vec<Diagnostic>) {
        if index > 0
            && let Some(model) = &mut device.spec.model
            && model.primary.take() == Some(YesNo::Yes)
        {
            let message = "one video card of a guest can be the primary one";
            problems.push(Diagnostic::error(Code::Unsupported, model.meta.at("@primary"), message));
        }
        if cx.dialect.era == Era::Historic {
            historic::defaults(device, cx);
            return;
        }
        let model = device.spec.model.get_or_insert_with(VideoModel::default);
        device.spec.vgaconf = device.spec.vgaconf.filter(|what| *what != VgaConf::Io);
        if model.kind.is_none() {
            model.kind = default_type(cx);
        }
        let Some(kind) = model.kind else {
            let message = "this QEMU has no video card that could be the default; name a type";
            problems.push(Diagnostic::error(Code::Unsupported, model.meta.origin, message));
            return;
        };
        if kind == VideoType::None {
            let meta = std::mem::take(&mut model.meta);
            *model = VideoModel { kind: Some(kind), meta, ..VideoModel::default() };
            return;
        }
        memory(kind, model);
        model.heads.get_or_insert(1);
        if index == 0 {
            model.primary = Some(YesNo::Yes);
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        if cx.dialect.era == Era::Modern {
            check::check(device, &mut Problems::new(cx, problems));
        }
        let is_none = device.spec.model.as_ref().and_then(|model| model.kind) == Some(VideoType::None);
        if is_none && cx.domain.devices.videos.len() > 1 {
            let message = "a guest with a video card of type `none` has no other";
            problems.push(Diagnostic::error(Code::Unsupported, device.at("model/@type"), message));
        }
    }

    fn section(cx: &Context<'_>, out: &mut Args) {
        if cx.domain.devices.videos.is_empty() && cx.dialect.video != VideoOption::Device {
            historic::none(cx, out);
        }
        cx.each::<Self>().for_each(|device| Self::args(&device, cx, out));
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        if cx.dialect.video != VideoOption::Device {
            historic::args(device, cx, out);
            return;
        }
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
            Some(VideoType::Ramfb) => plain("ramfb"),
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
            Some(VideoType::Virtio) if device.spec.backend == Some(VideoBackend::Vhostuser) => {
                let chardev = helper(device, out);
                let props = if primary && cx.has(Capability::VhostUserVga) {
                    Props::new("driver", "vhost-user-vga", device.origin)
                } else {
                    virtio::device("vhost-user-gpu", None, &device.spec.virtio, device, cx)
                };
                props
                    .set("id", device.alias)
                    .set_at("max_outputs", model.heads, device.at("model/@heads"))
                    .set_at("chardev", chardev, device.at("driver/@name"))
            }
            Some(VideoType::Virtio) => {
                let accelerated =
                    model.acceleration.as_ref().is_some_and(|options| options.accel3d == Some(YesNo::Yes));
                let name = match (primary && cx.has(Capability::VirtioVga), accelerated) {
                    (true, true) => "virtio-vga-gl",
                    (true, false) => "virtio-vga",
                    (false, true) => "virtio-gpu-gl",
                    (false, false) => "virtio-gpu",
                };
                let props = if name.starts_with("virtio-vga") {
                    let driver = Props::new("driver", name, device.origin);
                    virtio::options(driver, &device.spec.virtio, device)
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
        let props = match &model.resolution {
            Some(Resolution { x, y, meta }) => {
                props.set_at("xres", *x, meta.at("@x")).set_at("yres", *y, meta.at("@y"))
            }
            None => props,
        };
        out.props("-device", address::address(props, device.info, cx));
    }
}

/// Adds the connection to the program that draws, and gives its id.
fn helper(device: &Resolved<'_, Video>, out: &mut Args) -> String {
    let id = format!("chr-vu-{}", device.alias);
    let fd = FdRequest::Helper { device: device.alias.to_owned() };
    let origin = device.at("driver/@name");
    out.props("-chardev", Props::new("backend", "socket", origin).set("id", &id).set("fd", Value::Fd(fd)));
    id
}

/// The card a domain gets that does not say which.
fn default_type(cx: &Resolving<'_>) -> Option<VideoType> {
    match Board::of(&cx.domain) {
        Board::ArmVirt | Board::RiscvVirt | Board::LoongarchVirt | Board::S390Ccw => Some(VideoType::Virtio),
        Board::Pseries | Board::Ppc64 => Some(VideoType::Vga),
        _ if cx.inputs.has(Capability::CirrusVga) => Some(VideoType::Cirrus),
        _ if cx.inputs.has(Capability::VgaDevice) => Some(VideoType::Vga),
        _ => None,
    }
}

/// How much memory a card has of which nothing is said, or nothing that QEMU could do.
fn memory(kind: VideoType, model: &mut VideoModel) {
    // What is too large is refused.
    let round = |size: u32| size.checked_next_power_of_two().unwrap_or(size);
    let sized =
        |size: Option<u32>, default: Option<u32>| size.filter(|size| *size > 0).or(default).map(round);
    let vram = match kind {
        VideoType::Qxl => Some(65536),
        VideoType::Vga | VideoType::Cirrus | VideoType::Vmvga | VideoType::Bochs => Some(16384),
        _ => None,
    };
    model.vram = sized(model.vram, vram);
    if kind == VideoType::Qxl {
        model.ram = sized(model.ram, Some(65536));
        model.vgamem = model.vgamem.filter(|size| *size > 0).or(Some(16384));
    }
}

/// KiB to bytes.
pub(super) fn bytes(kib: Option<u32>) -> Option<u64> {
    kib.map(|kib| u64::from(kib) * 1024)
}
