//! One pass over the devices, in which each gets its address.

use std::collections::HashMap;

use domain_model::xml::text::OnOff;
use domain_model::{Code, Diagnostic, Origin};

use super::allocator::{Allocator, PciError};
use super::bus::{Bus, Need, Plug, Slot};
use super::entry::{Entry, Location, Role, Turn};
use crate::resolve::board::Board;

/// One pass over the devices.
///
/// The first pass is dry: it finds out how many buses are needed, and settles only what is a part of the
/// chipset. The second settles everything.
pub(super) struct Pass<'a> {
    pub entries: &'a mut [Entry],
    pub pci: Allocator,
    pub board: Board,
    pub dry: bool,
    /// What a problem that no device is to blame for points at.
    pub origin: Origin,
    /// Whether virtio disks may be virtio-mmio devices.
    pub has_mmio: bool,
}

impl Pass<'_> {
    /// Takes the places of all devices that have one.
    pub(super) fn collect(&mut self) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for entry in &mut *self.entries {
            let Some(slot) = entry.slot() else { continue };
            if is_in_piix3(entry, slot) {
                let has_conventional = self.pci.buses().first().is_none_or(|bus| bus.has(Plug::Conventional));
                if !has_conventional {
                    let message = "PCI bus 0 is not conventional, as the IDE and USB of the PIIX3 need it";
                    problems.push(Diagnostic::error(Code::Exhausted, entry.origin, message));
                }
                continue;
            }
            // Whatever should not be a PCI device is taken for the plainest.
            let need = entry.connection.need.unwrap_or(Need::CONVENTIONAL);
            match self.pci.place(slot, need, entry.connection.group) {
                Ok(slot) => entry.settle(slot),
                Err(error) => problems.push(entry.misplaced(error)),
            }
        }
        problems
    }

    /// Gives every device without an address one, in order of turns.
    pub(super) fn assign(&mut self) -> Result<(), Diagnostic> {
        let mut turns: Vec<(Turn, usize)> = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| Some((entry.connection.turn?, at)))
            .collect();
        turns.sort_by_key(|(turn, _)| *turn);
        let mut usb2 = self.usb2_slots();
        for (turn, at) in turns {
            let Some(entry) = self.entries.get(at) else { continue };
            match entry.location {
                Location::At(_) => continue,
                Location::Elsewhere(place) => {
                    self.check_disk(turn, place, entry)?;
                    continue;
                }
                Location::Open => {}
            }
            match entry.connection.role {
                Role::Usb2 { index, function } => self.assign_usb2(at, index, function, &mut usb2)?,
                _ => {
                    self.next(at, None)?;
                }
            }
        }
        Ok(())
    }

    /// Virtio disks are on buses for virtio devices and on no other.
    fn check_disk(&self, turn: Turn, place: &str, disk: &Entry) -> Result<(), Diagnostic> {
        if turn != Turn::Disk || place == "ccw" || (place == "virtio-mmio" && self.has_mmio) {
            return Ok(());
        }
        let message = format!("a virtio disk cannot have an address of type `{place}`");
        Err(Diagnostic::error(Code::Unsupported, disk.origin, message))
    }

    /// Gives a device the next free place.
    pub(super) fn next(&mut self, at: usize, function: Option<u8>) -> Result<(), Diagnostic> {
        let Some(entry) = self.entries.get_mut(at) else { return Ok(()) };
        let Some(need) = entry.connection.need else { return Ok(()) };
        let slot =
            self.pci.next(need, entry.connection.group, function).map_err(|error| entry.homeless(error))?;
        if !self.dry {
            entry.multifunction = None;
            entry.settle(slot);
        }
        Ok(())
    }

    /// Gives a device a place that the chipset has for it.
    pub(super) fn fix(&mut self, at: usize, slot: Slot, need: Need) -> Result<(), Diagnostic> {
        let Some(entry) = self.entries.get_mut(at) else { return Ok(()) };
        self.pci.place(slot, need, 0).map_err(|error| entry.misplaced(error))?;
        entry.settle(slot);
        Ok(())
    }

    /// The slots of USB 2 controllers that have one, by index.
    fn usb2_slots(&self) -> HashMap<u32, Slot> {
        let mut slots = HashMap::new();
        for entry in &*self.entries {
            if let (Role::Usb2 { index, .. }, Some(slot)) = (entry.connection.role, entry.slot()) {
                slots.entry(index).or_insert(slot);
            }
        }
        slots
    }

    /// Puts the parts of a USB 2 controller into one slot.
    fn assign_usb2(
        &mut self,
        at: usize,
        index: u32,
        function: u8,
        slots: &mut HashMap<u32, Slot>,
    ) -> Result<(), Diagnostic> {
        match slots.get(&index) {
            Some(slot) => {
                let slot = Slot { function, ..*slot };
                let need = self.entries.get(at).and_then(|entry| entry.connection.need);
                self.fix(at, slot, need.unwrap_or(Need::CONVENTIONAL))?;
            }
            None => self.next(at, Some(function))?,
        }
        if let Some(entry) = self.entries.get_mut(at)
            && let Some(slot) = entry.slot()
        {
            slots.entry(index).or_insert(slot);
            if function == 0 {
                entry.settle_multifunction(OnOff::On);
            }
        }
        Ok(())
    }

    /// Keeps a place for a device that may come later.
    pub(super) fn spare(&mut self, need: Need) -> Result<(), Diagnostic> {
        let error = |error: PciError| Diagnostic::error(error.automatic(), self.origin, error.to_string());
        self.pci.next(need, 0, None).map(|_| ()).map_err(error)
    }

    /// Whether every bus is in use entirely.
    pub(super) fn is_full(&self) -> bool {
        self.pci.buses().iter().all(Bus::is_full)
    }
}

/// Whether a controller is where the PIIX3 has it; such places are looked after by the chipset.
fn is_in_piix3(entry: &Entry, slot: Slot) -> bool {
    match entry.connection.role {
        Role::FirstIde => slot == Slot::new(0, 1, 1),
        Role::FirstPiix3Usb => slot == Slot::new(0, 1, 2),
        _ => false,
    }
}

/// Marks function 0 of every slot that has more functions, unless the user decided.
pub(super) fn mark_multifunction(entries: &mut [Entry]) {
    let mut first: HashMap<(u8, u8), usize> = HashMap::new();
    for (at, entry) in entries.iter().enumerate() {
        if let Some(Slot { bus, slot, function: 0 }) = entry.slot() {
            first.entry((bus, slot)).or_insert(at);
        }
    }
    let shared: Vec<usize> = entries
        .iter()
        .filter_map(|entry| {
            let Slot { bus, slot, function } = entry.slot()?;
            (function != 0).then(|| first.get(&(bus, slot)).copied())?
        })
        .collect();
    for at in shared {
        if let Some(entry) = entries.get_mut(at)
            && entry.multifunction.is_none()
        {
            entry.settle_multifunction(OnOff::On);
        }
    }
}
