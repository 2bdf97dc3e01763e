//! `<sound>`: sound cards.

use std::num::NonZeroU32;

use super::Family;
use crate::virtio::VirtioOptions;
use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Xml};

words! {
    /// `model` of `<sound>`.
    #[derive(Default)]
    pub enum SoundModel {
        /// Creative's Sound Blaster 16, on the ISA bus.
        Sb16 = "sb16",
        /// Ensoniq's AudioPCI.
        Es1370 = "es1370",
        /// The PC speaker.
        Pcspk = "pcspk",
        /// Intel's 82801AA with an AC97 codec; since libvirt 0.6.
        Ac97 = "ac97",
        /// Intel HD Audio of the ICH6 chipset; since libvirt 0.8.8.
        #[default]
        Ich6 = "ich6",
        /// Intel HD Audio of the ICH9 chipset; since libvirt 1.1.3.
        Ich9 = "ich9",
        /// USB audio; since libvirt 1.2.8.
        Usb = "usb",
        /// Intel's 82801 of the ICH7 chipset, on bhyve; since libvirt 6.7.
        Ich7 = "ich7",
        /// Virtio; since libvirt 10.4.
        Virtio = "virtio",
    }

    /// `type` of `<codec>`.
    pub enum CodecType: UnknownWord {
        /// Line-in and line-out.
        Duplex = "duplex",
        /// Microphone and speaker.
        Micro = "micro",
        /// Line-out only; since libvirt 4.4.
        Output = "output",
    }
}

/// `<sound>`: a sound card; since libvirt 0.4.3.
///
/// ```
/// use domain_model::device::sound::SoundModel;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <sound model='ich9'><codec type='micro'/><audio id='1'/></sound></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// let sound = &devices.sounds[0].spec;
/// assert_eq!((sound.model, sound.codecs.len()), (SoundModel::Ich9, 1));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sound {
    /// Which card it is.
    pub model: SoundModel,
    /// USB: whether there are more than two channels; since libvirt 9.4.
    pub multichannel: Option<YesNo>,
    /// Virtio: number of streams; others have none. Since libvirt 10.4.
    pub streams: Option<NonZeroU32>,
    /// HD Audio: the codecs behind the card; since libvirt 0.9.13.
    pub codecs: Vec<Codec>,
    /// `<audio id=…>`: which `<audio>` plays and records the sound; since libvirt 7.2.
    pub audio: Option<NonZeroU32>,
    /// What all virtio devices share; for the virtio card; since libvirt 3.5.
    pub virtio: VirtioOptions,
}

impl Family for Sound {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("model", &mut self.model);
        xml.attribute("streams", &mut self.streams);
        match self.model {
            SoundModel::Usb => xml.attribute("multichannel", &mut self.multichannel),
            SoundModel::Ich6 | SoundModel::Ich9 => xml.children("codec", &mut self.codecs),
            SoundModel::Sb16
            | SoundModel::Es1370
            | SoundModel::Pcspk
            | SoundModel::Ac97
            | SoundModel::Ich7
            | SoundModel::Virtio => {}
        }
        xml.nested("audio", |xml| xml.needed("id", &mut self.audio));
    }

    fn describe_rest<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("driver", |xml| self.virtio.describe(xml));
    }
}

/// `<codec>`: a codec of an HD Audio card; since libvirt 0.9.13.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Codec {
    /// What it connects.
    pub kind: Option<CodecType>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Codec {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.blamed_as(crate::Code::UnknownWord, |xml| xml.needed("type", &mut self.kind));
    }
}
