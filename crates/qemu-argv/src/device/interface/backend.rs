//! What is behind a network card: QEMU's `-netdev`.

use domain_model::chardev::Reconnect;
use domain_model::device::interface::{
    DriverName, Endpoint, Ethernet, Interface, InterfaceSource, Ip, Socket, Vhostuser, VhostuserMode,
};
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic};

use super::{passt, virtio_model};
use crate::arg::Args;
use crate::config::Layout;
use crate::context::{Context, Resolved};
use crate::dialect::Era;
use crate::host::{FdRequest, NetworkPlug};
use crate::props::{ListStyle, Props, Value};

/// The backend of a card without its id, and what has to stand in front of it; `None` if there is none or
/// something is wrong.
pub(super) fn backend(nic: &Resolved<'_, Interface>, cx: &Context<'_>, out: &mut Args) -> Option<Props> {
    let origin = nic.at("@type");
    let backend = |name: &str| Props::new("type", name, origin);
    match &nic.spec.source {
        InterfaceSource::User { .. } if nic.spec.uses_passt() => Some(passt::stream(nic, cx, out)),
        InterfaceSource::User { .. } => Some(addresses(backend("user"), nic)),
        InterfaceSource::Internal { .. } => Some(backend("user")),
        InterfaceSource::Ethernet(ethernet) => Some(ethernet_tap(nic, ethernet, cx, out)),
        InterfaceSource::Bridge(bridge) => match cx.config().layout {
            Layout::Libvirt => Some(inherited_tap(nic, true)),
            Layout::Run => {
                Some(backend("bridge").set_at("br", bridge.bridge.as_deref(), nic.at("source/@bridge")))
            }
        },
        InterfaceSource::Network(network) => match cx.config().layout {
            Layout::Libvirt => Some(inherited_tap(nic, true)),
            Layout::Run => {
                let name = network.port.network.as_deref().unwrap_or_default();
                let origin = nic.at("source/@network");
                match cx.inputs.host.network(name) {
                    Some(NetworkPlug::Bridge(bridge)) => Some(backend("bridge").set_at("br", bridge, origin)),
                    Some(NetworkPlug::Direct(_) | NetworkPlug::Hostdev(_)) => {
                        cx.not_yet("a virtual network without a bridge", origin, out);
                        None
                    }
                    None => {
                        let message = format!("no virtual network `{name}` is known on this host");
                        let problem = Diagnostic::error(Code::NotFound, origin, message);
                        out.problem(problem.help("use `<interface type='user'/>`, or `type='bridge'`"));
                        None
                    }
                }
            }
        },
        InterfaceSource::Direct(_) => match cx.config().layout {
            Layout::Libvirt => Some(inherited_tap(nic, true)),
            Layout::Run => {
                cx.not_yet("a macvtap device", origin, out);
                None
            }
        },
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
                    out.fdset(FdRequest::Vdpa { path }, &opaque, nic.at("source/@dev"))
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

/// The number of pairs of queues, at least one.
fn queues(nic: &Resolved<'_, Interface>) -> u32 {
    nic.spec.driver.as_ref().and_then(|driver| driver.queues).map_or(1, |queues| queues.get())
}

fn several_queues(nic: &Resolved<'_, Interface>) -> Option<u32> {
    Some(queues(nic)).filter(|queues| *queues > 1)
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

/// A TAP device that somebody else opens: libvirt, which has the rights to.
fn inherited_tap(nic: &Resolved<'_, Interface>, bridged: bool) -> Props {
    let device = nic.alias.to_owned();
    let tap = |queue| FdRequest::Tap { device: device.clone(), queue, bridged };
    let props = descriptors(Props::new("type", "tap", nic.at("@type")), "fd", "fds", nic, tap);
    let vhost = |queue| FdRequest::VhostNet { device: device.clone(), queue };
    let props = match uses_vhost(nic) {
        true => descriptors(
            props.set_at("vhost", true, nic.at("driver/@name")),
            "vhostfd",
            "vhostfds",
            nic,
            vhost,
        ),
        false => props,
    };
    props.set_at("sndbuf", nic.spec.sndbuf, nic.at("tune/sndbuf"))
}

/// One descriptor for each pair of queues.
fn descriptors(
    props: Props,
    one: &str,
    many: &str,
    nic: &Resolved<'_, Interface>,
    request: impl Fn(u32) -> FdRequest,
) -> Props {
    match several_queues(nic) {
        None => props.set(one, request(0)),
        Some(queues) => {
            let values = (0..queues).map(|queue| Value::Fd(request(queue))).collect();
            props.set_at(many, Value::List(values, ListStyle::Colons), nic.at("driver/@queues"))
        }
    }
}

/// The kernel moves the packets of virtio cards, unless the domain wants QEMU to do it.
fn uses_vhost(nic: &Resolved<'_, Interface>) -> bool {
    let name = nic.spec.driver.as_ref().and_then(|driver| driver.name);
    virtio_model(nic.spec).is_some() && name != Some(DriverName::Qemu)
}

fn ethernet_tap(
    nic: &Resolved<'_, Interface>,
    ethernet: &Ethernet,
    cx: &Context<'_>,
    out: &mut Args,
) -> Props {
    if cx.config().layout == Layout::Libvirt && cx.dialect.era == Era::Modern {
        return inherited_tap(nic, false);
    }
    let _ = (ethernet, out);
    let script = |path: &Option<String>| match (path, cx.dialect.era) {
        (Some(path), _) => Some(path.clone()),
        // Without a script, QEMU runs its own default one, which is rarely there.
        (None, Era::Modern) => Some("no".to_owned()),
        (None, Era::Historic) => None,
    };
    let vhost = nic.spec.driver.as_ref().and_then(|driver| driver.name) == Some(DriverName::Vhost);
    Props::new("type", "tap", nic.at("@type"))
        .set_at("ifname", nic.spec.target_dev.as_deref(), nic.at("target/@dev"))
        .set_at("script", script(&nic.spec.script), nic.at("script/@path"))
        .when(cx.dialect.era == Era::Modern, |props| {
            props.set_at("downscript", script(&nic.spec.downscript), nic.at("downscript/@path"))
        })
        .set_at("vhost", vhost.then_some(true), nic.at("driver/@name"))
        .set_at("queues", several_queues(nic), nic.at("driver/@queues"))
        .set_at("sndbuf", nic.spec.sndbuf, nic.at("tune/sndbuf"))
}

/// `address:port`
fn text(endpoint: &Endpoint) -> String {
    let address = endpoint.address.as_deref().unwrap_or_default();
    format!("{address}:{}", endpoint.port.unwrap_or_default())
}

fn endpoint(props: Props, key: &str, endpoint: &Endpoint, nic: &Resolved<'_, Interface>) -> Props {
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
    let props = match (nic.spec.uses_passt(), &socket.path) {
        (false, Some(path)) => start.set_at("path", cx.config().path(path), nic.at("source/@path")),
        (true, _) | (false, None) => {
            let origin = nic.at("backend/@type");
            let path = passt::socket(nic, cx);
            passt::helper(nic, path.clone(), cx, out);
            crate::chardev::reconnect(start.set_at("path", path, origin), passt::RECONNECT, origin, cx)
        }
    };
    let props = match socket.mode {
        Some(VhostuserMode::Server) => props.set_at("server", true, nic.at("source/@mode")),
        _ => match &socket.reconnect {
            Some(Reconnect { enabled: YesNo::Yes, timeout, meta }) => {
                crate::chardev::reconnect(props, timeout.unwrap_or_default(), meta.origin, cx)
            }
            _ => props,
        },
    };
    out.props("-chardev", props);
    Props::new("type", "vhost-user", nic.at("@type")).set("chardev", id).set_at(
        "queues",
        several_queues(nic),
        nic.at("driver/@queues"),
    )
}
