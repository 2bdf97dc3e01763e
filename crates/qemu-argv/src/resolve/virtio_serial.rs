//! Ports of virtio-serial controllers.

use std::collections::{BTreeMap, HashSet};

use domain_model::address::{Address, Place, VirtioSerial};
use domain_model::device::channel::ChannelTarget;
use domain_model::device::console::ConsoleTargetType;
use domain_model::device::controller::ControllerKind;
use domain_model::{Code, Diagnostic, Origin};

use super::{Resolving, controllers, walk};

/// The ports of a controller that does not say how many it has: QEMU's own default.
const DEFAULT_PORTS: u32 = 31;

/// Gives every virtio channel a port.
///
/// Consoles take ports as well, the only ones that may take port 0, but are not told which: QEMU numbers them
/// itself, in the same order.
pub(crate) fn assign(cx: &mut Resolving<'_>) {
    let mut buses = Buses::default();
    for device in &cx.domain.devices.controllers {
        if let (ControllerKind::VirtioSerial { ports, .. }, Some(index)) =
            (&device.spec.kind, device.spec.index)
        {
            buses.0.insert(index, Ports::new(ports.unwrap_or(DEFAULT_PORTS)));
        }
    }
    let mut problems = Vec::new();
    walk::each(&mut cx.domain.devices, |visit| {
        let origin = visit.address_origin();
        if let Some(Place::VirtioSerial(port)) = visit.info.address.as_ref().map(|address| &address.place)
            && port.port.is_some_and(|port| port != 0)
            && let Err(message) = buses.take(port)
        {
            problems.push(Diagnostic::error(Code::Conflict, origin, message));
        }
    });
    let devices = &mut cx.domain.devices;
    let mut added: Vec<(u32, Origin)> = Vec::new();
    let consoles = devices.consoles.iter_mut().filter_map(|console| {
        let is_virtio = console.spec.target_type == Some(ConsoleTargetType::Virtio);
        is_virtio.then_some((&mut console.info, console.meta.origin, true))
    });
    let channels = devices.channels.iter_mut().filter_map(|channel| {
        let is_virtio = matches!(channel.spec.target, ChannelTarget::Virtio(_));
        is_virtio.then_some((&mut channel.info, channel.meta.origin, false))
    });
    for (info, origin, is_console) in consoles.chain(channels) {
        let written = match info.address.as_mut().map(|address| &mut address.place) {
            Some(Place::VirtioSerial(port)) if port.port.is_some_and(|port| port != 0) => {
                port.controller.get_or_insert(0);
                port.bus.get_or_insert(0);
                continue;
            }
            Some(Place::VirtioSerial(port)) => Some(*port),
            _ => None,
        };
        let found = match written {
            Some(port) => {
                let index = if is_console { 0 } else { port.controller.unwrap_or(0) };
                buses.next_on(index)
            }
            None => buses.next(is_console, |index| added.push((index, origin))),
        };
        match found {
            Ok(_) if is_console => {}
            Ok(port) => {
                let place = Place::VirtioSerial(port);
                match &mut info.address {
                    Some(address) => address.place = place,
                    None => {
                        let origin = origin.implies("the next free port of a virtio-serial controller");
                        info.address = Some(Address::implied(place, origin));
                    }
                }
            }
            Err(message) => problems.push(Diagnostic::error(Code::Conflict, origin, message)),
        }
    }
    for (index, origin) in added {
        let kind = ControllerKind::VirtioSerial { model: None, ports: None, vectors: None };
        let origin = origin.implies("the ports of the other controllers are all in use");
        controllers::ensure(&mut devices.controllers, kind, index, origin);
    }
    cx.problems.extend(problems);
}

/// The controllers, by index.
#[derive(Debug, Default)]
struct Buses(BTreeMap<u32, Ports>);

/// The ports of a controller.
#[derive(Debug)]
struct Ports {
    count: u32,
    used: HashSet<u32>,
    /// Every port below is in use, except perhaps port 0.
    next: u32,
}

impl Ports {
    fn new(count: u32) -> Self {
        Ports { count, used: HashSet::new(), next: 1 }
    }

    /// The lowest free port; only consoles may have port 0.
    fn free(&mut self, zero: bool) -> Option<u32> {
        if zero && !self.used.contains(&0) {
            return (self.count > 0).then_some(0);
        }
        while self.used.contains(&self.next) {
            self.next += 1;
        }
        (self.next < self.count).then_some(self.next)
    }
}

impl Buses {
    fn take(&mut self, at: &VirtioSerial) -> Result<(), String> {
        let (index, port) = (at.controller.unwrap_or(0), at.port.unwrap_or(0));
        let ports = self.0.get_mut(&index);
        let ports = ports.ok_or_else(|| format!("there is no virtio-serial controller {index}"))?;
        if port >= ports.count {
            return Err(format!("virtio-serial controller {index} has no port {port}"));
        }
        match ports.used.insert(port) {
            true => Ok(()),
            false => Err(format!("port {port} of virtio-serial controller {index} is in use already")),
        }
    }

    /// Takes the lowest free port of a controller, but never port 0.
    fn next_on(&mut self, index: u32) -> Result<VirtioSerial, String> {
        let ports = self.0.get_mut(&index);
        let ports = ports.ok_or_else(|| format!("there is no virtio-serial controller {index}"))?;
        let port = ports.free(false);
        let port = port.ok_or_else(|| format!("virtio-serial controller {index} has no free port"))?;
        ports.used.insert(port);
        Ok(address(index, port))
    }

    /// Takes the lowest free port of all; adds a controller if there is none.
    fn next(&mut self, zero: bool, mut added: impl FnMut(u32)) -> Result<VirtioSerial, String> {
        if self.0.is_empty() {
            return Err("there is no virtio-serial controller".to_owned());
        }
        let found = self.0.iter_mut().find_map(|(index, ports)| Some((*index, ports.free(zero)?)));
        let (index, port) = found.unwrap_or_else(|| {
            let index = (0..=u32::MAX).find(|index| !self.0.contains_key(index)).unwrap_or(u32::MAX);
            added(index);
            self.0.insert(index, Ports::new(DEFAULT_PORTS));
            (index, u32::from(!zero))
        });
        if let Some(ports) = self.0.get_mut(&index) {
            ports.used.insert(port);
        }
        Ok(address(index, port))
    }
}

fn address(controller: u32, port: u32) -> VirtioSerial {
    VirtioSerial { controller: Some(controller), bus: Some(0), port: Some(port) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_fill_up() {
        let mut buses = Buses::default();
        assert!(buses.next(false, |_| {}).is_err());
        buses.0.insert(0, Ports::new(3));
        assert_eq!(buses.take(&address(0, 1)), Ok(()));
        assert!(buses.take(&address(0, 1)).is_err());
        assert!(buses.take(&address(0, 3)).is_err());
        assert!(buses.take(&address(1, 1)).is_err());
        let mut added = Vec::new();
        let mut next = |zero| buses.next(zero, |index| added.push(index)).unwrap();
        assert_eq!(next(true), address(0, 0));
        assert_eq!(next(true), address(0, 2));
        assert_eq!(next(false), address(1, 1));
        assert_eq!(added, [1]);
        assert_eq!(buses.next_on(1), Ok(address(1, 2)));
        assert!(buses.next_on(0).is_err());
    }
}
