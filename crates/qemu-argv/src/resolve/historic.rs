//! Addresses as libvirt of 2011 gave them: one bus, slot by slot.

use caps_parser::Capability;
use domain_model::address::{Address, Pci, Place, VirtioSerial};
use domain_model::cpu::{CpuMatch, FeaturePolicy};
use domain_model::device::channel::ChannelTarget;
use domain_model::device::controller::ControllerKind;
use domain_model::device::disk::DiskBus;
use domain_model::device::hostdev::HostdevKind;
use domain_model::device::input::{Input, InputBus, InputKind};
use domain_model::device::memballoon::{Memballoon, MemballoonModel};
use domain_model::device::sound::SoundModel;
use domain_model::device::video::Video;
use domain_model::device::watchdog::WatchdogModel;
use domain_model::{Code, Device, DeviceInfo, Devices, Diagnostic, DomainType, Origin};

use super::{Resolving, walk};

/// The rule behind addresses that nobody wrote.
const RULE: &str = "the next free PCI slot";
/// The last slot of a bus.
const LAST: u8 = 31;

/// Gives the guest a clock, and says how a processor of a known model is meant.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    cx.domain.clock.get_or_insert_default();
    let Some(cpu) = &mut cx.domain.cpu else { return };
    match cpu.model {
        Some(_) => cpu.matching = cpu.matching.or(Some(CpuMatch::Exact)),
        // There is nothing that the host's processor could match.
        None => cpu.matching = None,
    }
    for feature in &mut cpu.features {
        feature.policy.get_or_insert(FeaturePolicy::Require);
    }
}

/// Adds the balloon that every guest has, and a screen for guests whose screen can be looked at.
pub(crate) fn devices(cx: &mut Resolving<'_>) {
    let devices = &mut cx.domain.devices;
    if devices.memballoons.is_empty() {
        let origin = Origin::always("guests have a memory balloon unless they say that they want none");
        let is_xen = cx.domain.kind == DomainType::Xen;
        let model = if is_xen { MemballoonModel::Xen } else { MemballoonModel::Virtio };
        let spec = Memballoon { model, ..Memballoon::default() };
        devices.memballoons.push(Device::implied(spec, origin));
    }
    let bus = if crate::historic::is_xen_system(&cx.domain) { InputBus::Xen } else { InputBus::Ps2 };
    let is_there = |input: &Device<Input>| {
        matches!(input.spec.kind, InputKind::Mouse) && input.spec.bus.is_none_or(|written| written == bus)
    };
    let devices = &mut cx.domain.devices;
    // Where the screen is seen, the machine's own mouse is worth mentioning, behind whatever was plugged in.
    devices.inputs.retain(|input| !is_there(input));
    let Some(graphics) = devices.graphics.first() else { return };
    let origin = graphics.meta.origin;
    if devices.videos.is_empty() {
        let rule = origin.implies("what is shown needs a video card");
        devices.videos.push(Device::implied(Video::default(), rule));
    }
    let spec = Input { kind: InputKind::Mouse, bus: Some(bus), ..Input::default() };
    devices.inputs.push(Device::implied(spec, origin.implies("the machine has a mouse")));
}

/// Gives virtio channels the port behind the highest in use on their controller.
pub(crate) fn channels(cx: &mut Resolving<'_>) {
    let mut highest = std::collections::HashMap::new();
    for channel in &mut cx.domain.devices.channels {
        if !matches!(channel.spec.target, ChannelTarget::Virtio(_)) {
            continue;
        }
        let origin = channel.meta.origin.implies("the next port of the virtio-serial controller");
        let address = channel
            .info
            .address
            .get_or_insert_with(|| Address::implied(Place::VirtioSerial(VirtioSerial::default()), origin));
        let Place::VirtioSerial(port) = &mut address.place else { continue };
        let bus = (*port.controller.get_or_insert(0), *port.bus.get_or_insert(0));
        let highest: &mut u32 = highest.entry(bus).or_default();
        if port.port.unwrap_or(0) == 0 {
            port.port = Some(highest.saturating_add(1));
        }
        *highest = port.port.unwrap_or(0).max(*highest);
    }
}

/// Gives every PCI device a slot, if this QEMU lets one choose.
pub(crate) fn pci(cx: &mut Resolving<'_>) {
    if !cx.inputs.has(Capability::DeviceOption) {
        return;
    }
    let mut bus = Bus::default();
    let mut problems = Vec::new();
    let has_functions = cx.inputs.has(Capability::PciMultifunction);
    walk::each(&mut cx.domain.devices, |visit| {
        let Some(pci) = visit.info.address.as_ref().and_then(|address| address.place.pci()) else { return };
        // What is plugged in is the one function of its slot; controllers are parts of the machine as well.
        let is_plugged_in = visit.element != "controller" && !has_functions;
        if is_plugged_in && pci.function.is_some_and(|function| function.0 != 0) {
            let message = "a device of these QEMUs is function 0 of its PCI slot";
            problems.push(Diagnostic::error(Code::Unsupported, visit.address_origin(), message));
        } else if let Err(message) = slot_of(pci).and_then(|slot| bus.take(slot)) {
            problems.push(Diagnostic::error(Code::Exhausted, visit.address_origin(), message));
        }
    });
    if problems.is_empty()
        && let Err(problem) = assign(&mut cx.domain.devices, &mut bus)
    {
        problems.push(problem);
    }
    cx.problems.extend(problems);
}

fn slot_of(pci: &Pci) -> Result<u8, String> {
    let number = |number: Option<u64>| number.unwrap_or(0);
    let slot = number(pci.slot.map(|slot| slot.0));
    if number(pci.domain.map(|domain| domain.0)) != 0 || number(pci.bus.map(|bus| bus.0)) != 0 {
        return Err("there is only PCI bus 0 of domain 0".to_owned());
    }
    let slot = u8::try_from(slot).ok().filter(|slot| *slot <= LAST);
    slot.ok_or_else(|| format!("PCI slots go up to {LAST:#x}"))
}

/// The order is that in which QEMU without `-device` plugs devices in.
fn assign(devices: &mut Devices, bus: &mut Bus) -> Result<(), Diagnostic> {
    let is_first_ide = |device: &Device<_>| {
        let spec: &domain_model::device::controller::Controller = &device.spec;
        matches!(spec.kind, ControllerKind::Ide { .. }) && spec.index.unwrap_or(0) == 0
    };
    bus.reserve(0, "the host bridge")?;
    let ide = devices.controllers.iter_mut().find(|device| is_first_ide(device));
    if !ide.map_or(Ok(false), |ide| fix(ide, Pci::new(0, 1, 1), "the first IDE controller"))? {
        bus.reserve(1, "the PIIX3")?;
    }
    if let Some(video) = devices.videos.first_mut()
        && !fix(video, Pci::new(0, 2, 0), "the first video card")?
    {
        bus.reserve(2, "the first video card")?;
    }
    bus.plug(&mut devices.filesystems, |_| true)?;
    bus.plug(&mut devices.interfaces, |_| true)?;
    bus.plug(&mut devices.sounds, |sound| !matches!(sound.model, SoundModel::Sb16 | SoundModel::Pcspk))?;
    bus.plug(&mut devices.controllers, |controller| {
        let is_first_ide =
            matches!(controller.kind, ControllerKind::Ide { .. }) && controller.index.unwrap_or(0) == 0;
        !is_first_ide && !matches!(controller.kind, ControllerKind::Fdc | ControllerKind::Ccid)
    })?;
    bus.plug(&mut devices.disks, |disk| disk.target.bus == Some(DiskBus::Virtio))?;
    bus.plug(&mut devices.hostdevs, |hostdev| matches!(hostdev.kind, HostdevKind::Pci(_)))?;
    bus.plug(&mut devices.memballoons, |balloon| balloon.model == MemballoonModel::Virtio)?;
    bus.plug(&mut devices.watchdogs, |watchdog| watchdog.model != WatchdogModel::Ib700)?;
    bus.plug(devices.videos.get_mut(1..).unwrap_or_default(), |_| true)
}

/// Says that a device is where the machine has it. Gives whether the user said so before; then the slot is
/// taken already.
fn fix<T>(device: &mut Device<T>, place: Pci, what: &str) -> Result<bool, Diagnostic> {
    let origin = device.meta.origin;
    let Some(Address { place: Place::Pci(pci), meta }) = &device.info.address else {
        let origin = origin.implies("where the machine has it");
        device.info.address = Some(Address::implied(Place::Pci(place), origin));
        return Ok(false);
    };
    let part = |pci: &Pci| (slot_of(pci), pci.function.unwrap_or_default().0);
    if part(pci) == part(&place) {
        return Ok(true);
    }
    let (slot, function) = (place.slot.unwrap_or_default().0, place.function.unwrap_or_default().0);
    let message = format!("{what} has the PCI address 0000:00:{slot:02x}.{function} on this machine");
    Err(Diagnostic::error(Code::Exhausted, meta.origin, message))
}

/// The slots of the one PCI bus.
#[derive(Debug, Default)]
struct Bus {
    /// The slots in use, as bits.
    used: u32,
    /// Where to look for a free slot: behind the last one that was taken in order.
    next: u8,
}

impl Bus {
    fn take(&mut self, slot: u8) -> Result<(), String> {
        let bit = 1 << (slot & LAST);
        if self.used & bit != 0 {
            return Err(format!("PCI slot {slot:#x} is in use already"));
        }
        self.used |= bit;
        Ok(())
    }

    /// Takes the slot of a part of the machine; free slots are behind it.
    fn reserve(&mut self, slot: u8, what: &'static str) -> Result<(), Diagnostic> {
        self.next = self.next.max((slot + 1) & LAST);
        self.take(slot).map_err(|error| {
            let message = format!("{error}, and {what} is there");
            Diagnostic::error(Code::Exhausted, Origin::always("a part of the machine"), message)
        })
    }

    /// Puts those devices of a family into slots that have no address yet.
    fn plug<T>(
        &mut self,
        devices: &mut [Device<T>],
        has_slot: impl Fn(&T) -> bool,
    ) -> Result<(), Diagnostic> {
        for device in devices {
            if device.info.address.is_none() && has_slot(&device.spec) {
                self.plug_one(&mut device.info, device.meta.origin)?;
            }
        }
        Ok(())
    }

    fn plug_one(&mut self, info: &mut DeviceInfo, origin: Origin) -> Result<(), Diagnostic> {
        let mut slots = (self.next..=LAST).chain(0..self.next);
        let Some(slot) = slots.find(|slot| self.used & (1 << slot) == 0) else {
            return Err(Diagnostic::error(Code::Exhausted, origin, "no PCI slot is left"));
        };
        self.used |= 1 << slot;
        self.next = (slot + 1) & LAST;
        info.address = Some(Address::implied(Place::Pci(Pci::new(0, slot, 0)), origin.implies(RULE)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_taken_in_order() {
        let check = |written: &[u8], expected: &[u64]| {
            let mut bus = Bus::default();
            for slot in written {
                assert_eq!(bus.take(*slot), Ok(()));
            }
            assert!(bus.reserve(0, "the host bridge").is_ok() && bus.reserve(1, "the PIIX3").is_ok());
            for slot in expected {
                let mut info = DeviceInfo::default();
                assert!(bus.plug_one(&mut info, Origin::Built).is_ok());
                let at =
                    info.address.as_ref().and_then(|address| address.place.pci()).and_then(|pci| pci.slot);
                assert_eq!(at.map(|slot| slot.0), Some(*slot), "{written:?}");
            }
        };
        check(&[], &[2, 3, 4]);
        check(&[2, 4], &[3, 5]);
        check(&[10], &[2, 3]);
    }

    #[test]
    fn a_slot_has_one_device() {
        let mut bus = Bus::default();
        assert_eq!(bus.take(3), Ok(()));
        assert!(bus.take(3).is_err());
    }
}
