//! What a network card is connected to.

use super::ip::{Ip, Route};
use crate::address::{Address, Place};
use crate::chardev::Reconnect;
use crate::storage::StartupPolicy;
use crate::values::Uuid;
use crate::words;
use crate::xml::text::{Hex, YesNo};
use crate::xml::{Tagged, Text, Xml};
use crate::{Code, Diagnostic};

/// What the card is connected to, `type` of `<interface>`.
#[derive(Debug, Clone, PartialEq)]
pub enum InterfaceSource {
    /// A network inside QEMU, or one made by passt: the guest gets out, nobody gets in.
    User {
        /// The host's interface through which packets leave, with passt; since libvirt 9.0.
        dev: Option<String>,
    },
    /// A TAP device that a script or the host's administrator connects.
    Ethernet(Ethernet),
    /// A socket to a program that moves the packets, such as Open vSwitch with DPDK; since libvirt 1.2.7.
    Vhostuser(Vhostuser),
    /// QEMU waits for another QEMU to connect by TCP.
    Server(Socket),
    /// QEMU connects to another QEMU by TCP.
    Client(Socket),
    /// All QEMUs of one multicast address form a network.
    Mcast(Socket),
    /// Packets go to another QEMU by UDP; since libvirt 1.2.20.
    Udp(Socket),
    /// A virtual network that libvirt knows by name.
    Network(Network),
    /// A bridge of the host.
    Bridge(Bridge),
    /// A network of the hypervisor itself; no QEMU has such.
    Internal {
        /// Name of the network.
        name: Option<String>,
    },
    /// A macvtap device on top of an interface of the host; since libvirt 0.7.7.
    Direct(Direct),
    /// A network card of the host, handed to the guest; since libvirt 0.9.11.
    Hostdev(Hostdev),
    /// A vDPA device: a virtio card in hardware; since libvirt 6.9.
    Vdpa {
        /// Path of the device, such as `/dev/vhost-vdpa-0`.
        dev: Option<String>,
    },
    /// Connected to nothing; since libvirt 8.7.
    Null,
    /// A port of a VMware distributed switch; no QEMU has such. Since libvirt 8.7.
    Vds(Vds),
}

impl Default for InterfaceSource {
    fn default() -> Self {
        InterfaceSource::User { dev: None }
    }
}

impl Tagged for InterfaceSource {
    const TAGS: &'static [&'static str] = &[
        "user",
        "ethernet",
        "vhostuser",
        "server",
        "client",
        "mcast",
        "network",
        "bridge",
        "internal",
        "direct",
        "hostdev",
        "udp",
        "vdpa",
        "null",
        "vds",
    ];

    fn tag(&self) -> &'static str {
        match self {
            InterfaceSource::User { .. } => "user",
            InterfaceSource::Ethernet(_) => "ethernet",
            InterfaceSource::Vhostuser(_) => "vhostuser",
            InterfaceSource::Server(_) => "server",
            InterfaceSource::Client(_) => "client",
            InterfaceSource::Mcast(_) => "mcast",
            InterfaceSource::Udp(_) => "udp",
            InterfaceSource::Network(_) => "network",
            InterfaceSource::Bridge(_) => "bridge",
            InterfaceSource::Internal { .. } => "internal",
            InterfaceSource::Direct(_) => "direct",
            InterfaceSource::Hostdev(_) => "hostdev",
            InterfaceSource::Vdpa { .. } => "vdpa",
            InterfaceSource::Null => "null",
            InterfaceSource::Vds(_) => "vds",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "user" => InterfaceSource::User { dev: None },
            "ethernet" => InterfaceSource::Ethernet(Ethernet::default()),
            "vhostuser" => InterfaceSource::Vhostuser(Vhostuser::default()),
            "server" => InterfaceSource::Server(Socket::default()),
            "client" => InterfaceSource::Client(Socket::default()),
            "mcast" => InterfaceSource::Mcast(Socket::default()),
            "udp" => InterfaceSource::Udp(Socket::default()),
            "network" => InterfaceSource::Network(Network::default()),
            "bridge" => InterfaceSource::Bridge(Bridge::default()),
            "internal" => InterfaceSource::Internal { name: None },
            "direct" => InterfaceSource::Direct(Direct::default()),
            "hostdev" => InterfaceSource::Hostdev(Hostdev::default()),
            "vdpa" => InterfaceSource::Vdpa { dev: None },
            "null" => InterfaceSource::Null,
            "vds" => InterfaceSource::Vds(Vds::default()),
            _ => return None,
        })
    }
}

/// What a source has to say and does not.
#[derive(Debug, Default)]
pub(super) struct Lacks {
    source: bool,
    attributes: Vec<&'static str>,
}

impl Lacks {
    /// Names an attribute that has to be there.
    fn needed<X: Xml, T: Text>(&mut self, xml: &mut X, name: &'static str, value: &mut Option<T>) {
        if X::READS {
            // A value that is there and wrong is another problem, which is reported already.
            let mut written = None::<String>;
            xml.attribute(name, &mut written);
            if written.is_none() {
                self.attributes.push(name);
            }
        }
        xml.attribute(name, value);
    }

    pub(super) fn report<X: Xml>(self, source: &InterfaceSource, xml: &mut X) {
        let tag = source.tag();
        if self.source {
            let message = format!("`<interface type='{tag}'>` needs a `<source>`");
            let code = match source {
                InterfaceSource::Hostdev(_) => Code::Unsupported,
                _ => Code::MissingElement,
            };
            xml.report(Diagnostic::error(code, xml.at(""), message));
        }
        for attribute in self.attributes {
            let message =
                format!("the source of `<interface type='{tag}'>` needs the attribute `{attribute}`");
            xml.report(Diagnostic::error(Code::MissingAttribute, xml.at("source"), message));
        }
    }
}

impl InterfaceSource {
    /// Whether a card of this type makes no sense without `<source>`.
    fn needs_source(&self) -> bool {
        !matches!(self, InterfaceSource::User { .. } | InterfaceSource::Ethernet(_) | InterfaceSource::Null)
    }

    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X) -> Lacks {
        if let InterfaceSource::Hostdev(hostdev) = self {
            xml.nested("driver", |xml| {
                xml.attribute("name", &mut hostdev.driver);
                xml.attribute("model", &mut hostdev.driver_model);
            });
        }
        let mut lacks = Lacks { source: X::READS && self.needs_source(), attributes: Vec::new() };
        let is_ethernet = matches!(self, InterfaceSource::Ethernet(_));
        xml.nested("source", |xml| {
            lacks.source = false;
            if X::READS && !is_ethernet {
                // Only read to be refused; the host has no device whose addresses these could be.
                let (mut ips, mut routes) = (Vec::<Ip>::new(), Vec::<Route>::new());
                xml.children("ip", &mut ips);
                xml.children("route", &mut routes);
                if !ips.is_empty() || !routes.is_empty() {
                    let message = "addresses of the host are for interfaces of type `ethernet`";
                    xml.report(Diagnostic::error(Code::Unsupported, xml.at(""), message));
                }
            }
            self.describe_source(xml, &mut lacks);
        });
        lacks
    }

    fn describe_source<X: Xml>(&mut self, xml: &mut X, lacks: &mut Lacks) {
        match self {
            InterfaceSource::User { dev } => xml.attribute("dev", dev),
            InterfaceSource::Ethernet(ethernet) => {
                xml.attribute("dev", &mut ethernet.dev);
                xml.children("ip", &mut ethernet.ips);
                xml.children("route", &mut ethernet.routes);
            }
            InterfaceSource::Vhostuser(socket) => {
                xml.attribute("dev", &mut socket.dev);
                xml.attribute("type", &mut socket.kind);
                lacks.needed(xml, "path", &mut socket.path);
                xml.attribute("mode", &mut socket.mode);
                if X::READS && socket.path.is_some() {
                    socket.kind.get_or_insert(VhostuserType::Unix);
                    socket.mode.get_or_insert(VhostuserMode::Client);
                }
                xml.child("reconnect", &mut socket.reconnect);
                let reconnects = socket.reconnect.as_ref().is_some_and(Reconnect::is_on);
                if X::READS && reconnects && socket.mode == Some(VhostuserMode::Server) {
                    let message = "only the side that connects can connect again";
                    xml.report(Diagnostic::error(Code::Unsupported, xml.at("reconnect"), message));
                }
            }
            InterfaceSource::Server(socket) => {
                xml.attribute("address", &mut socket.remote.address);
                lacks.needed(xml, "port", &mut socket.remote.port);
            }
            InterfaceSource::Client(socket) | InterfaceSource::Mcast(socket) => {
                socket.remote.describe(xml, lacks);
            }
            InterfaceSource::Udp(socket) => {
                socket.remote.describe(xml, lacks);
                let mut local = false;
                xml.nested("local", |xml| {
                    local = true;
                    socket.local.describe(xml, lacks);
                });
                if X::READS && !local {
                    let message = "the source of `<interface type='udp'>` needs `<local>`";
                    xml.report(Diagnostic::error(Code::MissingElement, xml.at(""), message));
                }
            }
            InterfaceSource::Network(network) => {
                lacks.needed(xml, "network", &mut network.port.network);
                network.port.describe(xml);
                xml.attribute("bridge", &mut network.bridge);
                xml.attribute("macTableManager", &mut network.mac_table_manager);
            }
            InterfaceSource::Bridge(bridge) => {
                xml.attribute("network", &mut bridge.port.network);
                bridge.port.describe(xml);
                lacks.needed(xml, "bridge", &mut bridge.bridge);
                xml.attribute("macTableManager", &mut bridge.mac_table_manager);
            }
            InterfaceSource::Internal { name } => lacks.needed(xml, "name", name),
            InterfaceSource::Direct(direct) => {
                xml.attribute("network", &mut direct.port.network);
                direct.port.describe(xml);
                lacks.needed(xml, "dev", &mut direct.dev);
                xml.defaulted("mode", &mut direct.mode);
            }
            InterfaceSource::Hostdev(hostdev) => hostdev.describe(xml),
            InterfaceSource::Vdpa { dev } => lacks.needed(xml, "dev", dev),
            InterfaceSource::Vds(vds) => {
                lacks.needed(xml, "switchid", &mut vds.switchid);
                lacks.needed(xml, "portid", &mut vds.portid);
                lacks.needed(xml, "portgroupid", &mut vds.portgroupid);
                lacks.needed(xml, "connectionid", &mut vds.connectionid);
            }
            InterfaceSource::Null => {}
        }
    }
}

/// The host's side of a TAP device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ethernet {
    /// Name of the device; of old domains, now it is `dev` of `<target>`.
    pub dev: Option<String>,
    /// The host's addresses on the device; since libvirt 2.1.
    pub ips: Vec<Ip>,
    /// The host's routes through the device; since libvirt 2.1.
    pub routes: Vec<Route>,
}

/// A vhost-user socket; since libvirt 1.2.7.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vhostuser {
    /// The host's interface through which packets leave, with passt; since libvirt 11.1.
    pub dev: Option<String>,
    /// Kind of socket; a Unix socket if it is not said.
    pub kind: Option<VhostuserType>,
    /// Path of the socket.
    pub path: Option<String>,
    /// Which side QEMU is; the client if it is not said.
    pub mode: Option<VhostuserMode>,
    /// Whether QEMU connects again when the connection is lost; since libvirt 4.1.
    pub reconnect: Option<Reconnect>,
}

words! {
    /// Kind of a vhost-user socket.
    pub enum VhostuserType: UnknownWord {
        /// A Unix socket, the only kind there is.
        Unix = "unix",
    }

    /// Which side of a vhost-user socket QEMU is.
    pub enum VhostuserMode {
        /// QEMU waits for the connection.
        Server = "server",
        /// QEMU connects.
        Client = "client",
    }

    /// Who keeps the bridge's table of MAC addresses.
    pub enum MacTableManager {
        /// The kernel learns it from the packets it sees.
        Kernel = "kernel",
        /// libvirt fills it, and turns learning off.
        Libvirt = "libvirt",
    }

    /// Who sees the packets of a macvtap device.
    pub enum DirectMode {
        /// The switch outside, which sends back what is for this host.
        Vepa = "vepa",
        /// Other macvtap devices of the same interface directly.
        Bridge = "bridge",
        /// The network outside only.
        Private = "private",
        /// The guest has the interface for itself.
        Passthrough = "passthrough",
    }

    /// The host's driver that hands a card to the guest.
    pub enum HostdevDriver {
        /// The old KVM way; gone since libvirt 5.7.
        Kvm = "kvm",
        /// VFIO.
        Vfio = "vfio",
        /// Xen.
        Xen = "xen",
    }
}

/// A TCP, UDP or multicast network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Socket {
    /// Where to listen or connect, or the group.
    pub remote: Endpoint,
    /// Where UDP packets are received.
    pub local: Endpoint,
}

/// An address and port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// IP address or host name.
    pub address: Option<String>,
    /// Port, 0 to 65535.
    pub port: Option<u16>,
}

impl Endpoint {
    fn describe<X: Xml>(&mut self, xml: &mut X, lacks: &mut Lacks) {
        lacks.needed(xml, "address", &mut self.address);
        lacks.needed(xml, "port", &mut self.port);
    }
}

/// A port of a virtual network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkPort {
    /// Name of the network.
    pub network: Option<String>,
    /// Which of the network's groups of settings applies.
    pub portgroup: Option<String>,
    /// The port's UUID, only while the guest runs; since libvirt 5.1.
    pub portid: Option<Uuid>,
}

impl NetworkPort {
    /// Names what goes behind the name of the network.
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("portgroup", &mut self.portgroup);
        xml.lenient("portid", &mut self.portid);
    }
}

/// A virtual network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The network and the port in it.
    pub port: NetworkPort,
    /// The bridge behind it, only while the guest runs.
    pub bridge: Option<String>,
    /// Who keeps the bridge's table of MAC addresses, only while the guest runs; since libvirt 1.2.11.
    pub mac_table_manager: Option<MacTableManager>,
}

/// A bridge of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bridge {
    /// The virtual network that led to the bridge, only while the guest runs.
    pub port: NetworkPort,
    /// Name of the bridge.
    pub bridge: Option<String>,
    /// Who keeps the bridge's table of MAC addresses; since libvirt 1.2.11.
    pub mac_table_manager: Option<MacTableManager>,
}

/// A macvtap device; since libvirt 0.7.7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    /// The virtual network that led to the interface, only while the guest runs.
    pub port: NetworkPort,
    /// The host's interface below the device.
    pub dev: Option<String>,
    /// Who sees the packets; `vepa` if it is not said.
    pub mode: DirectMode,
}

impl Default for Direct {
    fn default() -> Self {
        Direct { port: NetworkPort::default(), dev: None, mode: DirectMode::Vepa }
    }
}

/// A network card of the host; since libvirt 0.9.11.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hostdev {
    /// Whether libvirt takes the card from the host's driver and gives it back.
    pub managed: Option<YesNo>,
    /// The host's driver that hands the card over.
    pub driver: Option<HostdevDriver>,
    /// The VFIO driver that fits the card better than the general one; since libvirt 10.0.
    pub driver_model: Option<String>,
    /// What happens if a USB card is missing.
    pub startup_policy: Option<StartupPolicy>,
    /// Whether an optional USB card was missing, only while the guest runs.
    pub missing: Option<YesNo>,
    /// Vendor of a USB card.
    pub vendor: Option<Hex<4>>,
    /// Product number of a USB card.
    pub product: Option<Hex<4>>,
    /// Where on the host's PCI or USB bus the card is.
    pub address: Option<Address>,
}

impl Hostdev {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("startupPolicy", &mut self.startup_policy);
        xml.attribute("missing", &mut self.missing);
        xml.nested("vendor", |xml| xml.attribute("id", &mut self.vendor));
        xml.nested("product", |xml| xml.attribute("id", &mut self.product));
        xml.child("address", &mut self.address);
        let place = self.address.as_ref().map(|address| &address.place);
        if X::READS && !matches!(place, None | Some(Place::Pci(_) | Place::Usb(_))) {
            let message = "a card of the host has an address of type `pci` or `usb`";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at("address"), message));
        }
        if X::READS && self.address.is_none() && self.vendor.is_none() {
            let message = "the source of `<interface type='hostdev'>` needs an `<address>`";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at(""), message));
        }
    }
}

/// A port of a VMware distributed switch; since libvirt 8.7.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vds {
    /// The switch.
    pub switchid: Option<Uuid>,
    /// The port.
    pub portid: Option<i64>,
    /// The group of ports.
    pub portgroupid: Option<String>,
    /// The connection.
    pub connectionid: Option<i64>,
}
