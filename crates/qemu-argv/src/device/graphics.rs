//! `<graphics>`: ways to see the screen.

use domain_model::device::graphics::{Graphics, ListenKind, Vnc};
use domain_model::xml::Tagged;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;

/// The TCP port of VNC's display 0.
const VNC_BASE: i32 = 5900;

impl QemuDevice for Graphics {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("graphics{index}")
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        match device.spec {
            Graphics::Vnc(vnc) => vnc_args(vnc, device, cx, out),
            other => cx.not_yet(&format!("`<graphics type='{}'>`", other.tag()), device.origin, out),
        }
    }
}

fn vnc_args(vnc: &Vnc, device: &Resolved<'_, Graphics>, cx: &Context<'_>, out: &mut Args) {
    if vnc.password.passwd.is_some() || cx.config().vnc_tls || cx.config().vnc_sasl {
        cx.not_yet("VNC with a password, TLS or SASL", device.at("@passwd"), out);
        return;
    }
    let listen = vnc.listens.first().map(|listen| &listen.kind);
    let props = match listen {
        Some(ListenKind::Socket { socket }) => {
            let path = match socket {
                Some(socket) => cx.config().path(socket),
                None => format!("{}/vnc.sock", cx.guest_dir()),
            };
            Props::plain(device.origin).set_at("vnc", format!("unix:{path}"), device.at("listen"))
        }
        Some(ListenKind::None) => Props::new("vnc", "none", device.at("listen")),
        Some(ListenKind::Address { .. } | ListenKind::Network { .. }) | None => {
            let address = match listen {
                Some(ListenKind::Address { address } | ListenKind::Network { address, .. }) => {
                    address.as_deref()
                }
                _ => None,
            };
            let address = address.or(vnc.listen.as_deref()).unwrap_or(&cx.config().vnc_listen);
            let port = match vnc.port.filter(|port| *port > 0) {
                Some(port) if vnc.autoport != Some(YesNo::Yes) => port,
                _ => cx.inputs.host.free_port(VNC_BASE),
            };
            if port < VNC_BASE {
                let message = format!("VNC's ports begin at {VNC_BASE}, and {port} is below");
                out.problem(Diagnostic::error(Code::Unsupported, device.at("@port"), message));
            }
            let display = port - VNC_BASE;
            let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            Props::new("vnc", format!("{host}:{display}"), device.origin)
        }
    };
    let audio = vnc.audio.map_or_else(|| cx.domain.devices.audios.first().map(|audio| audio.spec.id), Some);
    let props = props
        .set_at("websocket", vnc.websocket.filter(|port| *port > 0), device.at("@websocket"))
        .set_at("share", vnc.share_policy.map(|policy| policy.as_str()), device.at("@sharePolicy"))
        .set_at("audiodev", audio.map(|id| format!("audio{id}")), device.at("audio/@id"));
    out.props("-vnc", props);
}
