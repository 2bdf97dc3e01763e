//! Character devices of a command line: `-serial tcp:…` and `-chardev socket,…`.

use domain_model::chardev::{
    CharSource, Chardev, Log, PathSource, Protocol, Reconnect, SocketMode, Tcp, Udp, UdpSource, Unix, Vdagent,
};
use domain_model::xml::text::{OnOff, YesNo};

use super::pairs::{self, Pairs};

/// Reads the value of `-serial`, `-parallel` and `-monitor`; `None` if the domain cannot say it.
pub(super) fn shorthand(text: &str) -> Option<CharSource> {
    let path = |path: &str| PathSource { path: Some(path.to_owned()), ..PathSource::default() };
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    Some(match kind {
        "null" => CharSource::Null,
        "vc" => CharSource::Vc,
        "pty" => CharSource::Pty(PathSource::default()),
        "stdio" => CharSource::Stdio,
        "file" => CharSource::File(path(rest)),
        "pipe" => CharSource::Pipe(path(rest)),
        "udp" => CharSource::Udp(udp(rest)),
        "tcp" | "telnet" => {
            let (address, options) = rest.split_once(',').unwrap_or((rest, ""));
            let (host, service) = address.rsplit_once(':')?;
            let options = Pairs::key_value(options, None);
            CharSource::Tcp(Tcp {
                mode: mode(&options),
                host: Some(unbracketed(host)),
                service: Some(service.to_owned()),
                protocol: if kind == "telnet" { Protocol::Telnet } else { Protocol::Raw },
                reconnect: reconnect(&options),
                ..Tcp::default()
            })
        }
        "unix" => {
            let (path, options) = rest.split_once(',').unwrap_or((rest, ""));
            let options = Pairs::key_value(options, None);
            CharSource::Unix(Unix {
                mode: mode(&options),
                path: Some(path.to_owned()),
                reconnect: reconnect(&options),
                ..Unix::default()
            })
        }
        device if device.starts_with("/dev/") => CharSource::Dev(path(text)),
        _ => return None,
    })
}

/// `HOST:PORT@HOST:PORT`: where packets go to, and where they are received.
fn udp(text: &str) -> Udp {
    let (to, from) = text.split_once('@').map_or((text, None), |(to, from)| (to, Some(from)));
    let side = |mode, text: &str| {
        let (host, service) = text.rsplit_once(':').unwrap_or((text, ""));
        let some = |text: String| (!text.is_empty()).then_some(text);
        UdpSource {
            mode,
            host: some(unbracketed(host)),
            service: some(service.to_owned()),
            ..UdpSource::default()
        }
    };
    let mut sources = Vec::new();
    if let Some(from) = from {
        let mut source = side(SocketMode::Bind, from);
        // Port 0 lets the kernel choose, as saying nothing does.
        source.service.take_if(|service| service == "0");
        if source.host.is_some() || source.service.is_some() {
            sources.push(source);
        }
    }
    sources.push(side(SocketMode::Connect, to));
    Udp { sources }
}

/// Reads `-chardev`; `None` if the domain cannot say it.
pub(super) fn backend(options: &Pairs) -> Option<Chardev> {
    options.take("id");
    let get = |key: &str| options.take(key).map(str::to_owned);
    let path = || PathSource {
        path: options.take_any(&["path", "data.path", "device"]).map(str::to_owned),
        ..PathSource::default()
    };
    let source = match options.take("backend")? {
        "null" => CharSource::Null,
        "vc" => CharSource::Vc,
        "pty" => CharSource::Pty(PathSource::default()),
        "stdio" => CharSource::Stdio,
        "file" => {
            let append = options.switch("append").map(|on| if on { OnOff::On } else { OnOff::Off });
            CharSource::File(PathSource { append, ..path() })
        }
        "pipe" => CharSource::Pipe(path()),
        "serial" | "tty" | "parallel" | "parport" => CharSource::Dev(path()),
        "udp" => {
            let to = UdpSource {
                mode: SocketMode::Connect,
                host: get("host"),
                service: get("port"),
                ..UdpSource::default()
            };
            let from = UdpSource {
                mode: SocketMode::Bind,
                host: get("localaddr").filter(|host| !host.is_empty()),
                service: get("localport").filter(|port| port != "0"),
                ..UdpSource::default()
            };
            let is_bound = from.host.is_some() || from.service.is_some();
            CharSource::Udp(Udp { sources: is_bound.then_some(from).into_iter().chain([to]).collect() })
        }
        "socket" if options.peek("path").is_some() => CharSource::Unix(Unix {
            mode: mode(options),
            path: get("path"),
            reconnect: reconnect(options),
            ..Unix::default()
        }),
        "socket" if options.peek("host").is_some() || options.peek("port").is_some() => {
            let is_telnet = options.switch("telnet") == Some(true);
            CharSource::Tcp(Tcp {
                mode: mode(options),
                // Without a host QEMU listens everywhere, and connects to its own host.
                host: Some(
                    get("host").filter(|host| !host.is_empty()).unwrap_or_else(|| "0.0.0.0".to_owned()),
                ),
                service: get("port"),
                reconnect: reconnect(options),
                protocol: if is_telnet { Protocol::Telnet } else { Protocol::Raw },
                ..Tcp::default()
            })
        }
        "spicevmc" => {
            options.take("name");
            CharSource::Spicevmc
        }
        "spiceport" => CharSource::Spiceport { channel: get("name") },
        "dbus" => CharSource::Dbus { channel: get("name") },
        "qemu-vdagent" => {
            options.take("name");
            CharSource::QemuVdagent(Vdagent {
                clipboard: options.switch("clipboard").map(YesNo::from),
                ..Vdagent::default()
            })
        }
        _ => return None,
    };
    let log = options.take("logfile").map(|file| Log {
        file: Some(file.to_owned()),
        append: options.switch("logappend").map(|on| if on { OnOff::On } else { OnOff::Off }),
        ..Log::default()
    });
    Some(Chardev { source, log })
}

fn mode(options: &Pairs) -> SocketMode {
    let waits = options.switch("server") == Some(true);
    if waits {
        // Whether QEMU starts before anybody has connected is libvirt's business: it does.
        options.take("wait");
        options.take("nowait");
        SocketMode::Bind
    } else {
        SocketMode::Connect
    }
}

fn reconnect(options: &Pairs) -> Option<Reconnect> {
    let seconds = match options.take("reconnect-ms").and_then(pairs::number) {
        Some(milliseconds) => milliseconds.div_ceil(1000),
        None => options.take("reconnect").and_then(pairs::number)?,
    };
    let timeout = u32::try_from(seconds).ok()?;
    let enabled = YesNo::from(timeout > 0);
    Some(Reconnect {
        enabled: Some(enabled),
        timeout: (timeout > 0).then_some(timeout),
        ..Reconnect::default()
    })
}

fn unbracketed(host: &str) -> String {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned()
}
