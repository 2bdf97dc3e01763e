//! The network card itself: what the guest sees.

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::device::interface::{Driver, Interface, TeamingType, TxMode};
use domain_model::os::{Arch, BootDeviceKind};
use domain_model::virtio::VirtioModel;
use domain_model::xml::Text;

use super::{backend_id, virtio_model};
use crate::address::address;
use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::dialect::{Era, Network};
use crate::props::Props;
use crate::{boot, virtio};

/// `-device virtio-net-pci,…`
pub(super) fn device(nic: &Resolved<'_, Interface>, cx: &Context<'_>, out: &mut Args) -> Props {
    let props = match virtio_model(nic.spec) {
        Some(model) => virtio_card(nic, model, cx),
        None => Props::new_at("driver", model(nic.spec), nic.at("model/@type"), nic.origin),
    };
    let props = match cx.dialect.network {
        Network::Netdev => props.set("netdev", backend_id(nic)),
        Network::DeviceVlan | Network::NetVlan => props.set("vlan", nic.index),
    };
    let props = props.set("id", nic.alias).set_at("mac", mac(nic.spec), nic.at("mac/@address"));
    let place = |props, out: &mut Args| crate::rom::rom(address(props, nic.info, cx), nic.info, cx, out);
    match cx.dialect.era {
        Era::Modern => place(bootindex(props, nic, cx), out),
        Era::Historic => bootindex(place(props, out), nic, cx),
    }
}

/// Booting from the network is booting from the first card.
fn bootindex(props: Props, nic: &Resolved<'_, Interface>, cx: &Context<'_>) -> Props {
    let class = (nic.index == 0).then(|| boot::of_class(BootDeviceKind::Network, cx)).flatten();
    boot::bootindex(props, nic.info, class)
}

/// `-net nic,…`, for QEMUs without `-device`.
pub(super) fn net(nic: &Resolved<'_, Interface>, cx: &Context<'_>) -> Props {
    Props::new("type", "nic", nic.origin)
        .set_at("macaddr", mac(nic.spec), nic.at("mac/@address"))
        .set("vlan", nic.index)
        .set_at("model", nic.spec.model.as_deref(), nic.at("model/@type"))
        .set("name", has_name(cx).then_some(nic.alias))
}

/// Whether the card is one that an Arm board has by itself, which `-net nic` configures: QEMU has no `-device` for it.
pub(super) fn is_on_board(nic: &Resolved<'_, Interface>, cx: &Context<'_>) -> bool {
    let place = nic.info.address.as_ref().map(|address| &address.place);
    cx.dialect.era == Era::Modern
        && matches!(cx.domain.os.arch, Some(Arch::Armv6l | Arch::Armv7l | Arch::Aarch64))
        && !matches!(place, Some(Place::Pci(_) | Place::VirtioMmio))
}

/// `-net nic,netdev=…`, for cards of the board.
pub(super) fn on_board(nic: &Resolved<'_, Interface>) -> Props {
    Props::new("type", "nic", nic.origin)
        .set_at("macaddr", mac(nic.spec), nic.at("mac/@address"))
        .set("netdev", backend_id(nic))
        .set_at("model", model(nic.spec), nic.at("model/@type"))
        .set("id", nic.alias)
}

/// Whether `-net` takes a name.
pub(super) fn has_name(cx: &Context<'_>) -> bool {
    cx.has(Capability::Release010)
}

fn mac(card: &Interface) -> Option<String> {
    card.mac.map(|mac| mac.to_text())
}

/// QEMU's own choice was libvirt's too, before libvirt wrote it down in the domain.
fn model(card: &Interface) -> &str {
    card.model.as_deref().unwrap_or("rtl8139")
}

fn virtio_card(nic: &Resolved<'_, Interface>, model: VirtioModel, cx: &Context<'_>) -> Props {
    let default = Driver::default();
    let driver = nic.spec.driver.as_ref().unwrap_or(&default);
    let (host, guest) = (&driver.host, &driver.guest);
    let props = virtio::device("virtio-net", Some(model), &driver.virtio, nic, cx)
        .requires(Capability::VirtioTxAlg, "tx", tx_mode(nic.spec), nic.at("driver/@txmode"))
        .set_at("ioeventfd", driver.ioeventfd, nic.at("driver/@ioeventfd"))
        .requires(
            Capability::VirtioNetPciEventIdx,
            "event_idx",
            driver.event_idx,
            nic.at("driver/@event_idx"),
        )
        .set_at("csum", host.csum, nic.at("driver/host/@csum"))
        .set_at("gso", host.gso, nic.at("driver/host/@gso"))
        .set_at("host_tso4", host.tso4, nic.at("driver/host/@tso4"))
        .set_at("host_tso6", host.tso6, nic.at("driver/host/@tso6"))
        .set_at("host_ecn", host.ecn, nic.at("driver/host/@ecn"))
        .set_at("host_ufo", host.ufo, nic.at("driver/host/@ufo"))
        .set_at("mrg_rxbuf", host.mrg_rxbuf, nic.at("driver/host/@mrg_rxbuf"))
        .set_at("guest_csum", guest.csum, nic.at("driver/guest/@csum"))
        .set_at("guest_tso4", guest.tso4, nic.at("driver/guest/@tso4"))
        .set_at("guest_tso6", guest.tso6, nic.at("driver/guest/@tso6"))
        .set_at("guest_ecn", guest.ecn, nic.at("driver/guest/@ecn"))
        .set_at("guest_ufo", guest.ufo, nic.at("driver/guest/@ufo"));
    queues(props, driver, nic)
        .requires(
            Capability::VirtioNetRxQueueSize,
            "rx_queue_size",
            driver.rx_queue_size,
            nic.at("driver/@rx_queue_size"),
        )
        .requires(
            Capability::VirtioNetTxQueueSize,
            "tx_queue_size",
            driver.tx_queue_size,
            nic.at("driver/@tx_queue_size"),
        )
        .requires(Capability::VirtioNetRss, "rss", driver.rss, nic.at("driver/@rss"))
        .requires(Capability::VirtioNetRss, "hash", driver.rss_hash_report, nic.at("driver/@rss_hash_report"))
        .requires(Capability::VirtioNetHostMtu, "host_mtu", nic.spec.mtu, nic.at("mtu/@size"))
        .requires(Capability::VirtioNetFailover, "failover", failover(nic.spec), nic.at("teaming/@type"))
}

/// How packets that the guest sends are handled, in QEMU's word.
pub(super) fn tx_mode(card: &Interface) -> Option<&'static str> {
    card.driver.as_ref()?.txmode.map(|mode| match mode {
        TxMode::Iothread => "bh",
        TxMode::Timer => "timer",
    })
}

/// Several pairs of queues: an interrupt for each queue, one for the control queue and one for changes of
/// the configuration. Channel I/O has an interrupt for each queue anyway.
fn queues(props: Props, driver: &Driver, nic: &Resolved<'_, Interface>) -> Props {
    let Some(queues) = driver.queues.map(|queues| queues.get()).filter(|queues| *queues > 1) else {
        return props;
    };
    let origin = nic.at("driver/@queues");
    let on_ccw = matches!(nic.info.address.as_ref().map(|address| &address.place), Some(Place::Ccw(_)));
    let vectors = (!on_ccw).then(|| u64::from(queues) * 2 + 2);
    props.set_at("mq", true, origin).set_at("vectors", vectors, origin)
}

fn failover(card: &Interface) -> Option<bool> {
    let teaming = card.teaming.as_ref()?;
    (teaming.kind == TeamingType::Persistent).then_some(true)
}
