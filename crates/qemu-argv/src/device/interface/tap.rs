//! TAP and macvtap devices: cards on bridges, interfaces and virtual networks.

use caps_parser::Capability;
use domain_model::device::interface::{DriverName, Ethernet, Interface, InterfaceSource, MacTableManager};
use domain_model::values::MacAddress;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic, DomainType, Origin};

use super::{several_queues, virtio_model};
use crate::arg::Args;
use crate::config::Layout;
use crate::context::{Context, Resolved};
use crate::dialect::{Era, Network};
use crate::host::FdRequest;
use crate::needs::{Lower, Tap};
use crate::props::{ListStyle, Props, Value};

/// The device that makes TAP devices.
const CLONE: &str = "/dev/net/tun";
/// The device by which the kernel moves the packets of virtio cards.
const VHOST: &str = "/dev/vhost-net";
/// The first byte of the address of a TAP device: above all others, so that a bridge, which takes the lowest
/// address of its ports, does not change its own when guests come and go.
const FIRST_BYTE: u8 = 0xfe;

/// A card on a bridge.
pub(super) fn bridged(
    nic: &Resolved<'_, Interface>,
    bridge: &str,
    origin: Origin,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<Props> {
    if cx.config().layout == Layout::Libvirt {
        return Some(inherited(nic, true, uses_vhost(nic), cx));
    }
    if !refuse(nic, cx, out) {
        return None;
    }
    if !cx.config().has_monitor() {
        // QEMU starts its helper for bridges, which has the rights that its user lacks.
        let props = Props::new("type", "bridge", nic.at("@type"));
        return Some(props.set_at("br", bridge, origin));
    }
    let mac = own_mac(nic, out)?;
    let tap = Tap { bridge: Some(bridge.to_owned()), mac: Some(mac), origin, ..tap(nic, cx) };
    Some(handed_over(nic, tap, true, cx, out))
}

/// A card on a macvtap device, beside the host itself on one of its interfaces.
pub(super) fn direct(
    nic: &Resolved<'_, Interface>,
    lower: Lower,
    origin: Origin,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<Props> {
    if !refuse(nic, cx, out) {
        return None;
    }
    if !cx.config().supervised {
        let message = "QEMU itself makes no macvtap device, so this command line cannot be typed by hand";
        let problem = Diagnostic::error(Code::NotYet, origin, message);
        out.problem(problem.help("`domx run` makes the device"));
        return None;
    }
    let tap = Tap { lower: Some(lower), mac: nic.spec.mac, origin, ..tap(nic, cx) };
    Some(handed_over(nic, tap, true, cx, out))
}

/// A card on a device of the host that a script or an administrator connects.
pub(super) fn ethernet(
    nic: &Resolved<'_, Interface>,
    ethernet: &Ethernet,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<Props> {
    if cx.config().layout == Layout::Libvirt && cx.dialect.era == Era::Modern {
        return Some(inherited(nic, false, uses_vhost(nic), cx));
    }
    if cx.config().layout == Layout::Run && !refuse(nic, cx, out) {
        return None;
    }
    if cx.config().layout == Layout::Libvirt || !cx.config().supervised {
        return Some(opened_by_qemu(nic, cx));
    }
    let exists = nic.spec.target_managed == Some(YesNo::No);
    let name = nic.spec.target_dev.clone().or_else(|| ethernet.dev.clone());
    let name = name.filter(|name| exists || !is_made_up(name));
    let mac = nic.spec.mac.map(|MacAddress([first, rest @ ..])| {
        // The host's end must not have the guest's own address.
        let first = if first == FIRST_BYTE { 0xfa } else { FIRST_BYTE };
        let [a, b, c, d, e] = rest;
        MacAddress([first, a, b, c, d, e])
    });
    let script = |path: &Option<String>| path.as_ref().map(|path| cx.config().path(path));
    let tap = Tap {
        name,
        exists,
        mac: mac.filter(|_| !exists),
        script: script(&nic.spec.script),
        downscript: script(&nic.spec.downscript),
        ..tap(nic, cx)
    };
    Some(handed_over(nic, tap, false, cx, out))
}

/// What a card says of its TAP device, whatever that is connected to.
fn tap(nic: &Resolved<'_, Interface>, cx: &Context<'_>) -> Tap {
    let backend = nic.spec.backend.as_ref();
    let path = |path: Option<&String>, default: &str| {
        path.map_or_else(|| default.to_owned(), |path| cx.config().path(path))
    };
    // Names that libvirt makes up stay in the XML of a guest that ran once; they are no choice.
    let name = nic.spec.target_dev.clone().filter(|name| !is_made_up(name));
    Tap {
        device: nic.alias.to_owned(),
        name,
        exists: false,
        queues: several_queues(nic).unwrap_or(1),
        vnet_header: virtio_model(nic.spec).is_some(),
        mac: None,
        mtu: nic.spec.mtu,
        bridge: None,
        lower: None,
        isolated: nic.spec.isolated == Some(YesNo::Yes),
        script: None,
        downscript: None,
        clone: path(backend.and_then(|backend| backend.tap.as_ref()), CLONE),
        vhost: path(backend.and_then(|backend| backend.vhost.as_ref()), VHOST),
        origin: nic.at("@type"),
    }
}

/// Whether libvirt made the name up: `vnet`, `macvtap` or `macvlan` and a number.
fn is_made_up(name: &str) -> bool {
    let mut rests = ["vnet", "macvtap", "macvlan"].into_iter().filter_map(|kind| name.strip_prefix(kind));
    rests.any(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The guest's address with the first byte that TAP devices have.
fn own_mac(nic: &Resolved<'_, Interface>, out: &mut Args) -> Option<MacAddress> {
    let MacAddress([first, a, b, c, d, e]) = nic.spec.mac?;
    if first == FIRST_BYTE {
        let message = "addresses that begin with `fe` are those of the host's ends of network cards";
        out.problem(Diagnostic::error(Code::Unsupported, nic.at("mac/@address"), message));
        return None;
    }
    Some(MacAddress([FIRST_BYTE, a, b, c, d, e]))
}

/// Refuses what only libvirt sets up on the host; says whether nothing was refused.
fn refuse(nic: &Resolved<'_, Interface>, cx: &Context<'_>, out: &mut Args) -> bool {
    let card = nic.spec;
    let libvirt_learns = |manager: Option<MacTableManager>| manager == Some(MacTableManager::Libvirt);
    let manages_table = match &card.source {
        InterfaceSource::Bridge(bridge) => libvirt_learns(bridge.mac_table_manager),
        _ => false,
    };
    // On an interface there are no other ports of a bridge to keep apart.
    let isolates = cx.config().supervised && !matches!(card.source, InterfaceSource::Direct(_));
    let refused = [
        (card.filterref.is_some(), "a packet filter", "filterref"),
        (card.vlan.is_some(), "a VLAN of a network card", "vlan"),
        (card.virtualport.is_some(), "a port of a virtual switch", "virtualport"),
        (card.bandwidth.is_some(), "a limit of a network card's bandwidth", "bandwidth"),
        (card.coalesce_rx_frames_max.is_some(), "`<coalesce>`", "coalesce"),
        (manages_table, "a table of MAC addresses kept by libvirt", "source/@macTableManager"),
        (card.isolated == Some(YesNo::Yes) && !isolates, "an isolated port", "port/@isolated"),
    ];
    let before = out.problems.len();
    for (_, what, path) in refused.into_iter().filter(|(is_there, ..)| *is_there) {
        cx.not_yet(what, nic.at(path), out);
    }
    out.problems.len() == before
}

/// A TAP device that whoever starts QEMU opens for it.
fn handed_over(
    nic: &Resolved<'_, Interface>,
    tap: Tap,
    bridged: bool,
    cx: &Context<'_>,
    out: &mut Args,
) -> Props {
    let vhost = uses_vhost(nic) && may_use_vhost(nic, &tap, cx, out);
    out.needs.taps.push(tap);
    inherited(nic, bridged, vhost, cx)
}

/// Whether the kernel can move the packets of a virtio card. Only whoever asks for that is told that it cannot.
fn may_use_vhost(nic: &Resolved<'_, Interface>, tap: &Tap, cx: &Context<'_>, out: &mut Args) -> bool {
    let is_there = cx.inputs.host.can_open(&tap.vhost);
    let is_kvm = cx.domain.kind == DomainType::Kvm;
    let wanted = nic.spec.driver.as_ref().and_then(|driver| driver.name) == Some(DriverName::Vhost);
    let origin = nic.at("driver/@name");
    match (wanted, is_kvm) {
        (true, false) => {
            let message = "vhost is for guests of KVM; QEMU moves the packets of this card";
            out.problem(Diagnostic::warning(Code::Conflict, origin, message));
        }
        (true, true) if !is_there => {
            let message =
                format!("`{}` cannot be opened: that is how vhost has the kernel move packets", tap.vhost);
            let problem = Diagnostic::error(Code::Unsupported, origin, message);
            let help =
                "load the module `vhost_net` and see who may open the file, or use `<driver name='qemu'/>`";
            out.problem(problem.help(help));
        }
        _ => {}
    }
    is_kvm && is_there
}

/// The queues of a TAP device that somebody else opens, who has the rights to.
pub(super) fn inherited(
    nic: &Resolved<'_, Interface>,
    bridged: bool,
    vhost: bool,
    cx: &Context<'_>,
) -> Props {
    let device = nic.alias.to_owned();
    let tap = |queue| FdRequest::Tap { device: device.clone(), queue, bridged };
    let props = descriptors(Props::new("type", "tap", nic.at("@type")), "fd", "fds", nic, tap);
    match cx.dialect.era {
        Era::Modern => send_buffer(inherited_vhost(props, nic, vhost), nic),
        Era::Historic => props,
    }
}

/// What libvirt of 2011 put behind the id of a TAP device.
pub(super) fn behind_id(props: Props, nic: &Resolved<'_, Interface>, cx: &Context<'_>) -> Props {
    match &nic.spec.source {
        _ if cx.dialect.era == Era::Modern => props,
        InterfaceSource::Ethernet(_) => send_buffer(props, nic),
        InterfaceSource::Bridge(_) | InterfaceSource::Network(_) | InterfaceSource::Direct(_) => {
            let can = cx.has(Capability::VhostNet) && cx.dialect.network == Network::Netdev;
            let name = nic.spec.driver.as_ref().and_then(|driver| driver.name);
            // Whoever asks for it gets an error, and not a slower network.
            let wants = uses_vhost(nic) && (can || name == Some(DriverName::Vhost));
            send_buffer(inherited_vhost(props, nic, wants), nic)
        }
        _ => props,
    }
}

/// Packets that the kernel moves, over descriptors that somebody else opens.
fn inherited_vhost(props: Props, nic: &Resolved<'_, Interface>, wants: bool) -> Props {
    if !wants {
        return props;
    }
    let device = nic.alias.to_owned();
    let request = |queue| FdRequest::VhostNet { device: device.clone(), queue };
    let props = props.requires(Capability::VhostNet, "vhost", true, nic.at("driver/@name"));
    descriptors(props, "vhostfd", "vhostfds", nic, request)
}

fn send_buffer(props: Props, nic: &Resolved<'_, Interface>) -> Props {
    props.set_at("sndbuf", nic.spec.sndbuf, nic.at("tune/sndbuf"))
}

/// One descriptor for each pair of queues.
fn descriptors(
    props: Props,
    one: &'static str,
    many: &'static str,
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
pub(super) fn uses_vhost(nic: &Resolved<'_, Interface>) -> bool {
    let name = nic.spec.driver.as_ref().and_then(|driver| driver.name);
    virtio_model(nic.spec).is_some() && name != Some(DriverName::Qemu)
}

/// A TAP device that QEMU itself opens.
fn opened_by_qemu(nic: &Resolved<'_, Interface>, cx: &Context<'_>) -> Props {
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
        .when(cx.dialect.era == Era::Modern, |props| send_buffer(props, nic))
}
