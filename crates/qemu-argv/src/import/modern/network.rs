//! Network cards and what is behind them.

use std::num::NonZeroU32;

use domain_model::address::{Pci, Place};
use domain_model::device::interface::{
    Bridge, Driver, DriverName, Ethernet, GuestOffloads, HostOffloads, Interface, InterfaceSource, Socket,
    TxMode, Vhostuser, VhostuserMode, VhostuserType,
};
use domain_model::values::MacAddress;
use domain_model::virtio::VirtioModel;
use domain_model::xml::Text;
use domain_model::xml::text::YesNo;
use domain_model::{Origin, chardev::CharSource, chardev::SocketMode};

use super::disk::{virtio_model, virtio_options};
use super::pci::Board;
use super::{Build, Frontend, machine, on_off, usb, virtio};
use crate::import::option::Opt;
use crate::import::pairs::Pairs;

/// The number that stands for the card that nobody asked for.
pub(super) const DEFAULT: usize = usize::MAX;

/// Cards that are not on PCI.
const NOT_PCI: &[&str] =
    &["ne2k_isa", "usb-net", "lance", "smc91c111", "lan9118", "xgmac", "virtio-net-device"];

/// The card of a machine that is not told of any; `None` if there is none.
pub(super) fn default_card(build: &mut Build<'_, '_, '_>) -> Option<&'static str> {
    // Backends in a file do not count: QEMU decides about its own card before it reads files.
    let words = build.options.iter().filter(|option| !option.is_from_file);
    let says = words.into_iter().any(|option| option.is(&["nic", "net", "netdev", "nodefaults"]));
    if says { None } else { default_model(build) }
}

fn default_model(build: &mut Build<'_, '_, '_>) -> Option<&'static str> {
    let machine = build.domain().os.machine.clone().unwrap_or_default();
    match Board::of(build) {
        Board::I440fx => Some("e1000"),
        Board::Q35 => Some("e1000e"),
        Board::Other if machine.starts_with("virt") || machine.starts_with("s390") => Some("virtio"),
        Board::Other => None,
    }
}

/// Whether a card of this model is on PCI.
pub(super) fn is_pci(model: Option<&str>, build: &mut Build<'_, '_, '_>) -> bool {
    match model {
        Some(model) => !NOT_PCI.contains(&model),
        None => default_model(build).is_some(),
    }
}

/// `-nic`, `-net nic`, and the card that nobody asked for.
pub(super) fn cards(build: &mut Build<'_, '_, '_>) {
    for (number, option) in build.named(&["nic"]) {
        let Some(pairs) = &option.pairs else { continue };
        if nic(number, option, pairs, build).is_some() {
            option.take();
        }
    }
    hub(build);
    if let Some(model) = default_card(build) {
        let origin = Origin::always("QEMU has a network card unless it is told of one or of none");
        let spec = Interface { model: Some(model.to_owned()), ..Interface::default() };
        let place = build.slots.of(DEFAULT).map(Place::Pci);
        build.add(spec, origin, place);
    }
}

/// What says of `-nic` what the card is.
fn card_of(pairs: &Pairs, build: &mut Build<'_, '_, '_>) -> Option<Interface> {
    let model = match pairs.take("model") {
        Some(name) => model_name(name),
        None => default_model(build)?.to_owned(),
    };
    let mac = match pairs.take_any(&["mac", "macaddr"]) {
        Some(mac) => Some(MacAddress::parse(mac).ok()?),
        None => None,
    };
    pairs.take_any(&["id", "name", "addr", "vectors", "netdev", "vlan"]);
    Some(Interface { model: Some(model), mac, ..Interface::default() })
}

/// libvirt's word for a card.
fn model_name(name: &str) -> String {
    match virtio(name, "virtio-net") {
        Some(VirtioModel::VirtioTransitional) => "virtio-transitional".to_owned(),
        Some(VirtioModel::VirtioNonTransitional) => "virtio-non-transitional".to_owned(),
        Some(VirtioModel::Virtio) => "virtio".to_owned(),
        None => name.to_owned(),
    }
}

/// QEMU's name of a card.
fn driver_name(model: &str) -> &str {
    match model {
        "virtio" => "virtio-net-pci",
        model => model,
    }
}

fn nic(number: usize, option: &Opt, pairs: &Pairs, build: &mut Build<'_, '_, '_>) -> Option<()> {
    if pairs.peek("type") == Some("none") {
        return Some(());
    }
    let mut spec = card_of(pairs, build)?;
    let pci = build.slots.of(number);
    if backend(pairs, &mut spec, build).is_some() && pairs.is_spent() {
        build.add(spec, option.origin, pci.map(Place::Pci));
        return Some(());
    }
    pairs.reset();
    let mut left = machine::left(pairs);
    left.retain(|(key, _)| !matches!(key.as_str(), "model" | "mac" | "macaddr" | "addr" | "id" | "name"));
    split(number, option, &left, &spec, pci, build);
    Some(())
}

/// Passes on a card whose backend the domain cannot say, as a backend and a card with its place.
///
/// QEMU makes cards of `-nic` before all others, where it would take the place of one that the domain has.
fn split(
    number: usize,
    option: &Opt,
    left: &[(String, String)],
    spec: &Interface,
    pci: Option<Pci>,
    build: &mut Build<'_, '_, '_>,
) {
    let id = option.peek("id").map_or_else(|| format!("nic{number}"), str::to_owned);
    let mut backend = left.to_vec();
    let behind_type = usize::from(!backend.is_empty());
    backend.insert(behind_type, ("id".to_owned(), id.clone()));
    machine::pass_left(build, "-netdev", &backend, option.origin);
    card(spec, Some(id), pci, option.origin, build);
}

/// Passes on a card with its place.
fn card(
    spec: &Interface,
    netdev: Option<String>,
    pci: Option<Pci>,
    origin: Origin,
    build: &mut Build<'_, '_, '_>,
) {
    let model = spec.model.as_deref().unwrap_or_default();
    let mut card = vec![("driver".to_owned(), driver_name(model).to_owned())];
    card.extend(netdev.map(|id| ("netdev".to_owned(), id)));
    card.extend(spec.mac.map(|mac| ("mac".to_owned(), mac.to_text())));
    if let Some(Pci { slot: Some(slot), function, .. }) = pci {
        let function = function.map_or(0, |function| function.0);
        card.push(("addr".to_owned(), format!("{:#x}.{function:#x}", slot.0)));
    }
    machine::pass_left(build, "-device", &card, origin);
}

/// `-net nic` and `-net user`: all of them are on one hub; with one of each, they are simply joined.
fn hub(build: &mut Build<'_, '_, '_>) {
    let nets: Vec<(usize, &Opt)> = build.named(&["net"]).collect();
    let of_type = |wanted: fn(&str) -> bool| -> Vec<(usize, &Opt)> {
        nets.iter().filter(|(_, net)| net.peek("type").is_some_and(wanted)).copied().collect()
    };
    let nics = of_type(|kind| kind == "nic");
    let backends = of_type(|kind| !matches!(kind, "nic" | "none"));
    for (_, option) in of_type(|kind| kind == "none") {
        option.take();
    }
    let ([(number, nic)], Some((_, backend_option))) = (nics.as_slice(), backends.first()) else {
        // A card on a hub without a backend is connected to nothing, which libvirt has no word for.
        if backends.is_empty() {
            for (number, option) in nics {
                let Some(pairs) = &option.pairs else { continue };
                pairs.take("type");
                let pci = build.slots.of(number);
                if let Some(spec) = card_of(pairs, build).filter(|_| pairs.is_spent()) {
                    option.take();
                    card(&spec, None, pci, option.origin, build);
                }
            }
        }
        return;
    };
    let (Some(card), Some(pairs)) = (&nic.pairs, &backend_option.pairs) else { return };
    if backends.len() != 1 {
        return;
    }
    card.take("type");
    let Some(mut spec) = card_of(card, build).filter(|_| card.is_spent()) else { return };
    pairs.take_any(&["id", "name", "vlan"]);
    let pci = build.slots.of(*number);
    nic.take();
    backend_option.take();
    if backend(pairs, &mut spec, build).is_some() && pairs.is_spent() {
        build.add(spec, nic.origin, pci.map(Place::Pci));
        return;
    }
    pairs.reset();
    let left = machine::left(pairs);
    split(*number, backend_option, &left, &spec, pci, build);
}

/// Reads what is behind a card; `None` if the domain cannot say it.
fn backend(pairs: &Pairs, card: &mut Interface, build: &mut Build<'_, '_, '_>) -> Option<()> {
    let text = |key: &str| pairs.take(key).map(str::to_owned);
    match pairs.take("type")? {
        "user" => {}
        "tap" => {
            card.source = InterfaceSource::Ethernet(Ethernet::default());
            card.target_dev = text("ifname");
            // A device of this name that is there already is not made again.
            card.target_managed = card.target_dev.as_ref().map(|_| YesNo::No);
            card.script = script(pairs.take("script"), "/etc/qemu-ifup");
            card.downscript = script(pairs.take("downscript"), "/etc/qemu-ifdown");
            card.sndbuf = pairs.number("sndbuf");
            let driver = Driver {
                name: pairs.switch("vhost").map(|on| if on { DriverName::Vhost } else { DriverName::Qemu }),
                queues: pairs.small::<u32>("queues").and_then(NonZeroU32::new),
                ..Driver::default()
            };
            card.driver = (driver != Driver::default()).then_some(driver);
        }
        "bridge" => {
            let bridge = text("br").unwrap_or_else(|| "br0".to_owned());
            card.source = InterfaceSource::Bridge(Bridge { bridge: Some(bridge), ..Bridge::default() });
        }
        "socket" => card.source = socket(pairs)?,
        "vhost-user" => {
            let chardev = build.chardev(pairs.take("chardev")?)?;
            let CharSource::Unix(unix) = chardev.source else { return None };
            let server = unix.mode == SocketMode::Bind;
            card.source = InterfaceSource::Vhostuser(Vhostuser {
                kind: Some(VhostuserType::Unix),
                path: unix.path,
                mode: Some(if server { VhostuserMode::Server } else { VhostuserMode::Client }),
                reconnect: unix.reconnect,
                dev: None,
            });
            let queues = pairs.small::<u32>("queues").and_then(NonZeroU32::new);
            card.driver = queues.map(|queues| Driver { queues: Some(queues), ..Driver::default() });
        }
        "vhost-vdpa" => card.source = InterfaceSource::Vdpa { dev: text("vhostdev") },
        _ => return None,
    }
    Some(())
}

/// The script that connects a TAP device: `no` is none, and QEMU has one if nothing is said.
fn script(said: Option<&str>, default: &str) -> Option<String> {
    match said {
        Some("no" | "") => None,
        said => Some(said.unwrap_or(default).to_owned()),
    }
}

fn socket(pairs: &Pairs) -> Option<InterfaceSource> {
    let endpoint = |text: &str| {
        let (address, port) = text.rsplit_once(':').unwrap_or(("", text));
        let mut socket = Socket::default();
        socket.remote.address = (!address.is_empty()).then(|| address.to_owned());
        socket.remote.port = Some(port.parse().ok()?);
        Some(socket)
    };
    if let Some(listen) = pairs.take("listen") {
        return endpoint(listen).map(InterfaceSource::Server);
    }
    if let Some(connect) = pairs.take("connect") {
        return endpoint(connect).map(InterfaceSource::Client);
    }
    if let Some(group) = pairs.take("mcast") {
        return endpoint(group).map(InterfaceSource::Mcast);
    }
    let mut socket = endpoint(pairs.take("udp")?)?;
    let (address, port) = pairs.take("localaddr")?.rsplit_once(':')?;
    socket.local.address = Some(address.to_owned());
    socket.local.port = Some(port.parse().ok()?);
    Some(InterfaceSource::Udp(socket))
}

/// Cards on a PCI bus, besides those of virtio.
pub(super) const PCI_CARDS: &[&str] = &[
    "e1000",
    "e1000-82544gc",
    "e1000-82545em",
    "e1000e",
    "i82550",
    "i82551",
    "i82557a",
    "i82557b",
    "i82557c",
    "i82558a",
    "i82558b",
    "i82559a",
    "i82559b",
    "i82559c",
    "i82559er",
    "i82562",
    "i82801",
    "igb",
    "ne2k_pci",
    "pcnet",
    "rtl8139",
    "tulip",
    "vmxnet3",
];

/// A card of `-device`.
pub(super) fn device<'o>(driver: &str, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let virtio = virtio(driver, "virtio-net");
    if virtio.is_none() && !PCI_CARDS.contains(&driver) && !matches!(driver, "usb-net" | "ne2k_isa") {
        return None;
    }
    let pairs = frontend.pairs;
    let info = match driver {
        "usb-net" => usb::info(frontend, build)?,
        "ne2k_isa" => build.info(frontend),
        _ => build.pci_info(frontend)?,
    };
    let mut spec = Interface::default();
    let (option, options) = build.backend("netdev", pairs.take("netdev")?)?;
    options.take("id");
    backend(options, &mut spec, build).filter(|()| options.is_spent())?;
    option.take();
    spec.model = Some(match virtio {
        Some(model) if virtio_model(model, pairs) == VirtioModel::VirtioNonTransitional => {
            "virtio-non-transitional".to_owned()
        }
        _ => model_name(driver),
    });
    spec.mac = match pairs.take("mac") {
        Some(mac) => Some(MacAddress::parse(mac).ok()?),
        None => None,
    };
    spec.mtu = pairs.small("host_mtu");
    if virtio.is_some() {
        let mut driver = spec.driver.take().unwrap_or_default();
        virtio_driver(&mut driver, pairs);
        spec.driver = (driver != Driver::default()).then_some(driver);
    }
    build.push(frontend, spec, info)
}

fn virtio_driver(driver: &mut Driver, pairs: &Pairs) {
    let switch = |key| pairs.switch(key).map(on_off);
    driver.txmode = match pairs.take("tx") {
        Some("bh") => Some(TxMode::Iothread),
        Some("timer") => Some(TxMode::Timer),
        _ => driver.txmode,
    };
    driver.ioeventfd = switch("ioeventfd");
    driver.event_idx = switch("event_idx");
    driver.rx_queue_size = pairs.small("rx_queue_size");
    driver.tx_queue_size = pairs.small("tx_queue_size");
    driver.rss = switch("rss");
    driver.rss_hash_report = switch("hash");
    driver.virtio = virtio_options(pairs);
    if driver.queues.is_some_and(|queues| queues.get() > 1) {
        // These follow from the number of queues.
        pairs.take_any(&["mq", "vectors"]);
    }
    driver.host = HostOffloads {
        csum: switch("csum"),
        gso: switch("gso"),
        ecn: switch("host_ecn"),
        ufo: switch("host_ufo"),
        mrg_rxbuf: switch("mrg_rxbuf"),
        ..HostOffloads::default()
    };
    driver.guest = GuestOffloads {
        csum: switch("guest_csum"),
        ecn: switch("guest_ecn"),
        ufo: switch("guest_ufo"),
        ..GuestOffloads::default()
    };
}
