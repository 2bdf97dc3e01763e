//! `-vnc`

use caps_parser::Capability;
use domain_model::device::graphics::{Graphics, Vnc};
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic};

use super::listen::{self, Place};
use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::device::sound;
use crate::props::Props;
use crate::secret;

/// The TCP port of VNC's display 0.
pub(super) const BASE: i32 = 5900;
/// The last TCP port there is.
const LAST_PORT: i32 = 65535;

/// Adds a VNC server.
pub(super) fn args(vnc: &Vnc, device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) {
    let config = cx.config();
    let props = match listen::place(&vnc.listens, &config.vnc_listen, "vnc", cx) {
        Place::Socket(path) => {
            Props::plain(device.origin).set_at("vnc", format!("unix:{path}"), device.at("listen"))
        }
        Place::Nowhere => Props::new("vnc", "none", device.at("listen")),
        Place::Network(network) => {
            out.problem(listen::unknown_network(&network, device.at("listen")));
            return;
        }
        Place::Address(address) => {
            let port = match vnc.port {
                port if vnc.autoport == Some(YesNo::No) => port.unwrap_or_default(),
                _ => cx.inputs.host.free_port(BASE),
            };
            if !(BASE..=LAST_PORT).contains(&port) {
                let message = format!("VNC's ports are those from {BASE} to {LAST_PORT}, not {port}");
                out.problem(Diagnostic::error(Code::Unsupported, device.at("@port"), message));
            }
            let display = port.saturating_sub(BASE);
            let host = if address.contains(':') { format!("[{address}]") } else { address };
            Props::new("vnc", format!("{host}:{display}"), device.origin)
        }
    };
    let has_password = vnc.password.passwd.is_some() || config.vnc_password.is_some();
    let default = config.vnc_password.as_ref();
    let secret = super::password_secret(&vnc.password, default, device, cx, out);
    let websocket = match vnc.websocket {
        Some(-1) => Some(cx.inputs.host.free_port(5700)),
        port => port.filter(|port| *port > 0),
    };
    let credentials = config.vnc_tls.then(|| credentials(device, cx, out));
    if config.vnc_sasl
        && let Some(folder) = &config.vnc_sasl_dir
    {
        out.env("SASL_CONF_PATH", folder, device.origin);
    }
    let props = props
        .set_at("websocket", websocket, device.at("@websocket"))
        .set_at("share", vnc.share_policy.map(|policy| policy.as_str()), device.at("@sharePolicy"))
        .set_at("password", (has_password && cx.is_libvirt()).then_some(true), device.at("@passwd"))
        .requires_known(cx, Capability::VncPasswordSecret, "password-secret", secret, device.at("@passwd"))
        .set("tls-creds", credentials)
        .set("sasl", config.vnc_sasl.then_some(true))
        .requires(Capability::VncPowerControl, "power-control", vnc.power_control, device.at("@powerControl"))
        .set_at("audiodev", sound::audiodev(vnc.audio, cx), device.at("audio/@id"));
    out.props("-vnc", props);
    if let Some(keymap) = &vnc.keymap {
        out.text("-k", keymap, device.at("@keymap"));
    }
}

/// Adds the object with the certificates, and gives its id.
fn credentials(device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) -> &'static str {
    let id = "vnc-tls-creds0";
    let secret = cx.config().vnc_tls_secret.as_deref();
    let password =
        secret.and_then(|uuid| secret::configured(format!("{id}-secret0"), uuid, device.origin, cx, out));
    out.props(
        "-object",
        Props::new("qom-type", "tls-creds-x509", device.origin)
            .set("id", id)
            .set("dir", &cx.config().vnc_tls_dir)
            .set("endpoint", "server")
            .set("verify-peer", cx.config().vnc_tls_verify)
            .set("passwordid", password),
    );
    id
}
