//! Virtio devices on buses of their own: which have no address yet.

use domain_model::Devices;
use domain_model::address::{Address, Place};
use domain_model::device::controller::ControllerKind;
use domain_model::device::disk::DiskBus;
use domain_model::device::hostdev::HostdevKind;
use domain_model::device::input::InputBus;
use domain_model::device::memballoon::MemballoonModel;
use domain_model::device::memory::MemoryKind;
use domain_model::device::sound::SoundModel;
use domain_model::device::video::VideoType;
use domain_model::{Device, Origin};

/// Gives virtio devices without an address one of a kind, to be filled in later.
///
/// `everywhere` says whether file systems and sockets are among them, which are PCI devices on other machines
/// than IBM Z.
pub(crate) fn claim(devices: &mut Devices, place: &Place, rule: &'static str, everywhere: bool) {
    let claim = Claim { place, rule };
    claim.those(&mut devices.disks, |disk| disk.target.bus == Some(DiskBus::Virtio));
    claim.those(&mut devices.interfaces, |interface| {
        let model = interface.model.as_deref();
        matches!(model, Some("virtio" | "virtio-transitional" | "virtio-non-transitional"))
    });
    claim.those(&mut devices.videos, |video| {
        video.model.as_ref().and_then(|model| model.kind) == Some(VideoType::Virtio)
    });
    claim.those(&mut devices.inputs, |input| input.bus == Some(InputBus::Virtio));
    claim.those(&mut devices.controllers, |controller| {
        matches!(controller.kind, ControllerKind::VirtioSerial { .. } | ControllerKind::Scsi { .. })
    });
    claim.those(&mut devices.hostdevs, |hostdev| matches!(hostdev.kind, HostdevKind::ScsiHost(_)));
    claim.those(&mut devices.sounds, |sound| sound.model == SoundModel::Virtio);
    claim.those(&mut devices.memballoons, |balloon| balloon.model != MemballoonModel::None);
    claim.those(&mut devices.rngs, |_| true);
    claim.those(&mut devices.memories, |memory| {
        matches!(memory.kind, MemoryKind::VirtioPmem { .. } | MemoryKind::VirtioMem(_))
    });
    if everywhere {
        claim.those(&mut devices.filesystems, |_| true);
        claim.those(&mut devices.vsocks, |_| true);
    }
    claim.those(&mut devices.cryptos, |_| true);
}

struct Claim<'a> {
    place: &'a Place,
    rule: &'static str,
}

impl Claim<'_> {
    fn those<T>(&self, devices: &mut [Device<T>], is_virtio: impl Fn(&T) -> bool) {
        for device in devices {
            if device.info.address.is_none() && is_virtio(&device.spec) {
                let origin: Origin = device.meta.origin.implies(self.rule);
                device.info.address = Some(Address::implied(self.place.clone(), origin));
            }
        }
    }
}
