//! `--net`: cards connected to something else for one run.

use domain_model::Domain;
use domain_model::device::interface::{
    Backend, BackendType, Bridge, DriverName, Interface, InterfaceSource, TeamingType,
};
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
        if !needs_the_host(card) {
            continue;
        }
        let (number, kind) = (index.saturating_add(1), card.source.tag());
        report.note(&format!("network card {number} (`{kind}`) is connected to {instead} for this run"));
        let lost = connect(card, net);
        if !lost.is_empty() {
            report
                .warning(&format!("network card {number} goes without its {} for this run", lost.join(", ")));
        }
    }
}

/// Whether a card is connected to something of the host that may not be there.
fn needs_the_host(card: &Interface) -> bool {
    match &card.source {
        InterfaceSource::Network(_)
        | InterfaceSource::Bridge(_)
        | InterfaceSource::Ethernet(_)
        | InterfaceSource::Direct(_)
        | InterfaceSource::Hostdev(_)
        | InterfaceSource::Vdpa { .. } => true,
        InterfaceSource::Vhostuser(_) => !card.uses_passt(),
        _ => false,
    }
}

/// Connects a card to something else, and says what it loses.
///
/// What the guest sees of it stays; what was said of the host's end goes, unless it fits the new one.
fn connect(card: &mut Interface, net: &Net) -> Vec<&'static str> {
    let mut lost = Vec::new();
    let is_bridge = matches!(net, Net::Bridge(_));
    take(&mut card.vlan, "`<vlan>`", &mut lost);
    take(&mut card.virtualport, "`<virtualport>`", &mut lost);
    take(&mut card.bandwidth, "`<bandwidth>`", &mut lost);
    take(&mut card.filterref, "`<filterref>`", &mut lost);
    take(&mut card.script, "`<script>`", &mut lost);
    take(&mut card.downscript, "`<downscript>`", &mut lost);
    take(&mut card.coalesce_rx_frames_max, "`<coalesce>`", &mut lost);
    take(&mut card.trust_guest_rx_filters, "`trustGuestRxFilters`", &mut lost);
    // Its partner is a card of the host's, or is not there either.
    if card.teaming.as_ref().is_some_and(|teaming| teaming.kind == TeamingType::Transient) {
        take(&mut card.teaming, "`<teaming>`", &mut lost);
    }
    card.target_managed = None;
    if is_bridge {
        card.target_dev = card.target_dev.take().filter(|_| has_tap(&card.source));
    } else {
        card.target_dev = None;
        take(&mut card.isolated, "`<port>`", &mut lost);
        take(&mut card.sndbuf, "`<sndbuf>`", &mut lost);
        take(&mut card.backend, "`<backend>`", &mut lost);
    }
    if *net == Net::User {
        take(&mut card.mtu, "`<mtu>`", &mut lost);
    }
    if let Some(driver) = card.driver.as_mut().filter(|_| !is_bridge) {
        take(&mut driver.queues, "`queues`", &mut lost);
        if driver.name == Some(DriverName::Vhost) {
            take(&mut driver.name, "`<driver name='vhost'>`", &mut lost);
        }
    }
    card.source = match net {
        Net::Bridge(name) => {
            InterfaceSource::Bridge(Bridge { bridge: Some(name.clone()), ..Bridge::default() })
        }
        Net::User | Net::Passt => InterfaceSource::User { dev: None },
    };
    if *net == Net::Passt {
        card.backend = Some(Backend { kind: Some(BackendType::Passt), ..Backend::default() });
    }
    lost
}

/// Whether the name of the host's end is that of a TAP device.
fn has_tap(source: &InterfaceSource) -> bool {
    matches!(source, InterfaceSource::Network(_) | InterfaceSource::Bridge(_) | InterfaceSource::Ethernet(_))
}

fn take<T>(value: &mut Option<T>, what: &'static str, lost: &mut Vec<&'static str>) {
    lost.extend(value.take().map(|_| what));
}

#[cfg(test)]
mod tests {
    use domain_model::Document;

    use super::*;

    fn card(inside: &str) -> Interface {
        let text = format!("<domain type='qemu'><devices>{inside}</devices></domain>");
        let document = Document::parse("", text).unwrap();
        let (domain, _) = Domain::read(&document);
        domain.devices.interfaces[0].spec.clone()
    }

    #[test]
    fn only_the_hosts_end_of_a_card_is_replaced_and_the_loss_is_told() {
        let before = card(
            "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/>\
             <vlan><tag id='4'/></vlan><bandwidth><inbound average='9'/></bandwidth><target dev='mine'/>\
             <model type='virtio'/><driver name='vhost' queues='4' txmode='timer'/><mtu size='9000'/>\
             <filterref filter='f'/><port isolated='yes'/><link state='down'/></interface>",
        );
        let always = "`<vlan>`, `<bandwidth>`, `<filterref>`";
        let host = "`<port>`, `queues`, `<driver name='vhost'>`";
        for (net, tag, mtu, queues, target, lost) in [
            (Net::User, "user", None, None, None, "`<port>`, `<mtu>`, `queues`, `<driver name='vhost'>`"),
            (Net::Passt, "user", Some(9000), None, None, host),
            (Net::Bridge("br1".to_owned()), "bridge", Some(9000), Some(4), Some("mine"), ""),
        ] {
            let mut card = before.clone();
            assert!(needs_the_host(&card));
            let told = connect(&mut card, &net).join(", ");
            assert_eq!(told, [always, lost].join(", ").trim_end_matches(", "), "{net:?}");
            let driver = card.driver.clone().unwrap();
            assert_eq!((card.source.tag(), card.mtu), (tag, mtu), "{net:?}");
            assert_eq!((driver.queues.map(|queues| queues.get()), driver.txmode.is_some()), (queues, true));
            assert!(card.vlan.is_none() && card.bandwidth.is_none() && card.filterref.is_none());
            assert_eq!((card.uses_passt(), card.target_dev.as_deref()), (net == Net::Passt, target));
            assert_eq!((card.mac, card.link, &card.model), (before.mac, before.link, &before.model));
        }
    }

    #[test]
    fn cards_that_need_nothing_of_the_host_stay() {
        for (inside, expected) in [
            ("<interface type='user'/>", false),
            ("<interface type='vhostuser'><backend type='passt'/></interface>", false),
            ("<interface type='vhostuser'><source type='unix' path='/s' mode='client'/></interface>", true),
            ("<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>", true),
            ("<interface type='direct'><source dev='eth0'/></interface>", true),
            ("<interface type='ethernet'/>", true),
        ] {
            assert_eq!(needs_the_host(&card(inside)), expected, "{inside}");
        }
    }
}
