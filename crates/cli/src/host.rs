//! Facts about this host.

mod firmware;
mod network;
mod pool;

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use domain_model::storage::Secret;
use domain_model::values::CpuSet;
use domain_model::xml::Text as _;
use qemu_argv::needs::UsbDevice;
use qemu_argv::{
    CpuMap, FileKind, FirmwareFile, Host, HostCpu, HostPciDevice, NetworkPlug, StoragePool, StorageVolume,
};

/// Where libvirt, if it is installed, keeps what it knows of CPU models.
const CPU_MAP: &str = "/usr/share/libvirt/cpu_map";

/// The host that domx runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisHost;

impl Host for ThisHost {
    fn arch(&self) -> Option<&str> {
        Some(match std::env::consts::ARCH {
            "x86" => "i686",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            same => same,
        })
    }

    fn cpu_map(&self) -> Option<&CpuMap> {
        // Read once, by the first who asks; a map that is there and broken is as good as none.
        static MAP: OnceLock<Option<CpuMap>> = OnceLock::new();
        let read = |name: &str| std::fs::read_to_string(Path::new(CPU_MAP).join(name)).ok();
        MAP.get_or_init(|| CpuMap::read(&mut |name| read(name)).ok()).as_ref()
    }

    fn cpu(&self) -> Option<HostCpu> {
        Some(self.cpu_map()?.host(&runner::cpuid::cpuid()?))
    }

    fn file_exists(&self, path: &str) -> bool {
        Path::new(path).exists()
    }

    fn can_open(&self, path: &str) -> bool {
        OpenOptions::new().read(true).write(true).open(path).is_ok()
    }

    fn pci_device(&self, address: &str) -> Option<HostPciDevice> {
        let folder = Path::new("/sys/bus/pci/devices").join(address);
        // Devices of PCI Express have 4096 bytes of configuration, conventional ones 256.
        let conventional = folder.join("config").metadata().ok()?.len() <= 256;
        let group = std::fs::read_link(folder.join("iommu_group")).ok();
        let iommu_group = group.and_then(|group| group.file_name()?.to_str()?.parse().ok());
        Some(HostPciDevice { conventional, iommu_group })
    }

    fn dmi(&self, name: &str) -> Option<String> {
        // Serial numbers are for root alone.
        let text = std::fs::read_to_string(Path::new("/sys/class/dmi/id").join(name)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn firmware_files(&self) -> Vec<FirmwareFile> {
        firmware::files()
    }

    fn network(&self, name: &str, portgroup: Option<&str>) -> Option<NetworkPlug> {
        network::plug(name, portgroup)
    }

    fn network_address(&self, name: &str) -> Option<String> {
        network::address(name)
    }

    fn cpu_nodes(&self) -> Vec<(u32, u32)> {
        let of_node = |node: u32| {
            let list =
                std::fs::read_to_string(format!("/sys/devices/system/node/node{node}/cpulist")).ok()?;
            let cpus = CpuSet::parse(list.trim()).ok()?;
            Some(cpus.iter().map(|cpu| (cpu, node)).collect::<Vec<_>>())
        };
        self.numa_nodes().into_iter().filter_map(of_node).flatten().collect()
    }

    fn free_vsock_cid(&self) -> Option<u32> {
        runner::vsock::free_number().ok()
    }

    fn file_kind(&self, path: &str) -> FileKind {
        let Ok(metadata) = std::fs::metadata(path) else { return FileKind::Missing };
        let kind = metadata.file_type();
        if kind.is_dir() {
            FileKind::Directory
        } else if kind.is_block_device() {
            // Linux gives CD-ROM drives the major number 11.
            let major = (metadata.rdev() >> 8) & 0xfff;
            if major == 11 { FileKind::CdromDrive } else { FileKind::BlockDevice }
        } else if kind.is_char_device() {
            FileKind::CharDevice
        } else if kind.is_socket() {
            FileKind::Socket
        } else {
            FileKind::File
        }
    }

    fn render_node(&self) -> Option<String> {
        (128..192).map(|minor| format!("/dev/dri/renderD{minor}")).find(|path| Path::new(path).exists())
    }

    fn numa_nodes(&self) -> Vec<u32> {
        let Ok(entries) = std::fs::read_dir("/sys/devices/system/node") else { return Vec::new() };
        let mut nodes: Vec<u32> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("node")?.parse().ok())
            .collect();
        nodes.sort_unstable();
        nodes
    }

    fn storage_pool(&self, name: &str) -> Option<StoragePool> {
        pool::pool(name)
    }

    fn storage_volume(&self, pool: &str, name: &str) -> Option<StorageVolume> {
        pool::volume(pool, name)
    }

    fn vfio_device(&self, address: &str) -> Option<Result<String, String>> {
        crate::resources::vfio_file(address)
    }

    fn has_usb_device(&self, device: &UsbDevice) -> Option<bool> {
        Some(crate::resources::has_usb_device(device))
    }

    fn scsi_generic(&self, adapter: &str, bus: u32, target: u32, unit: u64) -> Option<String> {
        let host: u32 = adapter.strip_prefix("scsi_host")?.parse().ok()?;
        let folder = format!("/sys/bus/scsi/devices/{host}:{bus}:{target}:{unit}/scsi_generic");
        let entry = std::fs::read_dir(folder).ok()?.flatten().next()?;
        entry.file_name().into_string().ok()
    }

    fn secret(&self, _: &Secret) -> Option<Vec<u8>> {
        None
    }

    fn random(&self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
        if read.is_ok() { bytes } else { Vec::new() }
    }

    fn has_nbdkit(&self, _: &str) -> bool {
        false
    }

    fn now(&self) -> Option<i64> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(now.as_secs()).ok()
    }

    fn free_port(&self, from: i32) -> i32 {
        // Found by trying; between here and QEMU's start somebody else may be faster, and QEMU will say so.
        let is_free = |port: &i32| {
            u16::try_from(*port).is_ok_and(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok())
        };
        (from..from.saturating_add(100)).find(is_free).unwrap_or(from)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Where huge pages are mounted, by the size of a page in KiB; those of the size that the kernel prefers first.
pub fn hugepage_mounts() -> Vec<(u64, String)> {
    let preferred = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let preferred = preferred.lines().find_map(|line| line.strip_prefix("Hugepagesize:"));
    let preferred = preferred.and_then(|size| size.split_whitespace().next()?.parse().ok()).unwrap_or(2048);
    let mut mounts = mounted(&std::fs::read_to_string("/proc/mounts").unwrap_or_default(), preferred);
    if mounts.is_empty() {
        // The pages can be had without a mount; only their size has to be known.
        mounts.push((preferred, "/dev/hugepages".to_owned()));
    }
    mounts
}

/// The file systems with huge pages among all that are mounted.
fn mounted(mounts: &str, preferred: u64) -> Vec<(u64, String)> {
    let size = |options: &str| {
        let text = options.split(',').find_map(|option| option.strip_prefix("pagesize="))?;
        let (number, unit) = text.split_at(text.len().checked_sub(1)?);
        let number: u64 = number.parse().ok()?;
        match unit {
            "K" => Some(number),
            "M" => number.checked_mul(1 << 10),
            "G" => number.checked_mul(1 << 20),
            _ => None,
        }
    };
    let mut found: Vec<(u64, String)> = mounts
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(2) == Some(&"hugetlbfs"))
        .filter_map(|fields| {
            let size = fields.get(3).and_then(|options| size(options)).unwrap_or(preferred);
            Some((size, (*fields.get(1)?).to_owned()))
        })
        .collect();
    found.sort_by_key(|(size, _)| *size != preferred);
    found
}

/// Whether `/dev/kvm` can be opened to run guests.
pub fn can_use_kvm() -> bool {
    why_no_kvm().is_none()
}

/// Why `/dev/kvm` cannot be opened, if it cannot.
pub fn why_no_kvm() -> Option<std::io::Error> {
    OpenOptions::new().read(true).write(true).open("/dev/kvm").err()
}

/// The release of the running kernel, on which hangs what KVM offers to guests.
pub fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

/// A program on PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|program| is_executable(program))
}

/// Whether a file can be started.
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::mounted;

    #[test]
    fn huge_pages_of_the_preferred_size_come_first() {
        let mounts = "proc /proc proc rw 0 0\nnone /big hugetlbfs rw,pagesize=1024M 0 0\n\
                      hugetlbfs /dev/hugepages hugetlbfs rw,relatime 0 0\nnone /odd hugetlbfs rw,pagesize=64K 0 0\n";
        let expected = [(2048, "/dev/hugepages"), (1 << 20, "/big"), (64, "/odd")];
        assert_eq!(mounted(mounts, 2048), expected.map(|(size, path)| (size, path.to_owned())));
        assert_eq!(mounted("", 2048), []);
    }
}
