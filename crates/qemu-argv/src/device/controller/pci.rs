//! PCI controllers: roots, bridges, ports, expanders.

use domain_model::Domain;
use domain_model::device::controller::{Controller, PciController, PciModel, PciModelName};
use domain_model::os::Arch;

use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::props::Props;
use crate::resolve::board::Board;

/// QEMU's id of a PCI controller.
pub(super) fn alias(pci: &PciController, index: u32, domain: &Domain) -> String {
    match pci.model {
        _ if !has_bus_numbers(domain) => "pci".to_owned(),
        Some(PciModel::PcieRoot) => format!("pcie.{index}"),
        _ => format!("pci.{index}"),
    }
}

/// Whether the machine's first PCI bus has a number in its name.
fn has_bus_numbers(domain: &Domain) -> bool {
    match domain.os.arch {
        None
        | Some(
            Arch::X86_64 | Arch::I686 | Arch::Ppc | Arch::Ppc64 | Arch::Ppc64le | Arch::S390 | Arch::S390x,
        ) => true,
        Some(_) => {
            matches!(Board::of(domain), Board::ArmVirt | Board::RiscvVirt | Board::LoongarchVirt)
        }
    }
}

/// Whether a PCI controller is a part of the machine.
pub(super) fn is_built_in(pci: &PciController, index: Option<u32>, domain: &Domain) -> bool {
    match pci.model {
        Some(PciModel::PcieRoot) => true,
        // pSeries machines have more than one root; the first of them is built in.
        Some(PciModel::PciRoot) if Board::of(domain) == Board::Pseries => {
            pci.target.index.map_or(index == Some(0), |target| target == 0)
        }
        Some(PciModel::PciRoot) => true,
        _ => false,
    }
}

/// The properties of a PCI controller.
pub(super) fn props(
    pci: &PciController,
    device: &Resolved<'_, Controller>,
    _: &Context<'_>,
) -> Option<Props> {
    let target = &pci.target;
    let driver = pci.model_name.map(PciModelName::as_str)?;
    let props = Props::new("driver", driver, device.at("model/@name"));
    let mem_reserve = target.mem_reserve.and_then(|size| size.checked_mul(domain_model::values::KIB));
    Some(match pci.model? {
        PciModel::PciBridge => props
            .set_at("chassis_nr", target.chassis_nr, device.at("target/@chassisNr"))
            .set_at("mem-reserve", mem_reserve, device.at("target/@memReserve"))
            .set("id", device.alias),
        PciModel::PciExpanderBus | PciModel::PcieExpanderBus => props
            .set_at("bus_nr", target.bus_nr, device.at("target/@busNr"))
            .set("id", device.alias)
            .set_at("numa_node", target.node, device.at("target/node")),
        PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort => props
            .set_at("port", target.port.map(|port| port.0), device.at("target/@port"))
            .set_at("chassis", target.chassis, device.at("target/@chassis"))
            .set("id", device.alias)
            .set_at("hotplug", target.hotplug, device.at("target/@hotplug"))
            .set_at("mem-reserve", mem_reserve, device.at("target/@memReserve")),
        PciModel::PciRoot => props
            .set_at("index", target.index, device.at("target/@index"))
            .set("id", device.alias)
            .set_at("numa_node", target.node, device.at("target/node")),
        PciModel::DmiToPciBridge | PciModel::PcieToPciBridge | PciModel::PcieSwitchUpstreamPort => {
            props.set("id", device.alias)
        }
        PciModel::PcieRoot => return None,
    })
}

/// The size of the roots' 64-bit windows.
pub(super) fn holes(cx: &Context<'_>, out: &mut Args) {
    for device in cx.each::<Controller>() {
        let Some(pci) = device.spec.pci() else { continue };
        let Some(size) = pci.pcihole64 else { continue };
        let host = match pci.model {
            Some(PciModel::PciRoot) => "i440FX-pcihost",
            Some(PciModel::PcieRoot) => "q35-pcihost",
            _ => continue,
        };
        out.text("-global", format!("{host}.pci-hole64-size={}K", size.0), device.at("pcihole64"));
    }
}

/// Whether devices can be plugged into the first bus of a PC with the 440FX, which its power management knows.
pub(crate) fn root_hotplug(cx: &Context<'_>, out: &mut Args) {
    if Board::of(cx.domain) != Board::I440fx {
        return;
    }
    for device in cx.each::<Controller>() {
        let Some(pci) = device.spec.pci() else { continue };
        if pci.model == Some(PciModel::PciRoot)
            && let Some(hotplug) = pci.target.hotplug
        {
            let text = format!("PIIX4_PM.acpi-root-pci-hotplug={hotplug}");
            out.text("-global", text, device.at("target/@hotplug"));
        }
    }
}
