//! Cards of the host that are handed to the guest.

use domain_model::address::{Address, Pci, Place};
use domain_model::device::hostdev::{Hostdev, HostdevKind, PciHostdev, UsbHostdev};
use domain_model::device::interface::{Interface, InterfaceSource, Network};
use domain_model::os::BootDeviceKind;
use domain_model::values::CNumber;
use domain_model::xml::text::{Hex, YesNo};
use domain_model::{Code, Device, Diagnostic, device::Boot};

use super::super::QemuDevice;
use crate::arg::Args;
use crate::boot;
use crate::context::{Context, Inputs, Resolved};
use crate::host::NetworkPlug;

/// Whether the card is one of the host's, by its type or because its network has such cards.
pub(super) fn is_hostdev(card: &Interface, inputs: Inputs<'_>) -> bool {
    match &card.source {
        InterfaceSource::Hostdev(_) => true,
        InterfaceSource::Network(network) => {
            matches!(plug(network, inputs), Some(NetworkPlug::Hostdev(_)))
        }
        _ => false,
    }
}

/// What a card of a virtual network is plugged into.
pub(super) fn plug(network: &Network, inputs: Inputs<'_>) -> Option<NetworkPlug> {
    let name = network.port.network.as_deref().unwrap_or_default();
    inputs.host.network(name, network.port.portgroup.as_deref())
}

/// Adds the arguments of the cards that are devices of the host; they stand in front of other such devices.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    for nic in cx.each::<Interface>() {
        let Some(kind) = kind(nic.spec, cx.inputs) else { continue };
        if !cx.is_libvirt() {
            host_end(&nic, cx, out);
        }
        let managed = match &nic.spec.source {
            InterfaceSource::Hostdev(source) => source.managed,
            _ => Some(YesNo::Yes),
        };
        let teaming = nic.spec.teaming.clone();
        let spec = Hostdev { kind, managed, teaming, ..Hostdev::default() };
        let mut info = nic.info.clone();
        let class = (nic.index == 0).then(|| boot::of_class(BootDeviceKind::Network, cx)).flatten();
        if let (None, Some((order, origin))) = (&info.boot, class) {
            let meta = domain_model::xml::Meta::from_origin(origin);
            info.boot = Some(Box::new(Boot { order, loadparm: None, meta }));
        }
        let device = Device { spec, info, meta: nic.device().meta.clone() };
        Hostdev::args(&Resolved::new(&device, nic.alias, nic.index), cx, out);
    }
}

/// Refuses and warns of what only libvirt does with a card of the host before the guest gets it.
fn host_end(nic: &Resolved<'_, Interface>, cx: &Context<'_>, out: &mut Args) {
    let refused = [
        (nic.spec.vlan.is_some(), "a VLAN of a card of the host", "vlan"),
        (nic.spec.virtualport.is_some(), "a port of a virtual switch", "virtualport"),
        (nic.spec.bandwidth.is_some(), "a limit of a network card's bandwidth", "bandwidth"),
    ];
    for (_, what, path) in refused.into_iter().filter(|(is_there, ..)| *is_there) {
        cx.not_yet(what, nic.at(path), out);
    }
    if nic.spec.mac == Some(super::defaults::made_up_mac(cx.domain, nic.index)) {
        return;
    }
    let message = "the card of the host keeps its own address, whatever the domain says";
    let warning = Diagnostic::warning(Code::NotYet, nic.at("mac/@address"), message);
    out.problem(warning.help("set it before the start: `ip link set INTERFACE vf NUMBER mac ADDRESS`"));
}

fn kind(card: &Interface, inputs: Inputs<'_>) -> Option<HostdevKind> {
    let pci = |address, driver, driver_model| {
        HostdevKind::Pci(Box::new(PciHostdev { address, driver, driver_model, ..PciHostdev::default() }))
    };
    match &card.source {
        InterfaceSource::Hostdev(source) => Some(match &source.address {
            Some(Address { place: Place::Pci(address), .. }) => {
                pci(*address, source.driver, source.driver_model.clone())
            }
            address => {
                let number = |number: u32| CNumber(u64::from(number));
                let (bus, device) = match address {
                    Some(Address { place: Place::Usb(usb), .. }) => (usb.bus, usb.device),
                    _ => (None, None),
                };
                let (vendor, product) = (source.vendor, source.product);
                let (bus, device) = (bus.map(number), device.map(number));
                HostdevKind::Usb(UsbHostdev { vendor, product, bus, device, ..UsbHostdev::default() })
            }
        }),
        InterfaceSource::Network(network) => match plug(network, inputs)? {
            NetworkPlug::Hostdev(address) => Some(pci(parse(&address)?, None, None)),
            NetworkPlug::Bridge(_) | NetworkPlug::Direct { .. } | NetworkPlug::Unusable(_) => None,
        },
        _ => None,
    }
}

/// Reads an address such as `0000:03:07.1`.
fn parse(address: &str) -> Option<Pci> {
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (front, function) = address.split_once('.')?;
    let mut parts = front.split(':').map(hex);
    let (domain, bus, slot) = (parts.next()??, parts.next()??, parts.next()??);
    Some(Pci {
        domain: Some(Hex(domain)),
        bus: Some(Hex(bus)),
        slot: Some(Hex(slot)),
        function: Some(Hex(hex(function)?)),
        ..Pci::default()
    })
}
