//! `<sound>`: sound cards.

use std::num::NonZeroU32;

use caps_parser::Capability;
use domain_model::device::audio::Audio;
use domain_model::device::sound::{CodecType, Sound, SoundModel};
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::{Devices, Era};
use crate::props::Props;
use crate::resolve::Resolving;
use crate::{address, virtio};

/// How many streams a virtio sound card has if nothing is said: playback and recording.
const STREAMS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

impl QemuDevice for Sound {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("sound{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, _: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        if device.spec.model == SoundModel::Virtio {
            device.spec.streams.get_or_insert(STREAMS);
        } else {
            device.spec.streams = None;
        }
    }

    fn section(cx: &Context<'_>, out: &mut Args) {
        match cx.dialect.devices {
            Devices::Options => soundhw(cx, out),
            Devices::Device => cx.each::<Self>().for_each(|device| Self::args(&device, cx, out)),
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        if cx.dialect.era == Era::Modern {
            check(device, &mut Problems::new(cx, problems));
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let audio = audiodev(device.spec.audio, cx);
        let audio_at = device.at("audio/@id");
        let model_at = device.at("@model");
        let plain = |driver: &str| Props::new("driver", driver, device.origin).set("id", device.alias);
        let props = match device.spec.model {
            SoundModel::Pcspk if cx.dialect.era == Era::Historic => {
                out.text("-soundhw", "pcspk", model_at);
                return;
            }
            // The machine has it, and its property says where the sound goes.
            SoundModel::Pcspk => return,
            SoundModel::Ich6 | SoundModel::Ich9 => {
                let ich6 = device.spec.model == SoundModel::Ich6;
                plain(if ich6 { "intel-hda" } else { "ich9-intel-hda" })
            }
            SoundModel::Es1370 => plain("ES1370").set_at("audiodev", audio.clone(), audio_at),
            SoundModel::Ac97 => plain("AC97").set_at("audiodev", audio.clone(), audio_at),
            SoundModel::Sb16 => plain("sb16").set_at("audiodev", audio.clone(), audio_at),
            SoundModel::Usb => plain("usb-audio").set_at("audiodev", audio.clone(), audio_at).set_at(
                "multi",
                device.spec.multichannel,
                device.at("@multichannel"),
            ),
            SoundModel::Virtio => {
                let streams = device.spec.streams.map(NonZeroU32::get);
                virtio::device("virtio-sound", None, &device.spec.virtio, device, cx)
                    .set("id", device.alias)
                    .set_at("audiodev", audio.clone(), audio_at)
                    .set_at("streams", streams, device.at("@streams"))
            }
            // Checked before.
            SoundModel::Ich7 => return,
        };
        out.props("-device", address::address(props, device.info, cx));
        if matches!(device.spec.model, SoundModel::Ich6 | SoundModel::Ich9) {
            codecs(device, audio.as_deref(), out);
            if cx.dialect.era == Era::Historic {
                out.needing(Capability::HdaDuplex);
            }
        }
    }
}

/// Reports cards that QEMU does not have, or this one not.
fn check(device: &Resolved<'_, Sound>, out: &mut Problems<'_>) {
    let sound = device.spec;
    let model = sound.model;
    let needed = match model {
        SoundModel::Usb => Some(Capability::UsbAudio),
        SoundModel::Ich9 => Some(Capability::Ich9IntelHda),
        SoundModel::Virtio => Some(Capability::VirtioSound),
        SoundModel::Ich7 => {
            let message = "QEMU has no sound card of the model `ich7`; `ich6` and `ich9` are alike";
            out.refuse(Code::Malformed, device.at("@model"), message);
            None
        }
        _ => None,
    };
    if let Some(needed) = needed {
        out.requires(needed, &format!("<sound model='{model}'>"), device.at("@model"));
    }
    for codec in &sound.codecs {
        let needed = match codec.kind {
            // Every QEMU with the card has it.
            Some(CodecType::Duplex) | None => continue,
            Some(CodecType::Micro) => Capability::HdaMicro,
            Some(CodecType::Output) => Capability::HdaOutput,
        };
        out.requires(needed, "<codec>", codec.meta.at("@type"));
    }
}

/// All cards of a QEMU without `-device` in one option.
fn soundhw(cx: &Context<'_>, out: &mut Args) {
    let mut words = Vec::new();
    let mut origin = None;
    for device in cx.each::<Sound>() {
        let model = device.spec.model;
        if !matches!(model, SoundModel::Pcspk | SoundModel::Sb16 | SoundModel::Es1370 | SoundModel::Ac97) {
            let message = format!("{} has no sound card of model `{model}`", cx.inputs.qemu());
            out.problem(Diagnostic::error(Code::Unsupported, device.at("@model"), message));
        }
        origin.get_or_insert(device.origin);
        words.push(model.as_str());
    }
    if let Some(origin) = origin {
        out.text("-soundhw", words.join(","), origin);
    }
}

/// Adds the codecs behind an HD Audio card; one that plays and records if nothing is said.
fn codecs(device: &Resolved<'_, Sound>, audio: Option<&str>, out: &mut Args) {
    let written = device.spec.codecs.iter().map(|codec| (codec.kind, codec.meta.at("@type")));
    let implied = device.origin.implies("an HD Audio card without codecs has one that plays and records");
    let missing = device.spec.codecs.is_empty().then_some((None, implied));
    for (cad, (kind, origin)) in written.chain(missing).enumerate() {
        let driver = match kind {
            Some(CodecType::Duplex) | None => "hda-duplex",
            Some(CodecType::Micro) => "hda-micro",
            Some(CodecType::Output) => "hda-output",
        };
        out.props(
            "-device",
            Props::new("driver", driver, origin)
                .set("id", format!("{}-codec{cad}", device.alias))
                .set("bus", format!("{}.0", device.alias))
                .set("cad", cad)
                .set_at("audiodev", audio, device.at("audio/@id")),
        );
    }
}

/// QEMU's id of the `<audio>` with a number, or of the first if there is no number.
pub(crate) fn audiodev(id: Option<NonZeroU32>, cx: &Context<'_>) -> Option<String> {
    let mut audios = cx.each::<Audio>();
    audios.find(|audio| id.is_none_or(|id| audio.spec.id == id)).map(|audio| audio.alias.to_owned())
}
