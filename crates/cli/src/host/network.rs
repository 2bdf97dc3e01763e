//! Virtual networks: libvirt's definitions, and the bridges that are up.

use std::path::PathBuf;

use domain_model::{Document, Node};
use qemu_argv::NetworkPlug;
use runner::net::Device;

/// What cards of a network are plugged into; `None` if it is not defined, not up, or more than a plug.
pub fn plug(name: &str) -> Option<NetworkPlug> {
    let plug = defined(&definition(name)?)?;
    match &plug {
        NetworkPlug::Bridge(bridge) if !is_up(bridge) => None,
        _ => Some(plug),
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

/// What a definition says that cards are plugged into.
fn defined(text: &str) -> Option<NetworkPlug> {
    let document = Document::parse("network", text).ok()?;
    let root = document.root();
    let child = |node: Node<'_>, name: &str| {
        let id = node.children().find(|child| child.name() == name)?.id();
        document.node(id)
    };
    // What a port needs besides a plug: libvirt's work, which nobody does here.
    let special =
        |node: Node<'_>| node.children().any(|child| ["virtualport", "vlan", "port"].contains(&child.name()));
    if special(root) || root.children().filter(|child| child.name() == "portgroup").any(special) {
        return None;
    }
    let bridge = child(root, "bridge").and_then(|bridge| Some(bridge.attribute("name")?.into_owned()));
    let Some(forward) = child(root, "forward") else { return bridge.map(NetworkPlug::Bridge) };
    match forward.attribute("mode").as_deref().unwrap_or("nat") {
        "nat" | "route" | "open" => bridge.map(NetworkPlug::Bridge),
        "bridge" if bridge.is_some() => bridge.map(NetworkPlug::Bridge),
        "hostdev" => {
            let address = child(forward, "address")?;
            let number = |name: &str| {
                let text = address.attribute(name)?;
                u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
            };
            Some(NetworkPlug::Hostdev(format!(
                "{:04x}:{:02x}:{:02x}.{:x}",
                number("domain").unwrap_or_default(),
                number("bus")?,
                number("slot")?,
                number("function")?
            )))
        }
        _ => {
            let interface = child(forward, "interface").and_then(|node| node.attribute("dev"));
            let dev = interface.or_else(|| forward.attribute("dev"))?;
            Some(NetworkPlug::Direct(dev.into_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(inside: &str, expected: Option<NetworkPlug>) {
        assert_eq!(defined(&format!("<network><name>n</name>{inside}</network>")), expected, "{inside}");
    }

    #[test]
    fn definitions() {
        let bridge = |name: &str| Some(NetworkPlug::Bridge(name.to_owned()));
        check("<bridge name='virbr0'/>", bridge("virbr0"));
        check("<forward mode='nat'/><bridge name='virbr0'/>", bridge("virbr0"));
        check("<forward/><bridge name='virbr0'/>", bridge("virbr0"));
        check("<forward mode='bridge'/><bridge name='br7'/>", bridge("br7"));
        check("<forward mode='route'/>", None);
        let direct = Some(NetworkPlug::Direct("eth1".to_owned()));
        check("<forward mode='private'><interface dev='eth1'/></forward>", direct.clone());
        check("<forward dev='eth1' mode='vepa'/>", direct);
        let address = "<address type='pci' domain='0x0000' bus='0x03' slot='0x07' function='0x1'/>";
        let card = Some(NetworkPlug::Hostdev("0000:03:07.1".to_owned()));
        check(&format!("<forward mode='hostdev'>{address}</forward>"), card);
        // What is more than a plug is not understood rather than left out.
        check("<bridge name='b'/><virtualport type='openvswitch'/>", None);
        check("<bridge name='b'/><portgroup name='p'><vlan><tag id='3'/></vlan></portgroup>", None);
        assert_eq!(defined("no xml"), None);
        let network =
            "<network><ip address='192.0.2.1' netmask='255.255.255.0'/><ip address='2001:db8::1'/></network>";
        assert_eq!(addressed(network).as_deref(), Some("192.0.2.1"));
        assert_eq!(addressed("<network><ip address='nonsense'/></network>"), None);
        assert_eq!(definition("../networks/default"), None);
    }
}
