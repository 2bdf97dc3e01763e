//! What cannot work of ways to see the screen.

use caps_parser::Capability;
use domain_model::device::audio::AudioBackend;
use domain_model::device::graphics::{Dbus, Graphics, ListenKind};
use domain_model::xml::Tagged;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic};

use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Resolved};

/// The longest password that VNC's own way to log in has room for, in bytes.
const VNC_PASSWORD: usize = 8;

/// Refuses what libvirt refuses only when the guest is started.
pub(super) fn started(device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) {
    let mut refuse = |code, path, message: String| {
        out.problem(Diagnostic::error(code, device.at(path), message));
    };
    let kind = std::mem::discriminant(device.spec);
    let mut earlier = cx.domain.devices.graphics.iter().take(device.index);
    if earlier.any(|other| std::mem::discriminant(&other.spec) == kind) {
        let message = format!("there is a `<graphics>` of type `{}` already", device.spec.tag());
        refuse(Code::Unsupported, "@type", message);
    }
    if device.spec.listens().len() > 1 {
        refuse(Code::Unsupported, "listen", "QEMU's servers listen at one place only".to_owned());
    }
    if let Graphics::Dbus(Dbus { audio: Some(id), .. }) = device.spec
        && !cx.domain.devices.audios.iter().any(|audio| audio.spec.id == *id)
    {
        refuse(Code::Malformed, "audio/@id", format!("the domain has no `<audio>` with the number {id}"));
    }
}

/// Reports what a server cannot do, or this QEMU not with it.
pub(super) fn check(device: &Resolved<'_, Graphics>, out: &mut Problems<'_>) {
    let at = |path| device.at(path);
    for listen in device.spec.listens() {
        if let ListenKind::Network { network: None, .. } = &listen.kind {
            let message = "`<listen type='network'>` needs the attribute `network`";
            out.refuse(Code::MissingAttribute, listen.meta.origin, message);
        }
        if matches!(device.spec, Graphics::Rdp(_))
            && matches!(listen.kind, ListenKind::Socket { .. } | ListenKind::None)
        {
            out.unsupported(listen.meta.at("@type"), "an RDP server listens at an address of the host");
        }
    }
    let graphics = &out.cx.domain.devices.graphics;
    let draws_alone = graphics.iter().any(|other| matches!(other.spec, Graphics::EglHeadless(_)));
    let can_show = matches!(device.spec, Graphics::EglHeadless(_) | Graphics::Vnc(_) | Graphics::Spice(_));
    if draws_alone && !can_show {
        let tag = device.spec.tag();
        let message = format!("`egl-headless` draws for `vnc` and `spice`, not for `{tag}`");
        out.unsupported(at("@type"), message);
    }
    match device.spec {
        Graphics::Vnc(vnc) => {
            if vnc.power_control.is_some() {
                out.requires(Capability::VncPowerControl, "powerControl=", at("@powerControl"));
            }
            if let Some(length) =
                vnc.password.passwd.as_ref().map(String::len).filter(|length| *length > VNC_PASSWORD)
            {
                let message = format!("a VNC password has {VNC_PASSWORD} bytes at most, not {length}");
                out.unsupported(at("@passwd"), message);
            }
        }
        Graphics::Spice(spice) => {
            if spice.tls_port.is_some() && out.cx.is_libvirt() && !out.cx.config().spice_tls {
                out.unsupported(at("@tlsPort"), "the configuration has no TLS for Spice");
            }
            if spice.gl.enable == Some(YesNo::Yes) {
                out.requires(Capability::SpiceGl, "<gl enable='yes'>", at("gl/@enable"));
                if spice.gl.rendernode.is_some() {
                    out.requires(Capability::SpiceRendernode, "rendernode=", at("gl/@rendernode"));
                }
            }
        }
        Graphics::EglHeadless(gl) => {
            if gl.rendernode.is_some() {
                out.requires(Capability::EglHeadlessRendernode, "rendernode=", at("gl/@rendernode"));
            }
        }
        Graphics::Dbus(dbus) => {
            if dbus.p2p == Some(YesNo::Yes) && dbus.address.is_some() {
                let message = "a D-Bus screen is either at an address or for one program (`p2p`), not both";
                out.refuse(Code::Conflict, at("@address"), message);
            }
            let audios = &out.cx.domain.devices.audios;
            let audio = dbus.audio.and_then(|id| audios.iter().find(|audio| audio.spec.id == id));
            if audio.is_some_and(|audio| !matches!(audio.spec.backend, AudioBackend::Dbus(_))) {
                out.unsupported(at("audio/@id"), "sound goes with a D-Bus screen only if it goes over D-Bus");
            }
        }
        Graphics::Sdl(_) | Graphics::Rdp(_) | Graphics::Desktop(_) => {}
    }
}
