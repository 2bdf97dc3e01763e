//! The host side of character devices: `-chardev`.

use caps_parser::Capability;
use domain_model::Origin;
use domain_model::chardev::{CharSource, Chardev, Protocol, Reconnect, SocketMode, Tcp, Unix};
use domain_model::device::graphics::MouseMode;
use domain_model::xml::text::{OnOff, YesNo};

use crate::arg::Args;
use crate::config::Layout;
use crate::context::Context;
use crate::host::FdRequest;
use crate::props::{Props, Value};

/// What a character device is used for, as far as its backend has to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frontend<'a> {
    /// The alias of the device.
    pub alias: &'a str,
    /// Where it was written.
    pub origin: Origin,
    /// The word for `spicevmc` and agents, such as `vdagent`.
    pub name: Option<&'a str>,
    /// Whether a device of the host is opened as a parallel port.
    pub parallel: bool,
    /// Whether this is what `domx run` shows on the terminal.
    pub is_console: bool,
}

/// Adds the `-chardev` of a device, and what it needs, and gives its id.
pub(crate) fn args(chardev: &Chardev, frontend: Frontend<'_>, cx: &Context<'_>, out: &mut Args) -> String {
    let id = format!("char{}", frontend.alias);
    let backend = |name: &str| Props::new("backend", name, frontend.origin).set("id", &id);
    let path = |path: &Option<String>| path.as_deref().map(|path| cx.config().path(path));
    let console = frontend.is_console && cx.config().supervised;
    let props = match &chardev.source {
        CharSource::Stdio | CharSource::Pty(_) if console => {
            let device = frontend.alias.to_owned();
            backend("socket").set("fd", FdRequest::Console { device })
        }
        CharSource::Null => backend("null"),
        CharSource::Vc => backend("vc"),
        CharSource::Pty(_) => backend("pty"),
        CharSource::Stdio => backend("stdio"),
        CharSource::Dev(source) => {
            backend(if frontend.parallel { "parallel" } else { "serial" }).set("path", path(&source.path))
        }
        CharSource::File(source) => {
            let append = source.append.unwrap_or(OnOff::Off);
            let file = path(&source.path).unwrap_or_default();
            let appends = append == OnOff::On;
            match cx.config().layout {
                Layout::Libvirt => {
                    let request = FdRequest::File { path: file, append: appends };
                    let opaque = format!("{}-source", frontend.alias);
                    let path = out.fdset(request, &opaque, frontend.origin);
                    backend("file").set("path", path).set("append", true)
                }
                Layout::Run => backend("file").set("path", file).set("append", source.append),
            }
        }
        CharSource::Pipe(source) => backend("pipe").set("path", path(&source.path)),
        CharSource::Udp(udp) => {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let (remote, local) = (udp.connect(), udp.bind());
            backend("udp")
                .set("host", remote.map(|remote| text(&remote.host)))
                .set("port", remote.map(|remote| text(&remote.service)))
                .set("localaddr", local.map(|local| text(&local.host)))
                .set("localport", local.map(|local| text(&local.service)))
        }
        CharSource::Tcp(tcp) => tcp_socket(backend("socket"), tcp),
        CharSource::Unix(unix) => unix_socket(backend("socket"), unix, frontend, cx),
        CharSource::Spicevmc => backend("spicevmc").set("name", frontend.name),
        CharSource::QemuVdagent(agent) => backend("qemu-vdagent")
            .set("name", frontend.name)
            .set("clipboard", agent.clipboard)
            .set("mouse", agent.mouse.map(|mouse| mouse == MouseMode::Client)),
        CharSource::Spiceport { channel } => backend("spiceport").set("name", channel.as_deref()),
        CharSource::Dbus { channel } => backend("dbus").set("name", channel.as_deref()),
        CharSource::Nmdm(_) => {
            cx.not_yet("a character device of type `nmdm`", frontend.origin, out);
            backend("null")
        }
    };
    let props = log(props, chardev, frontend, cx, out);
    out.props("-chardev", props);
    id
}

fn tcp_socket(props: Props, tcp: &Tcp) -> Props {
    let server = tcp.mode == SocketMode::Bind;
    props
        .set("host", tcp.host.as_deref().unwrap_or_default())
        .set("port", tcp.service.as_deref().unwrap_or_default())
        .set("telnet", (tcp.protocol == Protocol::Telnet).then_some(true))
        .when(server, |props| props.set("server", true).set("wait", false))
        .set("reconnect", reconnect_seconds(tcp.reconnect.as_ref()))
}

fn unix_socket(props: Props, unix: &Unix, frontend: Frontend<'_>, cx: &Context<'_>) -> Props {
    let path = match &unix.path {
        Some(path) => cx.config().path(path),
        None => format!(
            "{}/{}/{}",
            cx.config().channel_dir,
            cx.config().short_name(cx.name()),
            frontend.name.unwrap_or(frontend.alias)
        ),
    };
    match (unix.mode, cx.config().layout) {
        (SocketMode::Bind, Layout::Libvirt) => {
            props.set("fd", Value::Fd(FdRequest::UnixListen { path })).set("server", true).set("wait", false)
        }
        (SocketMode::Bind, Layout::Run) => props.set("path", path).set("server", true).set("wait", false),
        (SocketMode::Connect, _) => {
            props.set("path", path).set("reconnect", reconnect_seconds(unix.reconnect.as_ref()))
        }
    }
}

/// How long QEMU waits before it connects again, `seconds`; 0 is for ever.
pub(crate) fn reconnect(props: Props, seconds: u32, origin: Origin, cx: &Context<'_>) -> Props {
    match cx.has(Capability::ChardevReconnectMs) {
        true => props.set_at("reconnect-ms", u64::from(seconds) * 1000, origin),
        false => props.set_at("reconnect", seconds, origin),
    }
}

/// Seconds between attempts to connect again; 0 is never.
fn reconnect_seconds(reconnect: Option<&Reconnect>) -> Option<u32> {
    reconnect.map(|reconnect| match reconnect.enabled {
        YesNo::Yes => reconnect.timeout.unwrap_or_default(),
        YesNo::No => 0,
    })
}

fn log(props: Props, chardev: &Chardev, frontend: Frontend<'_>, cx: &Context<'_>, out: &mut Args) -> Props {
    let Some(log) = &chardev.log else { return props };
    let file = cx.config().path(log.file.as_deref().unwrap_or_default());
    let append = log.append == Some(OnOff::On);
    match cx.config().layout {
        Layout::Libvirt => {
            let request = FdRequest::Log { path: file, append };
            let path = out.fdset(request, &format!("{}-log", frontend.alias), frontend.origin);
            props.set("logfile", path).set("logappend", true)
        }
        Layout::Run => props.set("logfile", file).set("logappend", log.append),
    }
}
