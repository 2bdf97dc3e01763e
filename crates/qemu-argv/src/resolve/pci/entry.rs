//! A device as the address assignment sees it.

use domain_model::address::{Address, Pci, Place};
use domain_model::xml::Tagged;
use domain_model::xml::text::{Hex, OnOff};
use domain_model::{Code, Device, Diagnostic, Origin};

use super::allocator::PciError;
use super::bus::{Need, Slot};

/// The order in which devices without an address get one.
///
/// It is the order in which QEMU before 0.12 plugged devices in, when nobody could choose, followed by what
/// came later; guests that were made then kept their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Turn {
    PciController,
    Filesystem,
    Interface,
    Sound,
    Controller,
    Disk,
    /// Network cards of the host, which are host devices that look like interfaces.
    HostInterface,
    Hostdev,
    Memballoon,
    Rng,
    Watchdog,
    Video,
    Shmem,
    Input,
    Serial,
    Iommu,
    Vsock,
    Memory,
    Crypto,
    Panic,
    Pstore,
}

/// What the fixed places of a chipset are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing special.
    Ordinary,
    /// The first IDE controller, a part of the PIIX3 on machines with that chip.
    FirstIde,
    /// The first USB controller, if it is of the PIIX3's model.
    FirstPiix3Usb,
    /// The first SATA controller, a part of the ICH9 on machines with that chip.
    FirstSata,
    /// The ICH9's USB 2 controller of an index, or a companion of it, and the function it has in their slot.
    Usb2 { index: u32, function: u8 },
    /// A bridge to conventional PCI that is a part of the ICH9 on real boards.
    DmiBridge,
    /// The first video card, if it is a PCI device.
    FirstVideo,
    /// Sound of the ICH9.
    Ich9Sound,
}

/// How a device is connected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection {
    /// What it needs of a bus; `None` if it is not a PCI device.
    pub need: Option<Need>,
    /// When it gets an address, if ever.
    pub turn: Option<Turn>,
    /// Its part in the chipset.
    pub role: Role,
    /// The group of host devices that it shares a bus with; 0 is everything else.
    pub group: u32,
}

impl Connection {
    /// Not by PCI.
    pub(super) const NONE: Connection = Connection { need: None, turn: None, role: Role::Ordinary, group: 0 };

    /// By PCI, if `need` says how.
    pub(super) fn new(turn: Turn, need: impl Into<Option<Need>>) -> Self {
        let need = need.into();
        Connection { need, turn: need.map(|_| turn), ..Connection::NONE }
    }

    pub(super) fn role(self, role: Role) -> Self {
        Connection { role, ..self }
    }
}

/// Where a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Location {
    /// Nobody has said yet.
    Open,
    /// Here.
    At(Slot),
    /// On another kind of bus, the type of its address, or deliberately nowhere.
    Elsewhere(&'static str),
}

/// A device as the address assignment sees it.
#[derive(Debug)]
pub(super) struct Entry {
    /// How it is connected.
    pub connection: Connection,
    /// Where it is.
    pub location: Location,
    /// Whether function 0 says that the slot has more functions.
    pub multifunction: Option<OnOff>,
    /// Where the address was written, or the device.
    pub origin: Origin,
    /// Whether the address is to be written back.
    pub changed: bool,
}

impl Entry {
    /// The entry of a device.
    ///
    /// # Errors
    /// Its address does not exist.
    pub(super) fn new<T>(device: &Device<T>, connection: Connection) -> Result<Self, Diagnostic> {
        let address = device.info.address.as_ref();
        let origin = address.map_or(device.meta.origin, |address| address.meta.origin);
        let pci = address.and_then(|address| address.place.pci());
        let location = match (address, pci) {
            (None, _) => Location::Open,
            (Some(_), Some(pci)) => locate(pci, origin)?,
            (Some(address), None) => Location::Elsewhere(address.place.tag()),
        };
        let multifunction = pci.and_then(|pci| pci.multifunction);
        // Numbers that are left out are 0, and are shown so.
        let changed = pci.is_some_and(|pci| {
            pci.domain.is_none() || pci.bus.is_none() || pci.slot.is_none() || pci.function.is_none()
        });
        Ok(Entry { connection, location, multifunction, origin, changed })
    }

    pub(super) fn slot(&self) -> Option<Slot> {
        match self.location {
            Location::At(slot) => Some(slot),
            Location::Open | Location::Elsewhere(_) => None,
        }
    }

    /// Puts the device into a slot.
    pub(super) fn settle(&mut self, slot: Slot) {
        self.changed |= self.location != Location::At(slot);
        self.location = Location::At(slot);
    }

    /// Says that function 0 of a slot has others beside it, unless the user said something else.
    pub(super) fn settle_multifunction(&mut self, on: OnOff) {
        self.changed |= self.multifunction != Some(on);
        self.multifunction = Some(on);
    }

    /// Why the place that the device was given cannot be.
    pub(super) fn misplaced(&self, error: PciError) -> Diagnostic {
        Diagnostic::error(error.placed(), self.origin, error.to_string())
    }

    /// Why no place can be found for the device.
    pub(super) fn homeless(&self, error: PciError) -> Diagnostic {
        let problem = Diagnostic::error(error.automatic(), self.origin, error.to_string());
        match error {
            PciError::CannotGrow(_) => problem.help("add PCI controllers that take it"),
            _ => problem,
        }
    }

    /// Writes the address back into the device.
    pub(super) fn write_back<T>(&self, device: &mut Device<T>) {
        let (true, Some(slot)) = (self.changed, self.slot()) else { return };
        let pci = Pci { multifunction: self.multifunction, ..Pci::new(slot.bus, slot.slot, slot.function) };
        match &mut device.info.address {
            Some(Address { place: Place::Pci(old), .. }) => *old = Pci { zpci: old.zpci, ..pci },
            address => {
                let origin = device.meta.origin.implies("the lowest free PCI address that fits");
                *address = Some(Address::implied(Place::Pci(pci), origin));
            }
        }
    }
}

/// Where an address is; one that is all zero asks for another to be chosen.
fn locate(pci: &Pci, origin: Origin) -> Result<Location, Diagnostic> {
    let part = |number: u64, last: u8, name: &str| {
        u8::try_from(number).ok().filter(|number| *number <= last).ok_or_else(|| {
            let message = format!("PCI {name} {number:#x} is above the last, {last:#x}");
            Diagnostic::error(Code::BadValue, origin, message)
        })
    };
    let or_zero = |number: Option<u64>| number.unwrap_or(0);
    let domain = or_zero(pci.domain.map(|Hex(number)| number));
    let bus = part(or_zero(pci.bus.map(|Hex(number)| number)), u8::MAX, "bus")?;
    let slot = part(or_zero(pci.slot.map(|Hex(number)| number)), 31, "slot")?;
    let function = part(or_zero(pci.function.map(|Hex(number)| number)), 7, "function")?;
    if domain != 0 {
        let message = format!("there is no PCI domain {domain:#06x}, only 0");
        return Err(Diagnostic::error(Code::Conflict, origin, message));
    }
    Ok(if (bus, slot) == (0, 0) { Location::Open } else { Location::At(Slot::new(bus, slot, function)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_places() {
        let check = |numbers: (u64, u64, u64, u64), expected: Result<Location, Code>| {
            let (domain, bus, slot, function) = numbers;
            let pci = Pci {
                domain: Some(Hex(domain)),
                bus: Some(Hex(bus)),
                slot: Some(Hex(slot)),
                function: Some(Hex(function)),
                ..Pci::default()
            };
            assert_eq!(locate(&pci, Origin::Built).map_err(|problem| problem.code), expected, "{numbers:?}");
        };
        check((0, 0, 3, 0), Ok(Location::At(Slot::new(0, 3, 0))));
        check((0, 0, 0, 0), Ok(Location::Open));
        check((0, 1, 0, 0), Ok(Location::At(Slot::new(1, 0, 0))));
        check((1, 0, 3, 0), Err(Code::Conflict));
        check((0, 256, 3, 0), Err(Code::BadValue));
        check((0, 0, 32, 0), Err(Code::BadValue));
        check((0, 0, 3, 8), Err(Code::BadValue));
    }
}
