//! PCI addresses for all devices, in two passes that may add buses.

use caps_parser::Capability;
use domain_model::device::controller::{Controller, ControllerKind, PciController, PciModel};
use domain_model::{Code, Device, Devices, Diagnostic, Origin};

use super::allocator::{Allocator, Growth};
use super::bus::{Bus, Need};
use super::connect::{Connect, Fabric};
use super::entry::Entry;
use super::pass::{Pass, mark_multifunction};
use crate::resolve::board::Board;
use crate::resolve::walk::{Visitor, walk};
use crate::resolve::{Resolving, controllers};

/// All devices, in libvirt's order.
struct Survey<'a> {
    entries: Vec<Entry>,
    fabric: Fabric<'a>,
    problems: Vec<Diagnostic>,
}

impl<'a> Survey<'a> {
    fn of(devices: &mut Devices, fabric: Fabric<'a>) -> Result<Vec<Entry>, Vec<Diagnostic>> {
        let mut survey = Survey { entries: Vec::new(), fabric, problems: Vec::new() };
        walk(devices, &mut survey);
        if survey.problems.is_empty() { Ok(survey.entries) } else { Err(survey.problems) }
    }
}

impl Visitor for Survey<'_> {
    fn family<T: Connect>(&mut self, devices: &mut [Device<T>]) {
        for (index, device) in devices.iter().enumerate() {
            match Entry::new(device, T::connect(device, index, self.fabric)) {
                Ok(entry) => self.entries.push(entry),
                Err(problem) => self.problems.push(problem),
            }
        }
    }
}

/// Writes addresses back into the devices, in the same order.
struct WriteBack(std::vec::IntoIter<Entry>);

impl Visitor for WriteBack {
    fn family<T: Connect>(&mut self, devices: &mut [Device<T>]) {
        for device in devices {
            if let Some(entry) = self.0.next() {
                entry.write_back(device);
            }
        }
    }
}

/// Gives every PCI device an address, and adds the controllers that are needed for that.
pub(crate) fn assign(cx: &mut Resolving<'_>) {
    if let Err(problems) = try_assign(cx) {
        cx.problems.extend(problems);
    }
}

fn try_assign(cx: &mut Resolving<'_>) -> Result<(), Vec<Diagnostic>> {
    let one = |problem: Diagnostic| vec![problem];
    let board = Board::of(&cx.domain);
    let fabric = Fabric::of(&cx.domain, cx.inputs);
    let origin = cx.domain.devices.meta.origin;
    let has_mmio = cx.inputs.has(Capability::VirtioMmio);
    let written = bus_count(&cx.domain.devices.controllers).map_err(one)?;
    let growth = Growth {
        several_roots: board == Board::Pseries,
        express_bridge: cx.inputs.has(Capability::PciePciBridge),
    };
    let mut count = written;
    if written > 0 {
        let mut entries = Survey::of(&mut cx.domain.devices, fabric)?;
        let pci = Allocator::new(buses(&cx.domain.devices.controllers, written, board), Some(growth));
        let mut pass = Pass { entries: &mut entries, pci, board, dry: true, origin, has_mmio };
        let models = plan(&mut pass, &cx.domain.devices.controllers, written)?;
        count = models.len();
        walk(&mut cx.domain.devices, &mut WriteBack(entries.into_iter()));
        add_controllers(&mut cx.domain.devices.controllers, &models);
    }
    let mut entries = Survey::of(&mut cx.domain.devices, fabric)?;
    let pci = Allocator::new(buses(&cx.domain.devices.controllers, count, board), None);
    let mut pass = Pass { entries: &mut entries, pci, board, dry: false, origin, has_mmio };
    collect(&mut pass)?;
    if !board.has_pci() {
        return Ok(());
    }
    pass.chipset().and_then(|()| pass.assign()).map_err(one)?;
    mark_multifunction(&mut entries);
    walk(&mut cx.domain.devices, &mut WriteBack(entries.into_iter()));
    Ok(())
}

fn collect(pass: &mut Pass<'_>) -> Result<(), Vec<Diagnostic>> {
    let problems = pass.collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Finds out which buses all devices together need.
fn plan(
    pass: &mut Pass<'_>,
    controllers: &[Device<Controller>],
    written: usize,
) -> Result<Vec<PciModel>, Vec<Diagnostic>> {
    collect(pass)?;
    plan_open(pass, controllers, written).map_err(|problem| vec![problem])
}

fn plan_open(
    pass: &mut Pass<'_>,
    controllers: &[Device<Controller>],
    written: usize,
) -> Result<Vec<PciModel>, Diagnostic> {
    pass.chipset()?;
    let root = pass.pci.buses().first().map(|bus| bus.model);
    // A slot stays free for one more bridge, so that the guest can still grow when all others are taken.
    if root == Some(PciModel::PciRoot) && !pass.is_full() {
        pass.spare(Need::CONVENTIONAL)?;
    }
    pass.assign()?;
    // Who lets the buses be chosen gets one more port, for a device that is plugged in later.
    if root == Some(PciModel::PcieRoot) && written <= 1 && pass.pci.buses().len() > written {
        pass.spare(Need::EXPRESS)?;
    }
    // Controllers that are added need places themselves, and may need more buses for that.
    let mut planned = 1;
    while let Some(model) = pass.pci.buses().get(planned).map(|bus| bus.model) {
        let is_written = planned < written && pci_controllers(controllers).any(|(index, _)| index == planned);
        if !is_written && !matches!(model, PciModel::PciRoot | PciModel::PcieRoot) {
            pass.spare(Need::controller(model))?;
        }
        planned += 1;
    }
    Ok(pass.pci.buses().iter().map(|bus| bus.model).collect())
}

fn pci_controllers(controllers: &[Device<Controller>]) -> impl Iterator<Item = (usize, &PciController)> {
    controllers.iter().filter_map(|device| {
        let index = device.spec.index.unwrap_or_default() as usize;
        device.spec.pci().map(|pci| (index, pci))
    })
}

/// The number of buses up to the highest that is written.
fn bus_count(controllers: &[Device<Controller>]) -> Result<usize, Diagnostic> {
    let mut count = 0;
    for device in controllers.iter().filter(|device| device.spec.pci().is_some()) {
        let index = device.spec.index.unwrap_or_default();
        if index > 255 {
            let message = format!("PCI controllers have indexes up to 255, not {index}");
            return Err(Diagnostic::error(Code::Unsupported, device.at("@index"), message));
        }
        count = count.max(index as usize + 1);
    }
    Ok(count)
}

/// The buses of the PCI controllers; those between that nobody wrote are of the machine's plainest model.
fn buses(controllers: &[Device<Controller>], count: usize, board: Board) -> Vec<Bus> {
    let mut models = vec![None; count];
    for (index, pci) in pci_controllers(controllers) {
        if let Some(model) = models.get_mut(index) {
            *model = pci.model;
        }
    }
    let root = models.first().copied().flatten().unwrap_or(PciModel::PciRoot);
    let plainest = match (board, root) {
        (Board::Pseries, _) => PciModel::PciRoot,
        (_, PciModel::PcieRoot) => PciModel::PcieRootPort,
        _ => PciModel::PciBridge,
    };
    let mut buses: Vec<Bus> = models
        .into_iter()
        .enumerate()
        .map(|(index, model)| Bus::new(model.unwrap_or(if index == 0 { root } else { plainest })))
        .collect();
    if let (Board::Pseries, Some(first)) = (board, buses.first_mut()) {
        // Host devices never share the host bridge that every guest has.
        first.group_locked = true;
    }
    buses
}

/// Adds a controller for every bus that has none.
fn add_controllers(controllers: &mut Vec<Device<Controller>>, models: &[PciModel]) {
    for (index, model) in models.iter().enumerate().skip(1) {
        let pci = PciController { model: Some(*model), ..PciController::default() };
        let origin = Origin::always("PCI devices that fit nowhere else need another controller");
        if let Ok(index) = u32::try_from(index) {
            controllers::ensure(controllers, ControllerKind::Pci(pci), index, origin);
        }
    }
}
