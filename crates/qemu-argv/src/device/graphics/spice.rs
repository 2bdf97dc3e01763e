//! `-spice`

use caps_parser::Capability;
use domain_model::device::graphics::{ChannelMode, Graphics, MouseMode, Spice};
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic};

use super::listen::{self, Place};
use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::props::Props;

/// The first port that is tried for Spice; the one before is left to VNC.
const FIRST_PORT: i32 = 5901;
/// The first port that is tried for Spice with TLS.
const FIRST_TLS_PORT: i32 = 5902;

/// Adds a Spice server.
pub(super) fn args(spice: &Spice, device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) {
    let config = cx.config();
    let Ports { port, tls_port } = ports(spice, device, cx, out);
    let props = Props::plain(device.origin);
    let mut is_secure = false;
    let props = match listen::place(&spice.listens, &config.spice_listen, "spice", cx) {
        Place::Socket(path) => props
            .requires(Capability::SpiceUnix, "unix", true, device.at("listen"))
            .set_at("addr", path, device.at("listen")),
        Place::Nowhere => props.set_at("port", 0, device.at("listen")),
        Place::Network(network) => {
            out.problem(listen::unknown_network(&network, device.at("listen")));
            return;
        }
        Place::Address(address) => {
            is_secure = tls_port.is_some();
            let address = (port.is_some() || tls_port.is_some()).then_some(address);
            props
                .set_at("port", port, device.at("@port"))
                .set_at("tls-port", tls_port, device.at("@tlsPort"))
                .set_at("addr", address, device.at("listen/@address"))
        }
    };
    if config.spice_sasl
        && let Some(folder) = &config.spice_sasl_dir
    {
        out.env("SASL_CONF_PATH", folder, device.origin);
    }
    let has_password = spice.password.passwd.is_some() || config.spice_password.is_some();
    let default = config.spice_password.as_ref();
    let secret = super::password_secret(&spice.password, default, device, cx, out);
    let mut props = props
        .set("sasl", config.spice_sasl.then_some(true))
        .set_at("agent-mouse", spice.mouse.map(|mode| mode == MouseMode::Client), device.at("mouse/@mode"))
        .set_at("disable-ticketing", (!has_password).then_some(true), device.at("@passwd"))
        .requires_known(cx, Capability::SpicePasswordSecret, "password-secret", secret, device.at("@passwd"))
        .set("x509-dir", is_secure.then_some(&config.spice_tls_dir));
    let defaults = spice.default_mode.map(|mode| ("default", mode, device.at("@defaultMode")));
    let channels =
        spice.channels.iter().map(|channel| (channel.name.as_str(), channel.mode, channel.meta.at("@mode")));
    for (name, mode, origin) in defaults.into_iter().chain(channels) {
        let key = match mode {
            ChannelMode::Any => continue,
            ChannelMode::Secure if !is_secure => {
                let message = format!("the channel `{name}` cannot be secure: Spice has no port for TLS");
                out.problem(Diagnostic::error(Code::Unsupported, origin, message));
                continue;
            }
            ChannelMode::Secure => "tls-channel",
            ChannelMode::Insecure => "plaintext-channel",
        };
        props = props.set_at(key, name, origin);
    }
    let gl = spice.gl.enable == Some(YesNo::Yes);
    let rendernode = match gl {
        true => spice.gl.rendernode.clone().or_else(|| cx.inputs.host.render_node()),
        false => None,
    };
    let props = compression(props, spice, device)
        .set_at(
            "disable-copy-paste",
            (spice.clipboard == Some(YesNo::No)).then_some(true),
            device.at("clipboard/@copypaste"),
        )
        .requires(
            Capability::SpiceFileXferDisable,
            "disable-agent-file-xfer",
            (spice.filetransfer == Some(YesNo::No)).then_some(true),
            device.at("filetransfer/@enable"),
        )
        .requires(Capability::SpiceGl, "gl", gl.then_some(true), device.at("gl/@enable"))
        .requires(Capability::SpiceRendernode, "rendernode", rendernode, device.at("gl/@rendernode"))
        .set("seamless-migration", true);
    out.props("-spice", props);
    if let Some(keymap) = &spice.keymap {
        out.text("-k", keymap, device.at("@keymap"));
    }
}

/// How pictures and sound are made smaller.
pub(super) fn compression(props: Props, spice: &Spice, device: &Resolved<'_, Graphics>) -> Props {
    props
        .set_at("image-compression", spice.image.map(|mode| mode.as_str()), device.at("image/@compression"))
        .set_at("jpeg-wan-compression", spice.jpeg.map(|mode| mode.as_str()), device.at("jpeg/@compression"))
        .set_at(
            "zlib-glz-wan-compression",
            spice.zlib.map(|mode| mode.as_str()),
            device.at("zlib/@compression"),
        )
        .set_at("playback-compression", spice.playback, device.at("playback/@compression"))
        .set_at("streaming-video", spice.streaming.map(|mode| mode.as_str()), device.at("streaming/@mode"))
}

struct Ports {
    port: Option<i32>,
    tls_port: Option<i32>,
}

/// The ports, with those chosen that are to be chosen.
fn ports(spice: &Spice, device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) -> Ports {
    let has_tls = cx.config().spice_tls;
    let (mut plain, mut secure) = (spice.port == Some(-1), spice.tls_port == Some(-1));
    if spice.autoport == Some(YesNo::Yes) {
        let modes = spice.channels.iter().map(|channel| channel.mode);
        for mode in modes.chain([spice.default_mode.unwrap_or(ChannelMode::Any)]) {
            match mode {
                ChannelMode::Secure => secure = true,
                ChannelMode::Insecure => plain = true,
                ChannelMode::Any => {
                    plain = true;
                    secure |= has_tls;
                }
            }
        }
    }
    if secure && !has_tls {
        let message = "Spice needs a port for TLS, and the configuration has no TLS for Spice";
        let problem = Diagnostic::error(Code::Unsupported, device.at("@tlsPort"), message);
        out.problem(problem.help("set `spice-tls` in the configuration"));
    }
    let chosen = |wanted: bool, from| wanted.then(|| cx.inputs.host.free_port(from));
    let written = |port: Option<i32>| port.filter(|port| *port > 0);
    Ports {
        port: chosen(plain, FIRST_PORT).or(written(spice.port)),
        tls_port: chosen(secure, FIRST_TLS_PORT).or(written(spice.tls_port)),
    }
}
