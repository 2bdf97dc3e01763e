//! `<channel>` on the QEMU side.

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::chardev::{CharSource, SocketMode, Unix};
use domain_model::device::channel::{Channel, ChannelTarget, Guestfwd, NamedPort};
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::address::address;
use crate::arg::Args;
use crate::chardev::{self, Frontend};
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Era;
use crate::props::{ListStyle, Props, Value};
use crate::resolve::Resolving;
use crate::spell::Spelling;

/// The name by which Spice's agent finds its channel.
const SPICE_AGENT: &str = "com.redhat.spice.0";

impl QemuDevice for Channel {
    fn alias(_: &Device<Self>, index: usize, domain: &Domain, _: Inputs<'_>) -> String {
        format!("channel{}", super::numbered_before::<Self>(index, domain))
    }

    fn defaults(channel: &mut Device<Self>, _: usize, cx: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        chardev::defaults(&mut channel.spec.chardev);
        if let ChannelTarget::Virtio(port) | ChannelTarget::Xen(port) = &mut channel.spec.target {
            port.state = None;
            let name = port.name.as_deref().unwrap_or_default();
            if let CharSource::Unix(unix) = &mut channel.spec.chardev.source
                && (unix.path.is_none() || is_libvirts_choice(unix, name, &cx.inputs.config.channel_dir))
            {
                // QEMU listens where libvirt chooses the path, and only who connects can connect again: that is
                // left to be refused.
                let reconnect = unix.reconnect.take();
                let listens = unix.path.is_none() || unix.mode == SocketMode::Bind;
                *unix = match reconnect.filter(|_| listens) {
                    None => Unix::default(),
                    reconnect => Unix { mode: SocketMode::Bind, reconnect, ..Unix::default() },
                };
            }
        }
    }

    fn validate(channel: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        chardev::validate(&channel.spec.chardev, channel.origin, cx, problems);
        let is_virtio = matches!(channel.spec.target, ChannelTarget::Virtio(_));
        if cx.dialect.era == Era::Modern && channel.spec.chardev.source == CharSource::Spicevmc && !is_virtio
        {
            let message = "a channel of type `spicevmc` is a virtio channel";
            problems.push(Diagnostic::error(Code::Unsupported, channel.at("target/@type"), message));
        }
    }

    fn args(channel: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        match &channel.spec.target {
            ChannelTarget::Guestfwd(target) => guestfwd(channel, target, cx, out),
            ChannelTarget::Virtio(port) => virtio(channel, port, cx, out),
            ChannelTarget::Xen(_) => {
                let message = "channels of type `xen` are for Xen";
                out.problem(Diagnostic::error(Code::Unsupported, channel.at("target/@type"), message));
            }
        }
    }
}

/// Whether the path is one that some version of libvirt made up; it chooses anew at each start.
fn is_libvirts_choice(unix: &Unix, name: &str, channel_dir: &str) -> bool {
    let Some(path) = unix.path.as_deref().filter(|_| !name.is_empty()) else { return false };
    let dirs = [
        channel_dir,
        "/var/lib/libvirt/qemu/channel",
        "/var/run/libvirt/qemu/channel",
        "/run/libvirt/qemu/channel",
    ];
    let below = dirs.iter().find_map(|dir| path.strip_prefix(dir)?.strip_prefix('/'));
    let Some(guest) = below.and_then(|below| below.strip_suffix(name)) else { return false };
    let (in_target, guest) = match guest.strip_prefix("target/") {
        Some(guest) => (true, guest),
        None => (false, guest),
    };
    let one = |guest: &str| !guest.is_empty() && !guest.contains('/');
    let numbered = |guest: &str| {
        guest.split_once('-').is_some_and(|(id, rest)| {
            !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && one(rest)
        })
    };
    match (guest.strip_suffix('/'), guest.strip_suffix('.')) {
        (Some(guest), _) if in_target => guest.strip_prefix("domain-").is_some_and(one),
        (Some(guest), _) => numbered(guest),
        (None, Some(guest)) => in_target && one(guest),
        (None, None) => false,
    }
}

/// A TCP address in the guest's own network that leads to the host.
fn guestfwd(channel: &Resolved<'_, Channel>, target: &Guestfwd, cx: &Context<'_>, out: &mut Args) {
    let frontend = Frontend::new(channel.alias, channel.origin);
    let chardev = chardev::args(&channel.spec.chardev, frontend, cx, out);
    if cx.dialect.era == Era::Historic {
        out.needing(Capability::Chardev);
    }
    let origin = channel.at("target/@address");
    let address = format!("tcp:{}:{}", target.address, target.port);
    let user = Props::new("type", "user", channel.at("target/@type"));
    let netdev = match (cx.dialect.era, cx.dialect.netdev) {
        (Era::Historic, _) => user
            .set_at("guestfwd", address, origin)
            .set("chardev", chardev)
            .set("id", format!("user-{}", channel.alias)),
        (Era::Modern, Spelling::Json) => {
            let rule = Props::plain(origin).set("str", format!("{address}-chardev:{chardev}"));
            let rules = Value::List(vec![Value::Props(rule)], ListStyle::Repeated);
            user.set_at("guestfwd", rules, origin).set("id", channel.alias)
        }
        (Era::Modern, _) => {
            user.set_at("guestfwd", format!("{address}-chardev:{chardev}"), origin).set("id", channel.alias)
        }
    };
    out.props("-netdev", netdev);
    if cx.dialect.era == Era::Historic {
        out.needing(Capability::DeviceOption);
    }
}

/// A named port of a virtio-serial controller.
fn virtio(channel: &Resolved<'_, Channel>, port: &NamedPort, cx: &Context<'_>, out: &mut Args) {
    chardev::virtio_serial_only(channel, out);
    let is_spice = channel.spec.chardev.source == CharSource::Spicevmc;
    let name = port.name.as_deref().or(is_spice.then_some(SPICE_AGENT));
    let name_origin = channel.at("target/@name");
    if is_spice && name != Some(SPICE_AGENT) {
        let message = format!("a channel of type `spicevmc` has the name `{SPICE_AGENT}`");
        out.problem(Diagnostic::error(Code::Unsupported, name_origin, message));
    }
    // QEMUs that had the agent's channel before `-chardev spicevmc` have it as a device of its own.
    if is_spice && cx.has(Capability::DeviceSpicevmc) {
        let props = address(Props::new("driver", "spicevmc", channel.origin), channel.info, cx);
        out.props("-device", props.set("id", channel.alias));
        return;
    }
    let unnamed = unnamed_socket(channel);
    let socket = Some(port.name.as_deref().unwrap_or(&unnamed));
    let frontend = Frontend { socket, ..Frontend::new(channel.alias, channel.origin) };
    let chardev = chardev::args(&channel.spec.chardev, frontend, cx, out);
    let props = Props::new("driver", "virtserialport", channel.at("target/@type"));
    let props = address(props, channel.info, cx).set("chardev", chardev).set("id", channel.alias).set_at(
        "name",
        name,
        name_origin,
    );
    out.props("-device", props);
}

/// The name of the socket of a port that has no name.
fn unnamed_socket(channel: &Resolved<'_, Channel>) -> String {
    match channel.info.address.as_ref().map(|address| &address.place) {
        Some(Place::VirtioSerial(place)) => format!(
            "vioser-{:02}-{:02}-{:02}.sock",
            place.controller.unwrap_or_default(),
            place.bus.unwrap_or_default(),
            place.port.unwrap_or_default()
        ),
        _ => channel.alias.to_owned(),
    }
}
