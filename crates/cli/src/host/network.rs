//! Virtual networks: libvirt's definitions, and the bridges that are up.

use std::path::PathBuf;

use domain_model::{Document, Node};
use qemu_argv::NetworkPlug;
use runner::net::{Device, Link, links};

/// What cards of a network are plugged into; `None` if it is not defined or not up.
pub fn plug(name: &str, portgroup: Option<&str>) -> Option<NetworkPlug> {
    match defined(&definition(name)?, portgroup, &links().unwrap_or_default())? {
        NetworkPlug::Bridge(bridge) if !is_up(&bridge) => None,
        plug => Some(plug),
    }
}

/// The host's first address in a network, as its definition says.
pub fn address(name: &str) -> Option<String> {
    addressed(&definition(name)?)
}

fn addressed(text: &str) -> Option<String> {
    let document = Document::parse("network", text).ok()?;
    let ip = document.root().children().find(|child| child.name() == "ip")?;
    let address: std::net::IpAddr = document.node(ip.id())?.attribute("address")?.parse().ok()?;
    Some(address.to_string())
}

/// libvirt's definition of a network.
fn definition(name: &str) -> Option<String> {
    // A name is a name and no path.
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let mut files = places().into_iter().map(|place| place.join(format!("{name}.xml")));
    files.find_map(|file| std::fs::read_to_string(file).ok())
}

/// Where libvirt keeps networks: those of the system, then those of the user's own instance.
fn places() -> Vec<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".config"));
    let own = config.or_else(home).map(|config| config.join("libvirt/qemu/networks"));
    std::iter::once(PathBuf::from("/etc/libvirt/qemu/networks")).chain(own).collect()
}

/// Whether a bridge is there and switched on.
fn is_up(bridge: &str) -> bool {
    Device::named(bridge).and_then(|bridge| bridge.is_up()).unwrap_or(false)
}

/// What a definition says that cards of a group of ports are plugged into, on a host with these devices.
fn defined(text: &str, portgroup: Option<&str>, links: &[Link]) -> Option<NetworkPlug> {
    let document = Document::parse("network", text).ok()?;
    let network = Definition { document: &document };
    let port = match network.port(portgroup) {
        Ok(port) => port,
        Err(reason) => return Some(NetworkPlug::Unusable(reason)),
    };
    // What a port has besides a plug: libvirt's work, which nobody does here, and nobody leaves out.
    for (element, what) in PORTS {
        let places = [Some(document.root()), port];
        if places.into_iter().flatten().any(|node| network.child(node, element).is_some()) {
            return Some(NetworkPlug::Unusable(format!("it gives its ports {what} (`<{element}>`)")));
        }
    }
    if port.is_some_and(|port| network.child(port, "bandwidth").is_some()) {
        let reason = "it limits the bandwidth of its ports (`<bandwidth>` of the `<portgroup>`)";
        return Some(NetworkPlug::Unusable(reason.to_owned()));
    }
    network.plug(links)
}

/// What libvirt does for each port of a network that says so.
const PORTS: &[(&str, &str)] =
    &[("virtualport", "a port of a virtual switch"), ("vlan", "VLANs"), ("port", "isolation")];

/// A network as libvirt defines it.
struct Definition<'a> {
    document: &'a Document,
}

impl<'a> Definition<'a> {
    fn child(&self, node: Node<'a>, name: &str) -> Option<Node<'a>> {
        let id = node.children().find(|child| child.name() == name)?.id();
        self.document.node(id)
    }

    /// The group of ports that a card belongs to: the one that it names, or else the default one if there is any.
    fn port(&self, name: Option<&str>) -> Result<Option<Node<'a>>, String> {
        let groups = self.document.root().children().filter(|child| child.name() == "portgroup");
        let mut groups = groups.filter_map(|group| self.document.node(group.id()));
        match name {
            Some(name) => match groups.find(|group| group.attribute("name").as_deref() == Some(name)) {
                Some(group) => Ok(Some(group)),
                None => Err(format!("it has no `<portgroup>` of the name `{name}`")),
            },
            None => Ok(groups.find(|group| group.attribute("default").as_deref() == Some("yes"))),
        }
    }

    fn plug(&self, links: &[Link]) -> Option<NetworkPlug> {
        let root = self.document.root();
        let bridge =
            self.child(root, "bridge").and_then(|bridge| Some(bridge.attribute("name")?.into_owned()));
        let Some(forward) = self.child(root, "forward") else { return bridge.map(NetworkPlug::Bridge) };
        let mode = forward.attribute("mode").unwrap_or("nat".into());
        match mode.as_ref() {
            "nat" | "route" | "open" => bridge.map(NetworkPlug::Bridge),
            "bridge" if bridge.is_some() => bridge.map(NetworkPlug::Bridge),
            "hostdev" => {
                let reason = "it hands out cards of the host, whose addresses libvirt sets \
                              (`<interface type='hostdev'>` names one)";
                Some(NetworkPlug::Unusable(reason.to_owned()))
            }
            _ if self.child(forward, "pf").is_some() => {
                let reason =
                    "it hands out the virtual functions of a card (`<interface type='direct'>` names one)";
                Some(NetworkPlug::Unusable(reason.to_owned()))
            }
            mode => Some(match self.interface(forward, mode == "passthrough", links) {
                Ok(dev) => NetworkPlug::Direct { dev, mode: mode.to_owned() },
                Err(reason) => NetworkPlug::Unusable(reason),
            }),
        }
    }

    /// The interface of the host with the fewest guests; one without any if a guest has it for itself.
    fn interface(&self, forward: Node<'a>, exclusive: bool, links: &[Link]) -> Result<String, String> {
        let listed = forward.children().filter(|child| child.name() == "interface");
        let listed = listed.filter_map(|child| self.document.node(child.id())?.attribute("dev"));
        let mut names: Vec<String> = listed.map(std::borrow::Cow::into_owned).collect();
        if names.is_empty() {
            names.extend(forward.attribute("dev").map(std::borrow::Cow::into_owned));
        }
        let guests = |link: &Link| {
            let is_above =
                |other: &&Link| other.lower == Some(link.index) && other.kind.as_deref() == Some("macvtap");
            links.iter().filter(is_above).count()
        };
        let present = names.iter().filter_map(|name| links.iter().find(|link| link.name == *name));
        let free = present.map(|link| (guests(link), link)).filter(|(guests, _)| !exclusive || *guests == 0);
        // Of several that are as good, the first one.
        let best = free.min_by_key(|(guests, _)| *guests);
        best.map(|(_, link)| link.name.clone()).ok_or_else(|| match names.is_empty() {
            true => "it names no interface of the host".to_owned(),
            false => format!("no interface of it is there and free: `{}`", names.join("`, `")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, lower: Option<u32>) -> Link {
        let kind = lower.map(|_| "macvtap".to_owned());
        Link { index, name: name.to_owned(), lower, kind, alias: None }
    }

    #[track_caller]
    fn check(inside: &str, portgroup: Option<&str>, expected: Option<NetworkPlug>) {
        let text = format!("<network><name>n</name>{inside}</network>");
        let links = [link(2, "eth1", None), link(3, "eth2", None), link(4, "macvtap0", Some(2))];
        assert_eq!(defined(&text, portgroup, &links), expected, "{inside}");
    }

    #[track_caller]
    fn refused(inside: &str, portgroup: Option<&str>, expected: &str) {
        let found = defined(&format!("<network><name>n</name>{inside}</network>"), portgroup, &[]);
        let Some(NetworkPlug::Unusable(reason)) = found else { panic!("{found:?}") };
        assert!(reason.contains(expected), "{reason}");
    }

    #[test]
    fn definitions() {
        let bridge = |name: &str| Some(NetworkPlug::Bridge(name.to_owned()));
        check("<bridge name='virbr0'/>", None, bridge("virbr0"));
        check("<forward mode='nat'/><bridge name='virbr0'/>", None, bridge("virbr0"));
        check("<forward/><bridge name='virbr0'/>", None, bridge("virbr0"));
        check("<forward mode='open'/><bridge name='virbr0'/>", None, bridge("virbr0"));
        check("<forward mode='bridge'/><bridge name='br7'/>", None, bridge("br7"));
        check("<forward mode='route'/>", None, None);
        // What the network as a whole may send is no matter of its ports.
        check("<bridge name='b'/><bandwidth><inbound average='9'/></bandwidth>", None, bridge("b"));
        let direct =
            |dev: &str, mode: &str| Some(NetworkPlug::Direct { dev: dev.to_owned(), mode: mode.to_owned() });
        check("<forward mode='private'><interface dev='eth1'/></forward>", None, direct("eth1", "private"));
        check("<forward dev='eth1' mode='vepa'/>", None, direct("eth1", "vepa"));
        let two = |mode: &str| {
            format!("<forward mode='{mode}'><interface dev='eth1'/><interface dev='eth2'/></forward>")
        };
        // The first one has a guest already.
        check(&two("bridge"), None, direct("eth2", "bridge"));
        check(&two("passthrough"), None, direct("eth2", "passthrough"));
        refused("<forward mode='bridge'><interface dev='eth9'/></forward>", None, "`eth9`");
        refused("<forward mode='passthrough'><pf dev='eth1'/></forward>", None, "virtual functions");
        let address = "<address type='pci' domain='0x0000' bus='0x03' slot='0x07' function='0x1'/>";
        refused(&format!("<forward mode='hostdev'>{address}</forward>"), None, "hostdev");
    }

    #[test]
    fn what_is_more_than_a_plug_is_refused_and_not_left_out() {
        refused("<bridge name='b'/><virtualport type='openvswitch'/>", None, "virtualport");
        refused("<bridge name='b'/><port isolated='yes'/>", None, "isolation");
        let groups = "<bridge name='b'/><portgroup name='p'><vlan><tag id='3'/></vlan></portgroup>\
                      <portgroup name='q'/><portgroup name='r' default='yes'><bandwidth/></portgroup>";
        refused(groups, Some("p"), "VLANs");
        refused(groups, Some("s"), "`s`");
        refused(groups, None, "bandwidth");
        check(groups, Some("q"), Some(NetworkPlug::Bridge("b".to_owned())));
        assert_eq!(defined("no xml", None, &[]), None);
        let network =
            "<network><ip address='192.0.2.1' netmask='255.255.255.0'/><ip address='2001:db8::1'/></network>";
        assert_eq!(addressed(network).as_deref(), Some("192.0.2.1"));
        assert_eq!(addressed("<network><ip address='nonsense'/></network>"), None);
        assert_eq!(definition("../networks/default"), None);
    }
}
