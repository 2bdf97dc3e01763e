//! `<input>` and `<output>` of `<audio>`: recording and playback.

use std::num::NonZeroU32;

use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `format` of `<settings>`: how one sample is stored.
    pub enum SampleFormat {
        /// Signed, 8 bits.
        S8 = "s8",
        /// Unsigned, 8 bits.
        U8 = "u8",
        /// Signed, 16 bits.
        S16 = "s16",
        /// Unsigned, 16 bits.
        U16 = "u16",
        /// Signed, 32 bits.
        S32 = "s32",
        /// Unsigned, 32 bits.
        U32 = "u32",
        /// Floating point, 32 bits.
        F32 = "f32",
    }
}

/// Recording and playback of one sound system; since libvirt 7.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Streams<K> {
    /// `<input>`: recording.
    pub input: Option<Stream<K>>,
    /// `<output>`: playback.
    pub output: Option<Stream<K>>,
}

impl<K: StreamKind> Streams<K> {
    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.child("input", &mut self.input);
        xml.child("output", &mut self.output);
    }
}

/// `<input>` or `<output>`: one direction of the sound; since libvirt 7.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stream<K> {
    /// Whether QEMU mixes the sound of several cards.
    pub mixing_engine: Option<YesNo>,
    /// Whether the format is the one in `settings`, rather than the guest's; only with the mixing engine.
    pub fixed_settings: Option<YesNo>,
    /// Number of voices.
    pub voices: Option<NonZeroU32>,
    /// Length of the buffer in microseconds.
    pub buffer_length: Option<NonZeroU32>,
    /// What only this sound system has.
    pub kind: K,
    /// `<settings>`: the fixed format.
    pub settings: Option<Settings>,
    /// Where it was written.
    pub meta: Meta,
}

/// What a sound system says of one direction, apart from what all share.
pub trait StreamKind: Default + Clone {
    /// Names the attributes.
    fn describe<X: Xml>(&mut self, xml: &mut X);
}

impl<K: StreamKind> Element for Stream<K> {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("mixingEngine", &mut self.mixing_engine);
        xml.attribute("fixedSettings", &mut self.fixed_settings);
        xml.attribute("voices", &mut self.voices);
        xml.attribute("bufferLength", &mut self.buffer_length);
        self.kind.describe(xml);
        xml.child("settings", &mut self.settings);
        if !X::READS {
            return;
        }
        let is_fixed = self.fixed_settings == Some(YesNo::Yes);
        if is_fixed && self.mixing_engine != Some(YesNo::Yes) {
            let message = "`fixedSettings` needs `mixingEngine='yes'`";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at("@fixedSettings"), message));
        }
        if !is_fixed && self.settings.is_some() {
            let message = "`<settings>` needs `fixedSettings='yes'`";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at("settings"), message));
        }
        // libvirt writes an empty one where nothing is chosen.
        if is_fixed {
            self.settings.get_or_insert_default();
        }
    }
}

/// `<settings>`: the format of the sound; since libvirt 7.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Samples a second.
    pub frequency: Option<NonZeroU32>,
    /// Number of channels.
    pub channels: Option<NonZeroU32>,
    /// How one sample is stored.
    pub format: Option<SampleFormat>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Settings {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("frequency", &mut self.frequency);
        xml.attribute("channels", &mut self.channels);
        xml.attribute("format", &mut self.format);
    }
}

/// Spice, D-Bus, files and silence: nothing of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlainStream;

impl StreamKind for PlainStream {
    fn describe<X: Xml>(&mut self, _: &mut X) {}
}

/// ALSA; since libvirt 7.2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlsaStream {
    /// The ALSA device.
    pub dev: Option<String>,
}

impl StreamKind for AlsaStream {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("dev", &mut self.dev);
    }
}

/// CoreAudio and SDL; since libvirt 7.2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BufferedStream {
    /// Number of buffers.
    pub buffer_count: Option<u32>,
}

impl StreamKind for BufferedStream {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("bufferCount", &mut self.buffer_count);
    }
}

/// JACK; since libvirt 7.2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JackStream {
    /// The server to connect to.
    pub server_name: Option<String>,
    /// What the client is called.
    pub client_name: Option<String>,
    /// The ports to connect to, as a regular expression.
    pub connect_ports: Option<String>,
    /// Whether it is an error if the client's name is taken.
    pub exact_name: Option<YesNo>,
}

impl StreamKind for JackStream {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("serverName", &mut self.server_name);
        xml.attribute("clientName", &mut self.client_name);
        xml.attribute("connectPorts", &mut self.connect_ports);
        xml.attribute("exactName", &mut self.exact_name);
    }
}

/// The Open Sound System; since libvirt 6.7.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OssStream {
    /// Path of the device.
    pub dev: Option<String>,
    /// Number of buffers.
    pub buffer_count: Option<u32>,
    /// Whether the device is waited for rather than looked at now and then.
    pub try_poll: Option<YesNo>,
}

impl StreamKind for OssStream {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("dev", &mut self.dev);
        xml.attribute("bufferCount", &mut self.buffer_count);
        xml.attribute("tryPoll", &mut self.try_poll);
    }
}

/// PulseAudio and PipeWire; since libvirt 7.2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedStream {
    /// The sink or source.
    pub name: Option<String>,
    /// What the stream is called.
    pub stream_name: Option<String>,
    /// The latency wished for, in microseconds.
    pub latency: Option<u32>,
}

impl StreamKind for NamedStream {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("name", &mut self.name);
        xml.attribute("streamName", &mut self.stream_name);
        xml.attribute("latency", &mut self.latency);
    }
}
