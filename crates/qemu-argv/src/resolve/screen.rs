//! What a screen brings along: a video card, and a place for sound.

use std::num::NonZeroU32;

use domain_model::device::audio::{Audio, AudioBackend};
use domain_model::device::graphics::Graphics;
use domain_model::device::video::Video;
use domain_model::xml::text::YesNo;
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
    let devices = &mut cx.domain.devices;
    if !devices.audios.is_empty() {
        return;
    }
    let rule = "sound goes where the screen is shown, or nowhere";
    let mut backend = devices
        .graphics
        .is_empty()
        .then(|| (AudioBackend::None(domain_model::device::audio::Streams::default()), Origin::always(rule)));
    for graphics in &devices.graphics {
        let origin = graphics.meta.origin.implies(rule);
        match graphics.spec {
            Graphics::Vnc(_) => backend = Some((AudioBackend::None(Default::default()), origin)),
            Graphics::Spice(_) => backend = Some((AudioBackend::Spice(Default::default()), origin)),
            _ => {}
        }
    }
    if let Some((backend, origin)) = backend {
        let audio = Audio { id: NonZeroU32::MIN, backend, timer_period: None };
        devices.audios.push(Device::implied(audio, origin));
    }
}
