//! PCI: where QEMU puts devices that leave it open.

use std::collections::{BTreeMap, BTreeSet};

use domain_model::DeviceInfo;
use domain_model::address::{Pci, Place};
use domain_model::device::controller::{
    Controller, ControllerKind, PciController, PciModel, PciModelName, PciTarget,
};
use domain_model::os::Arch;
use domain_model::xml::text::{Hex, OnOff};

use super::{Build, Frontend, network};
use crate::os;

/// The controllers that make a bus.
const CONTROLLERS: &[(&str, PciModel, PciModelName)] = &[
    ("pci-bridge", PciModel::PciBridge, PciModelName::PciBridge),
    ("i82801b11-bridge", PciModel::DmiToPciBridge, PciModelName::I82801b11Bridge),
    ("pcie-pci-bridge", PciModel::PcieToPciBridge, PciModelName::PciePciBridge),
    ("pcie-root-port", PciModel::PcieRootPort, PciModelName::PcieRootPort),
    ("ioh3420", PciModel::PcieRootPort, PciModelName::Ioh3420),
    ("x3130-upstream", PciModel::PcieSwitchUpstreamPort, PciModelName::X3130Upstream),
    ("xio3130-downstream", PciModel::PcieSwitchDownstreamPort, PciModelName::Xio3130Downstream),
    ("pxb", PciModel::PciExpanderBus, PciModelName::Pxb),
    ("pxb-pcie", PciModel::PcieExpanderBus, PciModelName::PxbPcie),
];
/// Devices on a PCI bus whose names do not end in `-pci`, besides network cards.
const DEVICES: &[&str] = &[
    "AC97",
    "ES1370",
    "VGA",
    "ac97",
    "ahci",
    "am53c974",
    "ati-vga",
    "bochs-display",
    "cirrus-vga",
    "dc390",
    "es1370",
    "i6300esb",
    "ich9-ahci",
    "ich9-intel-hda",
    "ich9-usb-ehci1",
    "ich9-usb-ehci2",
    "ich9-usb-uhci1",
    "ich9-usb-uhci2",
    "ich9-usb-uhci3",
    "intel-hda",
    "ivshmem",
    "ivshmem-doorbell",
    "ivshmem-plain",
    "lsi",
    "lsi53c810",
    "lsi53c895a",
    "megasas",
    "megasas-gen2",
    "mptsas1068",
    "nec-usb-xhci",
    "nvme",
    "pci-ohci",
    "pci-serial",
    "pci-serial-2x",
    "pci-serial-4x",
    "piix3-usb-uhci",
    "piix4-usb-uhci",
    "pvscsi",
    "qemu-xhci",
    "qxl",
    "qxl-vga",
    "secondary-vga",
    "usb-ehci",
    "virtio-vga",
    "virtio-vga-gl",
    "vmware-svga",
    "vt82c686b-usb-uhci",
    "pvpanic-pci",
    "edu",
];

/// Virtio devices by the names that stand for those on PCI where there is PCI.
const SHORT_VIRTIO: &[&str] = &[
    "virtio-blk",
    "virtio-net",
    "virtio-scsi",
    "virtio-serial",
    "virtio-balloon",
    "virtio-rng",
    "virtio-9p",
    "virtio-gpu",
    "virtio-gpu-gl",
    "virtio-keyboard",
    "virtio-mouse",
    "virtio-tablet",
    "virtio-input-host",
    "virtio-crypto",
    "virtio-iommu",
    "virtio-mem",
    "virtio-pmem",
    "virtio-sound",
    "vhost-user-fs",
    "vhost-vsock",
    "vhost-scsi",
];

/// The place of every PCI device, by the number of its option.
#[derive(Debug, Default)]
pub(super) struct Slots {
    places: BTreeMap<usize, Pci>,
    /// The screen that the machine has.
    pub screen: Option<Pci>,
}

impl Slots {
    /// The place of the device of this option.
    pub(super) fn of(&self, number: usize) -> Option<Pci> {
        self.places.get(&number).copied()
    }
}

/// The machines whose own devices are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Board {
    /// 440FX.
    I440fx,
    /// Q35.
    Q35,
    /// Everything else.
    Other,
}

impl Board {
    /// The board of the domain.
    pub(super) fn of(build: &mut Build<'_, '_, '_>) -> Self {
        match build.domain() {
            domain if os::is_q35(domain) => Board::Q35,
            domain if os::is_i440fx(domain) => Board::I440fx,
            _ => Board::Other,
        }
    }
}

/// The slots of one bus: which functions are taken.
#[derive(Debug, Default)]
struct Bus {
    taken: BTreeSet<(u8, u8)>,
    /// Ports have one slot.
    is_port: bool,
    /// Bridges keep their first slot for hotplug, which is no slot for a device.
    first: u8,
}

impl Bus {
    /// The first slot whose first function is free, as QEMU looks for it.
    fn next(&mut self) -> Option<u8> {
        let last = if self.is_port { 0 } else { 31 };
        let slot = (self.first..=last).find(|slot| !self.taken.contains(&(*slot, 0)))?;
        self.taken.insert((slot, 0));
        Some(slot)
    }
}

/// Whether there is a PCI bus for devices to be put on.
fn has_pci(build: &mut Build<'_, '_, '_>) -> bool {
    let domain = build.domain();
    let machine = domain.os.machine.as_deref().unwrap_or_default();
    let is_without = machine.starts_with("microvm") || machine.starts_with("isapc");
    !is_without && !matches!(domain.os.arch, Some(Arch::S390x | Arch::S390))
}

/// Finds the place of every PCI device.
pub(super) fn slots(build: &mut Build<'_, '_, '_>) -> Slots {
    let mut slots = Slots::default();
    if !has_pci(build) {
        return slots;
    }
    let board = Board::of(build);
    let mut buses: BTreeMap<u8, Bus> = BTreeMap::new();
    let root = buses.entry(0).or_default();
    root.taken.extend(match board {
        Board::I440fx => [(0, 0), (1, 0), (1, 1), (1, 3)].as_slice(),
        Board::Q35 => [(0, 0), (31, 0), (31, 2), (31, 3)].as_slice(),
        Board::Other => [(0, 0)].as_slice(),
    });
    let indexes = indexes(build);
    for (name, (index, driver)) in &indexes {
        let bus = buses.entry(*index).or_default();
        bus.is_port = matches!(*driver, "pcie-root-port" | "ioh3420" | "xio3130-downstream");
        let has_hotplug = matches!(*driver, "pci-bridge" | "pcie-pci-bridge");
        bus.first = u8::from(has_hotplug && !name.is_empty());
    }
    let bus_of = |name: Option<&str>| match name {
        None | Some("pci.0" | "pcie.0" | "pci") => Some(0),
        Some(name) => indexes.get(name).map(|(index, _)| *index),
    };
    let wanted = wanted(build, board);
    // Those that say where they want to be come first: the others keep out of their way.
    for want in &wanted {
        let (Some(bus), Some(addr)) = (bus_of(want.bus.as_deref()), want.addr.as_deref()) else { continue };
        let Some((slot, function)) = slot_and_function(addr) else { continue };
        buses.entry(bus).or_default().taken.insert((slot, function));
        let multifunction = want.multifunction.map(|on| if on { OnOff::On } else { OnOff::Off });
        slots.insert(want.number, Pci { multifunction, ..Pci::new(bus, slot, function) });
    }
    for want in wanted.iter().filter(|want| want.addr.is_none()) {
        let Some(bus) = bus_of(want.bus.as_deref()) else { continue };
        let Some(slot) = buses.entry(bus).or_default().next() else { continue };
        let multifunction = want.multifunction.map(|on| if on { OnOff::On } else { OnOff::Off });
        slots.insert(want.number, Pci { multifunction, ..Pci::new(bus, slot, 0) });
    }
    slots
}

impl Slots {
    fn insert(&mut self, number: Option<usize>, pci: Pci) {
        match number {
            Some(number) => {
                self.places.insert(number, pci);
            }
            None => self.screen = Some(pci),
        }
    }
}

/// A device that wants to be on a bus; the screen of the machine has no number.
struct Want {
    number: Option<usize>,
    bus: Option<String>,
    addr: Option<String>,
    multifunction: Option<bool>,
}

/// The devices in the order in which QEMU makes them: the machine's own, `-device` in `key=value`, what other
/// options stand for, and `-device` in JSON.
fn wanted(build: &mut Build<'_, '_, '_>, board: Board) -> Vec<Want> {
    let want = |number| Want { number, bus: None, addr: None, multifunction: None };
    let mut list = Vec::new();
    if board != Board::Other && super::display::machine_screen(build).is_some_and(|name| name != "isa") {
        list.push(want(None));
    }
    let of_device = |number: usize, pairs: &super::Pairs| Want {
        number: Some(number),
        bus: pairs.peek("bus").map(str::to_owned),
        addr: pairs.peek("addr").map(str::to_owned),
        multifunction: pairs.peek("multifunction").and_then(crate::import::pairs::switch),
    };
    let (mut plain, mut json, mut late) = (Vec::new(), Vec::new(), Vec::new());
    for (number, option) in build.options.iter().enumerate() {
        let Some(pairs) = &option.pairs else { continue };
        match option.name.as_str() {
            "nic" if !matches!(pairs.peek("type"), Some("none")) => {
                let is_pci = network::is_pci(pairs.peek("model"), build);
                if is_pci {
                    list.push(Want { addr: pairs.peek("addr").map(str::to_owned), ..want(Some(number)) });
                }
            }
            "net" if pairs.peek("type") == Some("nic") && network::is_pci(pairs.peek("model"), build) => {
                list.push(Want { addr: pairs.peek("addr").map(str::to_owned), ..want(Some(number)) });
            }
            "device" if is_pci(pairs.peek("driver").unwrap_or_default()) => {
                let device = of_device(number, pairs);
                if option.value.trim_start().starts_with('{') {
                    json.push(device)
                } else {
                    plain.push(device)
                }
            }
            "drive" if super::disk::is_virtio(pairs, build) => {
                late.push(Want { addr: pairs.peek("addr").map(str::to_owned), ..want(Some(number)) });
            }
            "virtfs" => plain.push(want(Some(number))),
            _ => {}
        }
    }
    list.extend(network::default_card(build).map(|_| want(Some(network::DEFAULT))));
    list.extend(plain);
    list.extend(late);
    list.extend(json);
    list
}

/// Whether a device is on a PCI bus, by the name of its driver.
fn is_pci(driver: &str) -> bool {
    driver.ends_with("-pci")
        || driver.ends_with("transitional")
        || DEVICES.contains(&driver)
        || network::PCI_CARDS.contains(&driver)
        || SHORT_VIRTIO.contains(&driver)
        || CONTROLLERS.iter().any(|(name, ..)| *name == driver)
}

/// `SLOT[.FUNCTION]`, in hexadecimal.
fn slot_and_function(text: &str) -> Option<(u8, u8)> {
    let (slot, function) = text.split_once('.').unwrap_or((text, "0"));
    let hex = |text: &str| u8::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    Some((hex(slot).filter(|slot| *slot < 32)?, hex(function).filter(|function| *function < 8)?))
}

/// The number of the bus that each controller makes, by the controller's id, and its driver.
fn indexes(build: &Build<'_, '_, '_>) -> BTreeMap<String, (u8, &'static str)> {
    let mut indexes = BTreeMap::new();
    let mut free: BTreeSet<u8> = (1..=255).collect();
    let mut open = Vec::new();
    for number in 0..build.options.len() {
        let Some(frontend) = build.frontend(number) else { continue };
        let Some((driver, ..)) =
            CONTROLLERS.iter().find(|(name, ..)| Some(*name) == frontend.pairs.peek("driver"))
        else {
            continue;
        };
        let id = frontend.pairs.peek("id").map_or_else(|| format!(" {number}"), str::to_owned);
        // libvirt calls the bus of the controller with the index 3 `pci.3`.
        let own = id.strip_prefix("pci.").and_then(|index| index.parse().ok());
        match own.filter(|index| free.remove(index)) {
            Some(index) => {
                indexes.insert(id, (index, *driver));
            }
            None => open.push((id, *driver)),
        }
    }
    for (id, driver) in open {
        if let Some(index) = free.pop_first() {
            indexes.insert(id, (index, driver));
        }
    }
    indexes
}

/// Bridges, ports and expanders.
pub(super) fn controllers(build: &mut Build<'_, '_, '_>) {
    let indexes = indexes(build);
    for number in 0..build.options.len() {
        let Some(frontend) = build.frontend(number) else { continue };
        let driver = frontend.pairs.peek("driver").unwrap_or_default();
        let Some((_, model, name)) = CONTROLLERS.iter().find(|(name, ..)| *name == driver) else { continue };
        let id = frontend.pairs.peek("id").map_or_else(|| format!(" {number}"), str::to_owned);
        let index = indexes.get(&id).map(|(index, _)| u32::from(*index));
        frontend.pairs.take("driver");
        let done = build.pci_info(frontend).and_then(|info| {
            let (pci, info) = controller(*model, *name, frontend, info)?;
            let spec = Controller { kind: ControllerKind::Pci(pci), index, ..Controller::default() };
            build.push(frontend, spec, info)
        });
        match done {
            Some(()) => frontend.option.take(),
            None => {
                build.kept.insert(number);
            }
        }
    }
}

fn controller(
    model: PciModel,
    name: PciModelName,
    frontend: Frontend<'_>,
    info: DeviceInfo,
) -> Option<(PciController, DeviceInfo)> {
    let pairs = frontend.pairs;
    let target = PciTarget {
        chassis_nr: pairs.small("chassis_nr").filter(|number| *number > 0),
        chassis: pairs.small("chassis"),
        port: pairs.number("port").map(Hex),
        bus_nr: pairs.small("bus_nr"),
        node: pairs.small("numa_node"),
        hotplug: pairs.word("hotplug"),
        ..PciTarget::default()
    };
    Some((PciController { model: Some(model), model_name: Some(name), target, pcihole64: None }, info))
}

/// A place on the root bus.
pub(super) fn root(slot: u8, function: u8) -> Place {
    Place::Pci(Pci::new(0, slot, function))
}
