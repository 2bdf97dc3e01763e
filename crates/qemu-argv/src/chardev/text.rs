//! Backends in the form that `-chardev` always had: `socket,id=charserial0,path=…`.

use super::{Backend, Kind, Socket, SocketAddress, datagrams, reconnects};
use crate::context::Context;
use crate::props::Props;

/// `KIND,id=ID,…`
pub(super) fn chardev(backend: &Backend<'_>, cx: &Context<'_>) -> Props {
    let start = |kind: &str| Props::new("backend", kind, backend.origin).set("id", &backend.id);
    let props = match &backend.kind {
        Kind::Null => start("null"),
        Kind::Vc => start("vc"),
        Kind::Pty => start("pty"),
        Kind::Stdio => start("stdio"),
        Kind::Serial { path, origin } => start("serial").set_at("path", path, *origin),
        Kind::Parallel { path, origin } => start("parallel").set_at("path", path, *origin),
        Kind::File { path, append, origin } => {
            start("file").set_at("path", path, *origin).set_at("append", *append, *origin)
        }
        Kind::Pipe { path, origin } => start("pipe").set_at("path", path, *origin),
        Kind::Udp(udp) => datagrams(start("udp"), udp, backend.origin),
        Kind::Socket(socket) => stream(start("socket"), socket, cx),
        Kind::Spicevmc { name } => start("spicevmc").set("name", *name),
        Kind::Spiceport { channel, origin } => start("spiceport").set_at("name", *channel, *origin),
        Kind::Dbus { channel, origin } => start("dbus").set_at("name", *channel, *origin),
        Kind::Vdagent { clipboard, mouse, origin } => start("qemu-vdagent")
            .set("name", "vdagent")
            .set_at("clipboard", *clipboard, *origin)
            .set_at("mouse", *mouse, *origin),
    };
    match &backend.log {
        None => props,
        Some(log) => {
            props.set_at("logfile", &log.path, log.origin).set_at("logappend", log.append, log.origin)
        }
    }
}

fn stream(props: Props, socket: &Socket<'_>, cx: &Context<'_>) -> Props {
    let props = match &socket.address {
        SocketAddress::Inet { host, port } => {
            props.set_at("host", *host, socket.origin).set_at("port", *port, socket.origin)
        }
        SocketAddress::Unix(path) => props.set_at("path", path, socket.origin),
        SocketAddress::Fd(request) => props.set_at("fd", request.clone(), socket.origin),
    };
    let props = props
        .set_at("telnet", socket.telnet.filter(|telnet| *telnet), socket.origin)
        .when(socket.server, |props| {
            props.set_at("server", true, socket.origin).set_at("wait", false, socket.origin)
        });
    reconnects(props, socket.reconnect, cx).set_at("tls-creds", socket.tls.as_ref(), socket.origin)
}
