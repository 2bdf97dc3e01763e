//! `-pcidevice` and `-usbdevice host:`: devices of the host, in 2011.

use domain_model::address::Pci;
use domain_model::device::hostdev::{Hostdev, HostdevKind, PciHostdev, UsbHostdev};
use domain_model::values::CNumber;
use domain_model::xml::text::{Hex, YesNo};

use crate::import::option::Opt;
use crate::import::{Importing, implied};

/// `-pcidevice host=BUS:SLOT.FUNCTION`, in hexadecimal.
pub(super) fn pci(option: &Opt, cx: &mut Importing<'_>) {
    let address = option.value.split(',').find_map(|part| part.strip_prefix("host=")).and_then(pci_address);
    let Some(address) = address else {
        let message = format!("`{}` names no PCI device: `host=BUS:SLOT.FUNCTION`", option.value);
        return cx.refuse(option.origin, message);
    };
    let kind = HostdevKind::Pci(Box::new(PciHostdev { address, ..PciHostdev::default() }));
    let spec = Hostdev { kind, managed: Some(YesNo::Yes), ..Hostdev::default() };
    cx.domain.devices.hostdevs.push(implied(spec, option.origin));
}

/// `[DOMAIN:]BUS:SLOT.FUNCTION`, in hexadecimal.
pub(in crate::import) fn pci_address(text: &str) -> Option<Pci> {
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, slot) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(Pci {
        domain: Some(Hex(hex(domain)?)),
        bus: Some(Hex(hex(bus)?)),
        slot: Some(Hex(hex(slot)?)),
        function: Some(Hex(hex(function)?)),
        ..Pci::default()
    })
}

/// `-usbdevice host:BUS.ADDRESS`, in decimal, or `host:VENDOR:PRODUCT`, in hexadecimal.
pub(super) fn usb(option: &Opt, cx: &mut Importing<'_>) {
    let text = option.value.strip_prefix("host:").unwrap_or_default();
    let Some(device) = usb_device(text) else {
        let message =
            format!("`{}` names no USB device: `host:BUS.ADDRESS` or `host:VENDOR:PRODUCT`", option.value);
        return cx.refuse(option.origin, message);
    };
    let spec = Hostdev { kind: HostdevKind::Usb(device), managed: Some(YesNo::No), ..Hostdev::default() };
    cx.domain.devices.hostdevs.push(implied(spec, option.origin));
}

fn usb_device(text: &str) -> Option<UsbHostdev> {
    if let Some((vendor, product)) = text.split_once(':') {
        let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok().map(Hex);
        let (vendor, product) = (Some(hex(vendor)?), Some(hex(product)?));
        return Some(UsbHostdev { vendor, product, ..UsbHostdev::default() });
    }
    let (bus, device) = text.split_once('.')?;
    let number = |text: &str| text.parse().ok().map(CNumber);
    Some(UsbHostdev { bus: Some(number(bus)?), device: Some(number(device)?), ..UsbHostdev::default() })
}
