//! What is behind a network card: QEMU's `-netdev`.

use domain_model::chardev::Reconnect;
use domain_model::device::interface::{
    Direct, DirectMode, Endpoint, Interface, InterfaceSource, Ip, Network, Socket, Vhostuser, VhostuserMode,
};
use domain_model::xml::Text as _;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic};

use super::{hostdev, passt, several_queues, tap};
use crate::arg::Args;
use crate::config::Layout;
use crate::context::{Context, Resolved};
use crate::host::{FdRequest, NetworkPlug};
use crate::needs::Lower;
use crate::props::Props;

/// What helps whose virtual network is not there.
const INSTEAD: &str = "start it, or replace it for one run: `domx run --net user`, `--net passt` or \
                       `--net bridge=NAME`";

/// The backend of a card without its id, and what has to stand in front of it; `None` if there is none or
/// something is wrong.
pub(super) fn backend(nic: &Resolved<'_, Interface>, cx: &Context<'_>, out: &mut Args) -> Option<Props> {
    let origin = nic.at("@type");
    let backend = |name: &str| Props::new("type", name, origin);
    match &nic.spec.source {
        InterfaceSource::User { .. } if nic.spec.uses_passt() => Some(passt::stream(nic, cx, out)),
        InterfaceSource::User { .. } => Some(addresses(backend("user"), nic)),
        InterfaceSource::Internal { .. } => Some(backend("user")),
        InterfaceSource::Ethernet(ethernet) => tap::ethernet(nic, ethernet, cx, out),
        InterfaceSource::Bridge(bridge) => {
            let bridge = bridge.bridge.as_deref().unwrap_or_default();
            tap::bridged(nic, bridge, nic.at("source/@bridge"), cx, out)
        }
        InterfaceSource::Network(_) | InterfaceSource::Direct(_) if cx.config().layout == Layout::Libvirt => {
            Some(tap::inherited(nic, true, tap::uses_vhost(nic), cx))
        }
        InterfaceSource::Network(network) => virtual_network(nic, network, cx, out),
        InterfaceSource::Direct(Direct { dev, mode, .. }) => {
            let lower = Lower { dev: dev.clone().unwrap_or_default(), mode: *mode };
            tap::direct(nic, lower, nic.at("source/@dev"), cx, out)
        }
        InterfaceSource::Client(socket) => Some(endpoint(backend("socket"), "connect", &socket.remote, nic)),
        InterfaceSource::Server(socket) => Some(endpoint(backend("socket"), "listen", &socket.remote, nic)),
        InterfaceSource::Mcast(socket) => Some(endpoint(backend("socket"), "mcast", &socket.remote, nic)),
        InterfaceSource::Udp(socket) => Some(udp(backend("socket"), socket, nic)),
        InterfaceSource::Vhostuser(socket) => Some(vhostuser(nic, socket, cx, out)),
        InterfaceSource::Vdpa { dev } => {
            let path = cx.config().path(dev.as_deref().unwrap_or_default());
            let path = match cx.config().layout {
                Layout::Libvirt => {
                    let opaque = format!("{}-vdpa", nic.alias);
                    out.fdset(FdRequest::Vdpa { path }, &opaque, nic.at("source/@dev"), nic.origin)
                }
                Layout::Run => path,
            };
            let props = backend("vhost-vdpa").set_at("vhostdev", path, nic.at("source/@dev"));
            Some(props.set_at("queues", several_queues(nic), nic.at("driver/@queues")))
        }
        // The first is among the devices of the host; the others were refused.
        InterfaceSource::Hostdev(_) | InterfaceSource::Null | InterfaceSource::Vds(_) => None,
    }
}

/// The guest's addresses in QEMU's own network.
fn addresses(props: Props, nic: &Resolved<'_, Interface>) -> Props {
    nic.spec.ips.iter().fold(props, |props, Ip { address, prefix, meta, .. }| {
        let prefix = prefix.filter(|prefix| *prefix > 0);
        match (address.is_ipv4(), prefix) {
            (true, Some(prefix)) => props.set_at("net", format!("{address}/{prefix}"), meta.origin),
            (true, None) => props.set_at("net", address.to_string(), meta.origin),
            (false, prefix) => props.set_at("ipv6-prefix", address.to_string(), meta.origin).set_at(
                "ipv6-prefixlen",
                prefix,
                meta.origin,
            ),
        }
    })
}

/// A card of a virtual network of libvirt's, on the bridge of that network.
fn virtual_network(
    nic: &Resolved<'_, Interface>,
    network: &Network,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<Props> {
    let name = network.port.network.as_deref().unwrap_or_default();
    let origin = nic.at("source/@network");
    let message = match hostdev::plug(network, cx.inputs) {
        Some(NetworkPlug::Bridge(bridge)) => return tap::bridged(nic, &bridge, origin, cx, out),
        Some(NetworkPlug::Direct { dev, mode }) => {
            let mode = DirectMode::parse(&mode).unwrap_or(DirectMode::Vepa);
            return tap::direct(nic, Lower { dev, mode }, origin, cx, out);
        }
        Some(NetworkPlug::Unusable(reason)) => {
            format!("the virtual network `{name}` cannot be used without libvirt: {reason}")
        }
        // Cards of the host are among its devices, and not here.
        Some(NetworkPlug::Hostdev(_)) | None => format!("no virtual network `{name}` runs on this host"),
    };
    let problem = Diagnostic::error(Code::NotFound, origin, message);
    out.problem(problem.help(INSTEAD));
    None
}

/// `address:port`
fn text(endpoint: &Endpoint) -> String {
    let address = endpoint.address.as_deref().unwrap_or_default();
    format!("{address}:{}", endpoint.port.unwrap_or_default())
}

fn endpoint(props: Props, key: &'static str, endpoint: &Endpoint, nic: &Resolved<'_, Interface>) -> Props {
    props.set_at(key, text(endpoint), nic.at("source"))
}

fn udp(props: Props, socket: &Socket, nic: &Resolved<'_, Interface>) -> Props {
    let local = text(&socket.local);
    endpoint(props, "udp", &socket.remote, nic).set_at("localaddr", local, nic.at("source/local"))
}

/// A socket to the program that moves the packets, and the backend that uses it.
fn vhostuser(nic: &Resolved<'_, Interface>, socket: &Vhostuser, cx: &Context<'_>, out: &mut Args) -> Props {
    let id = format!("char{}", nic.alias);
    let start = Props::new("backend", "socket", nic.at("source")).set("id", &id);
    let props = match &socket.path {
        // passt decides how it is reached, whatever the domain says of a socket.
        _ if nic.spec.uses_passt() => passt::chardev(start, nic, cx, out),
        path => connection(start, path.as_deref().unwrap_or_default(), nic, socket, cx),
    };
    out.props("-chardev", props);
    Props::new("type", "vhost-user", nic.at("@type")).set("chardev", id).set_at(
        "queues",
        several_queues(nic),
        nic.at("driver/@queues"),
    )
}

/// How QEMU and the program that moves the packets find each other.
fn connection(
    start: Props,
    path: &str,
    nic: &Resolved<'_, Interface>,
    socket: &Vhostuser,
    cx: &Context<'_>,
) -> Props {
    let props = start.set_at("path", cx.config().path(path), nic.at("source/@path"));
    match (&socket.mode, &socket.reconnect) {
        (Some(VhostuserMode::Server), _) => props.set_at("server", true, nic.at("source/@mode")),
        (_, Some(Reconnect { enabled: Some(YesNo::Yes), timeout, meta })) => {
            crate::chardev::reconnect(props, timeout.unwrap_or_default(), meta.origin, cx)
        }
        _ => props,
    }
}
