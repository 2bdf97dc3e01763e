//! Facts about the host: questions to ask, and recorded answers.

mod pool;

use std::sync::Arc;

use crate::cpu::map::CpuMap;
use crate::needs::UsbDevice;
use crate::os::descriptor::FirmwareFile;
use domain_model::storage::Secret;
use domain_model::values::CpuSet;
use domain_model::xml::Text as _;
use serde::{Deserialize, Serialize};

pub use pool::{PoolSecret, StoragePool, StorageVolume, VolumeKind};

/// What a command line needs to know of the host it is for.
///
/// Nothing is read while a command line is built: whoever builds it answers, from the real host or from a
/// [`RecordedHost`].
pub trait Host {
    /// The architecture of the host's processors, in libvirt's spelling.
    fn arch(&self) -> Option<&str>;

    /// libvirt's CPU models, where they are known; `host-model` and translations rest on them.
    fn cpu_map(&self) -> Option<&CpuMap> {
        None
    }

    /// The host's CPU in the words of the CPU map, where somebody knows more of it than QEMU says.
    fn cpu(&self) -> Option<HostCpu> {
        None
    }

    /// Whether a file exists.
    fn file_exists(&self, path: &str) -> bool;

    /// What a path is.
    fn file_kind(&self, path: &str) -> FileKind;

    /// Whether a file can be opened for reading and writing by whoever starts the guest.
    fn can_open(&self, path: &str) -> bool {
        self.file_exists(path)
    }

    /// The first render node of the host's graphics cards.
    fn render_node(&self) -> Option<String>;

    /// The NUMA nodes of the host, by number.
    fn numa_nodes(&self) -> Vec<u32>;

    /// What is known of a PCI device of the host, by its address, such as `0000:00:1f.2`; `None` if there is
    /// none or it cannot be told.
    fn pci_device(&self, _address: &str) -> Option<HostPciDevice> {
        None
    }

    /// The file of a PCI device that VFIO has in hand, such as `/dev/vfio/devices/vfio0`, or why it is of no use, though
    /// it is there; `None` where this kernel has no such files (Linux before 6.6) or another driver has the device.
    fn vfio_device(&self, _address: &str) -> Option<Result<String, String>> {
        None
    }

    /// Whether a USB device is there; `None` if that is not known.
    fn has_usb_device(&self, _device: &UsbDevice) -> Option<bool> {
        None
    }

    /// The name of the device in `/dev` that takes commands for a unit of a SCSI device, such as `sg0`: by the host's
    /// adapter, such as `scsi_host0`, and bus, target and unit there.
    fn scsi_generic(&self, _adapter: &str, _bus: u32, _target: u32, _unit: u64) -> Option<String> {
        None
    }

    /// What the host's firmware says of the machine, by the name of the entry in Linux's `/sys/class/dmi/id`, such as
    /// `board_vendor`; `None` if it says nothing or that is not for everybody to know.
    fn dmi(&self, _name: &str) -> Option<String> {
        None
    }

    /// The files that describe installed firmware: those of the user first, then `/etc/qemu/firmware`, then
    /// `/usr/share/qemu/firmware`.
    fn firmware_files(&self) -> Vec<FirmwareFile> {
        Vec::new()
    }

    /// What a card is plugged into that belongs to a virtual network of libvirt's, and there to a group of ports;
    /// `None` if that is not known.
    fn network(&self, _name: &str, _portgroup: Option<&str>) -> Option<NetworkPlug> {
        None
    }

    /// The host's address in a virtual network of libvirt's; `None` if it has none or that is not known.
    fn network_address(&self, _name: &str) -> Option<String> {
        None
    }

    /// The versions of TPMs that can be emulated, as swtpm says: `1.2`, `2.0`.
    fn tpm_versions(&self) -> Vec<String> {
        vec!["1.2".to_owned(), "2.0".to_owned()]
    }

    /// A storage pool of libvirt's; `None` if there is none of this name or it is not known.
    fn storage_pool(&self, _name: &str) -> Option<StoragePool> {
        None
    }

    /// A volume of a storage pool.
    fn storage_volume(&self, _pool: &str, _name: &str) -> Option<StorageVolume> {
        None
    }

    /// The NUMA nodes that are best for a new guest, where somebody advises on that (as `numad` does).
    fn advised_nodes(&self) -> Option<CpuSet> {
        None
    }

    /// The NUMA node of each of the host's processors; empty if it is not known.
    fn cpu_nodes(&self) -> Vec<(u32, u32)> {
        Vec::new()
    }

    /// The number of a guest on the virtio sockets of the host that no guest has yet, 3 or more.
    fn free_vsock_cid(&self) -> Option<u32> {
        None
    }

    /// The descriptors that whoever starts the guest hands over as a group (`fdgroup`); `None` if there is no such
    /// group.
    fn fd_group(&self, _name: &str) -> Option<FdGroup> {
        None
    }

    /// The value of a secret that the management keeps, such as a password.
    fn secret(&self, secret: &Secret) -> Option<Vec<u8>>;

    /// So many bytes that nobody can guess; fewer where there is nothing to take them from.
    fn random(&self, length: usize) -> Vec<u8>;

    /// Whether nbdkit is installed with a plugin, such as `curl` or `ssh`.
    fn has_nbdkit(&self, plugin: &str) -> bool;

    /// Seconds since 1970; `None` where nobody wants the clock to show in a command line.
    fn now(&self) -> Option<i64>;

    /// A TCP port that nobody listens on, from this one on.
    fn free_port(&self, from: i32) -> i32;

    /// A variable of the environment of whoever starts the guest.
    fn env(&self, name: &str) -> Option<String>;
}

/// The host's CPU: a model and the features beyond it, in the words of libvirt's CPU map.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct HostCpu {
    /// The model; empty if nothing is known but features.
    pub model: String,
    /// Who made it, such as `Intel`.
    pub vendor: Option<String>,
    /// Features that the model does not have.
    pub features: Vec<String>,
}

/// Descriptors that are handed over as a group, all of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct FdGroup {
    /// How many there are.
    pub count: u32,
    /// Whether the first of them can be written to even where the image is only read.
    pub writable: bool,
}

/// A PCI device of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct HostPciDevice {
    /// Whether it is a conventional PCI device, and not PCI Express.
    pub conventional: bool,
    /// The number of its IOMMU group, if it is in one: devices of a group cannot be isolated from each other.
    pub iommu_group: Option<u32>,
}

/// What a card of a virtual network is plugged into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPlug {
    /// A bridge, by its name.
    Bridge(String),
    /// A macvtap device.
    Direct {
        /// The name of the interface that it is on top of.
        dev: String,
        /// Who sees the packets, in the words of `<source mode=…>`; `vepa` if nothing is said.
        #[serde(default)]
        mode: String,
    },
    /// A network card of the host, by its PCI address, such as `0000:03:07.1`.
    Hostdev(String),
    /// Nothing that can be provided without libvirt, for the reason that is given.
    Unusable(String),
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// Nothing is there, or it cannot be told.
    #[default]
    Missing,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A drive for CD-ROMs.
    CdromDrive,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// A socket.
    Socket,
}

/// Recorded answers, in a form that can be stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RecordedHost {
    /// The architecture of the host's processors.
    pub arch: Option<String>,
    /// libvirt's CPU models.
    pub cpu_map: Option<Arc<CpuMap>>,
    /// The host's CPU.
    pub cpu: Option<HostCpu>,
    /// What paths are; others are missing.
    pub files: std::collections::BTreeMap<String, FileKind>,
    /// The first render node.
    pub render_node: Option<String>,
    /// The NUMA nodes.
    pub numa_nodes: Vec<u32>,
    /// PCI devices, by address.
    pub pci_devices: std::collections::BTreeMap<String, HostPciDevice>,
    /// The files of PCI devices that VFIO has in hand, by address.
    pub vfio_devices: std::collections::BTreeMap<String, String>,
    /// Why those files are of no use.
    pub no_iommu: Option<String>,
    /// The name of the device that takes commands for any SCSI device.
    pub scsi_generic: Option<String>,
    /// What the firmware says of the machine, by the names that Linux has for it.
    pub dmi: std::collections::BTreeMap<String, String>,
    /// The files that describe installed firmware.
    pub firmware_files: Vec<FirmwareFile>,
    /// Virtual networks, by name.
    pub networks: std::collections::BTreeMap<String, NetworkPlug>,
    /// The host's addresses in virtual networks, by the networks' names.
    pub network_addresses: std::collections::BTreeMap<String, String>,
    /// The versions of TPMs that can be emulated; all of them if there are none.
    pub tpm_versions: Vec<String>,
    /// Storage pools and their volumes, by name.
    pub pools: std::collections::BTreeMap<String, StoragePool>,
    /// The NUMA nodes that are best for a new guest, such as `0-3`.
    pub advised_nodes: Option<String>,
    /// The NUMA node of each processor.
    pub cpu_nodes: Vec<(u32, u32)>,
    /// A number of a guest that is free.
    pub vsock_cid: Option<u32>,
    /// Groups of descriptors, by name.
    pub fd_groups: std::collections::BTreeMap<String, FdGroup>,
    /// The value of every secret.
    pub secret: Option<String>,
    /// The plugins of nbdkit that are installed.
    pub nbdkit_plugins: Vec<String>,
    /// Seconds since 1970.
    pub now: Option<i64>,
    /// The port that is free; if not said, whichever is asked for is free.
    pub free_port: Option<i32>,
    /// Variables of the environment.
    pub env: std::collections::BTreeMap<String, String>,
}

impl Host for RecordedHost {
    fn arch(&self) -> Option<&str> {
        self.arch.as_deref()
    }

    fn cpu_map(&self) -> Option<&CpuMap> {
        self.cpu_map.as_deref()
    }

    fn cpu(&self) -> Option<HostCpu> {
        self.cpu.clone()
    }

    fn file_exists(&self, path: &str) -> bool {
        self.file_kind(path) != FileKind::Missing
    }

    fn file_kind(&self, path: &str) -> FileKind {
        self.files.get(path).copied().unwrap_or_default()
    }

    fn render_node(&self) -> Option<String> {
        self.render_node.clone()
    }

    fn numa_nodes(&self) -> Vec<u32> {
        self.numa_nodes.clone()
    }

    fn pci_device(&self, address: &str) -> Option<HostPciDevice> {
        self.pci_devices.get(address).copied()
    }

    fn vfio_device(&self, address: &str) -> Option<Result<String, String>> {
        let file = self.vfio_devices.get(address)?;
        Some(self.no_iommu.clone().map_or_else(|| Ok(file.clone()), Err))
    }

    fn scsi_generic(&self, _: &str, _: u32, _: u32, _: u64) -> Option<String> {
        self.scsi_generic.clone()
    }

    fn dmi(&self, name: &str) -> Option<String> {
        self.dmi.get(name).cloned()
    }

    fn firmware_files(&self) -> Vec<FirmwareFile> {
        self.firmware_files.clone()
    }

    fn network(&self, name: &str, _: Option<&str>) -> Option<NetworkPlug> {
        self.networks.get(name).cloned()
    }

    fn network_address(&self, name: &str) -> Option<String> {
        self.network_addresses.get(name).cloned()
    }

    fn tpm_versions(&self) -> Vec<String> {
        match self.tpm_versions.is_empty() {
            true => vec!["1.2".to_owned(), "2.0".to_owned()],
            false => self.tpm_versions.clone(),
        }
    }

    fn storage_pool(&self, name: &str) -> Option<StoragePool> {
        self.pools.get(name).cloned()
    }

    fn storage_volume(&self, pool: &str, name: &str) -> Option<StorageVolume> {
        self.pools.get(pool)?.volumes.get(name).cloned()
    }

    fn advised_nodes(&self) -> Option<CpuSet> {
        self.advised_nodes.as_deref().and_then(|nodes| CpuSet::parse(nodes).ok())
    }

    fn cpu_nodes(&self) -> Vec<(u32, u32)> {
        self.cpu_nodes.clone()
    }

    fn free_vsock_cid(&self) -> Option<u32> {
        self.vsock_cid
    }

    fn fd_group(&self, name: &str) -> Option<FdGroup> {
        self.fd_groups.get(name).copied()
    }

    fn secret(&self, _: &Secret) -> Option<Vec<u8>> {
        self.secret.as_ref().map(|secret| secret.clone().into_bytes())
    }

    /// Recorded answers are the same each time: 0, 1, 2, …
    fn random(&self, length: usize) -> Vec<u8> {
        (0..=u8::MAX).cycle().take(length).collect()
    }

    fn has_nbdkit(&self, plugin: &str) -> bool {
        self.nbdkit_plugins.iter().any(|installed| installed == plugin)
    }

    fn now(&self) -> Option<i64> {
        self.now
    }

    fn free_port(&self, from: i32) -> i32 {
        self.free_port.unwrap_or(from)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }
}

/// A descriptor that QEMU is to inherit, by what it is for.
///
/// The builder never opens anything; whoever starts QEMU opens what is asked for and gives it a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum FdRequest {
    /// The socket of the QMP monitor.
    Monitor,
    /// A listening UNIX socket at a path.
    UnixListen {
        /// The path.
        path: String,
    },
    /// A file to write to.
    File {
        /// The path.
        path: String,
        /// Whether what is in the file stays.
        append: bool,
    },
    /// A file for a log of what a character device transmits.
    Log {
        /// The path.
        path: String,
        /// Whether what is in the file stays.
        append: bool,
    },
    /// A tap device, one of several queues.
    Tap {
        /// The alias of the network card.
        device: String,
        /// Which queue, from 0.
        queue: u32,
        /// Whether the tap is made for a bridge or network, and not for `type='ethernet'`.
        bridged: bool,
    },
    /// `/dev/vhost-net`, one for each queue.
    VhostNet {
        /// The alias of the network card.
        device: String,
        /// Which queue, from 0.
        queue: u32,
    },
    /// `/dev/vhost-vdpa-*`.
    Vdpa {
        /// The path.
        path: String,
    },
    /// `/dev/iommu`.
    Iommu,
    /// The file of a device that VFIO has in hand.
    Vfio {
        /// The path.
        path: String,
    },
    /// `/dev/vhost-vsock`.
    VhostVsock,
    /// `/dev/vhost-scsi`.
    VhostScsi {
        /// The alias of the host device.
        device: String,
    },
    /// The TPM's device.
    Tpm {
        /// The path.
        path: String,
    },
    /// The file that cancels a TPM command.
    TpmCancel {
        /// The path.
        path: String,
    },
    /// A socket to a helper process, such as the one that draws for a vhost-user video card.
    Helper {
        /// The alias of the device that the helper serves.
        device: String,
    },
    /// A descriptor of a group that the caller named (`fdgroup`).
    Passed {
        /// The name of the group.
        group: String,
        /// Which of the group, from 0.
        index: u32,
    },
    /// The first serial port of a guest that is run on a terminal: a connected socket.
    Console {
        /// The alias of the serial port.
        device: String,
    },
}
