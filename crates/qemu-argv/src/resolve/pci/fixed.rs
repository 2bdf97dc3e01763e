//! Places that the chips of a PC have for their own parts.

use domain_model::xml::text::OnOff;
use domain_model::{Code, Diagnostic, Origin};

use super::bus::{Need, Slot};
use super::entry::{Entry, Location, Role};
use super::pass::Pass;
use crate::resolve::board::Board;

impl Pass<'_> {
    /// Takes the places of the chipset, and puts devices where real boards have them.
    pub(super) fn chipset(&mut self) -> Result<(), Diagnostic> {
        match self.board {
            Board::I440fx => self.piix3(),
            Board::Q35 => self.ich9(),
            _ => Ok(()),
        }
    }

    /// The PIIX3 is slot 1: ISA bridge, IDE, USB and power management are its functions.
    fn piix3(&mut self) -> Result<(), Diagnostic> {
        for at in 0..self.entries.len() {
            let (slot, what) = match self.role(at) {
                Role::FirstIde => (Slot::new(0, 1, 1), "the first IDE controller"),
                Role::FirstPiix3Usb => {
                    (Slot::new(0, 1, 2), "the first USB controller, if it is the PIIX3's,")
                }
                _ => continue,
            };
            self.settle_only(at, slot, what)?;
            self.fix(at, slot, Need::CONVENTIONAL)?;
        }
        self.built_in(Slot::new(0, 1, 0), "the ISA bridge", Need::CONVENTIONAL)?;
        self.built_in(Slot::new(0, 1, 3), "power management", Need::CONVENTIONAL)?;
        // Slot 1 is full, so QEMU has always put the first video card into slot 2.
        self.first_video(Slot::new(0, 2, 0), Need::CONVENTIONAL)
    }

    /// The ICH9 is slot 0x1f, with SATA as a function; real boards have its USB, sound and bridge below.
    fn ich9(&mut self) -> Result<(), Diagnostic> {
        let mut usb = [0x1d, 0x1a].into_iter();
        for at in 0..self.entries.len() {
            let open = self.entries.get(at).is_some_and(|entry| entry.location == Location::Open);
            match self.role(at) {
                Role::FirstSata => {
                    self.settle_only(at, Slot::new(0, 0x1f, 2), "the first SATA controller")?
                }
                Role::Usb2 { function: 0, .. } if open => {
                    if let Some(slot) = usb.find(|slot| !self.pci.is_used(0, *slot)) {
                        self.fix(at, Slot::new(0, slot, 0), Need::EXPRESS)?;
                        if let Some(entry) = self.entries.get_mut(at) {
                            entry.settle_multifunction(OnOff::On);
                        }
                    }
                }
                Role::DmiBridge if open && !self.pci.is_used(0, 0x1e) => {
                    self.fix(at, Slot::new(0, 0x1e, 0), Need::EXPRESS)?;
                }
                _ => {}
            }
        }
        self.built_in(Slot::new(0, 0x1f, 0), "the ISA bridge", Need::EXPRESS)?;
        self.built_in(Slot::new(0, 0x1f, 3), "the SMBus controller", Need::EXPRESS)?;
        self.first_video(Slot::new(0, 1, 0), Need::EXPRESS)?;
        if !self.pci.is_used(0, 0x1b) {
            let is_open_sound =
                |entry: &Entry| entry.connection.role == Role::Ich9Sound && entry.location == Location::Open;
            if let Some(at) = self.entries.iter().position(is_open_sound) {
                self.fix(at, Slot::new(0, 0x1b, 0), Need::EXPRESS)?;
            }
        }
        Ok(())
    }

    fn role(&self, at: usize) -> Role {
        self.entries.get(at).map_or(Role::Ordinary, |entry| entry.connection.role)
    }

    /// Says that a controller is where the chip has it; another place is an error.
    fn settle_only(&mut self, at: usize, slot: Slot, what: &str) -> Result<(), Diagnostic> {
        let Some(entry) = self.entries.get_mut(at) else { return Ok(()) };
        if let Some(other) = entry.slot().filter(|other| *other != slot) {
            let message = format!("{what} has the PCI address {slot} on this machine, not {other}");
            return Err(Diagnostic::error(Code::Exhausted, entry.origin, message));
        }
        entry.settle(slot);
        Ok(())
    }

    /// Takes the place of a part of the chipset that is not a device of the domain.
    fn built_in(&mut self, slot: Slot, what: &str, need: Need) -> Result<(), Diagnostic> {
        let Err(error) = self.pci.place(slot, need, 0) else { return Ok(()) };
        let intruder = self.entries.iter().find(|entry| entry.slot() == Some(slot));
        let origin = intruder.map_or(Origin::always("a part of the chipset"), |entry| entry.origin);
        let message = format!("{error}: {what} of the machine is there");
        Err(Diagnostic::error(error.placed(), origin, message))
    }

    /// Puts the first video card where QEMU would, if nothing is there.
    fn first_video(&mut self, slot: Slot, need: Need) -> Result<(), Diagnostic> {
        let is_open_video =
            |entry: &Entry| entry.connection.role == Role::FirstVideo && entry.location == Location::Open;
        let Some(at) = self.entries.iter().position(is_open_video) else { return Ok(()) };
        if self.pci.is_used(slot.bus, slot.slot) { self.next(at, None) } else { self.fix(at, slot, need) }
    }
}
