//! A PCI bus: what it takes and which functions are free.

use std::fmt;

use domain_model::device::controller::PciModel;

/// A function of a slot of a bus in PCI domain 0, the only one QEMU's machines let us use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    /// Index of the PCI controller that provides the bus.
    pub bus: u8,
    /// 0 to 31.
    pub slot: u8,
    /// 0 to 7.
    pub function: u8,
}

impl Slot {
    pub(crate) const fn new(bus: u8, slot: u8, function: u8) -> Self {
        Slot { bus, slot, function }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0000:{:02x}:{:02x}.{:x}", self.bus, self.slot, self.function)
    }
}

/// What something is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plug {
    /// A slot of conventional PCI.
    Conventional,
    /// A slot of PCI Express.
    Express,
    /// What takes a controller of this model.
    Controller(PciModel),
}

impl Plug {
    /// One bit of its own.
    const fn bit(self) -> u16 {
        match self {
            Plug::Conventional => 1,
            Plug::Express => 2,
            Plug::Controller(model) => 4 << model as u16,
        }
    }

    /// Whether it is for devices, and not for controllers.
    pub(crate) const fn is_endpoint(self) -> bool {
        matches!(self, Plug::Conventional | Plug::Express)
    }

    /// Whether several of these share the functions of a slot if nobody says where they go.
    const fn shares_slots(self) -> bool {
        matches!(self, Plug::Controller(PciModel::PcieRootPort))
    }
}

impl fmt::Display for Plug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plug::Conventional => f.write_str("a conventional PCI device"),
            Plug::Express => f.write_str("a PCI Express device"),
            Plug::Controller(model) => write!(f, "a `{}`", model.as_str()),
        }
    }
}

/// What a device or controller needs of the bus it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    /// What it is plugged into.
    pub plug: Plug,
    /// Whether it is a part of the machine's root complex, so that only bus 0 will do.
    pub integrated: bool,
}

impl Need {
    pub(crate) const CONVENTIONAL: Need = Need::plug(Plug::Conventional);
    pub(crate) const EXPRESS: Need = Need::plug(Plug::Express);

    pub(crate) const fn plug(plug: Plug) -> Self {
        Need { plug, integrated: false }
    }

    pub(crate) const fn controller(model: PciModel) -> Self {
        Need::plug(Plug::Controller(model))
    }

    /// The same as a part of the root complex.
    pub(crate) const fn integrated(self) -> Self {
        Need { integrated: true, ..self }
    }
}

/// A bus and who uses it.
#[derive(Debug, Clone)]
pub(crate) struct Bus {
    /// The controller that provides it.
    pub model: PciModel,
    /// The group of host devices that alone may use it; 0 is everything else.
    pub group: u32,
    /// Whether the group stays as it is even while the bus is empty.
    pub group_locked: bool,
    /// The plugs it has, as bits.
    plugs: u16,
    /// Whether devices that nobody placed may go here.
    automatic: bool,
    first: u8,
    last: u8,
    /// The functions in use, by slot.
    functions: [u8; 32],
    /// The slots in use, as bits.
    used: u32,
    /// The slots whose first user shares them, as bits.
    shared: u32,
}

/// The last slot of a bus that is not just a port.
const LAST: u8 = 31;

impl Bus {
    /// The bus that a controller provides.
    ///
    /// What it takes follows QEMU's hardware: slot 0 of a root is the host bridge, that of a bridge with a
    /// hotplug controller (`shpc`) the latter; a port is one slot.
    pub(crate) fn new(model: PciModel) -> Self {
        use PciModel::{
            DmiToPciBridge, PciBridge, PciExpanderBus, PciRoot, PcieExpanderBus, PcieRoot, PcieRootPort,
            PcieSwitchDownstreamPort, PcieSwitchUpstreamPort, PcieToPciBridge,
        };
        let takes = |plugs: &[Plug]| plugs.iter().fold(0, |bits, plug| bits | plug.bit());
        let controllers =
            |models: &[PciModel]| models.iter().fold(0, |bits, model| bits | Plug::Controller(*model).bit());
        let conventional = takes(&[Plug::Conventional]) | controllers(&[PciBridge]);
        let express = takes(&[Plug::Express]);
        let (plugs, automatic, first, last) = match model {
            PciRoot => (conventional | controllers(&[PciExpanderBus]), true, 1, LAST),
            PciBridge | PcieToPciBridge => (conventional, true, 1, LAST),
            PciExpanderBus => (conventional, true, 0, LAST),
            DmiToPciBridge => (conventional, false, 0, LAST),
            PcieRoot => {
                let ports = controllers(&[PcieRootPort, DmiToPciBridge, PcieExpanderBus]);
                (express | ports, false, 1, LAST)
            }
            PcieRootPort | PcieSwitchDownstreamPort => {
                (express | controllers(&[PcieSwitchUpstreamPort, PcieToPciBridge]), true, 0, 0)
            }
            PcieSwitchUpstreamPort => (controllers(&[PcieSwitchDownstreamPort]), false, 0, LAST),
            PcieExpanderBus => (controllers(&[PcieRootPort, DmiToPciBridge]), false, 0, LAST),
        };
        Bus {
            model,
            group: 0,
            group_locked: false,
            plugs,
            automatic,
            first,
            last,
            functions: [0; 32],
            used: 0,
            shared: 0,
        }
    }

    /// A root port kept for one bridge to conventional PCI.
    pub(crate) fn port_for_bridge() -> Self {
        Bus {
            plugs: Plug::Controller(PciModel::PcieToPciBridge).bit(),
            automatic: false,
            ..Bus::new(PciModel::PcieRootPort)
        }
    }

    /// The first slot that can be used.
    pub(crate) fn first_slot(&self) -> u8 {
        self.first
    }

    /// The last slot that can be used.
    pub(crate) fn last_slot(&self) -> u8 {
        self.last
    }

    /// Whether it has a kind of plug, for anybody.
    pub(crate) fn has(&self, plug: Plug) -> bool {
        self.plugs & plug.bit() != 0
    }

    /// Whether something that the user placed here can be here.
    ///
    /// Users know better: they may mix conventional and Express devices on any bus that takes devices, and
    /// put a bridge wherever a conventional device can be.
    pub(crate) fn takes_placed(&self, need: Need) -> bool {
        let endpoint = Plug::Conventional.bit() | Plug::Express.bit();
        let plugs = if self.plugs & endpoint == 0 { self.plugs } else { self.plugs | endpoint };
        let wanted = match need.plug {
            Plug::Controller(PciModel::PciBridge) => need.plug.bit() | Plug::Conventional.bit(),
            plug => plug.bit(),
        };
        plugs & wanted != 0
    }

    /// Whether something that nobody placed can be here.
    pub(crate) fn takes_automatic(&self, need: Need) -> bool {
        self.plugs & need.plug.bit() != 0 && (self.automatic || need.integrated || !need.plug.is_endpoint())
    }

    /// The lowest slot and function that are free for something that fits.
    ///
    /// Only what shares slots gets a function of a slot that is in use, and then of one that is shared.
    pub(crate) fn free(&self, need: Need, function: Option<u8>) -> Option<(u8, u8)> {
        let empty = !self.used & self.range();
        let shared = if need.plug.shares_slots() { self.shared } else { 0 };
        let mut candidates = empty | shared;
        while candidates != 0 {
            let slot = candidates.trailing_zeros() as u8;
            let functions = self.functions_of(slot);
            let free = match function {
                Some(function) => (functions & bit(function) == 0).then_some(function),
                None => (functions != u8::MAX).then(|| functions.trailing_ones() as u8),
            };
            if let Some(function) = free {
                return Some((slot, function));
            }
            candidates &= candidates - 1;
        }
        None
    }

    /// The functions in use of a slot, as bits.
    pub(crate) fn functions_of(&self, slot: u8) -> u8 {
        self.functions.get(usize::from(slot)).copied().unwrap_or(u8::MAX)
    }

    /// Takes a function of a slot; gives false if it is in use or there is no such slot.
    #[must_use]
    pub(crate) fn take(&mut self, slot: u8, function: u8, need: Need) -> bool {
        let Some(functions) = self.functions.get_mut(usize::from(slot)) else { return false };
        if *functions & bit(function) != 0 {
            return false;
        }
        let slot_bit = 1 << (slot & 31);
        if *functions == 0 && need.plug.shares_slots() {
            self.shared |= slot_bit;
        }
        *functions |= bit(function);
        self.used |= slot_bit;
        true
    }

    /// Whether no slot is in use.
    pub(crate) fn is_empty(&self) -> bool {
        self.used & self.range() == 0
    }

    /// Whether every slot is in use.
    pub(crate) fn is_full(&self) -> bool {
        !self.used & self.range() == 0
    }

    /// The slots that can be used, as bits.
    fn range(&self) -> u32 {
        (u32::MAX >> (31 - (self.last & 31))) & (u32::MAX << (self.first & 31))
    }
}

/// The bit of a function; those that do not exist have none that is free.
fn bit(function: u8) -> u8 {
    1u8.checked_shl(function.into()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_where() {
        let check = |model: PciModel, plug: Plug, automatic: bool, placed: bool| {
            let bus = Bus::new(model);
            assert_eq!(bus.takes_automatic(Need::plug(plug)), automatic, "{model:?} {plug:?} automatic");
            assert_eq!(bus.takes_placed(Need::plug(plug)), placed, "{model:?} {plug:?} placed");
        };
        let bridge = Plug::Controller(PciModel::PciBridge);
        let port = Plug::Controller(PciModel::PcieRootPort);
        check(PciModel::PciRoot, Plug::Conventional, true, true);
        check(PciModel::PciRoot, Plug::Express, false, true);
        check(PciModel::PciRoot, bridge, true, true);
        check(PciModel::PciRoot, port, false, false);
        check(PciModel::PcieRoot, Plug::Express, false, true);
        check(PciModel::PcieRoot, Plug::Conventional, false, true);
        check(PciModel::PcieRoot, port, true, true);
        check(PciModel::PcieRoot, bridge, false, true);
        check(PciModel::DmiToPciBridge, Plug::Conventional, false, true);
        check(PciModel::DmiToPciBridge, bridge, true, true);
        check(PciModel::PcieRootPort, Plug::Express, true, true);
        check(PciModel::PcieRootPort, Plug::Controller(PciModel::PcieToPciBridge), true, true);
        check(PciModel::PcieExpanderBus, Plug::Express, false, false);
        check(PciModel::PcieSwitchUpstreamPort, Plug::Express, false, false);
    }

    #[test]
    fn slots_fill_from_the_lowest() {
        let mut bus = Bus::new(PciModel::PciRoot);
        for slot in 1..=31 {
            assert_eq!(bus.free(Need::CONVENTIONAL, None), Some((slot, 0)));
            assert!(!bus.is_full());
            assert!(bus.take(slot, 0, Need::CONVENTIONAL));
        }
        assert_eq!(bus.free(Need::CONVENTIONAL, None), None);
        assert!(bus.is_full());
        assert!(!bus.take(3, 0, Need::CONVENTIONAL));
        assert!(bus.take(3, 1, Need::CONVENTIONAL));
    }

    #[test]
    fn root_ports_share_a_slot() {
        let port = Need::controller(PciModel::PcieRootPort);
        let mut bus = Bus::new(PciModel::PcieRoot);
        assert!(bus.take(1, 0, Need::EXPRESS));
        for expected in (2..=3).flat_map(|slot| (0..8).map(move |function| (slot, function))) {
            assert_eq!(bus.free(port, None), Some(expected));
            assert!(bus.take(expected.0, expected.1, port));
        }
        assert_eq!(bus.free(Need::EXPRESS.integrated(), None), Some((4, 0)));
    }

    #[test]
    fn a_named_function_needs_an_empty_slot() {
        let mut bus = Bus::new(PciModel::PciRoot);
        assert_eq!(bus.free(Need::CONVENTIONAL, Some(7)), Some((1, 7)));
        assert!(bus.take(1, 7, Need::CONVENTIONAL));
        assert_eq!(bus.free(Need::CONVENTIONAL, Some(0)), Some((2, 0)));
    }
}
