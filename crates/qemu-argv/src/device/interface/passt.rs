//! passt: a network by a process of its own, without privileges.

use caps_parser::Capability;
use domain_model::device::interface::{Interface, InterfaceSource, PortForward, PortProtocol, PortRange};
use domain_model::xml::text::YesNo;

use crate::arg::Args;
use crate::config::Layout;
use crate::context::{Context, Resolved};
use crate::host::FdRequest;
use crate::needs::{Ability, Helper, Link, Word};
use crate::props::{Props, Value};

/// Seconds after which QEMU connects again when passt has gone.
const RECONNECT: u32 = 5;

/// What passt of 2024 and before cannot do.
const VHOST_USER: Ability = Ability {
    args: &["--print-capabilities"],
    what: "vhost-user",
    help: "install passt of 2025 or newer, or use `<interface type='user'>` with `<backend type='passt'/>`",
};

/// Where passt listens for QEMU.
fn socket(nic: &Resolved<'_, Interface>, cx: &Context<'_>) -> String {
    match cx.config().layout {
        Layout::Libvirt => {
            let guest = cx.config().short_name(cx.name());
            format!("{}/passt/{guest}-{}.socket", cx.config().run_dir, nic.alias)
        }
        Layout::Run => format!("{}/{}.passt", cx.guest_dir(), nic.alias),
    }
}

/// Whether somebody starts passt who hands over the ends of a connection.
fn is_handed_over(cx: &Context<'_>) -> bool {
    cx.config().supervised && cx.config().layout == Layout::Run
}

/// The backend that speaks to passt.
pub(super) fn stream(nic: &Resolved<'_, Interface>, cx: &Context<'_>, out: &mut Args) -> Props {
    let origin = nic.at("backend/@type");
    let stream = Props::new("type", "stream", origin);
    if is_handed_over(cx) {
        helper(nic, Link::Pair, cx, out);
        // passt lives as long as the connection, so nobody could be connected to again.
        let fd = Value::Fd(FdRequest::Helper { device: nic.alias.to_owned() });
        let address = Props::plain(origin).set("type", "fd").set("str", fd);
        return stream.set("addr", address).set("server", false);
    }
    let path = socket(nic, cx);
    helper(nic, Link::Makes(path.clone()), cx, out);
    let address = Props::plain(origin).set("type", "unix").set("path", path);
    let props = stream.set("addr", address).set("server", false);
    if cx.has(Capability::NetdevStreamReconnectMs) {
        props.set("reconnect-ms", u64::from(RECONNECT) * 1000)
    } else {
        props.when(cx.has(Capability::NetdevStreamReconnect), |props| props.set("reconnect", RECONNECT))
    }
}

/// The socket by which a card speaks vhost-user with passt: what a `-chardev` says of it.
pub(super) fn chardev(
    props: Props,
    nic: &Resolved<'_, Interface>,
    cx: &Context<'_>,
    out: &mut Args,
) -> Props {
    let origin = nic.at("backend/@type");
    let path = socket(nic, cx);
    if is_handed_over(cx) {
        // QEMU takes vhost-user connections of network cards from paths only, so it gets no descriptor; and passt lives as
        // long as the connection, so nobody could be connected to again.
        helper(nic, Link::Accepts(path.clone()), cx, out);
        return props.set_at("path", path, origin);
    }
    helper(nic, Link::Makes(path.clone()), cx, out);
    crate::chardev::reconnect(props.set_at("path", path, origin), RECONNECT, origin, cx)
}

/// Names passt among the processes that have to run beside QEMU.
fn helper(nic: &Resolved<'_, Interface>, link: Link, cx: &Context<'_>, out: &mut Args) {
    let mut helper = Helper::new("passt", nic.alias, link, nic.at("backend/@type"));
    match &helper.link {
        Link::Makes(path) => {
            let path = path.clone();
            helper.args(["--one-off".to_owned(), "--socket".to_owned(), path]);
        }
        Link::Pair | Link::Listener | Link::Accepts(_) => {
            // In the background it would be nobody's child.
            helper.args(["--foreground", "--fd"]);
            helper.args.push(Word::Socket { before: "" });
        }
    }
    let mut option = |name: &str, value: String| helper.args([name.to_owned(), value]);
    if let Some(mtu) = nic.spec.mtu {
        option("--mtu", mtu.to_string());
    }
    let (is_vhost_user, dev) = match &nic.spec.source {
        InterfaceSource::Vhostuser(socket) => (true, socket.dev.as_ref()),
        InterfaceSource::User { dev } => (false, dev.as_ref()),
        _ => (false, None),
    };
    if let Some(dev) = dev {
        option("--interface", dev.clone());
    }
    if let Some(log) = nic.spec.backend.as_ref().and_then(|backend| backend.log_file.as_ref()) {
        option("--log-file", cx.config().path(log));
    }
    for ip in &nic.spec.ips {
        option("--address", ip.address.to_string());
        // That of IPv6 addresses is 64, and nothing that passt could be told.
        if let Some(prefix) = ip.prefix.filter(|prefix| *prefix > 0 && ip.address.is_ipv4()) {
            option("--netmask", prefix.to_string());
        }
    }
    for forward in &nic.spec.port_forwards {
        let name = match forward.proto {
            PortProtocol::Tcp => "--tcp-ports",
            PortProtocol::Udp => "--udp-ports",
        };
        option(name, ports(forward));
    }
    if is_vhost_user {
        helper.args(["--vhost-user"]);
        helper.ability = Some(VHOST_USER);
    }
    out.needs.helpers.push(helper);
}

/// `ADDRESS%DEV/22:2022,1000-1050,~1020`
fn ports(forward: &PortForward) -> String {
    let mut out = String::new();
    if let Some(address) = forward.address {
        out.push_str(&address.to_string());
    }
    if let Some(dev) = &forward.dev {
        out.push('%');
        out.push_str(dev);
    }
    if !out.is_empty() {
        out.push('/');
    }
    let ranges: Vec<String> = forward.ranges.iter().filter_map(range).collect();
    // To forward all but some ports, passt wants no word for the others.
    out.push_str(if ranges.is_empty() { "all" } else { "" });
    out + &ranges.join(",")
}

fn range(range: &PortRange) -> Option<String> {
    let PortRange { start, end, to, exclude, .. } = range;
    let start = (*start)?;
    let end = end.filter(|end| *end != start);
    let mut out = String::from(if *exclude == Some(YesNo::Yes) { "~" } else { "" });
    out.push_str(&start.to_string());
    if let Some(end) = end {
        out.push_str(&format!("-{end}"));
    }
    if let Some(to) = to {
        out.push_str(&format!(":{to}"));
        if let Some(end) = end {
            out.push_str(&format!("-{}", to.saturating_add(end.saturating_sub(start))));
        }
    }
    Some(out)
}
