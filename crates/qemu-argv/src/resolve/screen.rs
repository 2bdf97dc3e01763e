//! What a screen brings along: video card, and sound.

use std::num::NonZeroU32;

use domain_model::device::audio::{Audio, AudioBackend, SdlDriver, Streams};
use domain_model::device::graphics::Graphics;
use domain_model::device::video::Video;
use domain_model::xml::text::YesNo;
use domain_model::xml::{Tagged, Text};
use domain_model::{Device, Origin};

use super::Resolving;

/// Adds them.
pub(crate) fn devices(cx: &mut Resolving<'_>) {
    video(cx);
    audio(cx);
}

/// Somebody who looks at the screen needs a card that draws it.
fn video(cx: &mut Resolving<'_>) {
    let devices = &mut cx.domain.devices;
    // The card that shows the boot is the first one, wherever it was written.
    devices
        .videos
        .sort_by_key(|video| video.spec.model.as_ref().and_then(|model| model.primary) != Some(YesNo::Yes));
    if let Some(graphics) = devices.graphics.first()
        && devices.videos.is_empty()
    {
        let origin = graphics.meta.origin.implies("a screen that is shown needs a video card");
        devices.videos.push(Device::implied(Video::default(), origin));
    }
}

/// QEMU wants to know where sound goes, even if it goes nowhere.
fn audio(cx: &mut Resolving<'_>) {
    if !cx.domain.devices.audios.is_empty() {
        return;
    }
    let silent = || AudioBackend::None(Streams::default());
    let host = |allowed: bool| allowed.then(|| host_audio(cx)).flatten();
    let config = cx.inputs.config;
    let rule = "sound goes where the screen is shown, or nowhere";
    let graphics = &cx.domain.devices.graphics;
    let mut backend = graphics
        .is_empty()
        .then(|| (host(config.nogfx_allow_host_audio).unwrap_or_else(silent), Origin::always(rule)));
    for graphics in graphics {
        let origin = graphics.meta.origin.implies(rule);
        match graphics.spec {
            Graphics::Vnc(_) => {
                backend = Some((host(config.vnc_allow_host_audio).unwrap_or_else(silent), origin));
            }
            Graphics::Spice(_) => backend = Some((AudioBackend::Spice(Streams::default()), origin)),
            Graphics::Sdl(_) => backend = host(true).map(|audio| (audio, origin)).or(backend),
            _ => {}
        }
    }
    if let Some((backend, origin)) = backend {
        let audio = Audio { id: NonZeroU32::MIN, backend, timer_period: None };
        cx.domain.devices.audios.push(Device::implied(audio, origin));
    }
}

/// The sound system that QEMU itself would take from the caller's environment.
fn host_audio(cx: &Resolving<'_>) -> Option<AudioBackend> {
    let word = cx.inputs.host.env("QEMU_AUDIO_DRV")?;
    let tag = match word.as_str() {
        "pa" => "pulseaudio",
        "wav" => "file",
        other => other,
    };
    let mut backend = AudioBackend::from_tag(tag)?;
    if let AudioBackend::Sdl(sdl) = &mut backend {
        sdl.driver = cx.inputs.host.env("SDL_AUDIODRIVER").and_then(|word| SdlDriver::parse(&word).ok());
    }
    Some(backend)
}
