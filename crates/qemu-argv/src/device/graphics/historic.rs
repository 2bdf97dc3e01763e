//! `-vnc`, `-sdl` and `-spice` of QEMU 0.9 to 0.13.

use caps_parser::Capability;
use domain_model::device::graphics::{ChannelMode, Graphics, Sdl, Spice, Vnc};
use domain_model::xml::Tagged;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic, Origin};

use super::vnc::BASE;
use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::dialect::VncDisplay;
use crate::gate;
use crate::props::{Props, Value};

/// Adds what shows the screen, and tells QEMU where sound goes.
pub(super) fn args(device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) {
    if device.index > 0 {
        let message = "these QEMUs show the screen in one place only";
        out.problem(Diagnostic::error(Code::Unsupported, device.origin, message));
        return;
    }
    refuse(!device.spec.listens().is_empty(), "listen", device, out);
    match device.spec {
        Graphics::Vnc(server) => vnc(server, device, cx, out),
        Graphics::Sdl(window) => sdl(window, device, cx, out),
        Graphics::Spice(server) => spice(server, device, cx, out),
        other => {
            let message = format!("these QEMUs have no `<graphics>` of type `{}`", other.tag());
            out.problem(Diagnostic::error(Code::Unsupported, device.at("@type"), message));
        }
    }
}

fn vnc(vnc: &Vnc, device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) {
    let config = cx.config();
    for (path, is_said) in [
        ("@websocket", vnc.websocket.is_some()),
        ("@sharePolicy", vnc.share_policy.is_some()),
        ("@powerControl", vnc.power_control.is_some()),
        ("audio", vnc.audio.is_some()),
    ] {
        refuse(is_said, path, device, out);
    }
    let has_options = cx.dialect.vnc == VncDisplay::Address;
    let place = match (&vnc.socket, has_options) {
        (Some(socket), _) => format!("unix:{}", config.path(socket)),
        (None, true) => {
            let address = vnc.listen.as_deref().unwrap_or(&config.vnc_listen);
            let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            format!("{host}:{}", display(vnc, cx))
        }
        (None, false) => display(vnc, cx).to_string(),
    };
    let has_password = vnc.password.passwd.is_some() || config.vnc_password.is_some();
    password(has_password, device, cx, out);
    let mut props = Props::new("vnc", place, device.origin);
    let wants = has_password || vnc.listen.is_some() || config.vnc_tls || config.vnc_sasl;
    if wants && !has_options {
        let what = "-vnc with an address, a password or certificates";
        out.problem(gate::missing(Capability::VncColon, what, device.origin, cx.inputs.caps));
    }
    if has_options {
        let certificates = if config.vnc_tls_verify { "x509verify" } else { "x509" };
        props = props
            .set_at("password", has_password.then_some(Value::Flag), device.at("@passwd"))
            .set("tls", config.vnc_tls.then_some(Value::Flag))
            .set(certificates, config.vnc_tls.then_some(&config.vnc_tls_dir))
            .set("sasl", config.vnc_sasl.then_some(Value::Flag));
        if config.vnc_sasl
            && let Some(folder) = &config.vnc_sasl_dir
        {
            out.env("SASL_CONF_DIR", folder, device.origin);
        }
    }
    out.props("-vnc", props);
    keymap(vnc.keymap.as_deref(), device, out);
    match config.vnc_allow_host_audio {
        true => pass_on("QEMU_AUDIO_DRV", device.origin, cx, out),
        false => out.env("QEMU_AUDIO_DRV", "none", device.origin),
    }
}

/// The number of VNC's display; that of a port that nobody chose is the first that is free.
fn display(vnc: &Vnc, cx: &Context<'_>) -> i32 {
    let port = match vnc.port.filter(|port| *port > 0) {
        Some(port) if vnc.autoport != Some(YesNo::Yes) => port,
        _ => cx.inputs.host.free_port(BASE),
    };
    port.saturating_sub(BASE)
}

fn sdl(window: &Sdl, device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) {
    refuse(window.gl.is_some(), "gl", device, out);
    let has_option = cx.has(Capability::Sdl);
    if cx.has(Capability::Release010) && !has_option {
        let what = "<graphics type='sdl'>";
        out.problem(gate::missing(Capability::Sdl, what, device.at("@type"), cx.inputs.caps));
    }
    if let Some(xauth) = &window.xauth {
        out.env("XAUTHORITY", xauth, device.at("@xauth"));
    }
    if let Some(display) = &window.display {
        out.env("DISPLAY", display, device.at("@display"));
    }
    if window.fullscreen == Some(YesNo::Yes) {
        out.flag("-full-screen", device.at("@fullscreen"));
    }
    pass_on("QEMU_AUDIO_DRV", device.origin, cx, out);
    pass_on("SDL_AUDIODRIVER", device.origin, cx, out);
    // Before there was the option, a window was what QEMU opened by itself.
    if has_option {
        out.flag("-sdl", device.at("@type"));
    }
}

fn spice(spice: &Spice, device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) {
    let config = cx.config();
    for (path, is_said) in [
        ("@defaultMode", spice.default_mode.is_some()),
        ("mouse", spice.mouse.is_some()),
        ("clipboard", spice.clipboard.is_some()),
        ("filetransfer", spice.filetransfer.is_some()),
        ("gl", spice.gl.enable.is_some()),
    ] {
        refuse(is_said, path, device, out);
    }
    // A port that nobody chose is 0, which to QEMU is none.
    let tls_port = Some(spice.tls_port.unwrap_or(0)).filter(|port| config.spice_tls && *port != -1);
    let address = spice.listen.as_deref().unwrap_or(&config.spice_listen);
    let has_password = spice.password.passwd.is_some() || config.spice_password.is_some();
    password(has_password, device, cx, out);
    let port = match spice.port {
        Some(port) if port > 0 => port,
        _ => cx.inputs.host.free_port(BASE),
    };
    let mut props = Props::plain(device.origin)
        .set_at("port", port, device.at("@port"))
        .set_at("tls-port", tls_port, device.at("@tlsPort"))
        .set_at("addr", Some(address).filter(|address| !address.is_empty()), device.at("@listen"))
        .set_at("disable-ticketing", (!has_password).then_some(Value::Flag), device.at("@passwd"))
        .set("x509-dir", config.spice_tls.then_some(&config.spice_tls_dir));
    for channel in &spice.channels {
        let key = match channel.mode {
            ChannelMode::Any => continue,
            ChannelMode::Secure => "tls-channel",
            ChannelMode::Insecure => "plaintext-channel",
        };
        props = props.set_at(key, channel.name.as_str(), channel.meta.at("@mode"));
    }
    let props = super::spice::compression(props, spice, device);
    out.props("-spice", props);
    out.needing(Capability::Spice);
    keymap(spice.keymap.as_deref(), device, out);
    out.env("QEMU_AUDIO_DRV", "spice", device.origin);
}

fn refuse(is_said: bool, path: &'static str, device: &Resolved<'_, Graphics>, out: &mut Args) {
    if is_said {
        let what = path.trim_start_matches('@');
        let message = format!("these QEMUs have no `{what}` of `<graphics>`");
        out.problem(Diagnostic::error(Code::Unsupported, device.at(path), message));
    }
}

/// libvirt tells QEMU a password over its monitor, never on the command line. Nobody tells it a guest of our own,
/// and what is not told is a password that no client knows.
fn password(is_set: bool, device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) {
    if is_set && !cx.is_libvirt() {
        cx.not_yet("a password for a QEMU older than 6.0", device.at("@passwd"), out);
    }
}

fn keymap(keymap: Option<&str>, device: &Resolved<'_, Graphics>, out: &mut Args) {
    if let Some(keymap) = keymap {
        out.text("-k", keymap, device.at("@keymap"));
    }
}

/// Hands a variable of the caller's environment to QEMU.
fn pass_on(name: &str, origin: Origin, cx: &Context<'_>, out: &mut Args) {
    if let Some(value) = cx.inputs.host.env(name) {
        out.env(name, value, origin);
    }
}
