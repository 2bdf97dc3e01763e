//! Memory-mapped virtio on boards that have room for it.

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::device::controller::PciModel;

use super::board::Board;
use super::{Resolving, virtio, walk};

/// Makes virtio devices memory-mapped where there is no better bus.
///
/// Boards with PCI Express and ports for it use that, unless a device of the domain is memory-mapped already.
pub(crate) fn assign(cx: &mut Resolving<'_>) {
    if !matches!(Board::of(&cx.domain), Board::ArmVirt | Board::RiscvVirt | Board::Vexpress) {
        return;
    }
    let devices = &mut cx.domain.devices;
    let has_express = devices.controllers.iter().any(|device| {
        device.spec.index == Some(0)
            && device.spec.pci().and_then(|pci| pci.model) == Some(PciModel::PcieRoot)
    });
    let has_ports = cx.inputs.has(Capability::PcieRootPort) || cx.inputs.has(Capability::Ioh3420);
    let mut has_mmio = false;
    walk::each(devices, |visit| {
        let place = visit.info.address.as_ref().map(|address| &address.place);
        has_mmio |= place == Some(&Place::VirtioMmio);
    });
    if !(has_express && has_ports && !has_mmio) && cx.inputs.has(Capability::VirtioMmio) {
        let rule = "virtio devices of this machine are memory-mapped";
        virtio::claim(devices, &Place::VirtioMmio, rule, false);
    }
}
