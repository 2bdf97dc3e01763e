//! Backends in the form of QMP's `chardev-add`: `{"id":…,"backend":{"type":…,"data":{…}}}`.

use super::{Backend, Kind, Socket, SocketAddress, reconnects, udp_side};
use crate::context::Context;
use crate::props::Props;
use domain_model::Origin;

/// `{"id":ID,"backend":{"type":KIND,"data":{…}}}`
pub(super) fn chardev(backend: &Backend<'_>, cx: &Context<'_>) -> Props {
    let data = Props::plain(backend.origin);
    let (kind, data) = match &backend.kind {
        Kind::Null => ("null", data),
        Kind::Vc => ("vc", data),
        Kind::Pty => ("pty", data),
        Kind::Stdio => ("stdio", data),
        Kind::Serial { path, origin } => ("serial", data.set_at("device", path, *origin)),
        Kind::Parallel { path, origin } => ("parallel", data.set_at("device", path, *origin)),
        Kind::File { path, append, origin } => {
            ("file", data.set_at("out", path, *origin).set_at("append", *append, *origin))
        }
        Kind::Pipe { path, origin } => ("pipe", data.set_at("device", path, *origin)),
        Kind::Udp(udp) => {
            let side =
                |side| udp_side(side).map(|(host, port, origin)| inet(host, port.unwrap_or("0"), origin));
            ("udp", data.set("remote", side(udp.connect())).set("local", side(udp.bind())))
        }
        Kind::Socket(socket) => ("socket", stream(data, socket, cx)),
        Kind::Spicevmc { name } => ("spicevmc", data.set("type", *name)),
        Kind::Spiceport { channel, origin } => ("spiceport", data.set_at("fqdn", *channel, *origin)),
        Kind::Dbus { channel, origin } => ("dbus", data.set_at("name", *channel, *origin)),
        Kind::Vdagent { clipboard, mouse, origin } => {
            ("qemu-vdagent", data.set_at("clipboard", *clipboard, *origin).set_at("mouse", *mouse, *origin))
        }
    };
    let data = match &backend.log {
        None => data,
        Some(log) => {
            data.set_at("logfile", &log.path, log.origin).set_at("logappend", log.append, log.origin)
        }
    };
    Props::plain(backend.origin).set("id", &backend.id).set("backend", variant(kind, data, backend.origin))
}

fn variant(kind: &str, data: Props, origin: Origin) -> Props {
    Props::plain(origin).set("type", kind).set("data", data)
}

fn inet(host: &str, port: &str, origin: Origin) -> Props {
    variant("inet", Props::plain(origin).set("host", host).set("port", port), origin)
}

fn stream(data: Props, socket: &Socket<'_>, cx: &Context<'_>) -> Props {
    let origin = socket.origin;
    let plain = Props::plain(origin);
    let address = match &socket.address {
        SocketAddress::Inet { host, port } => inet(host, port, origin),
        SocketAddress::Unix(path) => variant("unix", plain.set("path", path), origin),
        SocketAddress::Fd(request) => variant("fd", plain.set("str", request.clone()), origin),
    };
    let data = data
        .set_at("addr", address, origin)
        .set_at("telnet", socket.telnet, origin)
        .set_at("server", socket.server, origin)
        .set_at("wait", socket.server.then_some(false), origin);
    reconnects(data, socket.reconnect, cx).set_at("tls-creds", socket.tls.as_ref(), origin)
}
