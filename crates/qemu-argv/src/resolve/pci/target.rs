//! What a PCI controller's chip is configured to, where nobody says.

use std::collections::HashSet;

use caps_parser::Capability;
use domain_model::device::controller::{Controller, ControllerKind, PciModel, PciModelName, PciTarget};
use domain_model::xml::text::Hex;
use domain_model::{Code, Device, Diagnostic};

use crate::resolve::Resolving;
use crate::resolve::board::Board;

/// Fills in the chips of PCI controllers and their numbers.
pub(crate) fn targets(cx: &mut Resolving<'_>) {
    let board = Board::of(&cx.domain);
    let port_chip = if cx.inputs.has(Capability::PcieRootPort) {
        PciModelName::PcieRootPort
    } else {
        PciModelName::Ioh3420
    };
    let controllers = &mut cx.domain.devices.controllers;
    let mut lowest_bus_nr = written(controllers).filter_map(|target| target.bus_nr).min();
    let mut host_bridges: HashSet<u32> = written(controllers).filter_map(|target| target.index).collect();
    for device in controllers {
        let index = device.spec.index.unwrap_or_default();
        let at = device.info.address.as_ref().and_then(|address| address.place.pci()).copied();
        let at = at.unwrap_or_default();
        let (bus, slot, function) = (number(at.bus), number(at.slot), number(at.function));
        let meta = device.meta.clone();
        let ControllerKind::Pci(pci) = &mut device.spec.kind else { continue };
        let Some(model) = pci.model else { continue };
        pci.model_name = pci.model_name.or(default_chip(model, board, port_chip));
        let target = &mut pci.target;
        let chassis = Some(index).filter(|index| *index <= 255);
        let problem = match model {
            PciModel::PciBridge => {
                target.chassis_nr = target.chassis_nr.or(chassis);
                (u64::from(index) <= bus).then(|| {
                    format!(
                        "a bridge has a higher index than the bus it is on, and {index} is not above {bus}"
                    )
                })
            }
            PciModel::PcieRootPort => {
                target.chassis = target.chassis.or(chassis);
                target.port = target.port.or(Some(Hex((slot & 31) << 3 | function & 7)));
                None
            }
            PciModel::PcieSwitchDownstreamPort => {
                target.chassis = target.chassis.or(chassis);
                target.port = target.port.or(Some(Hex(slot)));
                None
            }
            PciModel::PciExpanderBus | PciModel::PcieExpanderBus if target.bus_nr.is_none() => {
                // An expander and the bridge in it use a bus number each; numbers are given from the top, so
                // that those below stay free for the root's own bridges.
                match lowest_bus_nr.unwrap_or(256) {
                    lowest @ 3.. => {
                        target.bus_nr = Some(lowest - 2);
                        lowest_bus_nr = target.bus_nr;
                        None
                    }
                    _ => Some("no bus number is left below those of the other expanders".to_owned()),
                }
            }
            PciModel::PciRoot if board == Board::Pseries && target.index.is_none() => {
                // Index 0 is the host bridge that every machine has.
                let free =
                    if index == 0 { Some(0) } else { (1..=31).find(|free| !host_bridges.contains(free)) };
                target.index = free;
                host_bridges.extend(free);
                free.is_none().then(|| "pSeries machines have up to 32 host bridges".to_owned())
            }
            _ => None,
        };
        if let Some(message) = problem {
            cx.problems.push(Diagnostic::error(Code::Unsupported, meta.at("@index"), message));
        }
    }
}

fn written(controllers: &[Device<Controller>]) -> impl Iterator<Item = PciTarget> {
    controllers.iter().filter_map(|device| device.spec.pci().map(|pci| pci.target))
}

fn number<const WIDTH: usize>(number: Option<Hex<WIDTH>>) -> u64 {
    number.map_or(0, |Hex(number)| number)
}

/// The chip that plays a part in QEMU's machines.
fn default_chip(model: PciModel, board: Board, port: PciModelName) -> Option<PciModelName> {
    Some(match model {
        PciModel::PciBridge => PciModelName::PciBridge,
        PciModel::DmiToPciBridge => PciModelName::I82801b11Bridge,
        PciModel::PcieToPciBridge => PciModelName::PciePciBridge,
        PciModel::PcieRootPort => port,
        PciModel::PcieSwitchUpstreamPort => PciModelName::X3130Upstream,
        PciModel::PcieSwitchDownstreamPort => PciModelName::Xio3130Downstream,
        PciModel::PciExpanderBus => PciModelName::Pxb,
        PciModel::PcieExpanderBus => PciModelName::PxbPcie,
        PciModel::PciRoot if board == Board::Pseries => PciModelName::SpaprPciHostBridge,
        PciModel::PciRoot | PciModel::PcieRoot => return None,
    })
}
