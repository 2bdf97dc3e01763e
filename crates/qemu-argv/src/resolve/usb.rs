//! Ports of USB controllers and hubs.

use std::collections::BTreeMap;

use domain_model::address::{Address, Place, Usb, UsbPort};
use domain_model::device::controller::{Controller, ControllerKind, UsbModel};
use domain_model::device::disk::DiskBus;
use domain_model::device::filesystem::FilesystemDriverType;
use domain_model::device::hostdev::HostdevKind;
use domain_model::device::hub::{Hub, HubType};
use domain_model::device::input::InputBus;
use domain_model::device::redirdev::RedirdevBus;
use domain_model::device::serial::SerialTargetType;
use domain_model::device::sound::SoundModel;
use domain_model::{Code, Device, DeviceInfo, Devices, Diagnostic, Origin};

use super::Resolving;

/// The ports of QEMU's `usb-hub`.
const HUB_PORTS: usize = 8;
/// How many ports an address can go through.
const MAX_DEPTH: usize = 4;

/// Gives USB devices ports while a domain is defined.
///
/// Guests of old versions of libvirt have devices without ports, and get none until they start: a guest that
/// runs must not look different from one that was defined.
pub(crate) fn define(cx: &mut Resolving<'_>) {
    let is_complete = devices(&mut cx.domain.devices, true).iter().all(|device| device.port().is_some());
    if cx.inputs.config.abi_update || is_complete {
        assign(cx);
    }
}

/// Gives every USB device a port, and adds hubs if there are too few.
pub(crate) fn assign(cx: &mut Resolving<'_>) {
    let mut problems = Vec::new();
    if let Err(problem) = try_assign(&mut cx.domain.devices, &mut problems) {
        problems.push(problem);
    }
    cx.problems.extend(problems);
}

fn try_assign(all: &mut Devices, problems: &mut Vec<Diagnostic>) -> Result<(), Diagnostic> {
    add_hubs(all)?;
    let mut buses = Buses::default();
    for device in &all.controllers {
        let ports = ports(&device.spec);
        if ports > 0 && !buses.add(device.spec.index.unwrap_or_default(), ports) {
            let message = "there is another USB controller with this index";
            problems.push(Diagnostic::error(Code::Conflict, device.at("@index"), message));
        }
    }
    for hub in hubs(all) {
        if let Some(port) = hub.port() {
            buses.plug(hub.bus(), port, true).map_err(|message| hub.conflict(message))?;
        }
    }
    for device in devices(all, false) {
        if let Some(port) = device.port() {
            let taken = buses.plug(device.bus(), port, false);
            problems.extend(taken.err().map(|message| device.conflict(message)));
        }
    }
    for mut hub in hubs(all) {
        hub.take_next(&mut buses, true)?;
    }
    for mut device in devices(all, false) {
        device.take_next(&mut buses, false)?;
    }
    Ok(())
}

/// Adds as many hubs as the devices need that have no port on controllers and hubs.
fn add_hubs(all: &mut Devices) -> Result<(), Diagnostic> {
    let needing = devices(all, true);
    let (count, first) = (needing.len(), needing.first().map(|device| device.origin));
    let origin = first.unwrap_or_default();
    let has_usb = all.controllers.iter().any(|device| {
        matches!(device.spec.kind, ControllerKind::Usb { model, .. } if model != Some(UsbModel::None))
    });
    if count > 0 && !has_usb {
        let message = "there is a USB device, and the domain has no USB";
        return Err(Diagnostic::error(Code::Unsupported, origin, message));
    }
    let controllers: usize = all.controllers.iter().map(|device| ports(&device.spec)).sum();
    let available = controllers + all.hubs.iter().filter(|hub| is_usb(hub)).count() * HUB_PORTS;
    // Each hub takes a port and brings eight.
    let missing = if count > available { (count - available + 1).div_ceil(HUB_PORTS - 1) } else { 0 };
    let rule = origin.implies("the USB controllers have too few ports");
    all.hubs.extend((0..missing).map(|_| Device::implied(Hub { kind: HubType::Usb }, rule)));
    Ok(())
}

fn is_usb(hub: &Device<Hub>) -> bool {
    hub.spec.kind == HubType::Usb
}

/// The ports of a USB controller. Companions look after ports of their master.
fn ports(controller: &Controller) -> usize {
    let ControllerKind::Usb { model, ports, .. } = &controller.kind else { return 0 };
    match model {
        None | Some(UsbModel::Piix3Uhci | UsbModel::Piix4Uhci | UsbModel::Vt82c686bUhci) => 2,
        Some(UsbModel::Ehci | UsbModel::Ich9Ehci1) => 6,
        Some(UsbModel::PciOhci) => 3,
        Some(UsbModel::NecXhci | UsbModel::QemuXhci) => ports.unwrap_or(4).min(15) as usize,
        Some(UsbModel::Qusb1 | UsbModel::Qusb2) => ports.unwrap_or(8).min(31) as usize,
        Some(UsbModel::Ich9Uhci1 | UsbModel::Ich9Uhci2 | UsbModel::Ich9Uhci3 | UsbModel::None) => 0,
    }
}

/// A device with a USB plug.
struct Plugged<'a> {
    info: &'a mut DeviceInfo,
    origin: Origin,
}

impl Plugged<'_> {
    fn usb(&self) -> Option<&Usb> {
        match &self.info.address.as_ref()?.place {
            Place::Usb(usb) => Some(usb),
            _ => None,
        }
    }

    fn bus(&self) -> u32 {
        self.usb().and_then(|usb| usb.bus).unwrap_or_default()
    }

    /// The port it was given, if any.
    fn port(&self) -> Option<&[u32]> {
        let port = self.usb()?.port.as_ref()?.0.as_slice();
        port.first().is_some_and(|first| *first != 0).then_some(port)
    }

    fn conflict(&self, message: String) -> Diagnostic {
        let origin = self.info.address.as_ref().map_or(self.origin, |address| address.meta.origin);
        Diagnostic::error(Code::Conflict, origin, message)
    }

    /// Takes the next free port, if it has none.
    fn take_next(&mut self, buses: &mut Buses, hub: bool) -> Result<(), Diagnostic> {
        if self.port().is_some() {
            if let Some(Place::Usb(usb)) = self.info.address.as_mut().map(|address| &mut address.place) {
                usb.bus.get_or_insert(0);
            }
            return Ok(());
        }
        // Only hubs get a port in place of an address of another kind.
        if self.info.address.is_some() && self.usb().is_none() && !hub {
            return Ok(());
        }
        let wanted = self.usb().map(|usb| usb.bus.unwrap_or_default());
        if let Some(bus) = wanted
            && !buses.has(bus)
        {
            return Err(self.conflict(format!("there is no USB controller {bus}")));
        }
        let Some((bus, port)) = buses.free(wanted) else {
            let problem = Diagnostic::error(Code::Exhausted, self.origin, "no USB port is free");
            return Err(problem.help("add a USB controller or a `<hub type='usb'/>`"));
        };
        buses.plug(bus, &port, hub).map_err(|message| self.conflict(message))?;
        let place = Place::Usb(Usb { bus: Some(bus), port: Some(UsbPort(port)), device: None });
        match &mut self.info.address {
            Some(address) => address.place = place,
            None => {
                let origin = self.origin.implies("the next free USB port");
                self.info.address = Some(Address::implied(place, origin));
            }
        }
        Ok(())
    }
}

fn plugged<'a, T>(
    devices: &'a mut [Device<T>],
    has_plug: impl Fn(&T) -> bool + 'a,
) -> impl Iterator<Item = Plugged<'a>> {
    devices
        .iter_mut()
        .filter(move |device| has_plug(&device.spec))
        .map(|device| Plugged { info: &mut device.info, origin: device.meta.origin })
}

fn hubs(all: &mut Devices) -> Vec<Plugged<'_>> {
    plugged(&mut all.hubs, |hub| hub.kind == HubType::Usb).collect()
}

/// Every device with a USB plug, in the order in which libvirt gives them ports: hubs, and then as
/// [`super::walk`] goes.
fn devices(all: &mut Devices, with_hubs: bool) -> Vec<Plugged<'_>> {
    plugged(&mut all.hubs, move |hub| with_hubs && hub.kind == HubType::Usb)
        .chain(plugged(&mut all.disks, |disk| disk.target.bus == Some(DiskBus::Usb)))
        .chain(plugged(&mut all.interfaces, |card| card.model.as_deref() == Some("usb-net")))
        .chain(plugged(&mut all.sounds, |sound| sound.model == SoundModel::Usb))
        .chain(plugged(&mut all.hostdevs, |hostdev| matches!(hostdev.kind, HostdevKind::Usb(_))))
        .chain(plugged(&mut all.controllers, |controller| controller.kind == ControllerKind::Ccid))
        .chain(plugged(&mut all.serials, |serial| serial.target_type == Some(SerialTargetType::UsbSerial)))
        .chain(plugged(&mut all.inputs, |input| input.bus == Some(InputBus::Usb)))
        .chain(plugged(&mut all.filesystems, |filesystem| {
            filesystem.driver.kind == Some(FilesystemDriverType::Mtp)
        }))
        .chain(plugged(&mut all.redirdevs, |redirdev| redirdev.bus == RedirdevBus::Usb))
        .collect()
}

/// The ports of a controller or hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    Free,
    Used,
    /// Leads to a hub, by its number.
    Hub(usize),
}

/// USB controllers by index, and the hubs behind them.
#[derive(Debug, Default)]
struct Buses {
    roots: BTreeMap<u32, usize>,
    /// The ports of every controller and hub, by number.
    hubs: Vec<Vec<Socket>>,
}

impl Buses {
    /// Adds a controller; gives false if there is one of that index.
    fn add(&mut self, index: u32, ports: usize) -> bool {
        if self.roots.contains_key(&index) {
            return false;
        }
        self.roots.insert(index, self.hubs.len());
        self.hubs.push(vec![Socket::Free; ports]);
        true
    }

    fn has(&self, bus: u32) -> bool {
        self.roots.contains_key(&bus)
    }

    /// Plugs a device or hub into a port.
    fn plug(&mut self, bus: u32, port: &[u32], is_hub: bool) -> Result<(), String> {
        let name = || domain_model::xml::Text::to_text(&UsbPort(port.to_vec()));
        let missing = || format!("USB controller {bus} has no port {}", name());
        let mut hub = *self.roots.get(&bus).ok_or_else(|| format!("there is no USB controller {bus}"))?;
        let (last, way) = port.split_last().ok_or_else(missing)?;
        for step in way {
            hub = match self.socket(hub, *step).ok_or_else(missing)? {
                Socket::Hub(next) => *next,
                Socket::Free | Socket::Used => {
                    return Err(format!("the way to port {} of USB controller {bus} has no hub", name()));
                }
            };
        }
        let new = self.hubs.len();
        let socket = self.socket(hub, *last).ok_or_else(missing)?;
        if *socket != Socket::Free {
            return Err(format!("port {} of USB controller {bus} is in use already", name()));
        }
        *socket = if is_hub { Socket::Hub(new) } else { Socket::Used };
        if is_hub {
            self.hubs.push(vec![Socket::Free; HUB_PORTS]);
        }
        Ok(())
    }

    /// A port of a hub; ports count from 1.
    fn socket(&mut self, hub: usize, port: u32) -> Option<&mut Socket> {
        let index = usize::try_from(port.checked_sub(1)?).ok()?;
        self.hubs.get_mut(hub)?.get_mut(index)
    }

    /// The first free port of a controller or of all; those close to the controller come first.
    fn free(&self, bus: Option<u32>) -> Option<(u32, Vec<u32>)> {
        let roots = match bus {
            Some(bus) => self.roots.range(bus..=bus),
            None => self.roots.range(..),
        };
        roots.into_iter().find_map(|(bus, root)| Some((*bus, self.free_below(*root, MAX_DEPTH)?)))
    }

    fn free_below(&self, hub: usize, depth: usize) -> Option<Vec<u32>> {
        let sockets = self.hubs.get(hub)?;
        let ports = || (1..).zip(sockets);
        if let Some((port, _)) = ports().find(|(_, socket)| **socket == Socket::Free) {
            return Some(vec![port]);
        }
        let depth = depth.checked_sub(1).filter(|depth| *depth > 0)?;
        ports().find_map(|(port, socket)| match socket {
            Socket::Hub(next) => {
                let mut way = self.free_below(*next, depth)?;
                way.insert(0, port);
                Some(way)
            }
            Socket::Free | Socket::Used => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_near_the_controller_come_first() {
        let mut buses = Buses::default();
        assert!(buses.add(0, 2));
        assert!(!buses.add(0, 2));
        let mut next = |is_hub| {
            let (bus, port) = buses.free(None)?;
            buses.plug(bus, &port, is_hub).ok()?;
            Some(port)
        };
        assert_eq!(next(true), Some(vec![1]));
        assert_eq!(next(true), Some(vec![2]));
        assert_eq!(next(true), Some(vec![1, 1]));
        for port in 2..=8 {
            assert_eq!(next(false), Some(vec![1, port]));
        }
        assert_eq!(next(false), Some(vec![1, 1, 1]));
    }

    #[test]
    fn ways_end_after_four_ports() {
        let mut buses = Buses::default();
        assert!(buses.add(3, 1));
        for port in [vec![1], vec![1, 1], vec![1, 1, 1]] {
            assert_eq!(buses.plug(3, &port, true), Ok(()));
        }
        for port in 1..=8 {
            assert_eq!(buses.plug(3, &[1, 1, 1, port], true), Ok(()));
        }
        for port in 2..=8 {
            assert_eq!(buses.plug(3, &[1, port], false), Ok(()));
            assert_eq!(buses.plug(3, &[1, 1, port], false), Ok(()));
        }
        assert_eq!(buses.free(None), None);
    }

    #[test]
    fn wrong_ports_are_refused() {
        let check = |port: &[u32], expected: &str| {
            let mut buses = Buses::default();
            assert!(buses.add(0, 2));
            assert_eq!(buses.plug(0, &[1], false), Ok(()));
            assert_eq!(buses.plug(0, port, false), Err(expected.to_owned()));
        };
        check(&[1], "port 1 of USB controller 0 is in use already");
        check(&[3], "USB controller 0 has no port 3");
        check(&[1, 1], "the way to port 1.1 of USB controller 0 has no hub");
        check(&[2, 1], "the way to port 2.1 of USB controller 0 has no hub");
        check(&[0], "USB controller 0 has no port 0");
        check(&[], "USB controller 0 has no port ");
    }
}
