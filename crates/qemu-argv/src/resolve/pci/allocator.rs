//! The set of PCI buses, and how it gives out and grows.

use domain_model::Code;
use domain_model::device::controller::PciModel;

use super::bus::{Bus, Need, Plug, Slot};

/// Why something cannot be where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PciError {
    #[error("the machine has no PCI bus")]
    NoBus,
    #[error("there is no PCI bus {bus}; the last is {last}")]
    NoSuchBus { bus: u8, last: usize },
    #[error("PCI bus {bus} starts at slot {first:#04x}")]
    SlotTooLow { bus: u8, first: u8 },
    #[error("PCI bus {bus} ends at slot {last:#04x}")]
    SlotTooHigh { bus: u8, last: u8 },
    #[error("functions of a PCI slot are 0 to 7")]
    NoSuchFunction,
    #[error("PCI address {0} is in use already")]
    InUse(Slot),
    #[error("an integrated device has to be on PCI bus 0")]
    NotIntegrated,
    #[error("PCI bus {bus}, a `{}`, does not take {plug}", model.as_str())]
    DoesNotFit { bus: u8, model: PciModel, plug: Plug },
    #[error("no PCI slot is left")]
    Full,
    #[error("no PCI slot is left for {0}, and none can be added")]
    CannotGrow(Plug),
    #[error("more than 256 PCI buses would be needed")]
    TooManyBuses,
}

impl PciError {
    /// The code for an address that the user wrote or the machine has.
    pub(crate) fn placed(self) -> Code {
        match self {
            PciError::CannotGrow(_) | PciError::TooManyBuses => Code::Exhausted,
            _ => Code::Conflict,
        }
    }

    /// The code for an address that was to be found.
    pub(crate) fn automatic(self) -> Code {
        match self {
            PciError::NoBus => Code::Conflict,
            _ => Code::Exhausted,
        }
    }
}

/// How buses are added.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    /// Whether the machine takes any number of `pci-root`s, as pSeries does with its host bridges.
    pub several_roots: bool,
    /// Whether QEMU has `pcie-pci-bridge`; otherwise conventional PCI hangs on a `dmi-to-pci-bridge`.
    pub express_bridge: bool,
}

/// The most buses that an address can name.
const MAX_BUSES: usize = 256;

/// The PCI buses of a guest.
#[derive(Debug)]
pub(crate) struct Allocator {
    buses: Vec<Bus>,
    growth: Option<Growth>,
    /// For each need and group the first bus that may have room: buses never get emptier.
    starts: Vec<(Need, u32, usize)>,
    /// Whether any group but 0 was seen.
    isolating: bool,
}

impl Allocator {
    /// Buses that stay as many as they are, or with `growth` get more as needed.
    pub(crate) fn new(buses: Vec<Bus>, growth: Option<Growth>) -> Self {
        let isolating = buses.iter().any(|bus| bus.group != 0);
        Allocator { buses, growth, starts: Vec::new(), isolating }
    }

    pub(crate) fn buses(&self) -> &[Bus] {
        &self.buses
    }

    /// Whether any function of a slot is in use.
    pub(crate) fn is_used(&self, bus: u8, slot: u8) -> bool {
        self.buses.get(usize::from(bus)).is_some_and(|bus| bus.functions_of(slot) != 0)
    }

    /// Takes the place that something was given.
    ///
    /// The answer differs from `at` if a bus had to be added, and another in front of it.
    pub(crate) fn place(&mut self, at: Slot, need: Need, group: u32) -> Result<Slot, PciError> {
        let at = Slot { bus: self.grow(at.bus.into(), need)?, ..at };
        self.check(at, need, Bus::takes_placed)?;
        self.take(at, need, group, true)?;
        Ok(at)
    }

    /// Takes the lowest free place on the lowest bus that fits.
    ///
    /// # Errors
    /// Nothing is free and no bus can be added.
    pub(crate) fn next(&mut self, need: Need, group: u32, function: Option<u8>) -> Result<Slot, PciError> {
        if self.buses.is_empty() {
            return Err(PciError::NoBus);
        }
        self.isolating |= group != 0;
        let found = self
            .find_in_group(need, group, function)
            .or_else(|| self.find_on_empty_bus(need, group, function));
        let at = match found {
            Some(at) => at,
            None if self.growth.is_none() => return Err(PciError::Full),
            None => {
                let bus = self.grow(self.buses.len(), need)?;
                let slot = self.buses.get(usize::from(bus)).map_or(0, Bus::first_slot);
                Slot::new(bus, slot, function.unwrap_or(0))
            }
        };
        self.check(at, need, Bus::takes_automatic)?;
        self.take(at, need, group, false)?;
        Ok(at)
    }

    /// The lowest free place on the buses of a group.
    fn find_in_group(&mut self, need: Need, group: u32, function: Option<u8>) -> Option<Slot> {
        let known = self.starts.iter().position(|(a, b, _)| (*a, *b) == (need, group));
        let start = known.and_then(|known| self.starts.get(known)).map_or(0, |(_, _, start)| *start);
        let found = (start..self.buses.len())
            .find_map(|bus| self.find_on(bus, need, function, |bus| bus.group == group));
        let start = found.map_or(self.buses.len(), |at| at.bus.into());
        match known.and_then(|known| self.starts.get_mut(known)) {
            Some(known) => known.2 = start,
            None => self.starts.push((need, group, start)),
        }
        found
    }

    /// The lowest place on a bus that nobody uses, so that its group can still change.
    fn find_on_empty_bus(&self, need: Need, group: u32, function: Option<u8>) -> Option<Slot> {
        if !self.isolating {
            return None;
        }
        let usable = |bus: &Bus| bus.is_empty() && !bus.group_locked && bus.group != group;
        (0..self.buses.len()).find_map(|bus| self.find_on(bus, need, function, usable))
    }

    fn find_on(
        &self,
        index: usize,
        need: Need,
        function: Option<u8>,
        usable: impl Fn(&Bus) -> bool,
    ) -> Option<Slot> {
        let bus = self.buses.get(index)?;
        if !usable(bus) || !bus.takes_automatic(need) || (need.integrated && index != 0) {
            return None;
        }
        let (slot, function) = bus.free(need, function)?;
        Some(Slot::new(u8::try_from(index).ok()?, slot, function))
    }

    fn check(&self, at: Slot, need: Need, takes: fn(&Bus, Need) -> bool) -> Result<(), PciError> {
        let Some(bus) = self.buses.get(usize::from(at.bus)) else {
            return Err(match self.buses.len().checked_sub(1) {
                Some(last) => PciError::NoSuchBus { bus: at.bus, last },
                None => PciError::NoBus,
            });
        };
        if need.integrated && at.bus != 0 {
            Err(PciError::NotIntegrated)
        } else if !takes(bus, need) {
            Err(PciError::DoesNotFit { bus: at.bus, model: bus.model, plug: need.plug })
        } else if at.slot < bus.first_slot() {
            Err(PciError::SlotTooLow { bus: at.bus, first: bus.first_slot() })
        } else if at.slot > bus.last_slot() {
            Err(PciError::SlotTooHigh { bus: at.bus, last: bus.last_slot() })
        } else if at.function > 7 {
            Err(PciError::NoSuchFunction)
        } else {
            Ok(())
        }
    }

    fn take(&mut self, at: Slot, need: Need, group: u32, placed: bool) -> Result<(), PciError> {
        let Some(bus) = self.buses.get_mut(usize::from(at.bus)) else { return Err(PciError::Full) };
        let was_empty = bus.is_empty();
        if !bus.take(at.slot, at.function, need) {
            return Err(PciError::InUse(at));
        }
        // The first device decides who shares the bus. A user who puts something else there gives up the
        // isolation of the bus.
        let now = match (was_empty && !bus.group_locked, placed) {
            (true, _) => group,
            (false, true) if bus.group != group => 0,
            (false, _) => bus.group,
        };
        if now != bus.group {
            bus.group = now;
            self.starts.clear();
        }
        self.isolating |= group != 0;
        Ok(())
    }

    /// Adds buses until there is one of this index that takes what is needed; gives the index to use.
    fn grow(&mut self, index: usize, need: Need) -> Result<u8, PciError> {
        let missing = (index + 1).saturating_sub(self.buses.len());
        let (mut index, mut missing) = (index, missing);
        if let (Some(growth), true) = (self.growth, missing > 0) {
            let model = match need.plug {
                Plug::Conventional if growth.several_roots => PciModel::PciRoot,
                Plug::Conventional => {
                    let has_conventional =
                        self.buses.iter().any(|bus| bus.has(Plug::Controller(PciModel::PciBridge)));
                    if !has_conventional {
                        // The guest is all Express so far: the way to conventional PCI needs two controllers.
                        if missing == 1 {
                            missing += 1;
                            index += 1;
                        }
                        missing -= self.start_conventional(growth);
                    }
                    PciModel::PciBridge
                }
                Plug::Express | Plug::Controller(PciModel::PcieSwitchUpstreamPort) => PciModel::PcieRootPort,
                plug @ Plug::Controller(_) => return Err(PciError::CannotGrow(plug)),
            };
            if self.buses.len() + missing > MAX_BUSES {
                return Err(PciError::TooManyBuses);
            }
            self.buses.extend(std::iter::repeat_n(Bus::new(model), missing));
        }
        u8::try_from(index).map_err(|_| PciError::TooManyBuses)
    }

    /// Adds what connects conventional PCI to Express; gives the number of buses added.
    fn start_conventional(&mut self, growth: Growth) -> usize {
        let before = self.buses.len();
        if growth.express_bridge {
            self.buses.push(Bus::port_for_bridge());
            self.buses.push(Bus::new(PciModel::PcieToPciBridge));
        } else {
            self.buses.push(Bus::new(PciModel::DmiToPciBridge));
        }
        self.buses.len() - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROWTH: Growth = Growth { several_roots: false, express_bridge: true };

    fn buses(models: &[PciModel]) -> Vec<Bus> {
        models.iter().map(|model| Bus::new(*model)).collect()
    }

    fn next(pci: &mut Allocator, need: Need) -> String {
        pci.next(need, 0, None).map_or_else(|error| error.to_string(), |at| at.to_string())
    }

    fn models(pci: &Allocator) -> Vec<PciModel> {
        pci.buses().iter().map(|bus| bus.model).collect()
    }

    #[test]
    fn bridges_are_added_when_the_root_is_full() {
        let mut pci = Allocator::new(buses(&[PciModel::PciRoot]), Some(GROWTH));
        for _ in 0..104 {
            next(&mut pci, Need::CONVENTIONAL);
        }
        assert_eq!(next(&mut pci, Need::CONVENTIONAL), "0000:03:0c.0");
        assert_eq!(models(&pci)[1..], [PciModel::PciBridge; 3]);
    }

    #[test]
    fn express_devices_get_a_port_each() {
        let mut pci = Allocator::new(buses(&[PciModel::PcieRoot]), Some(GROWTH));
        assert_eq!(next(&mut pci, Need::EXPRESS), "0000:01:00.0");
        assert_eq!(next(&mut pci, Need::EXPRESS), "0000:02:00.0");
        assert_eq!(next(&mut pci, Need::CONVENTIONAL), "0000:04:01.0");
        assert_eq!(next(&mut pci, Need::CONVENTIONAL), "0000:04:02.0");
        // The port that the bridge needs is not given to anyone else.
        assert_eq!(next(&mut pci, Need::EXPRESS), "0000:05:00.0");
        let port = Need::controller(PciModel::PcieRootPort);
        assert_eq!(next(&mut pci, port), "0000:00:01.0");
        assert_eq!(next(&mut pci, port), "0000:00:01.1");
        assert_eq!(next(&mut pci, Need::controller(PciModel::PcieToPciBridge)), "0000:03:00.0");
    }

    #[test]
    fn without_growth_nothing_is_added() {
        let mut pci = Allocator::new(buses(&[PciModel::PcieRoot, PciModel::PcieRootPort]), None);
        assert_eq!(next(&mut pci, Need::EXPRESS), "0000:01:00.0");
        assert_eq!(next(&mut pci, Need::EXPRESS), "no PCI slot is left");
        assert_eq!(next(&mut Allocator::new(Vec::new(), None), Need::EXPRESS), "the machine has no PCI bus");
    }

    #[test]
    fn dmi_bridges_need_a_bridge_of_their_own() {
        let growth = Growth { express_bridge: false, ..GROWTH };
        let mut pci = Allocator::new(buses(&[PciModel::PcieRoot]), Some(growth));
        assert_eq!(next(&mut pci, Need::CONVENTIONAL), "0000:02:01.0");
        assert_eq!(models(&pci)[1..], [PciModel::DmiToPciBridge, PciModel::PciBridge]);
    }

    #[test]
    fn places_are_checked() {
        let check = |at: Slot, need: Need, expected: &str| {
            let mut pci = Allocator::new(buses(&[PciModel::PciRoot, PciModel::PcieRootPort]), None);
            assert!(pci.place(Slot::new(0, 2, 0), Need::CONVENTIONAL, 0).is_ok());
            let answer = pci.place(at, need, 0);
            assert_eq!(answer.map_or_else(|error| error.to_string(), |at| at.to_string()), expected);
        };
        check(Slot::new(0, 3, 0), Need::EXPRESS, "0000:00:03.0");
        check(Slot::new(0, 2, 0), Need::CONVENTIONAL, "PCI address 0000:00:02.0 is in use already");
        check(Slot::new(0, 2, 1), Need::CONVENTIONAL, "0000:00:02.1");
        check(Slot::new(0, 0, 0), Need::CONVENTIONAL, "PCI bus 0 starts at slot 0x01");
        check(Slot::new(1, 1, 0), Need::CONVENTIONAL, "PCI bus 1 ends at slot 0x00");
        check(Slot::new(0, 32, 0), Need::CONVENTIONAL, "PCI bus 0 ends at slot 0x1f");
        check(Slot::new(0, 4, 8), Need::CONVENTIONAL, "functions of a PCI slot are 0 to 7");
        check(Slot::new(9, 1, 0), Need::CONVENTIONAL, "there is no PCI bus 9; the last is 1");
        check(Slot::new(1, 0, 0), Need::EXPRESS.integrated(), "an integrated device has to be on PCI bus 0");
        check(
            Slot::new(0, 4, 0),
            Need::controller(PciModel::PcieRootPort),
            "PCI bus 0, a `pci-root`, does not take a `pcie-root-port`",
        );
    }

    #[test]
    fn groups_keep_to_themselves() {
        let growth = Growth { several_roots: true, ..GROWTH };
        let mut root = Bus::new(PciModel::PciRoot);
        root.group_locked = true;
        let mut pci = Allocator::new(vec![root], Some(growth));
        let mut next = |group| pci.next(Need::CONVENTIONAL, group, None).map(|at| at.to_string());
        assert_eq!(next(0).as_deref(), Ok("0000:00:01.0"));
        assert_eq!(next(7).as_deref(), Ok("0000:01:01.0"));
        assert_eq!(next(8).as_deref(), Ok("0000:02:01.0"));
        assert_eq!(next(7).as_deref(), Ok("0000:01:02.0"));
        assert_eq!(next(0).as_deref(), Ok("0000:00:02.0"));
    }

    #[test]
    fn a_thousand_devices_take_no_time() {
        let mut pci = Allocator::new(buses(&[PciModel::PciRoot]), Some(GROWTH));
        for _ in 0..31 * 256 {
            assert!(pci.next(Need::CONVENTIONAL, 0, None).is_ok());
        }
        assert_eq!(pci.next(Need::CONVENTIONAL, 0, None), Err(PciError::TooManyBuses));
    }
}
