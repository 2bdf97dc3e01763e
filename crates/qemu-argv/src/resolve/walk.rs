//! All devices that can have addresses, in libvirt's order.

use domain_model::device::DeviceInfo;
use domain_model::device::console::ConsoleTargetType;
use domain_model::{Device, Devices, Origin};

use super::pci::Connect;

/// Something that goes over the families.
pub(crate) trait Visitor {
    /// Sees the devices of a family.
    fn family<T: Connect>(&mut self, devices: &mut [Device<T>]);
}

/// Shows a visitor every family whose devices can have addresses.
///
/// The order is that of libvirt's `virDomainDeviceInfoIterate`; it decides which of two devices without an
/// address gets the lower one, wherever the kinds of devices share a list of addresses.
pub(crate) fn walk(devices: &mut Devices, visitor: &mut impl Visitor) {
    visitor.family(&mut devices.disks);
    visitor.family(&mut devices.interfaces);
    visitor.family(&mut devices.sounds);
    visitor.family(&mut devices.hostdevs);
    visitor.family(&mut devices.videos);
    visitor.family(&mut devices.controllers);
    visitor.family(&mut devices.smartcards);
    visitor.family(&mut devices.serials);
    visitor.family(&mut devices.parallels);
    visitor.family(&mut devices.channels);
    let alias = usize::from(has_console_alias(devices));
    visitor.family(devices.consoles.get_mut(alias..).unwrap_or_default());
    visitor.family(&mut devices.inputs);
    visitor.family(&mut devices.filesystems);
    visitor.family(&mut devices.watchdogs);
    visitor.family(&mut devices.memballoons);
    visitor.family(&mut devices.rngs);
    visitor.family(&mut devices.nvrams);
    visitor.family(&mut devices.hubs);
    visitor.family(&mut devices.shmems);
    visitor.family(&mut devices.tpms);
    visitor.family(&mut devices.panics);
    visitor.family(&mut devices.redirdevs);
    visitor.family(&mut devices.memories);
    visitor.family(&mut devices.iommus);
    visitor.family(&mut devices.vsocks);
    visitor.family(&mut devices.cryptos);
    visitor.family(&mut devices.pstores);
}

/// Whether the first console is the first serial port under another name.
pub(crate) fn has_console_alias(devices: &Devices) -> bool {
    let first = devices.consoles.first().filter(|_| !devices.serials.is_empty());
    first.is_some_and(|console| matches!(console.spec.target_type, None | Some(ConsoleTargetType::Serial)))
}

/// What a visit to one device shows.
pub(crate) struct Visit<'a> {
    /// The name of the family's element.
    pub element: &'static str,
    /// What all devices share.
    pub info: &'a mut DeviceInfo,
    /// Where the device was written.
    pub origin: Origin,
}

impl Visit<'_> {
    /// Where the address was written, or the device.
    pub(crate) fn address_origin(&self) -> Origin {
        self.info.address.as_ref().map_or(self.origin, |address| address.meta.origin)
    }
}

/// Shows every device that can have an address.
pub(crate) fn each(devices: &mut Devices, visit: impl FnMut(Visit<'_>)) {
    struct Each<F>(F);
    impl<F: FnMut(Visit<'_>)> Visitor for Each<F> {
        fn family<T: Connect>(&mut self, devices: &mut [Device<T>]) {
            for device in devices {
                let origin = device.meta.origin;
                (self.0)(Visit { element: T::ELEMENT, info: &mut device.info, origin });
            }
        }
    }
    walk(devices, &mut Each(visit));
}
