//! Where a device is, as properties of its `-device`.

use caps_parser::Capability;
use domain_model::address::{Ccw, Drive, Isa, Pci, Place, SpaprVio, Usb};
use domain_model::device::controller::PciModel;
use domain_model::xml::Text;
use domain_model::{DeviceInfo, Origin};

use crate::context::Context;
use crate::dialect::Era;
use crate::props::Props;

/// Adds a device's address.
///
/// What has no address yet goes where QEMU puts it; disks say their place on a controller themselves.
pub(crate) fn address(props: Props, info: &DeviceInfo, cx: &Context<'_>) -> Props {
    let Some(address) = &info.address else { return props };
    let origin = address.meta.origin;
    match &address.place {
        Place::Pci(pci) => props
            .set_at("bus", pci_bus(pci, cx), origin)
            .set_at("multifunction", pci.multifunction, origin)
            .set_at("addr", slot(pci), origin)
            .set_at("acpi-index", info.acpi_index, origin),
        Place::Usb(usb) => props.set_at("bus", usb_bus(usb, cx), origin).set_at(
            "port",
            usb.port.as_ref().map(Text::to_text),
            origin,
        ),
        Place::VirtioSerial(port) => {
            let index = port.controller.unwrap_or_default();
            let bus = cx
                .controller("virtio-serial", index)
                .map(|alias| format!("{alias}.{}", port.bus.unwrap_or_default()));
            props.set_at("bus", bus, origin).set_at("nr", port.port, origin)
        }
        Place::Ccid(ccid) => {
            let bus =
                cx.controller("ccid", ccid.controller.unwrap_or_default()).map(|alias| format!("{alias}.0"));
            props.set_at("bus", bus, origin)
        }
        Place::SpaprVio(SpaprVio { reg }) => props.set_at("reg", reg.map(|reg| reg.0), origin),
        Place::Ccw(ccw) => props.set_at("devno", devno(ccw), origin),
        Place::Isa(isa) => {
            let irq = isa.irq.map(|irq| irq.0).filter(|irq| *irq > 0);
            props.set_at("iobase", first_port(isa, cx), origin).set_at("irq", irq, origin)
        }
        Place::Drive(_) | Place::VirtioS390 | Place::VirtioMmio | Place::Dimm(_) | Place::Unassigned => props,
    }
}

/// The first I/O port of a device on the ISA bus. libvirt 11.3 names one even if nobody chose it.
pub(crate) fn first_port(isa: &Isa, cx: &Context<'_>) -> Option<u64> {
    let default = (cx.is_libvirt() && cx.dialect.era == Era::Modern).then_some(0);
    isa.iobase.map(|iobase| iobase.0).or(default)
}

/// Adds a place on a SCSI controller.
pub(crate) fn scsi(props: Props, drive: &Drive, origin: Origin, cx: &Context<'_>) -> Props {
    let controller = drive.controller.unwrap_or_default();
    let alias = cx.controller("scsi", controller).map(str::to_owned);
    let (bus, unit) = (drive.bus.unwrap_or_default(), drive.unit.unwrap_or_default());
    if crate::device::disk::has_luns(cx.domain, controller) {
        props
            .set_at("bus", alias.map(|alias| format!("{alias}.0")), origin)
            .set_at("channel", bus, origin)
            .set_at("scsi-id", drive.target.unwrap_or_default(), origin)
            .set_at("lun", unit, origin)
    } else {
        props
            .set_at("bus", alias.map(|alias| format!("{alias}.{bus}")), origin)
            .set_at("scsi-id", unit, origin)
    }
}

/// `0x3`, or `0x3.0x1` for another function than the first.
fn slot(pci: &Pci) -> String {
    let (slot, function) = (pci.slot.unwrap_or_default().0, pci.function.unwrap_or_default().0);
    if function == 0 { format!("{slot:#x}") } else { format!("{slot:#x}.{function:#x}") }
}

fn devno(ccw: &Ccw) -> Option<String> {
    let (cssid, ssid, devno) = (ccw.cssid?.0, ccw.ssid?.0, ccw.devno?.0);
    Some(format!("{cssid:x}.{ssid:x}.{devno:04x}"))
}

fn pci_bus(pci: &Pci, cx: &Context<'_>) -> Option<String> {
    // The one bus of a historic QEMU is no controller of the domain.
    if cx.dialect.era == Era::Historic {
        let is_numbered = crate::os::is_x86(cx.domain) || cx.has(Capability::PciMultibus);
        return Some(if is_numbered { "pci.0" } else { "pci" }.to_owned());
    }
    let index = u32::try_from(pci.bus.unwrap_or_default().0).ok()?;
    let alias = cx.controller("pci", index)?;
    let controllers = &cx.domain.devices.controllers;
    let model = controllers
        .iter()
        .filter(|controller| controller.spec.index == Some(index))
        .find_map(|controller| controller.spec.pci()?.model);
    Some(match (model, index) {
        // The machine names its own root, whatever the domain calls it.
        (Some(PciModel::PcieRoot), 0) => "pcie.0".to_owned(),
        (Some(PciModel::PciRoot), 0) if alias.starts_with("ua-") => "pci.0".to_owned(),
        // A further host bridge has its bus below it.
        (Some(PciModel::PciRoot), 1..) => format!("{alias}.0"),
        _ => alias.to_owned(),
    })
}

fn usb_bus(usb: &Usb, cx: &Context<'_>) -> Option<String> {
    cx.controller("usb", usb.bus?).map(|alias| format!("{alias}.0"))
}

/// A PCI address of the host, as its kernel writes it, such as `0000:02:00.0`.
pub(crate) fn host_pci(address: &Pci) -> String {
    format!(
        "{:04x}:{:02x}:{:02x}.{:x}",
        address.domain.unwrap_or_default().0,
        address.bus.unwrap_or_default().0,
        address.slot.unwrap_or_default().0,
        address.function.unwrap_or_default().0
    )
}
