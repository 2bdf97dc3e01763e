//! Controllers: their numbers, their order, and those that other devices imply.

use std::collections::{BTreeSet, HashMap, HashSet};

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::device::channel::ChannelTarget;
use domain_model::device::console::ConsoleTargetType;
use domain_model::device::controller::{Controller, ControllerKind, PciModel, ScsiModel, UsbModel};
use domain_model::device::disk::DiskBus;
use domain_model::os::Arch;
use domain_model::{Code, Device, Diagnostic, Domain, Origin};

use super::Resolving;
use super::board::Board;
use crate::dialect::Era;

/// The most controllers of a kind that a drive address may imply; more cannot be plugged in anywhere.
pub(crate) const MAX_IMPLIED: u32 = 1024;

/// Where a controller stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rank {
    kind: &'static str,
    index: Option<u32>,
    companion: bool,
}

impl Rank {
    fn of(controller: &Controller) -> Self {
        Rank {
            kind: domain_model::xml::Tagged::tag(&controller.kind),
            index: controller.index,
            companion: matches!(controller.kind, ControllerKind::Usb { master_startport: Some(_), .. }),
        }
    }

    /// Whether a controller that comes later goes in front of this one.
    fn yields_to(self, new: Rank) -> bool {
        self.kind == new.kind
            && match (self.index, new.index) {
                (_, None) => false,
                (old, new_index) if old == new_index => self.companion && !new.companion,
                (old, new_index) => old > new_index,
            }
    }
}

/// Where libvirt puts a new controller: with those of its kind, which are ordered by number.
fn position(ranks: &[Rank], new: Rank) -> usize {
    let last = ranks.iter().rposition(|rank| rank.kind == new.kind);
    let first_behind = ranks.iter().position(|rank| rank.yields_to(new));
    first_behind.or(last.map(|last| last + 1)).unwrap_or(ranks.len())
}

/// The order that comes of adding controllers one by one, each at its place.
///
/// A controller without a number stands behind those of its kind that were there before it.
fn order(written: &[Rank]) -> Vec<usize> {
    let mut kinds: Vec<(&str, Option<u32>)> = Vec::new();
    let mut order: Vec<(usize, Option<u32>, bool, usize)> = Vec::with_capacity(written.len());
    for (at, rank) in written.iter().enumerate() {
        let kind = kinds.iter().position(|(kind, _)| *kind == rank.kind).unwrap_or_else(|| {
            kinds.push((rank.kind, None));
            kinds.len() - 1
        });
        let Some((_, highest)) = kinds.get_mut(kind) else { continue };
        *highest = rank.index.max(*highest);
        order.push((kind, rank.index.or(*highest), rank.companion || rank.index.is_none(), at));
    }
    order.sort();
    order.into_iter().map(|(.., at)| at).collect()
}

fn reorder(controllers: &mut Vec<Device<Controller>>) {
    let ranks: Vec<Rank> = controllers.iter().map(|device| Rank::of(&device.spec)).collect();
    let order = order(&ranks);
    if order.iter().enumerate().all(|(at, from)| at == *from) {
        return;
    }
    let mut written: Vec<Option<Device<Controller>>> = controllers.drain(..).map(Some).collect();
    controllers.extend(order.into_iter().filter_map(|from| written.get_mut(from)?.take()));
}

/// Adds a controller at its place.
pub(crate) fn insert(controllers: &mut Vec<Device<Controller>>, new: Device<Controller>) {
    let ranks: Vec<Rank> = controllers.iter().map(|device| Rank::of(&device.spec)).collect();
    let at = position(&ranks, Rank::of(&new.spec));
    controllers.insert(at, new);
}

/// Adds a controller unless there is one of its kind and number.
pub(crate) fn ensure(
    controllers: &mut Vec<Device<Controller>>,
    kind: ControllerKind,
    index: u32,
    origin: Origin,
) {
    if let Some(new) = missing(controllers, kind, index, origin) {
        insert(controllers, new);
    }
}

/// The controller, unless there is one of its kind and number.
fn missing(
    controllers: &[Device<Controller>],
    kind: ControllerKind,
    index: u32,
    origin: Origin,
) -> Option<Device<Controller>> {
    let tag = domain_model::xml::Tagged::tag(&kind);
    let is_there = controllers.iter().any(|device| {
        domain_model::xml::Tagged::tag(&device.spec.kind) == tag && device.spec.index == Some(index)
    });
    let spec = Controller { kind, index: Some(index), ..Controller::default() };
    (!is_there).then(|| Device::implied(spec, origin))
}

/// Adds a controller that another device needs; libvirt of 2011 put it behind all others.
fn need(cx: &mut Resolving<'_>, kind: ControllerKind, index: u32, origin: Origin) {
    let controllers = &mut cx.domain.devices.controllers;
    match cx.dialect.era {
        Era::Modern => ensure(controllers, kind, index, origin),
        Era::Historic => controllers.extend(missing(controllers, kind, index, origin)),
    }
}

/// Orders controllers as libvirt does, and numbers those without a number.
///
/// A controller gets the lowest free number of its kind. Companions of a USB 2 controller get the number of
/// the one in front of them, if it has no companion of the same model yet.
pub(crate) fn number(cx: &mut Resolving<'_>) {
    let controllers = &mut cx.domain.devices.controllers;
    for device in controllers.iter_mut() {
        if let ControllerKind::Usb { model: Some(model), master_startport, .. } = &mut device.spec.kind {
            *master_startport = master_startport.or(default_startport(*model));
        }
    }
    // libvirt of 2011 left them as they stood.
    if cx.dialect.era == Era::Modern {
        reorder(controllers);
    }
    let mut companions = false;
    let mut used: HashMap<&'static str, Numbers> = HashMap::new();
    for device in controllers.iter() {
        if let Some(index) = device.spec.index {
            used.entry(Rank::of(&device.spec).kind).or_default().take(index);
        }
    }
    let mut previous_usb: Option<(Option<UsbModel>, u32)> = None;
    let mut usb: HashSet<(Option<UsbModel>, u32)> = controllers
        .iter()
        .filter_map(|device| match device.spec.kind {
            ControllerKind::Usb { model, .. } => Some((model, device.spec.index?)),
            _ => None,
        })
        .collect();
    for device in controllers.iter_mut() {
        let rank = Rank::of(&device.spec);
        let model = match device.spec.kind {
            ControllerKind::Usb { model, .. } => Some(model),
            _ => None,
        };
        let index = match device.spec.index {
            Some(index) => index,
            None => {
                let joined = model.filter(|model| is_usb2(*model)).and_then(|model| {
                    companions = true;
                    let (previous, index) = previous_usb?;
                    let is_free = !usb.contains(&(model, index));
                    (is_usb2(previous) && is_free).then_some(index)
                });
                joined.unwrap_or_else(|| used.entry(rank.kind).or_default().next())
            }
        };
        device.spec.index = Some(index);
        if let Some(model) = model {
            previous_usb = Some((model, index));
            usb.insert((model, index));
        }
    }
    if companions {
        reorder(controllers);
    }
    reject_duplicates(cx);
    if cx.dialect.era == Era::Modern {
        reject_usb(cx);
    }
}

/// Reports USB where there shall be none, and companions of nobody.
fn reject_usb(cx: &mut Resolving<'_>) {
    let (mut none, mut masters, mut companions) = (None, 0, None);
    for device in &cx.domain.devices.controllers {
        let ControllerKind::Usb { model, master_startport, .. } = device.spec.kind else { continue };
        let origin = device.at("@model");
        if none.is_some() || model == Some(UsbModel::None) && (masters > 0 || companions.is_some()) {
            let message = "a domain without USB has no other USB controller";
            cx.problems.push(Diagnostic::error(Code::Conflict, origin, message));
        }
        match master_startport {
            _ if model == Some(UsbModel::None) => none = Some(origin),
            Some(_) => companions = companions.or(Some(origin)),
            None => masters += 1,
        }
    }
    if let (Some(origin), 0) = (companions, masters) {
        let message = "there is no USB controller whose companion this is; add one of the model `ich9-ehci1`";
        cx.problems.push(Diagnostic::error(Code::Conflict, origin, message));
    }
}

/// The first port of the ICH9's USB 2 controller that a companion looks after.
pub(crate) fn default_startport(model: UsbModel) -> Option<u32> {
    match model {
        UsbModel::Ich9Uhci1 => Some(0),
        UsbModel::Ich9Uhci2 => Some(2),
        UsbModel::Ich9Uhci3 => Some(4),
        _ => None,
    }
}

/// Whether a USB controller is the ICH9's EHCI or one of its companions.
pub(crate) fn is_usb2(model: Option<UsbModel>) -> bool {
    matches!(
        model,
        Some(UsbModel::Ich9Ehci1 | UsbModel::Ich9Uhci1 | UsbModel::Ich9Uhci2 | UsbModel::Ich9Uhci3)
    )
}

/// Reports controllers of one kind and number; only USB controllers may share a number.
fn reject_duplicates(cx: &mut Resolving<'_>) {
    let mut seen = HashSet::new();
    for device in &cx.domain.devices.controllers {
        let rank = Rank::of(&device.spec);
        let Some(index) = rank.index else { continue };
        if rank.kind != "usb" && !seen.insert((rank.kind, index)) {
            let message = format!("there is another `{}` controller with the index {index}", rank.kind);
            cx.problems.push(Diagnostic::error(Code::Conflict, device.at("@index"), message));
        }
    }
}

/// The numbers in use of a kind of controllers.
#[derive(Debug, Default)]
struct Numbers {
    used: BTreeSet<u32>,
    /// Every number below is in use.
    start: u32,
}

impl Numbers {
    fn take(&mut self, index: u32) {
        self.used.insert(index);
    }

    fn next(&mut self) -> u32 {
        while self.used.contains(&self.start) {
            self.start = self.start.saturating_add(1);
        }
        self.take(self.start);
        self.start
    }
}

/// Fills in the models of SCSI and USB controllers, and reports those that the machine cannot have.
pub(crate) fn models(cx: &mut Resolving<'_>) {
    let scsi = default_scsi(cx);
    let usb = default_usb(cx);
    let board = Board::of(&cx.domain);
    let cells = numa_cells(&cx.domain);
    for device in &mut cx.domain.devices.controllers {
        let index = device.spec.index.unwrap_or_default();
        let has_address = device.info.address.is_some();
        match &mut device.spec.kind {
            ControllerKind::Scsi { model } if matches!(model, None | Some(ScsiModel::Auto)) => {
                *model = scsi;
                if scsi.is_none() {
                    let message = "this QEMU has no SCSI controller that could be the default; name a model";
                    let problem = Diagnostic::error(Code::Exhausted, device.meta.origin, message);
                    cx.problems.push(problem);
                }
            }
            ControllerKind::Usb { model, ports, .. } => {
                // A controller of IBM Z that has an address is kept, although there is no model to choose.
                if model.is_none() && !(board == Board::S390Ccw && has_address) {
                    *model = usb;
                }
                let problem = match *model {
                    Some(UsbModel::None) => {
                        device.info.address = None;
                        None
                    }
                    Some(UsbModel::Qusb1 | UsbModel::Qusb2) => {
                        Some(("@model", "this USB controller is for Xen guests only".to_owned()))
                    }
                    Some(UsbModel::NecXhci | UsbModel::QemuXhci) => {
                        let many = ports.is_some_and(|ports| ports > 15);
                        many.then(|| ("@ports", "xHCI controllers have up to 15 ports".to_owned()))
                    }
                    _ => None,
                };
                if let Some((path, message)) = problem {
                    cx.problems.push(Diagnostic::error(Code::Unsupported, device.at(path), message));
                }
            }
            ControllerKind::Pci(pci) => {
                let problem = match pci.model {
                    None => {
                        let code = if index == 0 { Code::Conflict } else { Code::Malformed };
                        Some((code, "@type", "a PCI controller needs a `model`".to_owned()))
                    }
                    Some(PciModel::PciRoot | PciModel::PcieRoot) if index != 0 && board != Board::Pseries => {
                        Some((Code::Conflict, "@index", "the root of PCI has the index 0".to_owned()))
                    }
                    Some(PciModel::PciExpanderBus) if board != Board::I440fx => {
                        let message = "`pci-expander-bus` is for machines with the 440FX chipset only";
                        Some((Code::Unsupported, "@model", message.to_owned()))
                    }
                    Some(PciModel::PcieExpanderBus) if !matches!(board, Board::Q35 | Board::ArmVirt) => {
                        let message = "`pcie-expander-bus` is for the machines `q35` and Arm's `virt` only";
                        Some((Code::Unsupported, "@model", message.to_owned()))
                    }
                    _ => pci.target.node.filter(|node| *node as usize >= cells).map(|node| {
                        let message = format!("the guest has no NUMA cell {node}");
                        (Code::Conflict, "target/node", message)
                    }),
                };
                if let Some((code, path, message)) = problem {
                    cx.problems.push(Diagnostic::error(code, device.at(path), message));
                }
            }
            _ => {}
        }
    }
}

/// The SCSI controller that a QEMU has for a machine, if nobody says which.
fn default_scsi(cx: &Resolving<'_>) -> Option<ScsiModel> {
    match Board::of(&cx.domain) {
        Board::Pseries => Some(ScsiModel::Ibmvscsi),
        Board::S390Ccw | Board::LoongarchVirt => Some(ScsiModel::VirtioScsi),
        // It is no default on Macintoshes, which have it as well.
        _ if Board::has_ncr53c90(&cx.domain) && cx.domain.os.arch != Some(Arch::M68k) => {
            Some(ScsiModel::Ncr53c90)
        }
        _ if cx.inputs.has(Capability::Lsi) => Some(ScsiModel::Lsilogic),
        _ if cx.inputs.has(Capability::VirtioScsiPci) => Some(ScsiModel::VirtioScsi),
        _ => None,
    }
}

/// The USB controller that a QEMU has for a machine, if nobody says which.
fn default_usb(cx: &Resolving<'_>) -> Option<UsbModel> {
    let first = |candidates: &[(Capability, UsbModel)]| {
        candidates.iter().find(|(capability, _)| cx.inputs.has(*capability)).map(|(_, model)| *model)
    };
    const XHCI: [(Capability, UsbModel); 2] =
        [(Capability::QemuXhci, UsbModel::QemuXhci), (Capability::NecUsbXhci, UsbModel::NecXhci)];
    const OHCI: (Capability, UsbModel) = (Capability::PciOhci, UsbModel::PciOhci);
    let is_new = cx.inputs.config.abi_update;
    match Board::of(&cx.domain) {
        // Guests that exist keep the controller they were made with.
        Board::Pseries | Board::Ppc64 if is_new => first(&XHCI).or(first(&[OHCI])),
        Board::Pseries | Board::Ppc64 => first(&[OHCI]),
        Board::S390Ccw => Some(UsbModel::None),
        Board::LoongarchVirt => first(&XHCI),
        _ if cx.domain.os.arch == Some(Arch::Aarch64) => first(&XHCI),
        _ => first(&[(Capability::Piix3UsbUhci, UsbModel::Piix3Uhci), OHCI]),
    }
}

/// Adds the controllers that disks, channels, smartcards and host devices need.
pub(crate) fn needed(cx: &mut Resolving<'_>) {
    drives(cx);
    virtio_serials(cx);
    smartcards(cx);
    scsi_hostdevs(cx);
}

/// Controllers for disks: all from 0 to the highest that an address names.
fn drives(cx: &mut Resolving<'_>) {
    let buses: [(DiskBus, ControllerKind); 4] = [
        (DiskBus::Scsi, ControllerKind::Scsi { model: None }),
        (DiskBus::Fdc, ControllerKind::Fdc),
        (DiskBus::Ide, ControllerKind::Ide { model: None }),
        (DiskBus::Sata, ControllerKind::Sata),
    ];
    for (bus, kind) in buses {
        let on_bus = cx.domain.devices.disks.iter().filter(|disk| disk.spec.target.bus == Some(bus));
        let highest = on_bus
            .filter_map(|disk| {
                let index = disk.info.address.as_ref()?.place.drive()?.controller.unwrap_or(0);
                Some((index, disk.meta.origin))
            })
            .max_by_key(|(index, _)| *index);
        let Some((highest, origin)) = highest else { continue };
        ensure_up_to(cx, &kind, highest, origin, "disks need a controller");
    }
}

fn ensure_up_to(
    cx: &mut Resolving<'_>,
    kind: &ControllerKind,
    highest: u32,
    origin: Origin,
    rule: &'static str,
) {
    if highest > MAX_IMPLIED {
        let message = format!("no guest has {highest} controllers of one kind");
        cx.problems.push(Diagnostic::error(Code::Unsupported, origin, message));
        return;
    }
    for index in 0..=highest {
        need(cx, kind.clone(), index, origin.implies(rule));
    }
}

/// Controllers for virtio channels and consoles: those that addresses name, or the first.
fn virtio_serials(cx: &mut Resolving<'_>) {
    let devices = &cx.domain.devices;
    let channels = devices.channels.iter().filter_map(|channel| {
        let is_virtio = matches!(channel.spec.target, ChannelTarget::Virtio(_));
        is_virtio.then_some((&channel.info, channel.meta.origin))
    });
    let consoles = devices.consoles.iter().filter_map(|console| {
        let is_virtio = console.spec.target_type == Some(ConsoleTargetType::Virtio);
        is_virtio.then_some((&console.info, console.meta.origin))
    });
    let mut wanted: Vec<(u32, Origin)> = Vec::new();
    for (info, origin) in channels.chain(consoles) {
        let index = match info.address.as_ref().map(|address| &address.place) {
            Some(Place::VirtioSerial(port)) => port.controller.unwrap_or(0),
            _ => 0,
        };
        if wanted.last().is_none_or(|(last, _)| *last != index) {
            wanted.push((index, origin));
        }
    }
    for (index, origin) in wanted {
        let kind = ControllerKind::VirtioSerial { model: None, ports: None, vectors: None };
        let rule = "virtio channels and consoles need a controller";
        need(cx, kind, index, origin.implies(rule));
    }
}

/// Readers for smartcards. A card without an address goes into the next slot of the first reader.
fn smartcards(cx: &mut Resolving<'_>) {
    for at in 0..cx.domain.devices.smartcards.len() {
        let devices = &mut cx.domain.devices;
        let taken = devices.smartcards.iter().enumerate().filter(|(other, _)| *other != at);
        let next_slot = taken
            .filter_map(|(_, card)| match card.info.address.as_ref()?.place {
                Place::Ccid(ccid) if ccid.controller.unwrap_or(0) == 0 => Some(ccid.slot.unwrap_or(0)),
                _ => None,
            })
            .max()
            .map_or(0, |slot| slot.saturating_add(1));
        let Some(card) = devices.smartcards.get_mut(at) else { continue };
        let origin = card.meta.origin;
        let index = match card.info.address.as_ref().map(|address| &address.place) {
            Some(Place::Ccid(ccid)) => ccid.controller.unwrap_or(0),
            Some(_) => continue,
            None => {
                let ccid = domain_model::address::Ccid { controller: Some(0), slot: Some(next_slot) };
                let origin = origin.implies("the next free slot of the reader");
                let address = domain_model::address::Address::implied(Place::Ccid(ccid), origin);
                card.info.address = Some(address);
                0
            }
        };
        let rule = "smartcards need a reader";
        need(cx, ControllerKind::Ccid, index, origin.implies(rule));
    }
}

/// Controllers for SCSI devices of the host, of the model of those that are there.
fn scsi_hostdevs(cx: &mut Resolving<'_>) {
    let mut highest: Option<(u32, Origin)> = None;
    let mut model = None;
    for hostdev in &cx.domain.devices.hostdevs {
        let Some(index) = scsi_controller_of(hostdev) else { continue };
        if highest.is_none_or(|(highest, _)| index > highest) {
            highest = Some((index, hostdev.meta.origin));
            let found = cx.domain.devices.controllers.iter().find_map(|device| match device.spec.kind {
                ControllerKind::Scsi { model } if device.spec.index == Some(index) => Some(model),
                _ => None,
            });
            model = found.unwrap_or(model);
        }
    }
    if let Some((highest, origin)) = highest {
        let kind = ControllerKind::Scsi { model };
        ensure_up_to(cx, &kind, highest, origin, "SCSI devices of the host need a controller");
    }
}

/// The controller that a SCSI device of the host is on.
fn scsi_controller_of(hostdev: &Device<domain_model::device::hostdev::Hostdev>) -> Option<u32> {
    hostdev.info.address.as_ref()?.place.drive()?.controller
}

/// The number of NUMA cells of a guest.
fn numa_cells(domain: &Domain) -> usize {
    domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref()).map_or(0, |numa| numa.cells.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_stand_by_kind_and_number() {
        let check = |written: &[(&'static str, Option<u32>, bool)], expected: &[usize]| {
            let ranks: Vec<Rank> = written
                .iter()
                .map(|(kind, index, companion)| Rank { kind, index: *index, companion: *companion })
                .collect();
            assert_eq!(order(&ranks), expected, "{written:?}");
            // Adding them one by one comes to the same.
            let mut one_by_one: Vec<(Rank, usize)> = Vec::new();
            for (at, rank) in ranks.into_iter().enumerate() {
                let before: Vec<Rank> = one_by_one.iter().map(|(rank, _)| *rank).collect();
                one_by_one.insert(position(&before, rank), (rank, at));
            }
            let one_by_one: Vec<usize> = one_by_one.into_iter().map(|(_, at)| at).collect();
            assert_eq!(one_by_one, expected, "{written:?}");
        };
        check(&[("usb", Some(0), false), ("ide", Some(0), false), ("usb", Some(1), false)], &[0, 2, 1]);
        check(&[("pci", Some(2), false), ("pci", Some(0), false), ("pci", Some(1), false)], &[1, 2, 0]);
        check(&[("usb", Some(0), true), ("usb", Some(0), false), ("usb", Some(0), true)], &[1, 0, 2]);
        check(&[("usb", None, false), ("usb", Some(0), false), ("usb", None, false)], &[0, 1, 2]);
        check(&[("scsi", Some(5), false), ("scsi", None, false), ("scsi", Some(3), false)], &[2, 0, 1]);
    }

    #[test]
    fn numbers_fill_the_gaps() {
        let mut numbers = Numbers::default();
        numbers.take(1);
        assert_eq!([numbers.next(), numbers.next(), numbers.next()], [0, 2, 3]);
    }
}
