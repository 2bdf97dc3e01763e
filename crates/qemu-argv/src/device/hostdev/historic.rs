//! Devices of the host for QEMU 0.9 to 0.13: `-usbdevice`, `-pcidevice`, `pci-assign`.

use caps_parser::Capability;
use domain_model::address::Pci;
use domain_model::device::hostdev::{Hostdev, HostdevKind, PciHostdev, UsbHostdev};
use domain_model::xml::text::Hex;
use domain_model::{Code, Diagnostic};

use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::dialect::Devices;
use crate::props::Props;
use crate::{address, boot, rom};

pub(super) fn args(device: &Resolved<'_, Hostdev>, cx: &Context<'_>, out: &mut Args) {
    match (&device.spec.kind, cx.dialect.devices) {
        (HostdevKind::Usb(source), Devices::Device) => usb_host(source, device, cx, out),
        (HostdevKind::Usb(source), Devices::Options) => {
            out.text("-usbdevice", format!("host:{}", usb(source)), device.at("source"));
        }
        (HostdevKind::Pci(source), Devices::Device) => pci_assign(source, device, cx, out),
        (HostdevKind::Pci(source), Devices::Options) => {
            out.text("-pcidevice", format!("host={}", pci(&source.address)), device.at("source/address"));
            out.needing(Capability::PciDevice);
        }
        (kind, _) => {
            let kind = domain_model::xml::Tagged::tag(kind);
            let message = format!("these QEMUs take no devices of the host of type `{kind}`");
            out.problem(Diagnostic::error(Code::Unsupported, device.at("@type"), message));
        }
    }
    if device.info.boot.is_some() && !matches!(device.spec.kind, HostdevKind::Pci(_)) {
        let message = "these QEMUs boot from the host's PCI devices only";
        out.problem(Diagnostic::error(Code::Unsupported, device.at("boot"), message));
    }
}

/// A device by its place on the host or by what it is, as `<source>` says.
fn usb_host(source: &UsbHostdev, device: &Resolved<'_, Hostdev>, cx: &Context<'_>, out: &mut Args) {
    let props = Props::new("driver", "usb-host", device.origin);
    let props = match (source.bus, source.device) {
        (Some(bus), Some(address)) => props
            .set_at("hostbus", bus.0, device.at("source/address/@bus"))
            .set_at("hostaddr", address.0, device.at("source/address/@device")),
        _ => {
            // These QEMUs take the numbers for hexadecimal ones whatever they look like.
            let id = |id: Option<Hex<4>>| id.map(|id| format!("{:#06x}", id.0));
            props.set_at("vendorid", id(source.vendor), device.at("source/vendor/@id")).set_at(
                "productid",
                id(source.product),
                device.at("source/product/@id"),
            )
        }
    };
    out.props("-device", address::address(props.set("id", device.alias), device.info, cx));
}

/// `bus.address`, or `vendor:product`.
fn usb(source: &UsbHostdev) -> String {
    match (source.bus, source.device) {
        (Some(bus), Some(address)) => format!("{}.{}", bus.0, address.0),
        _ => {
            let id = |id: Option<Hex<4>>| id.unwrap_or_default().0;
            format!("{:04x}:{:04x}", id(source.vendor), id(source.product))
        }
    }
}

/// The address on the host; QEMU looks in PCI domain 0 if nothing else is said.
fn pci(address: &Pci) -> String {
    let domain = address.domain.unwrap_or_default().0;
    let place = format!(
        "{:02x}:{:02x}.{:x}",
        address.bus.unwrap_or_default().0,
        address.slot.unwrap_or_default().0,
        address.function.unwrap_or_default().0
    );
    if domain == 0 { place } else { format!("{domain:04x}:{place}") }
}

fn pci_assign(source: &PciHostdev, device: &Resolved<'_, Hostdev>, cx: &Context<'_>, out: &mut Args) {
    let props = Props::new("driver", "pci-assign", device.origin)
        .set_at("host", pci(&source.address), device.at("source/address"))
        .set("id", device.alias);
    let props = address::address(boot::bootindex(props, device.info, None), device.info, cx);
    let props = rom::rom(props, device.info, cx, out);
    out.props("-device", props);
    if device.info.boot.is_some() {
        out.needing(Capability::PciBootindex);
    }
}
