//! `<audio>`: where sound goes on the host.

mod stream;

use std::num::NonZeroU32;

use super::Family;
use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Tagged, Xml};

pub use stream::{
    AlsaStream, BufferedStream, JackStream, NamedStream, OssStream, PlainStream, SampleFormat, Settings,
    Stream, StreamKind, Streams,
};

words! {
    /// `driver` of an SDL `<audio>`.
    pub enum SdlDriver {
        /// The Enlightened Sound Daemon.
        Esd = "esd",
        /// ALSA.
        Alsa = "alsa",
        /// KDE's old aRts.
        Arts = "arts",
        /// PulseAudio.
        Pulseaudio = "pulseaudio",
    }
}

/// `<audio>`: where the sound of sound cards goes on the host; since libvirt 7.2.
///
/// ```
/// use domain_model::device::audio::AudioBackend;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices><audio id='1' type='alsa'>\
///     <output dev='default' voices='2'/></audio></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// let AudioBackend::Alsa(streams) = &devices.audios[0].spec.backend else { panic!() };
/// let output = streams.output.as_ref().unwrap();
/// assert_eq!(output.kind.dev.as_deref(), Some("default"));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// The number by which `<sound>` and `<graphics>` refer to it.
    pub id: NonZeroU32,
    /// Which sound system it is, and what to tell it.
    pub backend: AudioBackend,
    /// Microseconds between two looks at the sound system's buffers.
    pub timer_period: Option<NonZeroU32>,
}

impl Default for Audio {
    fn default() -> Self {
        Audio { id: NonZeroU32::MIN, backend: AudioBackend::default(), timer_period: None }
    }
}

/// `type` of `<audio>`: the sound system.
#[derive(Debug, Clone, PartialEq)]
pub enum AudioBackend {
    /// Sound is thrown away.
    None(Streams<PlainStream>),
    /// ALSA.
    Alsa(Streams<AlsaStream>),
    /// macOS.
    Coreaudio(Streams<BufferedStream>),
    /// JACK.
    Jack(Streams<JackStream>),
    /// The Open Sound System.
    Oss(Oss),
    /// PulseAudio.
    Pulseaudio(Pulseaudio),
    /// SDL.
    Sdl(Sdl),
    /// The Spice client.
    Spice(Streams<PlainStream>),
    /// A WAV file.
    File(File),
    /// The client of a D-Bus display; since libvirt 8.4.
    Dbus(Streams<PlainStream>),
    /// PipeWire; since libvirt 9.10.
    Pipewire(Pipewire),
}

impl Default for AudioBackend {
    fn default() -> Self {
        AudioBackend::None(Streams::default())
    }
}

/// The Open Sound System; since libvirt 6.7.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Oss {
    /// Whether the device's memory is mapped where it can be.
    pub try_mmap: Option<YesNo>,
    /// Whether nobody else may use the device.
    pub exclusive: Option<YesNo>,
    /// The trade between latency and load, from 0 to 10.
    pub dsp_policy: Option<u32>,
    /// Recording and playback.
    pub streams: Streams<OssStream>,
}

/// PulseAudio; since libvirt 7.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pulseaudio {
    /// Where the server is.
    pub server_name: Option<String>,
    /// Recording and playback.
    pub streams: Streams<NamedStream>,
}

/// SDL; since libvirt 7.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sdl {
    /// What SDL uses.
    pub driver: Option<SdlDriver>,
    /// Recording and playback.
    pub streams: Streams<BufferedStream>,
}

/// A WAV file; since libvirt 7.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct File {
    /// Path of the file.
    pub path: Option<String>,
    /// Recording and playback.
    pub streams: Streams<PlainStream>,
}

/// PipeWire.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pipewire {
    /// The folder with the server's socket.
    pub runtime_dir: Option<String>,
    /// Recording and playback.
    pub streams: Streams<NamedStream>,
}

impl Tagged for AudioBackend {
    const TAGS: &'static [&'static str] = &[
        "none",
        "alsa",
        "coreaudio",
        "jack",
        "oss",
        "pulseaudio",
        "sdl",
        "spice",
        "file",
        "dbus",
        "pipewire",
    ];

    fn tag(&self) -> &'static str {
        match self {
            AudioBackend::None(_) => "none",
            AudioBackend::Alsa(_) => "alsa",
            AudioBackend::Coreaudio(_) => "coreaudio",
            AudioBackend::Jack(_) => "jack",
            AudioBackend::Oss(_) => "oss",
            AudioBackend::Pulseaudio(_) => "pulseaudio",
            AudioBackend::Sdl(_) => "sdl",
            AudioBackend::Spice(_) => "spice",
            AudioBackend::File(_) => "file",
            AudioBackend::Dbus(_) => "dbus",
            AudioBackend::Pipewire(_) => "pipewire",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "none" => AudioBackend::None(Streams::default()),
            "alsa" => AudioBackend::Alsa(Streams::default()),
            "coreaudio" => AudioBackend::Coreaudio(Streams::default()),
            "jack" => AudioBackend::Jack(Streams::default()),
            "oss" => AudioBackend::Oss(Oss::default()),
            "pulseaudio" => AudioBackend::Pulseaudio(Pulseaudio::default()),
            "sdl" => AudioBackend::Sdl(Sdl::default()),
            "spice" => AudioBackend::Spice(Streams::default()),
            "file" => AudioBackend::File(File::default()),
            "dbus" => AudioBackend::Dbus(Streams::default()),
            "pipewire" => AudioBackend::Pipewire(Pipewire::default()),
            _ => return None,
        })
    }
}

impl Family for Audio {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("id", &mut self.id);
        xml.required_tag("type", &mut self.backend);
        xml.attribute("timerPeriod", &mut self.timer_period);
        match &mut self.backend {
            AudioBackend::Alsa(streams) => streams.describe(xml),
            AudioBackend::Coreaudio(streams) => streams.describe(xml),
            AudioBackend::Jack(streams) => streams.describe(xml),
            AudioBackend::Oss(oss) => {
                xml.attribute("tryMMap", &mut oss.try_mmap);
                xml.attribute("exclusive", &mut oss.exclusive);
                xml.attribute("dspPolicy", &mut oss.dsp_policy);
                oss.streams.describe(xml);
            }
            AudioBackend::Pulseaudio(pulseaudio) => {
                xml.attribute("serverName", &mut pulseaudio.server_name);
                pulseaudio.streams.describe(xml);
            }
            AudioBackend::Sdl(sdl) => {
                xml.attribute("driver", &mut sdl.driver);
                sdl.streams.describe(xml);
            }
            AudioBackend::None(streams) | AudioBackend::Spice(streams) | AudioBackend::Dbus(streams) => {
                streams.describe(xml);
            }
            AudioBackend::File(file) => {
                xml.attribute("path", &mut file.path);
                file.streams.describe(xml);
            }
            AudioBackend::Pipewire(pipewire) => {
                xml.attribute("runtimeDir", &mut pipewire.runtime_dir);
                pipewire.streams.describe(xml);
            }
        }
    }
}
