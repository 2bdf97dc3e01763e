//! `<video>`: video cards.

use super::{DeviceInfo, Family};
use crate::virtio::VirtioOptions;
use crate::xml::text::{OnOff, YesNo};
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};
use crate::{values, words};

words! {
    /// `type` of `<model>`: which card it is.
    pub enum VideoType {
        /// A standard VGA card with VESA extensions.
        Vga = "vga",
        /// A Cirrus Logic card of the nineties.
        Cirrus = "cirrus",
        /// A card compatible with VMware's SVGA II.
        Vmvga = "vmvga",
        /// Xen's virtual frame buffer.
        Xen = "xen",
        /// VirtualBox's card.
        Vbox = "vbox",
        /// The paravirtual card that Spice is made for.
        Qxl = "qxl",
        /// Parallels' card.
        Parallels = "parallels",
        /// The virtio GPU; since libvirt 1.3.
        Virtio = "virtio",
        /// Hyper-V's card.
        Gop = "gop",
        /// No card, not even the one that guests get when nothing is said; since libvirt 4.6.
        None = "none",
        /// VGA without its legacy registers, for UEFI guests; since libvirt 5.6.
        Bochs = "bochs",
        /// A frame buffer in the guest's memory; since libvirt 5.9.
        Ramfb = "ramfb",
    }

    /// `name` of `<driver>`: which program is the card.
    pub enum VideoBackend {
        /// QEMU.
        Qemu = "qemu",
        /// A program of its own, over the vhost-user protocol; since libvirt 5.8.
        Vhostuser = "vhostuser",
    }

    /// `vgaconf` of `<driver>`: what of VGA a card on bhyve answers to.
    pub enum VgaConf {
        /// Registers only.
        Io = "io",
        /// Everything.
        On = "on",
        /// Nothing.
        Off = "off",
    }
}

/// `<video>`: a video card.
///
/// ```
/// use domain_model::device::video::VideoType;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <video><model type='virtio' heads='2'/></video></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// let model = devices.videos[0].spec.model.as_ref().unwrap();
/// assert_eq!((model.kind, model.heads), (Some(VideoType::Virtio), Some(2)));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Video {
    /// What all virtio devices share; for the virtio card.
    pub virtio: VirtioOptions,
    /// How much of VGA there is; since libvirt 3.5.
    pub vgaconf: Option<VgaConf>,
    /// Which program is the card; since libvirt 5.8.
    pub backend: Option<VideoBackend>,
    /// The card. Which one is taken without it depends on the machine.
    pub model: Option<VideoModel>,
}

impl Family for Video {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("driver", |xml| {
            self.virtio.describe(xml);
            xml.attribute("vgaconf", &mut self.vgaconf);
            xml.attribute("name", &mut self.backend);
        });
        xml.child("model", &mut self.model);
    }

    fn check<X: Xml>(&self, info: &DeviceInfo, xml: &mut X) {
        let is_ramfb = self.model.as_ref().and_then(|model| model.kind) == Some(VideoType::Ramfb);
        if is_ramfb && info.address.is_some() {
            let message = "a `ramfb` card is in the guest's memory and has no address";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at("address"), message));
        }
    }
}

/// `<model>`: which card it is, and its memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VideoModel {
    /// Which card it is.
    pub kind: Option<VideoType>,
    /// QXL: size of the primary memory bar in KiB; since libvirt 1.0.2.
    pub ram: Option<u32>,
    /// Video memory in KiB; for QXL the size of the secondary bar.
    pub vram: Option<u32>,
    /// QXL: size of the secondary bar in 64-bit address space, in KiB; since libvirt 1.3.3.
    pub vram64: Option<u32>,
    /// QXL: the part of `ram` that is the VGA frame buffer, in KiB; since libvirt 1.2.11.
    pub vgamem: Option<u32>,
    /// Number of screens.
    pub heads: Option<u32>,
    /// Whether this is the card the guest starts on; of several cards, one is; since libvirt 1.0.2.
    pub primary: Option<YesNo>,
    /// Whether the virtio GPU may share buffers with the guest without copying; since libvirt 9.2.
    pub blob: Option<OnOff>,
    /// `<acceleration>`: drawing with the host's GPU.
    pub acceleration: Option<Acceleration>,
    /// `<resolution>`: the smallest size of the screen; since libvirt 5.9.
    pub resolution: Option<Resolution>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for VideoModel {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        values::unless_default(xml, "type", &mut self.kind);
        xml.attribute("ram", &mut self.ram);
        xml.attribute("vram", &mut self.vram);
        xml.attribute("vram64", &mut self.vram64);
        xml.attribute("vgamem", &mut self.vgamem);
        xml.attribute("heads", &mut self.heads);
        xml.attribute("primary", &mut self.primary);
        xml.attribute("blob", &mut self.blob);
        xml.child("acceleration", &mut self.acceleration);
        xml.child("resolution", &mut self.resolution);
        if X::READS {
            self.check(xml);
        }
    }
}

impl VideoModel {
    fn check<X: Xml>(&self, xml: &mut X) {
        let Some(kind) = self.kind.filter(|kind| *kind != VideoType::Qxl) else { return };
        for (size, path, name) in [
            (self.ram, "@ram", "ram"),
            (self.vram64, "@vram64", "vram64"),
            (self.vgamem, "@vgamem", "vgamem"),
        ] {
            if size.is_some_and(|size| size > 0) {
                let message = format!("`{name}` is only for cards of the type `qxl`, not for `{kind}`");
                xml.report(Diagnostic::error(Code::Unsupported, xml.at(path), message));
            }
        }
    }
}

/// `<acceleration>`: drawing with the host's GPU.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Acceleration {
    /// Whether 3D drawing is accelerated; since libvirt 0.7.1.
    pub accel3d: Option<YesNo>,
    /// Whether 2D drawing is accelerated; since libvirt 0.7.1.
    pub accel2d: Option<YesNo>,
    /// Path of the host's render node, for vhost-user cards; since libvirt 5.8.
    pub rendernode: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Acceleration {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("accel3d", &mut self.accel3d);
        xml.attribute("accel2d", &mut self.accel2d);
        xml.attribute("rendernode", &mut self.rendernode);
        if X::READS && self.accel3d.is_none() && self.accel2d.is_none() && self.rendernode.is_none() {
            let message = "`<acceleration>` says nothing: `accel3d`, `accel2d` and `rendernode` are missing";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at(""), message));
        }
    }
}

/// `<resolution>`: the size of the screen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolution {
    /// Width in pixels.
    pub x: u32,
    /// Height in pixels.
    pub y: u32,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Resolution {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("x", &mut self.x);
        xml.required("y", &mut self.y);
    }
}
