//! `<audio>`: where sound goes on the host, `-audiodev`.

use std::num::NonZeroU32;

use caps_parser::Capability;
use domain_model::device::audio::{
    AlsaStream, Audio, AudioBackend, BufferedStream, JackStream, NamedStream, OssStream, PlainStream, Stream,
    Streams,
};
use domain_model::{Device, Diagnostic, Domain, Origin};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;

impl QemuDevice for Audio {
    fn alias(device: &Device<Self>, _: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("audio{}", device.spec.id)
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let out = &mut Problems::new(cx, problems);
        let origin = device.at("@type");
        match &device.spec.backend {
            AudioBackend::Spice(_) if !super::has_spice(cx.domain) => {
                out.unsupported(origin, "sound goes over Spice only with `<graphics type='spice'>`");
            }
            AudioBackend::Dbus(_) => out.requires(Capability::DisplayDbus, "<audio type='dbus'>", origin),
            _ => {}
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let backend = &device.spec.backend;
        let period = device.spec.timer_period.map(NonZeroU32::get);
        let props = Props::plain(device.origin)
            .set("id", device.alias)
            .set_at("driver", driver(backend), device.at("@type"))
            .set_at("timer-period", period, device.at("@timerPeriod"));
        let props = match backend {
            AudioBackend::None(both) | AudioBackend::Spice(both) | AudioBackend::Dbus(both) => {
                streams(props, both)
            }
            AudioBackend::Alsa(both) => streams(props, both),
            AudioBackend::Coreaudio(both) => streams(props, both),
            AudioBackend::Jack(both) => streams(props, both),
            AudioBackend::Oss(oss) => {
                let props = props
                    .set_at("try-mmap", oss.try_mmap, device.at("@tryMMap"))
                    .set_at("exclusive", oss.exclusive, device.at("@exclusive"))
                    .set_at("dsp-policy", oss.dsp_policy, device.at("@dspPolicy"));
                streams(props, &oss.streams)
            }
            AudioBackend::Pulseaudio(pulse) => {
                let props = props.set_at("server", pulse.server_name.clone(), device.at("@serverName"));
                streams(props, &pulse.streams)
            }
            AudioBackend::Sdl(sdl) => {
                if let Some(driver) = sdl.driver {
                    out.env("SDL_AUDIODRIVER", driver.as_str(), device.at("@driver"));
                }
                streams(props, &sdl.streams)
            }
            AudioBackend::File(file) => {
                streams(props.set_at("path", file.path.clone(), device.at("@path")), &file.streams)
            }
            AudioBackend::Pipewire(pipewire) => {
                // A small, known environment needs to be told where the server is.
                let inherited = cx.is_libvirt().then(|| cx.inputs.host.env("PIPEWIRE_RUNTIME_DIR")).flatten();
                if let Some(folder) = pipewire.runtime_dir.clone().or(inherited) {
                    out.env("PIPEWIRE_RUNTIME_DIR", folder, device.at("@runtimeDir"));
                }
                streams(props, &pipewire.streams)
            }
        };
        out.props("-audiodev", props);
    }
}

/// QEMU's word for a sound system.
fn driver(backend: &AudioBackend) -> &'static str {
    match backend {
        AudioBackend::None(_) => "none",
        AudioBackend::Alsa(_) => "alsa",
        AudioBackend::Coreaudio(_) => "coreaudio",
        AudioBackend::Jack(_) => "jack",
        AudioBackend::Oss(_) => "oss",
        AudioBackend::Pulseaudio(_) => "pa",
        AudioBackend::Sdl(_) => "sdl",
        AudioBackend::Spice(_) => "spice",
        AudioBackend::File(_) => "wav",
        AudioBackend::Dbus(_) => "dbus",
        AudioBackend::Pipewire(_) => "pipewire",
    }
}

/// Adds what is said of recording and playback.
fn streams<K: QemuStream>(props: Props, streams: &Streams<K>) -> Props {
    let [input, output] = [&streams.input, &streams.output].map(|stream| stream.as_ref().map(stream_props));
    let is_empty = |props: &Props| props.items().is_empty();
    props
        .set("in", input.filter(|props| !is_empty(props)))
        .set("out", output.filter(|props| !is_empty(props)))
}

/// One direction of the sound.
fn stream_props<K: QemuStream>(stream: &Stream<K>) -> Props {
    let at = |path| stream.meta.at(path);
    let settings = stream.settings.as_ref();
    let number = |value: Option<NonZeroU32>| value.map(NonZeroU32::get);
    let props = Props::plain(stream.meta.origin)
        .set_at("mixing-engine", stream.mixing_engine, at("@mixingEngine"))
        .set_at("fixed-settings", stream.fixed_settings, at("@fixedSettings"))
        .set_at("voices", number(stream.voices), at("@voices"))
        .set_at("buffer-length", number(stream.buffer_length), at("@bufferLength"))
        .set_at(
            "frequency",
            number(settings.and_then(|settings| settings.frequency)),
            at("settings/@frequency"),
        )
        .set_at("channels", number(settings.and_then(|settings| settings.channels)), at("settings/@channels"))
        .set_at(
            "format",
            settings.and_then(|settings| settings.format).map(|format| format.as_str()),
            at("settings/@format"),
        );
    stream.kind.add(props, at)
}

/// What only one sound system says of one direction.
trait QemuStream: Sized {
    /// Adds it; `at` gives origins below the direction's element.
    fn add(&self, props: Props, at: impl Fn(&'static str) -> Origin) -> Props;
}

impl QemuStream for PlainStream {
    fn add(&self, props: Props, _: impl Fn(&'static str) -> Origin) -> Props {
        props
    }
}

impl QemuStream for AlsaStream {
    fn add(&self, props: Props, at: impl Fn(&'static str) -> Origin) -> Props {
        props.set_at("dev", self.dev.clone(), at("@dev"))
    }
}

impl QemuStream for BufferedStream {
    fn add(&self, props: Props, at: impl Fn(&'static str) -> Origin) -> Props {
        props.set_at("buffer-count", self.buffer_count, at("@bufferCount"))
    }
}

impl QemuStream for JackStream {
    fn add(&self, props: Props, at: impl Fn(&'static str) -> Origin) -> Props {
        props
            .set_at("server-name", self.server_name.clone(), at("@serverName"))
            .set_at("client-name", self.client_name.clone(), at("@clientName"))
            .set_at("connect-ports", self.connect_ports.clone(), at("@connectPorts"))
            .set_at("exact-name", self.exact_name, at("@exactName"))
    }
}

impl QemuStream for OssStream {
    fn add(&self, props: Props, at: impl Fn(&'static str) -> Origin) -> Props {
        props
            .set_at("dev", self.dev.clone(), at("@dev"))
            .set_at("buffer-count", self.buffer_count, at("@bufferCount"))
            .set_at("try-poll", self.try_poll, at("@tryPoll"))
    }
}

impl QemuStream for NamedStream {
    fn add(&self, props: Props, at: impl Fn(&'static str) -> Origin) -> Props {
        props
            .set_at("name", self.name.clone(), at("@name"))
            .set_at("stream-name", self.stream_name.clone(), at("@streamName"))
            .set_at("latency", self.latency, at("@latency"))
    }
}
