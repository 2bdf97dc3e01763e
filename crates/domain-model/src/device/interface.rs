//! `<interface>`: network cards.

mod driver;
mod ip;
mod port;
mod source;

pub use driver::{Backend, BackendType, Driver, DriverName, GuestOffloads, HostOffloads, TxMode};
pub use ip::{Ip, IpFamily, PortForward, PortProtocol, PortRange, Route};
pub use port::{
    Bandwidth, NativeMode, Rate, Teaming, TeamingType, VirtualPort, VirtualPortType, Vlan, VlanTag,
};
pub use source::{
    Bridge, Direct, DirectMode, Endpoint, Ethernet, Hostdev, HostdevDriver, InterfaceSource, MacTableManager,
    Network, NetworkPort, Socket, Vds, Vhostuser, VhostuserMode, VhostuserType,
};

use super::Family;
use crate::values::MacAddress;
use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Tagged, Xml};
use crate::{Code, Diagnostic};

words! {
    /// Who chose a MAC address.
    pub enum MacType {
        /// libvirt did; on VMware hosts.
        Generated = "generated",
        /// The user did.
        Static = "static",
    }

    /// Whether the cable is plugged in.
    pub enum LinkState: UnknownWord {
        /// It is.
        Up = "up",
        /// It is not.
        Down = "down",
    }
}

/// `<interface>`: network cards.
///
/// ```
/// use domain_model::device::interface::{InterfaceSource, TxMode};
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices><interface type='bridge'>\
///     <source bridge='br0'/><model type='virtio'/><driver txmode='timer'/></interface></devices>")?;
/// let (devices, problems) = xml::read::<Devices>(document.root());
/// assert!(problems.is_empty());
/// let card = &devices.interfaces[0].spec;
/// assert!(matches!(&card.source, InterfaceSource::Bridge(source) if source.bridge.as_deref() == Some("br0")));
/// assert_eq!(card.driver.as_ref().and_then(|driver| driver.txmode), Some(TxMode::Timer));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interface {
    /// The `type` and `<source>`: what the card is connected to.
    pub source: InterfaceSource,
    /// Whether the host follows the guest when it changes its MAC address or multicast filters; since
    /// libvirt 1.2.10.
    pub trust_guest_rx_filters: Option<YesNo>,
    /// `<mac address=…>`: the card's address; one is chosen if there is none.
    pub mac: Option<MacAddress>,
    /// `<mac type=…>`: who chose the address.
    pub mac_type: Option<MacType>,
    /// `<mac check=…>`: whether VMware hosts check that the address is one of theirs; since libvirt 7.0.
    pub mac_check: Option<YesNo>,
    /// `<vlan>`: the VLANs the card belongs to; since libvirt 0.10.
    pub vlan: Option<Vlan>,
    /// `<virtualport>`: what the switch is told of the card; since libvirt 0.8.2.
    pub virtualport: Option<VirtualPort>,
    /// `<bandwidth>`: limits that the host puts on the card; since libvirt 0.9.4.
    pub bandwidth: Option<Bandwidth>,
    /// `<port isolated=…>`: whether the card reaches only ports that are not isolated; since libvirt 6.1.
    pub isolated: Option<YesNo>,
    /// `<ip>`: the guest's addresses; since libvirt 1.2.12.
    pub ips: Vec<Ip>,
    /// `<route>`: the guest's routes; since libvirt 1.2.12.
    pub routes: Vec<Route>,
    /// `<portForward>`: ports of the host that lead to the guest, with passt; since libvirt 9.0.
    pub port_forwards: Vec<PortForward>,
    /// `<script path=…>`: a program that connects the TAP device; since libvirt 0.2.1.
    pub script: Option<String>,
    /// `<downscript path=…>`: a program that disconnects it again; since libvirt 5.1.
    pub downscript: Option<String>,
    /// `<backenddomain name=…>`: the Xen domain that has the other end; since libvirt 1.2.13.
    pub backenddomain: Option<String>,
    /// `<target dev=…>`: name of the host's TAP or macvtap device; one is chosen if there is none.
    pub target_dev: Option<String>,
    /// `<target managed=…>`: whether libvirt makes the TAP device; since libvirt 5.7.
    pub target_managed: Option<YesNo>,
    /// `<guest dev=…>`: name of the card in a container.
    pub guest_dev: Option<String>,
    /// `<guest actual=…>`: the name it got while the container runs.
    pub guest_actual: Option<String>,
    /// `<model type=…>`: the kind of card, such as `virtio` or `e1000e`; QEMU's list, with libvirt's words
    /// for the virtio family.
    pub model: Option<String>,
    /// `<driver>`: how packets of a virtio card get to the host. What a card of type `hostdev` says there is
    /// in [`Hostdev`]. Since libvirt 0.8.8.
    pub driver: Option<Driver>,
    /// `<backend>`: what is behind the card on the host.
    pub backend: Option<Backend>,
    /// `<filterref>`: the rules that filter packets; since libvirt 0.8.
    pub filterref: Option<Filterref>,
    /// `<tune><sndbuf>`: bytes that the TAP device holds, 0 for any number; since libvirt 0.8.8.
    pub sndbuf: Option<u64>,
    /// `<teaming>`: the pair that the card belongs to; since libvirt 7.1.
    pub teaming: Option<Teaming>,
    /// `<link state=…>`: whether the cable is plugged in; since libvirt 0.9.5.
    pub link: Option<LinkState>,
    /// `<mtu size=…>`: bytes of the largest packet; since libvirt 3.1.
    pub mtu: Option<u32>,
    /// `<coalesce><rx><frames max=…>`: packets to receive before the guest is told; since libvirt 3.3.
    pub coalesce_rx_frames_max: Option<u32>,
}

impl Family for Interface {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.joined(&["model", "script", "downscript", "tune", "teaming", "link", "mtu"]);
        xml.tag("type", &mut self.source);
        if let InterfaceSource::Hostdev(hostdev) = &mut self.source {
            xml.lenient("managed", &mut hostdev.managed);
        }
        xml.attribute("trustGuestRxFilters", &mut self.trust_guest_rx_filters);
        xml.nested("mac", |xml| {
            xml.attribute("address", &mut self.mac);
            xml.attribute("type", &mut self.mac_type);
            xml.attribute("check", &mut self.mac_check);
        });
        let lacks = self.source.describe(xml);
        xml.child("vlan", &mut self.vlan);
        xml.child("virtualport", &mut self.virtualport);
        xml.child("bandwidth", &mut self.bandwidth);
        xml.nested("port", |xml| xml.attribute("isolated", &mut self.isolated));
        xml.children("ip", &mut self.ips);
        xml.children("route", &mut self.routes);
        xml.children("portForward", &mut self.port_forwards);
        xml.nested("script", |xml| xml.attribute("path", &mut self.script));
        xml.nested("downscript", |xml| xml.attribute("path", &mut self.downscript));
        xml.nested("backenddomain", |xml| xml.attribute("name", &mut self.backenddomain));
        xml.nested("target", |xml| {
            xml.attribute("dev", &mut self.target_dev);
            xml.attribute("managed", &mut self.target_managed);
        });
        xml.nested("guest", |xml| {
            xml.attribute("dev", &mut self.guest_dev);
            xml.attribute("actual", &mut self.guest_actual);
        });
        xml.nested("model", |xml| xml.optional("type", &mut self.model));
        if !matches!(self.source, InterfaceSource::Hostdev(_)) {
            xml.child("driver", &mut self.driver);
        }
        xml.child("backend", &mut self.backend);
        xml.child("filterref", &mut self.filterref);
        xml.moved_here_in_2011("boot");
        xml.nested("tune", |xml| xml.optional_value("sndbuf", &mut self.sndbuf));
        xml.child("teaming", &mut self.teaming);
        xml.nested("link", |xml| xml.optional("state", &mut self.link));
        xml.nested("mtu", |xml| xml.optional("size", &mut self.mtu));
        xml.nested("coalesce", |xml| {
            xml.nested("rx", |xml| {
                xml.nested("frames", |xml| xml.optional("max", &mut self.coalesce_rx_frames_max));
            });
        });
        // passt makes up the socket of a vhost-user card.
        if !(self.uses_passt() && matches!(self.source, InterfaceSource::Vhostuser(_))) {
            lacks.report(&self.source, xml);
        }
        self.check(xml);
    }
}

impl Interface {
    /// Whether passt is behind the card.
    pub fn uses_passt(&self) -> bool {
        self.backend.as_ref().is_some_and(|backend| backend.kind == Some(BackendType::Passt))
    }

    fn check<X: Xml>(&self, xml: &mut X) {
        if !X::READS {
            return;
        }
        let tag = self.source.tag();
        let mut refuse = |path, message: String| {
            xml.report(Diagnostic::error(Code::Unsupported, xml.at(path), message));
        };
        let is_ethernet = matches!(self.source, InterfaceSource::Ethernet(_));
        if self.target_managed == Some(YesNo::No) && !is_ethernet {
            let message = format!("libvirt makes the device of an interface of type `{tag}` itself");
            refuse("target/@managed", message);
        }
        let (on_bridge, on_switch) = match self.source {
            InterfaceSource::Network(_) | InterfaceSource::Bridge(_) => (true, true),
            InterfaceSource::Direct(_) | InterfaceSource::Hostdev(_) => (false, true),
            _ => (false, false),
        };
        if self.virtualport.is_some() && !on_switch {
            refuse("virtualport", format!("an interface of type `{tag}` is no port of a switch"));
        }
        let port = self.virtualport.as_ref().and_then(|port| port.kind);
        if self.isolated == Some(YesNo::Yes)
            && (!on_bridge || port.is_some_and(|kind| kind != VirtualPortType::None))
        {
            refuse("port/@isolated", "only ports of a Linux bridge can be isolated".to_owned());
        }
        let is_network = matches!(self.source, InterfaceSource::Network(_));
        if self.virtualport.is_some() && port.is_none() && on_switch && !is_network {
            let message = "`<virtualport>` needs the attribute `type`, unless a virtual network decides";
            xml.report(Diagnostic::error(Code::MissingAttribute, xml.at("virtualport"), message));
        }
        let floor = |rate: &Option<Rate>| rate.as_ref().is_some_and(|rate| rate.floor.is_some());
        if !is_network
            && self.bandwidth.as_ref().is_some_and(|limits| floor(&limits.inbound) || floor(&limits.outbound))
        {
            let message = "only a virtual network can promise a card a part of its bandwidth (`floor`)";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at("bandwidth"), message));
        }
        if self.mac.is_some_and(MacAddress::is_multicast) {
            let message = "a network card cannot have a multicast address";
            xml.report(Diagnostic::error(Code::BadValue, xml.at("mac/@address"), message));
        }
        let odd = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if self.model.as_ref().is_some_and(|model| model.contains(odd)) {
            let message = "a model is letters, digits, `-` and `_`";
            xml.report(Diagnostic::error(Code::InvalidArgument, xml.at("model/@type"), message));
        }
    }
}

/// `<filterref>`: a named set of rules that filter packets; since libvirt 0.8.0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filterref {
    /// Name of the set.
    pub filter: String,
    /// Values for the variables of the rules.
    pub parameters: Vec<FilterParameter>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Filterref {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("filter", &mut self.filter);
        xml.children("parameter", &mut self.parameters);
    }
}

/// `<parameter>`: a value for a variable of the filter's rules; since libvirt 0.8.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FilterParameter {
    /// Name of the variable, such as `IP`.
    pub name: String,
    /// The value.
    pub value: String,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for FilterParameter {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.required("value", &mut self.value);
    }
}
