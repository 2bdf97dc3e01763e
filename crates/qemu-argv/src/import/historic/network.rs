//! `-net` of 2011: cards and backends joined by a VLAN.

use domain_model::device::interface::{Driver, DriverName, Ethernet, Interface, InterfaceSource, Socket};
use domain_model::values::MacAddress;
use domain_model::xml::Text;

use crate::import::option::Opt;
use crate::import::{Importing, implied};

/// A backend, with the card on the same VLAN.
pub(super) fn net(option: &Opt, all: &[Opt], cx: &mut Importing<'_>) {
    let Some(options) = &option.pairs else { return };
    let kind = options.take("type").unwrap_or_default();
    if matches!(kind, "nic" | "none") {
        return;
    }
    let vlan = options.number("vlan").unwrap_or(0);
    let mut spec = Interface::default();
    match kind {
        "user" => {}
        "socket" => spec.source = socket(options),
        // Which network or bridge a TAP device belongs to cannot be told.
        "tap" => {
            spec.source = InterfaceSource::Ethernet(Ethernet::default());
            spec.script = options.take("script").filter(|path| !path.is_empty()).map(str::to_owned);
            spec.target_dev = options.take("ifname").map(str::to_owned);
        }
        _ => return cx.keep(option),
    }
    let nics = all.iter().filter(|option| option.name == "net" && option.peek("type") == Some("nic"));
    let nics: Vec<&Opt> = nics.collect();
    let on_vlan = |nic: &&&Opt| nic.peek("vlan").and_then(|vlan| vlan.parse().ok()).unwrap_or(0) == vlan;
    // Where nothing is said, a card that is on another VLAN by mistake is meant.
    let first = nics.first().filter(|_| vlan == 0);
    let Some(nic) = nics.iter().find(on_vlan).or(first) else {
        let message = format!("there is no network card on VLAN {vlan}");
        return cx.refuse(option.origin, message);
    };
    if let Some(card) = &nic.pairs {
        card.take("vlan");
        if let Some(mac) = card.take("macaddr") {
            match MacAddress::parse(mac) {
                Ok(mac) => spec.mac = Some(mac),
                Err(error) => cx.refuse(nic.origin, format!("`{mac}` is no MAC address: {error}")),
            }
        }
        spec.model = card.take("model").map(str::to_owned);
        spec.sndbuf = options.number("sndbuf").or_else(|| card.number("sndbuf"));
        let vhost = options.switch("vhost").or_else(|| card.switch("vhost"));
        spec.driver = vhost.map(|on| Driver {
            name: Some(if on { DriverName::Vhost } else { DriverName::Qemu }),
            ..Driver::default()
        });
    }
    cx.domain.devices.interfaces.push(implied(spec, option.origin));
}

fn socket(options: &crate::import::pairs::Pairs) -> InterfaceSource {
    let endpoint = |text: &str| {
        let (address, port) = text.rsplit_once(':').unwrap_or(("", text));
        let mut socket = Socket::default();
        socket.remote.address = (!address.is_empty()).then(|| address.to_owned());
        socket.remote.port = port.parse().ok();
        socket
    };
    if let Some(listen) = options.take("listen") {
        return InterfaceSource::Server(endpoint(listen));
    }
    if let Some(group) = options.take("mcast") {
        return InterfaceSource::Mcast(endpoint(group));
    }
    InterfaceSource::Client(endpoint(options.take("connect").unwrap_or_default()))
}
