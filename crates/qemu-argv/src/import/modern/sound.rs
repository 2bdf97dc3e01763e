//! Sound cards and where the sound goes.

use std::num::NonZeroU32;

use domain_model::device::audio::Streams;
use domain_model::device::audio::{Audio, AudioBackend, File, Pipewire, Pulseaudio, Sdl};
use domain_model::device::sound::{Codec, CodecType, Sound, SoundModel};
use domain_model::xml::text::YesNo;

use super::disk::virtio_options;
use super::{Build, Frontend, usb, virtio};
use crate::import::pairs::Pairs;

/// `-audiodev`.
pub(super) fn read(build: &mut Build<'_, '_, '_>) {
    for (_, option) in build.named(&["audiodev"]) {
        let Some(pairs) = &option.pairs else { continue };
        let Some(backend) = backend(pairs) else { continue };
        let Some(id) = pairs.take("id") else { continue };
        if !pairs.is_spent() {
            continue;
        }
        // libvirt calls them `audio1` and so on.
        let own = id.strip_prefix("audio").and_then(|number| number.parse::<NonZeroU32>().ok());
        let used: Vec<NonZeroU32> = build.audios.values().copied().collect();
        let free = (1..u32::MAX).filter_map(NonZeroU32::new).find(|number| !used.contains(number));
        let Some(number) = own.filter(|number| !used.contains(number)).or(free) else { continue };
        build.audios.insert(id.to_owned(), number);
        option.take();
        build.add(Audio { id: number, backend, ..Audio::default() }, option.origin, None);
    }
    // The speaker of a PC is a part of the machine.
    for (_, option) in build.named(&["machine", "M"]) {
        let Some(pairs) = &option.pairs else { continue };
        if let Some(audio) = pairs.peek("pcspk-audiodev").and_then(|id| build.audios.get(id)).copied() {
            pairs.take("pcspk-audiodev");
            let spec = Sound { model: SoundModel::Pcspk, audio: Some(audio), ..Sound::default() };
            build.add(spec, option.origin, None);
        }
    }
}

fn backend(pairs: &Pairs) -> Option<AudioBackend> {
    let text = |key: &str| pairs.take(key).map(str::to_owned);
    Some(match pairs.take("driver")? {
        "none" => AudioBackend::None(Streams::default()),
        "alsa" => AudioBackend::Alsa(Streams::default()),
        "coreaudio" => AudioBackend::Coreaudio(Streams::default()),
        "jack" => AudioBackend::Jack(Streams::default()),
        "pa" => AudioBackend::Pulseaudio(Pulseaudio { server_name: text("server"), ..Pulseaudio::default() }),
        "pipewire" => AudioBackend::Pipewire(Pipewire::default()),
        "sdl" => AudioBackend::Sdl(Sdl::default()),
        "spice" => AudioBackend::Spice(Streams::default()),
        "dbus" => AudioBackend::Dbus(Streams::default()),
        "wav" => AudioBackend::File(File { path: text("path"), ..File::default() }),
        _ => return None,
    })
}

/// The audio of a device; `Err` if it is not one of the domain's.
fn audio(pairs: &Pairs, build: &Build<'_, '_, '_>) -> Result<Option<NonZeroU32>, ()> {
    match pairs.take("audiodev") {
        None => Ok(None),
        Some(id) => build.audios.get(id).copied().map(Some).ok_or(()),
    }
}

/// Sound cards of `-device`.
pub(super) fn device<'o>(driver: &str, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let model = match driver {
        "intel-hda" => SoundModel::Ich6,
        "ich9-intel-hda" => SoundModel::Ich9,
        "AC97" | "ac97" => SoundModel::Ac97,
        "ES1370" | "es1370" => SoundModel::Es1370,
        "sb16" => SoundModel::Sb16,
        "usb-audio" => SoundModel::Usb,
        _ if virtio(driver, "virtio-sound").is_some() => SoundModel::Virtio,
        "hda-duplex" | "hda-micro" | "hda-output" => return codec(driver, frontend, build),
        _ => return None,
    };
    let id = pairs.peek("id").map(str::to_owned);
    let info = match model {
        SoundModel::Usb => usb::info(frontend, build)?,
        SoundModel::Sb16 => build.info(frontend),
        _ => build.pci_info(frontend)?,
    };
    let mut spec = Sound { model, audio: audio(pairs, build).ok()?, ..Sound::default() };
    match model {
        SoundModel::Usb => spec.multichannel = pairs.switch("multi").map(YesNo::from),
        SoundModel::Virtio => {
            spec.streams = pairs.small("streams").and_then(NonZeroU32::new);
            spec.virtio = virtio_options(pairs);
        }
        _ => {}
    }
    let index = u32::try_from(build.domain().devices.sounds.len()).ok()?;
    build.buses.insert(id.unwrap_or_default(), ("sound", index));
    build.push(frontend, spec, info)
}

/// A codec of an HD Audio card; it is told of with its card.
fn codec<'o>(driver: &str, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let kind = match driver {
        "hda-duplex" => CodecType::Duplex,
        "hda-micro" => CodecType::Micro,
        _ => CodecType::Output,
    };
    let is_card = |found: &&(&str, u32)| found.0 == "sound";
    let index = match pairs.take("bus") {
        Some(bus) => build.buses.get(bus.trim_end_matches(".0")).filter(is_card)?.1,
        None => build.buses.values().filter(is_card).map(|(_, index)| *index).max()?,
    };
    pairs.take("id");
    pairs.take("cad");
    let audio = audio(pairs, build).ok()?;
    if !pairs.is_spent() {
        return None;
    }
    let card = build.domain().devices.sounds.get_mut(usize::try_from(index).ok()?)?;
    card.spec.audio = card.spec.audio.or(audio);
    card.spec.codecs.push(Codec { kind: Some(kind), ..Codec::default() });
    Some(())
}
