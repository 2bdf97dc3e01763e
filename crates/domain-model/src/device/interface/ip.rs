//! Addresses, routes and forwarded ports of a network card.

use std::net::{IpAddr, Ipv4Addr};

use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Layout, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// Which IP an address belongs to.
    pub enum IpFamily {
        /// IPv4.
        Ipv4 = "ipv4",
        /// IPv6.
        Ipv6 = "ipv6",
    }

    /// What a forwarded port speaks.
    pub enum PortProtocol {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
    }
}

impl IpFamily {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { IpFamily::Ipv4 } else { IpFamily::Ipv6 }
    }
}

/// `<ip>`: an address of the guest, or of the host on its side; since libvirt 1.2.12.
#[derive(Debug, Clone, PartialEq)]
pub struct Ip {
    /// The address.
    pub address: IpAddr,
    /// Which IP it belongs to; the address decides if it is not said.
    pub family: Option<IpFamily>,
    /// How many bits of the address are the network's, 0 to 128.
    pub prefix: Option<u8>,
    /// The address at the other end.
    pub peer: Option<IpAddr>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for Ip {
    fn default() -> Self {
        Ip {
            address: Ipv4Addr::UNSPECIFIED.into(),
            family: None,
            prefix: None,
            peer: None,
            meta: Meta::default(),
        }
    }
}

impl Element for Ip {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("address", &mut self.address);
        // libvirt of 2011 left it to the address.
        self.family.take_if(|_| xml.layout() == Layout::Libvirt2011);
        xml.lenient("family", &mut self.family);
        xml.attribute("prefix", &mut self.prefix);
        xml.blamed_as(Code::BadNumber, |xml| xml.attribute("peer", &mut self.peer));
        check_family(xml, self.address, self.family);
        check_prefix(xml, self.address, self.prefix);
    }
}

/// `<route>`: a way to other networks; since libvirt 1.2.12.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Which IP it belongs to; the address decides if it is not said.
    pub family: Option<IpFamily>,
    /// The network's address.
    pub address: IpAddr,
    /// Which bits of an IPv4 address are the network's.
    pub netmask: Option<Ipv4Addr>,
    /// How many bits of the address are the network's, 0 to 128.
    pub prefix: Option<u8>,
    /// The router.
    pub gateway: IpAddr,
    /// How far it is; the nearest route is taken. At least 1.
    pub metric: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for Route {
    fn default() -> Self {
        Route {
            family: None,
            address: Ipv4Addr::UNSPECIFIED.into(),
            netmask: None,
            prefix: None,
            gateway: Ipv4Addr::UNSPECIFIED.into(),
            metric: None,
            meta: Meta::default(),
        }
    }
}

impl Route {
    /// Whether the address is one of a network: what stands behind the network's bits is 0. Without a word
    /// about those bits, an IPv4 address of 0 is the whole Internet, and classes say the size of others.
    fn is_network(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => {
                let by_class = match address.octets() {
                    [0, 0, 0, 0] => 0,
                    [0..128, ..] => 8,
                    [128..192, ..] => 16,
                    [192..224, ..] => 24,
                    _ => 32,
                };
                let bits =
                    |prefix: u8| u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0);
                let mask = match (self.netmask, self.prefix) {
                    (Some(netmask), None) => u32::from(netmask),
                    (_, prefix) => bits(prefix.unwrap_or(by_class)),
                };
                u32::from(address) & !mask == 0
            }
            IpAddr::V6(address) => {
                let prefix = self.prefix.unwrap_or(if address.is_unspecified() { 0 } else { 64 });
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0);
                u128::from(address) & !mask == 0
            }
        }
    }
}

impl Element for Route {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("family", &mut self.family);
        xml.required("address", &mut self.address);
        xml.attribute("netmask", &mut self.netmask);
        xml.attribute("prefix", &mut self.prefix);
        xml.required("gateway", &mut self.gateway);
        xml.attribute("metric", &mut self.metric);
        check_family(xml, self.address, self.family);
        check_prefix(xml, self.address, self.prefix);
        if X::READS && !self.is_network() {
            let message = format!("`{}` has bits behind the network's", self.address);
            xml.report(Diagnostic::error(Code::BadValue, xml.at("@address"), message));
        }
        if X::READS && self.netmask.is_some() && (self.prefix.is_some() || self.address.is_ipv6()) {
            let message = "`netmask` is for IPv4 routes without `prefix`";
            xml.report(Diagnostic::error(Code::Conflict, xml.at("@netmask"), message));
        }
        if X::READS && self.metric == Some(0) {
            let message = "bad value `0` for attribute `metric` of `<route>`: expected at least 1";
            xml.report(Diagnostic::error(Code::BadValue, xml.at("@metric"), message));
        }
    }
}

fn check_family<X: Xml>(xml: &mut X, address: IpAddr, family: Option<IpFamily>) {
    if X::READS && family.is_some_and(|family| family != IpFamily::of(address)) {
        let message = format!("`{address}` is not an address of the family that is given");
        xml.report(Diagnostic::error(Code::Conflict, xml.at("@address"), message));
    }
}

fn check_prefix<X: Xml>(xml: &mut X, address: IpAddr, prefix: Option<u8>) {
    let longest = if address.is_ipv4() { 32 } else { 128 };
    if let (true, Some(prefix)) = (X::READS, prefix)
        && prefix > longest
    {
        let message = format!("bad value `{prefix}` for attribute `prefix`: expected at most {longest}");
        xml.report(Diagnostic::error(Code::BadValue, xml.at("@prefix"), message));
    }
}

/// `<portForward>`: ports of the host that lead to the guest; since libvirt 9.0.
#[derive(Debug, Clone, PartialEq)]
pub struct PortForward {
    /// What the ports speak.
    pub proto: PortProtocol,
    /// The host's address; all of them if it is not said.
    pub address: Option<IpAddr>,
    /// The host's interface; all of them if it is not said.
    pub dev: Option<String>,
    /// Which ports; all of them if there is none.
    pub ranges: Vec<PortRange>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for PortForward {
    fn default() -> Self {
        PortForward {
            proto: PortProtocol::Tcp,
            address: None,
            dev: None,
            ranges: Vec::new(),
            meta: Meta::default(),
        }
    }
}

impl Element for PortForward {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("proto", &mut self.proto);
        xml.attribute("address", &mut self.address);
        xml.attribute("dev", &mut self.dev);
        xml.children("range", &mut self.ranges);
    }
}

/// `<range>`: some of the forwarded ports; since libvirt 9.0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PortRange {
    /// First port of the host.
    pub start: Option<u16>,
    /// Last port of the host; the first if it is not said.
    pub end: Option<u16>,
    /// First port of the guest; the host's if it is not said.
    pub to: Option<u16>,
    /// Whether these ports are taken out of the others.
    pub exclude: Option<YesNo>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for PortRange {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("start", &mut self.start);
        xml.attribute("end", &mut self.end);
        xml.attribute("to", &mut self.to);
        xml.attribute("exclude", &mut self.exclude);
        if !X::READS {
            return;
        }
        let ports = [("@start", self.start), ("@end", self.end), ("@to", self.to)];
        for (path, _) in ports.iter().filter(|(_, port)| *port == Some(0)) {
            xml.report(Diagnostic::error(Code::BadValue, xml.at(path), "there is no port 0"));
        }
        if self.start.is_none() && (self.end.is_some() || self.to.is_some() || self.exclude.is_some()) {
            let message = "`<range>` needs the attribute `start`";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at(""), message));
        }
    }
}
