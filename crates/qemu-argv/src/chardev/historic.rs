//! Backends for QEMU 0.9 to 0.13: `-chardev`, and `-serial` before that.

use caps_parser::Capability;

use super::{Backend, Kind, Socket, SocketAddress, datagrams, udp_side};
use crate::arg::Args;
use crate::context::Context;
use crate::props::{Props, Value};
use domain_model::chardev::{CharSource, Chardev, Protocol, SocketMode};
use domain_model::xml::Meta;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic, Origin};

/// `KIND,id=ID,…`
pub(super) fn chardev(backend: &Backend<'_>) -> Props {
    let start = |kind: &str| Props::new("backend", kind, backend.origin).set("id", &backend.id);
    match &backend.kind {
        Kind::Null => start("null"),
        Kind::Vc => start("vc"),
        Kind::Pty => start("pty"),
        Kind::Stdio => start("stdio"),
        // `parport` is QEMU's word for the other, which libvirt did not use.
        Kind::Serial { path, origin } | Kind::Parallel { path, origin } => {
            start("tty").set_at("path", path, *origin)
        }
        Kind::File { path, origin, .. } => start("file").set_at("path", path, *origin),
        Kind::Pipe { path, origin } => start("pipe").set_at("path", path, *origin),
        Kind::Udp(udp) => datagrams(start("udp"), udp, backend.origin),
        Kind::Socket(socket) => stream(start("socket"), socket),
        Kind::Spicevmc { name } => start("spicevmc").set("name", *name),
        Kind::Spiceport { channel, origin } => start("spiceport").set_at("name", *channel, *origin),
        Kind::Dbus { channel, origin } => start("dbus").set_at("name", *channel, *origin),
        Kind::Vdagent { .. } => start("qemu-vdagent").set("name", "vdagent"),
    }
}

/// Makes the backend that was added last rest on what not all of these QEMUs have.
pub(super) fn needs(kind: &Kind<'_>, out: &mut Args) {
    if let Kind::Spicevmc { .. } = kind {
        out.needing(Capability::ChardevSpicevmc);
    }
}

/// Reports what came later; says whether all of it can be said.
pub(super) fn check(chardev: &Chardev, origin: Origin, cx: &Context<'_>, out: &mut Args) -> bool {
    let (reconnects, has_tls) = match &chardev.source {
        CharSource::Tcp(tcp) => {
            let has_tls = tcp.tls.map_or(cx.config().chardev_tls, |tls| tls == YesNo::Yes);
            (tcp.reconnect.is_some(), has_tls)
        }
        CharSource::Unix(unix) => (unix.reconnect.is_some(), false),
        _ => (false, false),
    };
    let appends = match &chardev.source {
        CharSource::File(file) => file.append.is_some(),
        _ => false,
    };
    let before = out.problems.len();
    for (is_asked_for, what, path) in [
        (chardev.log.is_some(), "log", "log"),
        (appends, "append", "source/@append"),
        (reconnects, "reconnect", "source/reconnect"),
        (has_tls, "tls", "source/@tls"),
    ] {
        if is_asked_for {
            let message = format!("{} has no `{what}` of character devices", cx.inputs.qemu());
            out.problem(Diagnostic::error(Code::Unsupported, Meta::from_origin(origin).at(path), message));
        }
    }
    out.problems.len() == before
}

fn stream(props: Props, socket: &Socket<'_>) -> Props {
    let props = match &socket.address {
        SocketAddress::Inet { host, port } => {
            props.set_at("host", *host, socket.origin).set_at("port", *port, socket.origin)
        }
        SocketAddress::Unix(path) => props.set_at("path", path, socket.origin),
        SocketAddress::Fd(request) => props.set_at("fd", request.clone(), socket.origin),
    };
    props.when(socket.telnet == Some(true), |props| props.set_at("telnet", Value::Flag, socket.origin)).when(
        socket.server,
        |props| {
            props.set_at("server", Value::Flag, socket.origin).set_at("nowait", Value::Flag, socket.origin)
        },
    )
}

/// What stands behind `-serial` or `-parallel` of a QEMU without `-chardev`; `None` if such a QEMU has no
/// word for it.
pub(super) fn word(chardev: &Chardev, cx: &Context<'_>) -> Option<String> {
    let path = |path: &Option<String>| cx.config().path(path.as_deref().unwrap_or_default());
    let waits = |mode| if mode == SocketMode::Bind { ",server,nowait" } else { "" };
    Some(match &chardev.source {
        CharSource::Null => "null".to_owned(),
        CharSource::Vc => "vc".to_owned(),
        CharSource::Pty(_) => "pty".to_owned(),
        CharSource::Stdio => "stdio".to_owned(),
        CharSource::Dev(source) => path(&source.path),
        CharSource::File(source) => format!("file:{}", path(&source.path)),
        CharSource::Pipe(source) => format!("pipe:{}", path(&source.path)),
        CharSource::Udp(udp) => {
            let (host, port, _) = udp_side(udp.connect())?;
            let (local, local_port, _) = udp_side(udp.bind()).unwrap_or(("", None, cx.domain.meta.origin));
            format!("udp:{host}:{}@{local}:{}", port.unwrap_or_default(), local_port.unwrap_or("0"))
        }
        CharSource::Tcp(tcp) => {
            let protocol = if tcp.protocol == Protocol::Telnet { "telnet" } else { "tcp" };
            let (host, port) =
                (tcp.host.as_deref().unwrap_or_default(), tcp.service.as_deref().unwrap_or_default());
            format!("{protocol}:{host}:{port}{}", waits(tcp.mode))
        }
        CharSource::Unix(unix) => format!("unix:{}{}", path(&unix.path), waits(unix.mode)),
        CharSource::Spicevmc
        | CharSource::Spiceport { .. }
        | CharSource::Nmdm(_)
        | CharSource::QemuVdagent(_)
        | CharSource::Dbus { .. } => return None,
    })
}
