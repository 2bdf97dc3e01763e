//! What each device needs of PCI, and when its turn is.

use caps_parser::Capability;
use domain_model::address::Pci;
use domain_model::device::Listed;
use domain_model::device::channel::Channel;
use domain_model::device::console::Console;
use domain_model::device::controller::{Controller, ControllerKind, PciModel, ScsiModel, UsbModel};
use domain_model::device::crypto::Crypto;
use domain_model::device::disk::{Disk, DiskBus};
use domain_model::device::filesystem::{Filesystem, FilesystemDriverType};
use domain_model::device::hostdev::{Hostdev, HostdevKind, MdevModel};
use domain_model::device::hub::Hub;
use domain_model::device::input::{Input, InputBus, InputModel};
use domain_model::device::interface::{Interface, InterfaceSource};
use domain_model::device::iommu::{Iommu, IommuModel};
use domain_model::device::memballoon::{Memballoon, MemballoonModel};
use domain_model::device::memory::{MemoryDevice, MemoryKind};
use domain_model::device::nvram::Nvram;
use domain_model::device::panic::{Panic, PanicModel};
use domain_model::device::parallel::Parallel;
use domain_model::device::pstore::Pstore;
use domain_model::device::redirdev::Redirdev;
use domain_model::device::rng::{Rng, RngModel};
use domain_model::device::serial::{Serial, SerialTargetType};
use domain_model::device::shmem::Shmem;
use domain_model::device::smartcard::Smartcard;
use domain_model::device::sound::{Sound, SoundModel};
use domain_model::device::tpm::Tpm;
use domain_model::device::video::{Video, VideoType};
use domain_model::device::vsock::{Vsock, VsockModel};
use domain_model::device::watchdog::{Watchdog, WatchdogModel};
use domain_model::virtio::VirtioModel;
use domain_model::{Device, Domain};

use super::bus::Need;
use super::entry::{Connection, Role, Turn};
use crate::context::Inputs;
use crate::resolve::board::Board;

/// What a machine's PCI is like, as far as devices adapt to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fabric<'a> {
    /// What devices need that are PCI Express where there is such.
    express: Need,
    /// What virtio devices need that are not made for old guests.
    virtio: Need,
    /// Whether host devices share a bus with those of their IOMMU group only.
    isolates: bool,
    inputs: Inputs<'a>,
}

impl<'a> Fabric<'a> {
    pub(super) fn of(domain: &Domain, inputs: Inputs<'a>) -> Self {
        let root = domain.devices.controllers.iter().find_map(|device| {
            device.spec.pci().filter(|_| device.spec.index == Some(0)).and_then(|pci| pci.model)
        });
        let express = if root == Some(PciModel::PcieRoot) { Need::EXPRESS } else { Need::CONVENTIONAL };
        let adapts = inputs.has(Capability::VirtioPciNonTransitional);
        Fabric {
            express,
            virtio: if adapts { express } else { Need::CONVENTIONAL },
            isolates: Board::of(domain) == Board::Pseries,
            inputs,
        }
    }

    /// What a virtio device of a model needs. Those for all guests work on conventional PCI only.
    fn virtio(self, model: Option<VirtioModel>) -> Need {
        match model {
            Some(VirtioModel::VirtioTransitional) => Need::CONVENTIONAL,
            Some(VirtioModel::Virtio | VirtioModel::VirtioNonTransitional) | None => self.virtio,
        }
    }

    /// How a PCI device of the host is connected.
    ///
    /// Group 0 is for everything else, so the groups of the host's IOMMU count from 1.
    fn host_device(self, turn: Turn, address: &Pci) -> Connection {
        let part = |number: Option<u64>| number.unwrap_or_default();
        let (domain, bus) = (part(address.domain.map(|hex| hex.0)), part(address.bus.map(|hex| hex.0)));
        let (slot, function) = (part(address.slot.map(|hex| hex.0)), part(address.function.map(|hex| hex.0)));
        let address = format!("{domain:04x}:{bus:02x}:{slot:02x}.{function:x}");
        let device = self.inputs.host.pci_device(&address).unwrap_or_default();
        let group = device.iommu_group.filter(|_| self.isolates).map_or(0, |group| group.saturating_add(1));
        // What cannot be asked is taken for Express, as nearly all of today's devices are.
        let need = if device.conventional { Need::CONVENTIONAL } else { self.express };
        Connection { group, ..Connection::new(turn, need) }
    }
}

/// A family whose devices may have PCI addresses.
pub(crate) trait Connect: Listed {
    /// How a device is connected; `index` is its place in its family.
    fn connect(_device: &Device<Self>, _index: usize, _fabric: Fabric<'_>) -> Connection {
        Connection::NONE
    }
}

impl Connect for Disk {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        match device.spec.target.bus {
            Some(DiskBus::Virtio) => Connection::new(Turn::Disk, fabric.virtio(device.spec.model)),
            _ => Connection::NONE,
        }
    }
}

impl Connect for Interface {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        if let InterfaceSource::Hostdev(hostdev) = &device.spec.source {
            let pci = hostdev.address.as_ref().and_then(|address| address.place.pci());
            return pci.map_or(Connection::NONE, |pci| fabric.host_device(Turn::HostInterface, pci));
        }
        let need = match device.spec.model.as_deref() {
            Some("usb-net") => None,
            Some("virtio" | "virtio-non-transitional") => Some(fabric.virtio),
            Some("e1000e" | "igb") => Some(fabric.express),
            Some(model) if crate::device::interface::is_known(model) => Some(Need::CONVENTIONAL),
            // What libvirt does not know counts as a device of today. Without a model, the network is one of
            // host devices, and those are Express nowadays.
            Some(_) | None => Some(fabric.express),
        };
        Connection::new(Turn::Interface, need)
    }
}

impl Connect for Sound {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        let need = match device.spec.model {
            SoundModel::Es1370 | SoundModel::Ac97 | SoundModel::Ich6 | SoundModel::Ich9 => Need::CONVENTIONAL,
            SoundModel::Virtio => fabric.virtio,
            SoundModel::Sb16 | SoundModel::Pcspk | SoundModel::Usb | SoundModel::Ich7 => {
                return Connection::NONE;
            }
        };
        let is_ich9 = device.spec.model == SoundModel::Ich9;
        let role = if is_ich9 { Role::Ich9Sound } else { Role::Ordinary };
        Connection::new(Turn::Sound, need).role(role)
    }
}

impl Connect for Hostdev {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        let need = match &device.spec.kind {
            HostdevKind::Pci(pci) => return fabric.host_device(Turn::Hostdev, &pci.address),
            HostdevKind::Mdev(mdev) if mdev.model == MdevModel::VfioPci => fabric.express,
            HostdevKind::ScsiHost(scsi) => fabric.virtio(scsi.model),
            _ => return Connection::NONE,
        };
        Connection::new(Turn::Hostdev, need)
    }
}

impl Connect for Video {
    fn connect(device: &Device<Self>, index: usize, fabric: Fabric<'_>) -> Connection {
        let need = match device.spec.model.as_ref().and_then(|model| model.kind) {
            Some(VideoType::Virtio) => fabric.virtio,
            Some(VideoType::Bochs) => fabric.express,
            Some(VideoType::Gop | VideoType::None | VideoType::Ramfb) | None => return Connection::NONE,
            Some(_) => Need::CONVENTIONAL,
        };
        let role = if index == 0 { Role::FirstVideo } else { Role::Ordinary };
        Connection::new(Turn::Video, need).role(role)
    }
}

impl Connect for Controller {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        let index = device.spec.index.unwrap_or_default();
        let first = |role| if index == 0 { role } else { Role::Ordinary };
        let conventional = Connection::new(Turn::Controller, Need::CONVENTIONAL);
        match &device.spec.kind {
            ControllerKind::Pci(pci) => match pci.model {
                Some(PciModel::PciRoot | PciModel::PcieRoot) | None => Connection::NONE,
                Some(model) => {
                    let is_dmi = model == PciModel::DmiToPciBridge;
                    let role = if is_dmi { Role::DmiBridge } else { Role::Ordinary };
                    Connection::new(Turn::PciController, Need::controller(model)).role(role)
                }
            },
            // Only the chipset can place the first IDE controller.
            ControllerKind::Ide { .. } if index == 0 => {
                Connection { turn: None, ..conventional.role(Role::FirstIde) }
            }
            ControllerKind::Ide { .. } => conventional,
            ControllerKind::Sata => conventional.role(first(Role::FirstSata)),
            ControllerKind::Usb { model, .. } => match usb2_function(*model) {
                Some(function) => conventional.role(Role::Usb2 { index, function }),
                None => match model {
                    Some(UsbModel::NecXhci | UsbModel::QemuXhci) => {
                        Connection::new(Turn::Controller, fabric.express)
                    }
                    Some(UsbModel::None | UsbModel::Qusb1 | UsbModel::Qusb2) => Connection::NONE,
                    Some(UsbModel::Piix3Uhci) | None => conventional.role(first(Role::FirstPiix3Usb)),
                    Some(_) => conventional,
                },
            },
            ControllerKind::Scsi { model } => match model {
                None | Some(ScsiModel::Ncr53c90) => Connection::NONE,
                Some(ScsiModel::VirtioScsi | ScsiModel::VirtioNonTransitional) => {
                    Connection::new(Turn::Controller, fabric.virtio)
                }
                Some(_) => conventional,
            },
            ControllerKind::VirtioSerial { model, .. } => {
                Connection::new(Turn::Controller, fabric.virtio(*model))
            }
            ControllerKind::Fdc
            | ControllerKind::Ccid
            | ControllerKind::Xenbus { .. }
            | ControllerKind::Isa => Connection::NONE,
        }
    }
}

/// The function that the ICH9 gives its USB 2 controller and each companion in their slot.
fn usb2_function(model: Option<UsbModel>) -> Option<u8> {
    match model? {
        UsbModel::Ich9Ehci1 => Some(7),
        UsbModel::Ich9Uhci1 => Some(0),
        UsbModel::Ich9Uhci2 => Some(1),
        UsbModel::Ich9Uhci3 => Some(2),
        _ => None,
    }
}

impl Connect for Serial {
    fn connect(device: &Device<Self>, _: usize, _: Fabric<'_>) -> Connection {
        match device.spec.target_type {
            Some(SerialTargetType::PciSerial) => Connection::new(Turn::Serial, Need::CONVENTIONAL),
            _ => Connection::NONE,
        }
    }
}

impl Connect for Input {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        if device.spec.bus != Some(InputBus::Virtio) {
            return Connection::NONE;
        }
        let need = match device.spec.model {
            Some(InputModel::VirtioTransitional) => Need::CONVENTIONAL,
            Some(InputModel::Virtio | InputModel::VirtioNonTransitional) | None => fabric.virtio,
        };
        Connection::new(Turn::Input, need)
    }
}

impl Connect for Filesystem {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        let need = match device.spec.driver.kind {
            None | Some(FilesystemDriverType::Path | FilesystemDriverType::Handle) => {
                fabric.virtio(device.spec.model)
            }
            Some(FilesystemDriverType::Virtiofs) => fabric.virtio,
            Some(_) => return Connection::NONE,
        };
        Connection::new(Turn::Filesystem, need)
    }
}

impl Connect for Watchdog {
    fn connect(device: &Device<Self>, _: usize, _: Fabric<'_>) -> Connection {
        match device.spec.model {
            WatchdogModel::I6300esb => Connection::new(Turn::Watchdog, Need::CONVENTIONAL),
            _ => Connection::NONE,
        }
    }
}

impl Connect for Memballoon {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        let need = match device.spec.model {
            MemballoonModel::VirtioTransitional => Need::CONVENTIONAL,
            MemballoonModel::Virtio | MemballoonModel::VirtioNonTransitional => fabric.virtio,
            MemballoonModel::Xen | MemballoonModel::None => return Connection::NONE,
        };
        Connection::new(Turn::Memballoon, need)
    }
}

impl Connect for Rng {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        let need = match device.spec.model {
            RngModel::VirtioTransitional => Need::CONVENTIONAL,
            RngModel::Virtio | RngModel::VirtioNonTransitional => fabric.virtio,
        };
        Connection::new(Turn::Rng, need)
    }
}

impl Connect for Shmem {
    fn connect(_: &Device<Self>, _: usize, _: Fabric<'_>) -> Connection {
        Connection::new(Turn::Shmem, Need::CONVENTIONAL)
    }
}

impl Connect for Iommu {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        match device.spec.model {
            IommuModel::Virtio => Connection::new(Turn::Iommu, fabric.virtio.integrated()),
            IommuModel::Intel | IommuModel::Smmuv3 => Connection::NONE,
        }
    }
}

impl Connect for Vsock {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        let need = match device.spec.model {
            Some(VsockModel::VirtioTransitional) => Need::CONVENTIONAL,
            Some(VsockModel::Virtio | VsockModel::VirtioNonTransitional) => fabric.virtio,
            None => return Connection::NONE,
        };
        Connection::new(Turn::Vsock, need)
    }
}

impl Connect for MemoryDevice {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        match device.spec.kind {
            MemoryKind::VirtioPmem { .. } | MemoryKind::VirtioMem(_) => {
                Connection::new(Turn::Memory, fabric.virtio)
            }
            _ => Connection::NONE,
        }
    }
}

impl Connect for Crypto {
    fn connect(_: &Device<Self>, _: usize, _: Fabric<'_>) -> Connection {
        Connection::new(Turn::Crypto, Need::CONVENTIONAL)
    }
}

impl Connect for Panic {
    fn connect(device: &Device<Self>, _: usize, fabric: Fabric<'_>) -> Connection {
        match device.spec.model {
            Some(PanicModel::Pvpanic) => Connection::new(Turn::Panic, fabric.express.integrated()),
            _ => Connection::NONE,
        }
    }
}

impl Connect for Pstore {
    fn connect(_: &Device<Self>, _: usize, _: Fabric<'_>) -> Connection {
        Connection::new(Turn::Pstore, Need::CONVENTIONAL)
    }
}

impl Connect for Smartcard {}
impl Connect for Parallel {}
impl Connect for Channel {}
impl Connect for Console {}
impl Connect for Nvram {}
impl Connect for Hub {}
impl Connect for Tpm {}
impl Connect for Redirdev {}
