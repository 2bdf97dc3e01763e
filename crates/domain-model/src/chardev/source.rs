//! The kinds of sources a character device can have.

use super::UnixPath;
use crate::device::graphics::MouseMode;
use crate::device::seclabel::DeviceSeclabel;
use crate::words;
use crate::xml::text::{OnOff, YesNo};
use crate::xml::{Element, Meta, Tagged, Xml};
use crate::{Code, Diagnostic};

/// The kinds of sources, `type` of the device.
#[derive(Debug, Clone, PartialEq)]
pub enum CharSource {
    /// Nothing: what the guest sends is thrown away.
    Null,
    /// A text console in the window of a graphical display.
    Vc,
    /// A terminal of the host, made when the guest starts. A path is written only while it runs.
    Pty(PathSource),
    /// A character device of the host, such as `/dev/ttyS0`.
    Dev(PathSource),
    /// A file that gets what the guest sends.
    File(PathSource),
    /// A pair of named pipes, `PATH.in` and `PATH.out`.
    Pipe(PathSource),
    /// Standard input and output of QEMU.
    Stdio,
    /// UDP packets.
    Udp(Udp),
    /// A TCP connection.
    Tcp(Tcp),
    /// A Unix socket.
    Unix(Unix),
    /// A Spice channel with a meaning known to Spice, such as the agent's.
    Spicevmc,
    /// A Spice channel with a name of its own; since libvirt 1.2.2.
    Spiceport {
        /// Name of the channel.
        channel: Option<String>,
    },
    /// A null-modem cable between two guests of one FreeBSD host; since libvirt 1.2.4.
    Nmdm(Nmdm),
    /// The Spice agent's protocol, answered by QEMU itself; since libvirt 8.4.
    QemuVdagent(Vdagent),
    /// A channel that the D-Bus display offers; since libvirt 8.4.
    Dbus {
        /// Name of the channel.
        channel: Option<String>,
    },
}

impl Default for CharSource {
    fn default() -> Self {
        CharSource::Pty(PathSource::default())
    }
}

impl Tagged for CharSource {
    const CODE: Code = Code::UnknownWord;
    const TAGS: &'static [&'static str] = &[
        "null",
        "vc",
        "pty",
        "dev",
        "file",
        "pipe",
        "stdio",
        "udp",
        "tcp",
        "unix",
        "spicevmc",
        "spiceport",
        "nmdm",
        "qemu-vdagent",
        "dbus",
    ];

    fn tag(&self) -> &'static str {
        match self {
            CharSource::Null => "null",
            CharSource::Vc => "vc",
            CharSource::Pty(_) => "pty",
            CharSource::Dev(_) => "dev",
            CharSource::File(_) => "file",
            CharSource::Pipe(_) => "pipe",
            CharSource::Stdio => "stdio",
            CharSource::Udp(_) => "udp",
            CharSource::Tcp(_) => "tcp",
            CharSource::Unix(_) => "unix",
            CharSource::Spicevmc => "spicevmc",
            CharSource::Spiceport { .. } => "spiceport",
            CharSource::Nmdm(_) => "nmdm",
            CharSource::QemuVdagent(_) => "qemu-vdagent",
            CharSource::Dbus { .. } => "dbus",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "null" => CharSource::Null,
            "vc" => CharSource::Vc,
            "pty" => CharSource::Pty(PathSource::default()),
            "dev" => CharSource::Dev(PathSource::default()),
            "file" => CharSource::File(PathSource::default()),
            "pipe" => CharSource::Pipe(PathSource::default()),
            "stdio" => CharSource::Stdio,
            "udp" => CharSource::Udp(Udp::default()),
            "tcp" => CharSource::Tcp(Tcp::default()),
            "unix" => CharSource::Unix(Unix::default()),
            "spicevmc" => CharSource::Spicevmc,
            "spiceport" => CharSource::Spiceport { channel: None },
            "nmdm" => CharSource::Nmdm(Nmdm::default()),
            "qemu-vdagent" => CharSource::QemuVdagent(Vdagent::default()),
            "dbus" => CharSource::Dbus { channel: None },
            _ => return None,
        })
    }
}

impl CharSource {
    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X) {
        match self {
            CharSource::Null | CharSource::Vc | CharSource::Stdio | CharSource::Spicevmc => {}
            CharSource::Pty(source)
            | CharSource::Dev(source)
            | CharSource::File(source)
            | CharSource::Pipe(source) => source.describe(xml),
            CharSource::Udp(udp) => udp.describe(xml),
            CharSource::Tcp(tcp) => tcp.describe(xml),
            CharSource::Unix(unix) => unix.describe(xml),
            CharSource::Spiceport { channel } | CharSource::Dbus { channel } => {
                xml.nested("source", |xml| xml.attribute("channel", channel));
            }
            CharSource::Nmdm(nmdm) => xml.nested("source", |xml| {
                xml.attribute("master", &mut nmdm.master);
                xml.attribute("slave", &mut nmdm.slave);
            }),
            CharSource::QemuVdagent(agent) => xml.nested("source", |xml| {
                xml.nested("clipboard", |xml| xml.needed("copypaste", &mut agent.clipboard));
                xml.nested("mouse", |xml| xml.needed("mode", &mut agent.mouse));
            }),
        }
    }

    /// The attributes without which the source makes no sense, and that it does not have.
    pub(super) fn missing(&self, unix_path: UnixPath) -> Vec<&'static str> {
        let wanted: Vec<(&'static str, &Option<String>)> = match self {
            CharSource::Null
            | CharSource::Vc
            | CharSource::Pty(_)
            | CharSource::Stdio
            | CharSource::Spicevmc
            | CharSource::QemuVdagent(_) => Vec::new(),
            CharSource::Dev(source) | CharSource::File(source) | CharSource::Pipe(source) => {
                vec![("path", &source.path)]
            }
            CharSource::Udp(udp) => {
                let service = udp.connect().map_or(&None, |source| &source.service);
                vec![("service", service)]
            }
            CharSource::Tcp(tcp) => vec![("host", &tcp.host), ("service", &tcp.service)],
            CharSource::Unix(unix) if unix_path == UnixPath::Needed => vec![("path", &unix.path)],
            CharSource::Unix(_) => Vec::new(),
            CharSource::Spiceport { channel } | CharSource::Dbus { channel } => vec![("channel", channel)],
            CharSource::Nmdm(nmdm) => vec![("master", &nmdm.master), ("slave", &nmdm.slave)],
        };
        wanted.into_iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect()
    }
}

/// `<source>` that is a path on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PathSource {
    /// Path of the file, device, terminal or pipe.
    pub path: Option<String>,
    /// Whether a file is continued rather than emptied when the guest starts; since libvirt 1.3.1.
    pub append: Option<OnOff>,
    /// How security drivers label the path.
    pub seclabels: Vec<DeviceSeclabel>,
}

impl PathSource {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("source", |xml| {
            xml.attribute("path", &mut self.path);
            xml.attribute("append", &mut self.append);
            xml.children("seclabel", &mut self.seclabels);
        });
    }
}

words! {
    /// Which side of a connection QEMU is, `mode` of `<source>`.
    pub enum SocketMode {
        /// QEMU waits for connections.
        Bind = "bind",
        /// QEMU connects.
        Connect = "connect",
    }

    /// What is spoken over a TCP connection, `type` of `<protocol>`.
    pub enum Protocol {
        /// The characters alone.
        Raw = "raw",
        /// Telnet.
        Telnet = "telnet",
        /// Telnet over TLS; known to libvirt, not to QEMU.
        Telnets = "telnets",
        /// Raw over TLS; known to libvirt, QEMU has `tls` of `<source>` for it.
        Tls = "tls",
    }
}

/// UDP packets: where they are sent to, and where they are received.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Udp {
    /// Each `<source>`: up to one to bind to, and one to connect to; libvirt writes them in this order.
    pub sources: Vec<UdpSource>,
}

impl Udp {
    /// Where packets are received; QEMU chooses if this is not said.
    pub fn bind(&self) -> Option<&UdpSource> {
        self.sources.iter().find(|source| source.mode == SocketMode::Bind)
    }

    /// Where packets are sent to.
    pub fn connect(&self) -> Option<&UdpSource> {
        self.sources.iter().find(|source| source.mode == SocketMode::Connect)
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.children("source", &mut self.sources);
        if X::READS {
            self.sources.sort_by_key(|source| source.mode);
            if self.sources.len() > 2 {
                let message = "UDP has two sides: one `<source>` to bind to, and one to connect to";
                xml.report(Diagnostic::error(Code::RepeatedElement, xml.at("source"), message));
            }
        }
    }
}

/// One side of an UDP connection.
#[derive(Debug, Clone, PartialEq)]
pub struct UdpSource {
    /// Which side it is; to connect if it is not said.
    pub mode: SocketMode,
    /// Host name or address.
    pub host: Option<String>,
    /// Port number or service name.
    pub service: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for UdpSource {
    fn default() -> Self {
        UdpSource { mode: SocketMode::Connect, host: None, service: None, meta: Meta::default() }
    }
}

impl Element for UdpSource {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.defaulted("mode", &mut self.mode);
        xml.attribute("host", &mut self.host);
        xml.attribute("service", &mut self.service);
    }
}

/// A TCP connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Tcp {
    /// Whether QEMU connects or waits; to connect if it is not said.
    pub mode: SocketMode,
    /// Host name or address.
    pub host: Option<String>,
    /// Port number or service name.
    pub service: Option<String>,
    /// Whether the connection is encrypted; since libvirt 2.4.
    pub tls: Option<YesNo>,
    /// Whether QEMU connects again when the connection is lost.
    pub reconnect: Option<Reconnect>,
    /// What is spoken; raw if it is not said.
    pub protocol: Protocol,
}

impl Default for Tcp {
    fn default() -> Self {
        Tcp {
            mode: SocketMode::Connect,
            host: None,
            service: None,
            tls: None,
            reconnect: None,
            protocol: Protocol::Raw,
        }
    }
}

impl Tcp {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("source", |xml| {
            xml.defaulted("mode", &mut self.mode);
            xml.attribute("host", &mut self.host);
            xml.attribute("service", &mut self.service);
            xml.attribute("tls", &mut self.tls);
            xml.child("reconnect", &mut self.reconnect);
        });
        xml.nested("protocol", |xml| xml.defaulted("type", &mut self.protocol));
    }
}

/// A Unix socket.
#[derive(Debug, Clone, PartialEq)]
pub struct Unix {
    /// Whether QEMU connects or waits; to connect if it is not said.
    pub mode: SocketMode,
    /// Path of the socket.
    pub path: Option<String>,
    /// Whether QEMU connects again when the connection is lost.
    pub reconnect: Option<Reconnect>,
    /// How security drivers label the socket.
    pub seclabels: Vec<DeviceSeclabel>,
}

impl Default for Unix {
    fn default() -> Self {
        Unix { mode: SocketMode::Connect, path: None, reconnect: None, seclabels: Vec::new() }
    }
}

impl Unix {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        // libvirt leaves the element out as long as no path was chosen.
        if X::READS || *self != Unix::default() {
            xml.nested("source", |xml| {
                xml.defaulted("mode", &mut self.mode);
                xml.attribute("path", &mut self.path);
                xml.child("reconnect", &mut self.reconnect);
                xml.children("seclabel", &mut self.seclabels);
            });
        }
    }
}

/// `<reconnect>`: what happens when a connection that QEMU made is lost; since libvirt 3.7.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reconnect {
    /// Whether QEMU connects again; no if it is not said.
    pub enabled: Option<YesNo>,
    /// Seconds between two attempts; there has to be a number where QEMU connects again.
    pub timeout: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

impl Reconnect {
    /// Whether QEMU connects again.
    pub fn is_on(&self) -> bool {
        self.enabled == Some(YesNo::Yes)
    }
}

impl Element for Reconnect {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("enabled", &mut self.enabled);
        if self.is_on() {
            xml.needed("timeout", &mut self.timeout);
        } else {
            xml.attribute("timeout", &mut self.timeout);
        }
    }
}

/// A null-modem cable; since libvirt 1.2.4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nmdm {
    /// Device of this guest.
    pub master: Option<String>,
    /// Device of the other side.
    pub slave: Option<String>,
}

/// What the agent that QEMU plays may do; since libvirt 8.4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vdagent {
    /// `<clipboard copypaste=…>`: whether host and guest share a clipboard.
    pub clipboard: Option<YesNo>,
    /// `<mouse mode=…>`: how the pointer moves.
    pub mouse: Option<MouseMode>,
}
