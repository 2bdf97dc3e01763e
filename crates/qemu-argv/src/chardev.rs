//! The host side of character devices: `-chardev`.

mod historic;
mod json;
mod text;

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::chardev::{
    CharSource, Chardev, Log, PathSource, Protocol, Reconnect, SocketMode, Tcp, Udp, UdpSource, Unix,
};
use domain_model::device::graphics::MouseMode;
use domain_model::xml::Meta;
use domain_model::xml::text::{OnOff, YesNo};
use domain_model::{Code, Diagnostic, Origin};

use crate::arg::Args;
use crate::config::Layout;
use crate::context::{Context, Resolved};
use crate::dialect::Era;
use crate::host::FdRequest;
use crate::needs::Access;
use crate::props::Props;
use crate::spell::Spelling;

/// What a character device is used for, as far as its backend has to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frontend<'a> {
    /// The alias of the device.
    pub alias: &'a str,
    /// Where it was written.
    pub origin: Origin,
    /// What it is for, in the word that Spice has for it: `smartcard` or `usbredir`; `vdagent` if not said.
    pub name: Option<&'a str>,
    /// The name of the file of a UNIX socket whose path nobody chose; the alias if not said.
    pub socket: Option<&'a str>,
    /// Whether a device of the host is opened as a parallel port.
    pub parallel: bool,
    /// Whether this is what `domx run` shows on the terminal.
    pub is_console: bool,
}

impl<'a> Frontend<'a> {
    /// A device that is nothing special.
    pub fn new(alias: &'a str, origin: Origin) -> Self {
        Frontend { alias, origin, name: None, socket: None, parallel: false, is_console: false }
    }

    fn at(&self, path: &'static str) -> Origin {
        Meta::from_origin(self.origin).at(path)
    }
}

/// A backend of which everything is decided but the spelling.
struct Backend<'a> {
    kind: Kind<'a>,
    id: String,
    origin: Origin,
    log: Option<LogFile>,
}

/// The kinds of backends, with what QEMU has to know of them.
enum Kind<'a> {
    Null,
    Vc,
    Pty,
    Stdio,
    Serial { path: String, origin: Origin },
    Parallel { path: String, origin: Origin },
    File { path: String, append: Option<OnOff>, origin: Origin },
    Pipe { path: String, origin: Origin },
    Udp(&'a Udp),
    Socket(Socket<'a>),
    Spicevmc { name: &'a str },
    Spiceport { channel: &'a str, origin: Origin },
    Dbus { channel: &'a str, origin: Origin },
    Vdagent { clipboard: Option<YesNo>, mouse: Option<bool>, origin: Origin },
}

/// A stream socket.
struct Socket<'a> {
    address: SocketAddress<'a>,
    /// Whether telnet is spoken; `None` where that is no question.
    telnet: Option<bool>,
    server: bool,
    reconnect: Option<&'a Reconnect>,
    /// The id of the object with the certificates.
    tls: Option<String>,
    origin: Origin,
}

enum SocketAddress<'a> {
    Inet { host: &'a str, port: &'a str },
    Unix(String),
    Fd(FdRequest),
}

struct LogFile {
    path: String,
    append: Option<OnOff>,
    origin: Origin,
}

/// Adds the `-chardev` of a device, and what it needs, and gives its id.
pub(crate) fn args(chardev: &Chardev, frontend: Frontend<'_>, cx: &Context<'_>, out: &mut Args) -> String {
    let id = format!("char{}", frontend.alias);
    if cx.dialect.era == Era::Historic && !historic::check(chardev, frontend.origin, cx, out) {
        return id;
    }
    let Some(kind) = kind(chardev, &id, frontend, cx, out) else { return id };
    let log = chardev.log.as_ref().and_then(|log| log_file(log, frontend, cx, out));
    let backend = Backend { kind, id, origin: frontend.origin, log };
    push(&backend, cx, out);
    backend.id
}

/// Adds the `-chardev` of a socket that QEMU inherits; it listens already if `server` is set.
pub(crate) fn inherited(
    id: &str,
    request: FdRequest,
    server: bool,
    origin: Origin,
    cx: &Context<'_>,
    out: &mut Args,
) {
    let address = SocketAddress::Fd(request);
    let socket = Socket { address, telnet: None, server, reconnect: None, tls: None, origin };
    push(&Backend { kind: Kind::Socket(socket), id: id.to_owned(), origin, log: None }, cx, out);
}

fn push(backend: &Backend<'_>, cx: &Context<'_>, out: &mut Args) {
    let props = match (cx.dialect.era, cx.dialect.chardev) {
        (Era::Historic, _) => historic::chardev(backend),
        (Era::Modern, Spelling::Json) => json::chardev(backend, cx),
        (Era::Modern, _) => text::chardev(backend, cx),
    };
    out.props("-chardev", props);
    if cx.dialect.era == Era::Historic {
        historic::needs(&backend.kind, out);
    }
}

/// Adds `-serial` or `-parallel` of a QEMU without `-chardev`.
pub(crate) fn legacy(
    flag: &'static str,
    chardev: &Chardev,
    origin: Origin,
    cx: &Context<'_>,
    out: &mut Args,
) {
    if !historic::check(chardev, origin, cx, out) {
        return;
    }
    match historic::word(chardev, cx) {
        Some(word) => out.text(flag, word, origin),
        None => {
            let kind = domain_model::xml::Tagged::tag(&chardev.source);
            let message = format!("{} has no character devices of type `{kind}`", cx.inputs.qemu());
            out.problem(Diagnostic::error(Code::Unsupported, Meta::from_origin(origin).at("@type"), message));
        }
    }
}

/// Drops what is written only while a guest runs, and what says nothing.
pub(crate) fn defaults(chardev: &mut Chardev) {
    if let CharSource::Pty(terminal) = &mut chardev.source {
        *terminal = PathSource::default();
    }
    chardev.log = chardev.log.take().filter(|log| log.file.is_some());
}

/// Refuses the address of a virtio port that is none.
pub(crate) fn virtio_serial_only<T>(device: &Resolved<'_, T>, out: &mut Args) {
    let place = device.info.address.as_ref().map(|address| &address.place);
    let fits = |place| matches!(place, &Place::VirtioSerial(_) | &Place::Ccw(_) | &Place::VirtioS390);
    if !place.is_none_or(fits) {
        let message = "the address of a virtio port is of type `virtio-serial`";
        out.problem(Diagnostic::error(Code::Malformed, device.at("address/@type"), message));
    }
}

/// Reports what cannot work about a source, as libvirt does before anything is built.
pub(crate) fn validate(chardev: &Chardev, origin: Origin, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
    let meta = Meta::from_origin(origin);
    let reconnect = match &chardev.source {
        CharSource::Tcp(tcp) => tcp.reconnect.as_ref(),
        CharSource::Unix(unix) => unix.reconnect.as_ref(),
        _ => None,
    };
    if let Some(reconnect) = reconnect
        && reconnect.is_on()
        && reconnect.timeout == Some(0)
    {
        let message = "a connection cannot be tried again every `0` seconds; `timeout` is at least 1";
        let problem = Diagnostic::error(Code::InvalidArgument, reconnect.meta.at("@timeout"), message);
        problems.push(problem.help("`enabled='no'` gives up when the connection is lost"));
    }
    let listens = match &chardev.source {
        CharSource::Tcp(tcp) => tcp.mode == SocketMode::Bind,
        CharSource::Unix(unix) => unix.mode == SocketMode::Bind,
        _ => false,
    };
    if let Some(reconnect) = reconnect.filter(|_| listens && cx.dialect.era == Era::Modern) {
        let message = "only who connects can connect again; this device listens";
        problems.push(Diagnostic::error(Code::Malformed, reconnect.meta.origin, message));
    }
    if let CharSource::Spiceport { channel: Some(channel) } | CharSource::Dbus { channel: Some(channel) } =
        &chardev.source
        && !channel.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    {
        let message = format!("bad value `{channel}` for `channel`: expected letters, digits, `_`, `-`, `.`");
        problems.push(Diagnostic::error(Code::InvalidArgument, meta.at("source/@channel"), message));
    }
    match &chardev.source {
        CharSource::Spicevmc | CharSource::Spiceport { .. }
            if cx.dialect.era == Era::Modern && !crate::device::has_spice(cx.domain) =>
        {
            let message = format!(
                "a character device of type `{}` needs `<graphics type='spice'>`",
                domain_model::xml::Tagged::tag(&chardev.source)
            );
            problems.push(Diagnostic::error(Code::Unsupported, meta.at("@type"), message));
        }
        CharSource::QemuVdagent(_) if !cx.has(Capability::ChardevQemuVdagent) => {
            let what = "-chardev qemu-vdagent";
            let origin = meta.at("@type");
            problems.push(crate::gate::missing(Capability::ChardevQemuVdagent, what, origin, cx.inputs.caps));
        }
        CharSource::Tcp(Tcp { protocol: protocol @ (Protocol::Telnets | Protocol::Tls), .. }) => {
            let message = format!("QEMU does not speak `{protocol}`; it speaks `raw` and `telnet`");
            let problem = Diagnostic::error(Code::Unsupported, meta.at("protocol/@type"), message);
            problems.push(problem.help("`tls='yes'` of `<source>` encrypts the connection"));
        }
        _ => {}
    }
}

fn kind<'a>(
    chardev: &'a Chardev,
    id: &str,
    frontend: Frontend<'a>,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<Kind<'a>> {
    let file = |source: &PathSource| cx.config().path(source.path.as_deref().unwrap_or_default());
    let origin = frontend.at("source/@path");
    Some(match &chardev.source {
        CharSource::Stdio | CharSource::Pty(_) if frontend.is_console && cx.config().supervised => {
            let device = frontend.alias.to_owned();
            let address = SocketAddress::Fd(FdRequest::Console { device });
            let origin = frontend.at("@type");
            Kind::Socket(Socket { address, telnet: None, server: false, reconnect: None, tls: None, origin })
        }
        CharSource::Null => Kind::Null,
        CharSource::Vc => Kind::Vc,
        CharSource::Pty(_) => Kind::Pty,
        CharSource::Stdio => Kind::Stdio,
        CharSource::Dev(source) => {
            let path = file(source);
            out.file(&path, Access::Write, origin);
            match frontend.parallel {
                true => Kind::Parallel { path, origin },
                false => Kind::Serial { path, origin },
            }
        }
        CharSource::File(source) if hands_over(cx) => {
            let request = FdRequest::File { path: file(source), append: source.append == Some(OnOff::On) };
            let opaque = format!("{}-source", frontend.alias);
            let path = out.fdset(request, &opaque, origin, frontend.origin);
            // Whoever opened the file has emptied it, or not.
            Kind::File { path, append: Some(OnOff::On), origin }
        }
        CharSource::File(source) => Kind::File { path: file(source), append: source.append, origin },
        CharSource::Pipe(source) => Kind::Pipe { path: file(source), origin },
        CharSource::Udp(udp) => Kind::Udp(udp),
        CharSource::Tcp(tcp) => Kind::Socket(tcp_socket(tcp, id, frontend, cx, out)),
        CharSource::Unix(unix) => Kind::Socket(unix_socket(unix, frontend, cx)),
        CharSource::Spicevmc => Kind::Spicevmc { name: frontend.name.unwrap_or("vdagent") },
        CharSource::Spiceport { channel } => {
            let channel = channel.as_deref().unwrap_or_default();
            Kind::Spiceport { channel, origin: frontend.at("source/@channel") }
        }
        CharSource::Dbus { channel } => {
            let channel = channel.as_deref().unwrap_or_default();
            Kind::Dbus { channel, origin: frontend.at("source/@channel") }
        }
        CharSource::QemuVdagent(agent) => Kind::Vdagent {
            clipboard: agent.clipboard,
            mouse: agent.mouse.map(|mouse| mouse == MouseMode::Client),
            origin: frontend.at("source"),
        },
        CharSource::Nmdm(_) => {
            let message = "QEMU has no character devices of type `nmdm`; they are for bhyve";
            out.problem(Diagnostic::error(Code::Unsupported, frontend.at("@type"), message));
            return None;
        }
    })
}

/// Whether files and listening sockets are opened by whoever starts QEMU, as libvirt does.
fn hands_over(cx: &Context<'_>) -> bool {
    let is_able = cx.is_libvirt() || cx.has(Capability::ChardevFdPass) && cx.has(Capability::AddFd);
    cx.config().has_monitor() && cx.dialect.era == Era::Modern && is_able
}

fn tcp_socket<'a>(
    tcp: &'a Tcp,
    id: &str,
    frontend: Frontend<'_>,
    cx: &Context<'_>,
    out: &mut Args,
) -> Socket<'a> {
    let wants_tls = tcp.tls.map_or(cx.config().chardev_tls, |tls| tls == YesNo::Yes);
    let server = tcp.mode == SocketMode::Bind;
    Socket {
        address: SocketAddress::Inet {
            host: tcp.host.as_deref().unwrap_or_default(),
            port: tcp.service.as_deref().unwrap_or_default(),
        },
        telnet: Some(tcp.protocol == Protocol::Telnet),
        server,
        reconnect: tcp.reconnect.as_ref(),
        tls: wants_tls.then(|| tls_object(id, server, frontend.at("source/@tls"), cx, out)),
        origin: frontend.at("source"),
    }
}

/// Adds the object with the certificates of a TCP connection, and gives its id.
fn tls_object(id: &str, server: bool, origin: Origin, cx: &Context<'_>, out: &mut Args) -> String {
    let secret = cx.config().chardev_tls_secret.as_deref();
    let password =
        secret.and_then(|uuid| crate::secret::configured(format!("{id}-secret0"), uuid, origin, cx, out));
    let object = format!("obj{id}_tls0");
    out.props(
        "-object",
        Props::new("qom-type", "tls-creds-x509", origin)
            .set("id", &object)
            .set("dir", &cx.config().chardev_tls_dir)
            .set("endpoint", if server { "server" } else { "client" })
            .set("verify-peer", !server || cx.config().chardev_tls_verify)
            .set("passwordid", password),
    );
    object
}

fn unix_socket<'a>(unix: &'a Unix, frontend: Frontend<'_>, cx: &Context<'_>) -> Socket<'a> {
    // A path that nobody chose is one that QEMU listens at.
    let server = unix.mode == SocketMode::Bind || unix.path.is_none();
    let path = match &unix.path {
        Some(path) => cx.config().path(path),
        None => chosen_path(frontend, cx),
    };
    let address = match server && hands_over(cx) {
        true => SocketAddress::Fd(FdRequest::UnixListen { path }),
        false => SocketAddress::Unix(path),
    };
    let origin = frontend.at("source");
    Socket { address, telnet: None, server, reconnect: unix.reconnect.as_ref(), tls: None, origin }
}

/// Where a socket is whose path nobody chose.
fn chosen_path(frontend: Frontend<'_>, cx: &Context<'_>) -> String {
    let name = frontend.socket.unwrap_or(frontend.alias);
    match cx.config().layout {
        Layout::Libvirt => {
            format!("{}/{}/{name}", cx.config().channel_dir, cx.config().short_name(cx.name()))
        }
        Layout::Run => format!("{}/{}", cx.guest_dir(), name.replace('/', "_")),
    }
}

/// The log of a device; none if no file is named.
fn log_file(log: &Log, frontend: Frontend<'_>, cx: &Context<'_>, out: &mut Args) -> Option<LogFile> {
    let path = cx.config().path(log.file.as_deref()?);
    let origin = log.meta.at("@file");
    Some(match hands_over(cx) {
        true => {
            let request = FdRequest::Log { path, append: log.append == Some(OnOff::On) };
            let opaque = format!("{}-log", frontend.alias);
            let path = out.fdset(request, &opaque, origin, log.meta.origin);
            LogFile { path, append: Some(OnOff::On), origin }
        }
        false => LogFile { path, append: log.append, origin },
    })
}

/// Adds how long QEMU waits before it connects again, in seconds; 0 is for ever.
pub(crate) fn reconnect(props: Props, seconds: u32, origin: Origin, cx: &Context<'_>) -> Props {
    match cx.has(Capability::ChardevReconnectMs) {
        true => props.set_at("reconnect-ms", u64::from(seconds) * 1000, origin),
        false => props.set_at("reconnect", seconds, origin),
    }
}

/// The same for what `<reconnect>` says.
fn reconnects(props: Props, written: Option<&Reconnect>, cx: &Context<'_>) -> Props {
    match written {
        None | Some(Reconnect { enabled: None, .. }) => props,
        Some(Reconnect { enabled: Some(YesNo::Yes), timeout, meta }) => {
            reconnect(props, timeout.unwrap_or_default(), meta.origin, cx)
        }
        Some(Reconnect { enabled: Some(YesNo::No), meta, .. }) => reconnect(props, 0, meta.origin, cx),
    }
}

/// What UDP is in the forms without JSON: where to, and from where.
fn datagrams(props: Props, udp: &Udp, origin: Origin) -> Props {
    let (host, port, to) = udp_side(udp.connect()).unwrap_or(("", None, origin));
    let (local, local_port, from) = udp_side(udp.bind()).unwrap_or(("", None, origin));
    props
        .set_at("host", host, to)
        .set_at("port", port.unwrap_or_default(), to)
        .set_at("localaddr", local, from)
        .set_at("localport", local_port.unwrap_or("0"), from)
}

/// Host and port of one side of UDP, if it is there.
fn udp_side(side: Option<&UdpSource>) -> Option<(&str, Option<&str>, Origin)> {
    side.map(|side| (side.host.as_deref().unwrap_or_default(), side.service.as_deref(), side.meta.origin))
}
