//! Nodes with content behind a network protocol.

use std::net::Ipv6Addr;

use caps_parser::Capability;
use domain_model::storage::{EncryptionEngine, EncryptionFormat, Host, NetworkSource, Protocol, Transport};
use domain_model::{Code, Diagnostic};

use super::Image;
use super::secrets::Secrets;
use crate::arg::Args;
use crate::context::Context;
use crate::props::{ListStyle, Props, Value};

/// What says where the content is; `None` if it cannot be said.
pub(super) fn storage(
    image: &Image<'_>,
    network: &NetworkSource,
    secrets: &Secrets,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<Props> {
    let protocol = network.protocol?;
    let props = Props::new("driver", protocol.as_str(), image.meta.at("source/@protocol"));
    let name = network.name.as_deref().unwrap_or_default();
    let path = image.meta.at("source/@name");
    Some(match protocol {
        Protocol::Nbd => props
            .set("server", socket(only_host(image, network, protocol, out)?, protocol, out)?)
            .set_at("export", network.name.as_deref(), path)
            .set("tls-creds", secrets.tls.as_deref())
            .set_at("tls-hostname", network.tls_hostname.as_deref(), image.meta.at("source/@tlsHostname"))
            .set_at(
                "reconnect-delay",
                network.reconnect_delay.filter(|delay| *delay > 0),
                image.meta.at("source/reconnect/@delay"),
            ),
        Protocol::Gluster => {
            let (volume, file) = split(name);
            let servers: Option<Vec<Value>> =
                network.hosts.iter().map(|host| socket(host, protocol, out).map(Value::Props)).collect();
            props
                .set_at("volume", volume, path)
                .set_at("path", file, path)
                .set("server", Value::List(servers?, ListStyle::Numbered))
                .set("debug", cx.config().gluster_debug_level)
        }
        Protocol::Vxhs => props
            .set("tls-creds", secrets.tls.as_deref())
            .requires(Capability::Vxhs, "vdisk-id", name, path)
            .set("server", inet(only_host(image, network, protocol, out)?, protocol, out)?),
        Protocol::Nfs => {
            let host = only_host(image, network, protocol, out)?;
            let server = Props::plain(host.meta.origin)
                .set_at("host", host.name.as_deref().unwrap_or_default(), host.meta.at("@name"))
                .set("type", "inet");
            let identity = network.identity.as_ref();
            let number = |id: Option<&String>| id.and_then(|id| id.strip_prefix('+')?.parse::<u32>().ok());
            props
                .set("server", server)
                .set_at("path", name, path)
                .set_at(
                    "user",
                    number(identity.and_then(|identity| identity.user.as_ref())),
                    image.meta.at("source/identity/@user"),
                )
                .set_at(
                    "group",
                    number(identity.and_then(|identity| identity.group.as_ref())),
                    image.meta.at("source/identity/@group"),
                )
        }
        Protocol::Http | Protocol::Https | Protocol::Ftp | Protocol::Ftps | Protocol::Tftp => {
            let url = url(only_host(image, network, protocol, out)?, network, protocol, name);
            props
                .set_at("url", url, path)
                .set("username", secrets.password.as_ref().and(image.auth).map(|auth| auth.username.as_str()))
                .set("password-secret", secrets.password.as_deref())
                .set_at("sslverify", network.ssl_verify, image.meta.at("source/ssl/@verify"))
                .set("cookie-secret", secrets.cookies.as_deref())
                .set_at(
                    "timeout",
                    network.timeout.filter(|timeout| *timeout > 0),
                    image.meta.at("source/timeout/@seconds"),
                )
                .set_at(
                    "readahead",
                    network.readahead.filter(|size| *size > 0),
                    image.meta.at("source/readahead/@size"),
                )
        }
        Protocol::Iscsi => {
            iscsi(props, only_host(image, network, protocol, out)?, image, network, secrets, out)?
        }
        Protocol::Rbd => rbd(props, image, network, secrets, out)?,
        Protocol::Ssh => {
            let server = inet(only_host(image, network, protocol, out)?, protocol, out)?;
            let user = image.auth.map(|auth| auth.username.as_str());
            let username = network.identity.as_ref().and_then(|identity| identity.username.as_deref());
            props.set_at("path", name, path).set("server", server).set("user", user.or(username))
        }
        Protocol::Sheepdog => props
            .set("server", socket(only_host(image, network, protocol, out)?, protocol, out)?)
            .set_at("vdi", name, path),
    })
}

/// The one server of a protocol that has only one.
fn only_host<'a>(
    image: &Image<'_>,
    network: &'a NetworkSource,
    protocol: Protocol,
    out: &mut Args,
) -> Option<&'a Host> {
    match network.hosts.as_slice() {
        [host] => Some(host),
        hosts => {
            let count = hosts.len();
            let message = format!("the protocol `{protocol}` needs exactly one `<host>`, not {count}");
            out.problem(Diagnostic::error(Code::HostFact, image.meta.at("source"), message));
            None
        }
    }
}

/// The port that a protocol has if none is written.
const fn default_port(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::Http => 80,
        Protocol::Https => 443,
        Protocol::Ftp => 21,
        Protocol::Ftps => 990,
        Protocol::Tftp => 69,
        Protocol::Sheepdog => 7000,
        Protocol::Nbd => 10809,
        Protocol::Ssh => 22,
        Protocol::Iscsi => 3260,
        Protocol::Gluster => 24007,
        Protocol::Vxhs => 9999,
        // Both find it themselves.
        Protocol::Rbd | Protocol::Nfs => 0,
    }
}

fn port(host: &Host, protocol: Protocol) -> u32 {
    host.port.filter(|port| *port > 0).unwrap_or(default_port(protocol))
}

/// A server as QEMU's `SocketAddress`.
fn socket(host: &Host, protocol: Protocol, out: &mut Args) -> Option<Props> {
    match host.transport.unwrap_or(Transport::Tcp) {
        Transport::Tcp => {
            let address = Props::plain(host.meta.origin).set("type", "inet");
            Some(address.extend(inet(host, protocol, out)?))
        }
        Transport::Unix => Some(Props::plain(host.meta.origin).set("type", "unix").set_at(
            "path",
            host.socket.as_deref().unwrap_or_default(),
            host.meta.at("@socket"),
        )),
        Transport::Rdma => {
            no_transport(host, protocol, out);
            None
        }
    }
}

/// A server as QEMU's `InetSocketAddress`.
fn inet(host: &Host, protocol: Protocol, out: &mut Args) -> Option<Props> {
    if !matches!(host.transport, None | Some(Transport::Tcp)) {
        no_transport(host, protocol, out);
        return None;
    }
    Some(
        Props::plain(host.meta.origin)
            .set_at("host", host.name.as_deref().unwrap_or_default(), host.meta.at("@name"))
            .set_at("port", port(host, protocol).to_string(), host.meta.at("@port")),
    )
}

fn no_transport(host: &Host, protocol: Protocol, out: &mut Args) {
    let transport = host.transport.unwrap_or(Transport::Tcp);
    let message = format!("the protocol `{protocol}` does not go over the transport `{transport}`");
    out.problem(Diagnostic::error(Code::HostFact, host.meta.at("@transport"), message));
}

/// What is in front of the first slash and what is behind it.
fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, ""))
}

fn is_ipv6(name: &str) -> bool {
    name.parse::<Ipv6Addr>().is_ok()
}

fn url(host: &Host, network: &NetworkSource, protocol: Protocol, name: &str) -> String {
    let server = host.name.as_deref().unwrap_or_default();
    let server = if server.contains(':') { format!("[{server}]") } else { server.to_owned() };
    let slash = if name.starts_with('/') { "" } else { "/" };
    let query = network.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    let (scheme, port) = match host.transport.unwrap_or(Transport::Tcp) {
        Transport::Tcp => (protocol.to_string(), format!(":{}", port(host, protocol))),
        transport => (format!("{protocol}+{transport}"), String::new()),
    };
    format!("{scheme}://{server}{port}{slash}{}{query}", escape_path(name))
}

/// Escapes what cannot stand in the path of a URL as it is; a colon as well, as libxml2 does.
fn escape_path(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn iscsi(
    props: Props,
    host: &Host,
    image: &Image<'_>,
    network: &NetworkSource,
    secrets: &Secrets,
    out: &mut Args,
) -> Option<Props> {
    let path = image.meta.at("source/@name");
    let name = network.name.as_deref().unwrap_or_default();
    let (target, lun) = name.split_once('/').unwrap_or((name, "0"));
    let Ok(lun) = lun.parse::<u32>() else {
        let message = format!("bad LUN `{lun}` in `{name}`: a number is expected behind the slash");
        out.problem(Diagnostic::error(Code::HostFact, path, message));
        return None;
    };
    let server = host.name.as_deref().unwrap_or_default();
    let port = port(host, Protocol::Iscsi);
    let portal = if is_ipv6(server) { format!("[{server}]:{port}") } else { format!("{server}:{port}") };
    let user = secrets.password.as_ref().and(image.auth).map(|auth| auth.username.as_str());
    Some(
        props
            .set_at("portal", portal, host.meta.at("@name"))
            .set_at("target", target, path)
            .set_at("lun", lun, path)
            .set("transport", "tcp")
            .set("user", user)
            .set("password-secret", secrets.password.as_deref())
            .set_at(
                "initiator-name",
                network.initiator_iqn.as_deref(),
                image.meta.at("source/initiator/iqn/@name"),
            ),
    )
}

fn rbd(
    props: Props,
    image: &Image<'_>,
    network: &NetworkSource,
    secrets: &Secrets,
    out: &mut Args,
) -> Option<Props> {
    let path = image.meta.at("source/@name");
    let (pool, name) = split(network.name.as_deref().unwrap_or_default());
    let servers: Option<Vec<Value>> =
        network.hosts.iter().map(|host| inet(host, Protocol::Rbd, out).map(Value::Props)).collect();
    let servers = servers?;
    let password = secrets.password.as_deref();
    let modes = ["cephx", "none"].map(Value::from).to_vec();
    Some(
        props
            .set_at("pool", pool, path)
            .set_at("image", name, path)
            .set_at("snapshot", network.snapshot.as_deref(), image.meta.at("source/snapshot/@name"))
            .set_at("conf", network.config.as_deref(), image.meta.at("source/config/@file"))
            .set("server", (!servers.is_empty()).then_some(Value::List(servers, ListStyle::Numbered)))
            .set("encrypt", rbd_encryption(image, secrets))
            .set("user", password.and(image.auth).map(|auth| auth.username.as_str()))
            .set("auth-client-required", password.map(|_| Value::List(modes, ListStyle::Numbered)))
            .set("key-secret", password),
    )
}

/// The layers of encryption that librbd undoes, the image's own around those of its parents.
fn rbd_encryption(image: &Image<'_>, secrets: &Secrets) -> Option<Props> {
    let encryption =
        image.encryption.filter(|encryption| encryption.engine == Some(EncryptionEngine::Librbd))?;
    let format = match encryption.format {
        EncryptionFormat::Luks2 => "luks2",
        EncryptionFormat::LuksAny => "luks-any",
        EncryptionFormat::Luks | EncryptionFormat::Default | EncryptionFormat::Qcow => "luks",
    };
    secrets.passphrases.iter().rev().fold(None, |parent, secret| {
        let layer = Props::plain(encryption.meta.origin).set("format", format).set("key-secret", secret);
        Some(layer.set("parent", parent))
    })
}
