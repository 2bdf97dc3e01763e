//! Devices of the host.

use domain_model::device::hostdev::{Hostdev, HostdevKind, MdevHostdev, MdevModel, PciHostdev, UsbHostdev};
use domain_model::values::{CNumber, Uuid};
use domain_model::xml::Text;
use domain_model::xml::text::{Hex, OnOff, YesNo};

use super::{Build, Frontend, on_off, usb};
use crate::import::historic::pci_address;
use crate::import::pairs::Pairs;

/// `vfio-pci` and `usb-host`.
pub(super) fn device<'o>(driver: &str, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    match driver {
        "vfio-pci" | "vfio-pci-nohotplug" => vfio(driver, frontend, build),
        "usb-host" => usb_host(frontend, build),
        _ => None,
    }
}

fn vfio<'o>(driver: &str, frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let info = build.pci_info(frontend)?;
    let display = pairs.switch("display").map(on_off);
    let ramfb = pairs.switch("ramfb").map(on_off).filter(|on| *on == OnOff::On);
    let kind = match (pairs.take("host"), pairs.take("sysfsdev")) {
        (Some(host), None) => {
            let address = pci_address(host)?;
            HostdevKind::Pci(Box::new(PciHostdev { display, ramfb, address, ..PciHostdev::default() }))
        }
        (None, Some(path)) => {
            let uuid = Uuid::parse(path.rsplit('/').next().unwrap_or_default()).ok()?;
            HostdevKind::Mdev(MdevHostdev { model: MdevModel::VfioPci, display, ramfb, uuid: Some(uuid) })
        }
        _ => return None,
    };
    if driver == "vfio-pci-nohotplug" && ramfb.is_none() {
        return None;
    }
    // Whoever wrote the command line has given the device to VFIO by hand.
    let managed = matches!(kind, HostdevKind::Pci(_)).then_some(YesNo::No);
    build.push(frontend, Hostdev { kind, managed, ..Hostdev::default() }, info)
}

fn usb_host<'o>(frontend: Frontend<'o>, build: &mut Build<'o, '_, '_>) -> Option<()> {
    let pairs = frontend.pairs;
    let info = usb::info(frontend, build)?;
    let hex = |pairs: &Pairs, key| pairs.number(key).map(Hex);
    let device = UsbHostdev {
        vendor: hex(pairs, "vendorid"),
        product: hex(pairs, "productid"),
        bus: pairs.number("hostbus").map(CNumber),
        device: pairs.number("hostaddr").map(CNumber),
        ..UsbHostdev::default()
    };
    let by_id = device.vendor.is_some() && device.product.is_some();
    let by_place = device.bus.is_some() && device.device.is_some();
    let is_half = (device.vendor.is_some() != device.product.is_some())
        || (device.bus.is_some() != device.device.is_some());
    if is_half || !(by_id || by_place) {
        return None;
    }
    let spec = Hostdev { kind: HostdevKind::Usb(device), managed: Some(YesNo::No), ..Hostdev::default() };
    build.push(frontend, spec, info)
}
