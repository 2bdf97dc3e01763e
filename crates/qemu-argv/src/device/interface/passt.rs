//! passt: a network by a process of its own, without privileges.

use caps_parser::Capability;
use domain_model::device::interface::{Interface, InterfaceSource, PortForward, PortProtocol, PortRange};
use domain_model::xml::text::YesNo;

use crate::arg::{Args, Helper};
use crate::config::Layout;
use crate::context::{Context, Resolved};
use crate::props::Props;

/// Seconds after which QEMU connects again when passt has gone.
pub(super) const RECONNECT: u32 = 5;

/// Where passt listens for QEMU.
pub(super) fn socket(nic: &Resolved<'_, Interface>, cx: &Context<'_>) -> String {
    match cx.config().layout {
        Layout::Libvirt => {
            let guest = cx.config().short_name(cx.name());
            format!("{}/passt/{guest}-{}.socket", cx.config().run_dir, nic.alias)
        }
        Layout::Run => format!("{}/{}.passt", cx.guest_dir(), nic.alias),
    }
}

/// The backend that speaks to passt.
pub(super) fn stream(nic: &Resolved<'_, Interface>, cx: &Context<'_>, out: &mut Args) -> Props {
    let origin = nic.at("backend/@type");
    let path = socket(nic, cx);
    let address = Props::plain(origin).set("type", "unix").set("path", &path);
    helper(nic, path, cx, out);
    let props = Props::new("type", "stream", origin).set("addr", address).set("server", false);
    if cx.has(Capability::NetdevStreamReconnectMs) {
        props.set("reconnect-ms", u64::from(RECONNECT) * 1000)
    } else {
        props.when(cx.has(Capability::NetdevStreamReconnect), |props| props.set("reconnect", RECONNECT))
    }
}

/// Names passt among the processes that have to run beside QEMU.
pub(super) fn helper(nic: &Resolved<'_, Interface>, socket: String, cx: &Context<'_>, out: &mut Args) {
    let mut args = vec!["--one-off".to_owned(), "--socket".to_owned(), socket.clone()];
    let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
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
        if let Some(prefix) = ip.prefix.filter(|prefix| *prefix > 0) {
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
    args.extend(is_vhost_user.then(|| "--vhost-user".to_owned()));
    let program = "passt".to_owned();
    out.helpers.push(Helper { program, args, socket, origin: nic.at("backend/@type") });
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
    let ranges: Vec<String> = forward.ranges.iter().map(range).collect();
    // To forward all but some ports, passt wants no word for the others.
    out.push_str(if ranges.is_empty() { "all" } else { "" });
    out + &ranges.join(",")
}

fn range(range: &PortRange) -> String {
    let PortRange { start, end, to, exclude, .. } = range;
    let end = end.filter(|end| end != start);
    let mut out = String::from(if *exclude == Some(YesNo::Yes) { "~" } else { "" });
    out.push_str(&start.to_string());
    if let Some(end) = end {
        out.push_str(&format!("-{end}"));
    }
    if let Some(to) = to {
        out.push_str(&format!(":{to}"));
        if let Some(end) = end {
            out.push_str(&format!("-{}", to.saturating_add(end.saturating_sub(*start))));
        }
    }
    out
}
