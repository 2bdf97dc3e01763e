//! Where a screen can be reached: ports and `<listen>`.

use domain_model::device::graphics::{ChannelMode, Graphics, Listen, ListenKind, Password, Rdp, Spice, Vnc};
use domain_model::xml::Meta;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic, Origin};

use crate::context::Context;

/// Fills in where servers listen whose only address is an attribute, and forgets what says nothing.
pub(super) fn historic(graphics: &mut Graphics) {
    match graphics {
        Graphics::Vnc(vnc) => {
            let first = vnc.listens.first().map(|listen| &listen.kind);
            if let (None, Some(ListenKind::Socket { socket })) = (&vnc.socket, first) {
                vnc.socket.clone_from(socket);
            }
            address(&mut vnc.listen, &mut vnc.listens);
            let is_auto = vnc.autoport == Some(YesNo::Yes) || vnc.port.is_none_or(|port| port == AUTOMATIC);
            (vnc.port, vnc.autoport) = match (&vnc.socket, is_auto) {
                (Some(_), _) => (None, None),
                (None, true) => (Some(AUTOMATIC), Some(YesNo::Yes)),
                (None, false) => (vnc.port.filter(|port| *port != 0), Some(YesNo::No)),
            };
            vnc.listen.take_if(|_| vnc.socket.is_some());
        }
        Graphics::Spice(spice) => {
            address(&mut spice.listen, &mut spice.listens);
            let is_auto = spice.autoport == Some(YesNo::Yes)
                || spice.port == Some(AUTOMATIC) && spice.tls_port == Some(AUTOMATIC);
            if is_auto {
                (spice.port, spice.tls_port, spice.autoport) = (None, None, Some(YesNo::Yes));
            } else {
                spice.port.get_or_insert(SPICE_PORT);
                spice.tls_port.take_if(|port| *port == 0);
                spice.autoport = Some(YesNo::No);
            }
            spice.channels.retain(|channel| channel.mode != ChannelMode::Any);
        }
        Graphics::Sdl(sdl) => sdl.fullscreen = sdl.fullscreen.filter(|full| *full == YesNo::Yes),
        _ => {}
    }
}

/// The port that stands for one that is chosen later.
const AUTOMATIC: i32 = -1;
/// Where libvirt of 2011 had Spice listen if nobody said.
const SPICE_PORT: i32 = 5900;

/// Says in the attribute what the first `<listen>` says; what is left has no attribute that says the same.
fn address(listen: &mut Option<String>, listens: &mut Vec<Listen>) {
    if let (None, Some(ListenKind::Address { address })) =
        (&listen, listens.first().map(|listen| &listen.kind))
    {
        listen.clone_from(address);
    }
    listens.retain(|listen| !matches!(listen.kind, ListenKind::Address { .. } | ListenKind::Socket { .. }));
}

/// Fills in where a VNC server listens.
pub(super) fn vnc(vnc: &mut Vnc, origin: Origin) {
    // A socket takes the place of what is listened at first.
    let is_socket = |listen: &Listen| matches!(listen.kind, ListenKind::Socket { .. });
    if vnc.socket.is_some() && !vnc.listens.first().is_some_and(is_socket) {
        let kind = ListenKind::Socket { socket: vnc.socket.clone() };
        vnc.listens.splice(..vnc.listens.len().min(1), [Listen { kind, meta: Meta::from_origin(origin) }]);
    }
    password(&mut vnc.password);
    if vnc.websocket_generated.take() == Some(YesNo::Yes) {
        vnc.websocket = Some(-1);
    }
    listens(&mut vnc.listens, &mut vnc.listen, origin);
    let first = vnc.listens.first().map(|listen| &listen.kind);
    if let Some(ListenKind::Socket { socket }) = first {
        vnc.socket.clone_from(socket);
    }
    if !has_ports(first) {
        (vnc.port, vnc.autoport, vnc.websocket) = (None, None, None);
        return;
    }
    let is_auto = match vnc.autoport {
        Some(autoport) => autoport == YesNo::Yes,
        None => vnc.port.is_none_or(|port| port == -1),
    };
    vnc.port = vnc.port.filter(|port| *port != 0);
    vnc.autoport = Some(YesNo::from(is_auto));
    if is_auto {
        vnc.port = Some(-1);
    }
}

/// Fills in where a Spice server listens.
pub(super) fn spice(spice: &mut Spice, origin: Origin) {
    password(&mut spice.password);
    spice.default_mode = spice.default_mode.filter(|mode| *mode != ChannelMode::Any);
    // The last word on a channel counts, and nothing is said by `any`.
    spice.channels.reverse();
    spice.channels.sort_by_key(|channel| channel.name);
    spice.channels.dedup_by_key(|channel| channel.name);
    spice.channels.retain(|channel| channel.mode != ChannelMode::Any);
    listens(&mut spice.listens, &mut spice.listen, origin);
    let has_port = |port: Option<i32>| port.is_some_and(|port| port != 0);
    let is_open = has_port(spice.port) || has_port(spice.tls_port) || spice.autoport == Some(YesNo::Yes);
    if !is_open
        && let Some(first) = spice.listens.first_mut()
        && has_ports(Some(&first.kind))
    {
        // Without ports a client gets a descriptor, and nothing else.
        first.kind = ListenKind::None;
        spice.listen = None;
    }
    if !has_ports(spice.listens.first().map(|listen| &listen.kind)) {
        (spice.port, spice.tls_port, spice.autoport) = (None, None, None);
        return;
    }
    let is_auto =
        spice.autoport == Some(YesNo::Yes) || (spice.port == Some(-1) && spice.tls_port == Some(-1));
    spice.autoport = Some(YesNo::from(is_auto));
    if is_auto {
        (spice.port, spice.tls_port) = (None, None);
    }
    spice.port = spice.port.filter(|port| *port != 0);
    spice.tls_port = spice.tls_port.filter(|port| *port != 0);
}

/// Fills in where an RDP server listens.
pub(super) fn rdp(rdp: &mut Rdp, origin: Origin) {
    listens(&mut rdp.listens, &mut rdp.listen, origin);
    if rdp.autoport == Some(YesNo::Yes) || rdp.port.is_none_or(|port| port == -1) {
        (rdp.port, rdp.autoport) = (Some(0), Some(YesNo::Yes));
    }
}

/// How long a password is valid is read only if there is one.
fn password(password: &mut Password) {
    if password.passwd.is_none() {
        (password.passwd_valid_to, password.connected) = (None, None);
    }
}

/// There is always a place to listen at, and the old attribute repeats the first address.
fn listens(listens: &mut Vec<Listen>, attribute: &mut Option<String>, origin: Origin) {
    if listens.is_empty() {
        let kind = ListenKind::Address { address: attribute.clone() };
        let origin = origin.implies("a server listens on the host's default address");
        listens.push(Listen { kind, meta: Meta::from_origin(origin) });
    }
    // The host's address in a network is written only while the guest runs.
    for listen in listens.iter_mut() {
        if let ListenKind::Network { address, .. } = &mut listen.kind {
            *address = None;
        }
    }
    let first = listens.first_mut().map(|listen| &mut listen.kind);
    if !matches!(first, Some(ListenKind::Address { .. })) {
        *attribute = None;
    }
    if let Some(ListenKind::Address { address }) = first {
        if address.as_deref() == Some("") {
            *address = None;
        }
        if address.is_none() && attribute.as_deref() != Some("") {
            address.clone_from(attribute);
        }
        attribute.clone_from(address);
    }
}

/// Whether a place to listen at has TCP ports.
fn has_ports(listen: Option<&ListenKind>) -> bool {
    !matches!(listen, Some(ListenKind::Socket { .. } | ListenKind::None))
}

/// The error for a network in which the host has no address that is known.
pub(super) fn unknown_network(network: &str, origin: Origin) -> Diagnostic {
    let message = format!("the host has no address in the virtual network `{network}`, or it is not known");
    Diagnostic::error(Code::Unsupported, origin, message)
        .help("use `<listen type='address' address=…/>` with an address of the host")
}

/// Where a server listens, once the guest starts.
pub(super) enum Place {
    /// An address of the host.
    Address(String),
    /// The path of a UNIX socket.
    Socket(String),
    /// Nowhere.
    Nowhere,
    /// The host's address in a network of this name, and nobody knows it.
    Network(String),
}

/// The place of a server whose socket has a name if nobody chose one.
pub(super) fn place(listens: &[Listen], default: &str, socket_name: &str, cx: &Context<'_>) -> Place {
    match listens.first().map(|listen| &listen.kind) {
        Some(ListenKind::Socket { socket: Some(socket) }) => Place::Socket(cx.config().path(socket)),
        Some(ListenKind::Socket { socket: None }) => {
            Place::Socket(format!("{}/{socket_name}.sock", cx.guest_dir()))
        }
        Some(ListenKind::None) => Place::Nowhere,
        Some(ListenKind::Network { address: None, network }) => {
            let network = network.as_deref().unwrap_or_default();
            match cx.inputs.host.network_address(network) {
                Some(address) => Place::Address(address),
                None => Place::Network(network.to_owned()),
            }
        }
        Some(ListenKind::Address { address } | ListenKind::Network { address, .. }) => {
            Place::Address(address.as_deref().unwrap_or(default).to_owned())
        }
        None => Place::Address(default.to_owned()),
    }
}
