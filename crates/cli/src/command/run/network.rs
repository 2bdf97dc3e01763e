//! `--net`: cards connected to something else for one run.

use domain_model::Domain;
use domain_model::device::interface::{Backend, BackendType, Bridge, DriverName, Interface, InterfaceSource};
use domain_model::xml::Tagged;

use crate::args::Net;
use crate::report::Report;

/// Connects the cards that need the host's network to something else, and says so.
pub(super) fn replace(domain: &mut Domain, net: &Net, report: &Report) {
    let instead = match net {
        Net::User => "QEMU's own network".to_owned(),
        Net::Passt => "passt".to_owned(),
        Net::Bridge(name) => format!("the bridge `{name}`"),
    };
    for (index, device) in domain.devices.interfaces.iter_mut().enumerate() {
        let card = &mut device.spec;
        if needs_the_host(&card.source) {
            let (number, kind) = (index.saturating_add(1), card.source.tag());
            report.note(&format!("network card {number} (`{kind}`) is connected to {instead} for this run"));
            connect(card, net);
        }
    }
}

/// Whether a card is connected to something of the host that may not be there.
fn needs_the_host(source: &InterfaceSource) -> bool {
    matches!(
        source,
        InterfaceSource::Network(_)
            | InterfaceSource::Bridge(_)
            | InterfaceSource::Ethernet(_)
            | InterfaceSource::Direct(_)
    )
}

/// What the guest sees of a card stays; what was said of the host's end goes with it.
fn connect(card: &mut Interface, net: &Net) {
    card.vlan = None;
    card.virtualport = None;
    card.bandwidth = None;
    card.isolated = None;
    card.filterref = None;
    card.script = None;
    card.downscript = None;
    card.target_dev = None;
    card.target_managed = None;
    card.coalesce_rx_frames_max = None;
    card.backend = None;
    match net {
        Net::Bridge(name) => {
            card.source = InterfaceSource::Bridge(Bridge { bridge: Some(name.clone()), ..Bridge::default() });
            return;
        }
        Net::User => card.mtu = None,
        Net::Passt => {
            card.backend = Some(Backend { kind: Some(BackendType::Passt), ..Backend::default() });
        }
    }
    card.source = InterfaceSource::User { dev: None };
    card.sndbuf = None;
    if let Some(driver) = &mut card.driver {
        driver.queues = None;
        driver.name = driver.name.filter(|name| *name == DriverName::Qemu);
    }
}

#[cfg(test)]
mod tests {
    use domain_model::Document;

    use super::*;

    #[test]
    fn only_the_hosts_end_of_a_card_is_replaced() {
        let text = "<domain type='qemu'><devices><interface type='network'><mac address='52:54:00:00:00:01'/>\
                    <source network='default'/><vlan><tag id='4'/></vlan><bandwidth><inbound average='9'/></bandwidth>\
                    <model type='virtio'/><driver name='vhost' queues='4' txmode='timer'/><mtu size='9000'/>\
                    <filterref filter='f'/></interface></devices></domain>";
        let document = Document::parse("", text).unwrap();
        let (domain, _) = Domain::read(&document);
        for (net, tag, mtu, queues) in [
            (Net::User, "user", None, None),
            (Net::Passt, "user", Some(9000), None),
            (Net::Bridge("br1".to_owned()), "bridge", Some(9000), Some(4)),
        ] {
            let mut card = domain.devices.interfaces[0].spec.clone();
            assert!(needs_the_host(&card.source));
            connect(&mut card, &net);
            let driver = card.driver.clone().unwrap();
            assert_eq!((card.source.tag(), card.mtu), (tag, mtu), "{net:?}");
            assert_eq!((driver.queues.map(|queues| queues.get()), driver.txmode.is_some()), (queues, true));
            assert!(card.vlan.is_none() && card.bandwidth.is_none() && card.filterref.is_none());
            assert_eq!(card.uses_passt(), net == Net::Passt);
            assert_eq!(card.mac, domain.devices.interfaces[0].spec.mac);
        }
        assert!(!needs_the_host(&InterfaceSource::User { dev: None }));
    }
}
