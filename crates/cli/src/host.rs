//! Facts about this host.

use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use domain_model::storage::Secret;
use qemu_argv::{CpuMap, FileKind, Host};

/// Where libvirt, if it is installed, keeps what it knows of CPU models.
const CPU_MAP: &str = "/usr/share/libvirt/cpu_map";

/// The host that domx runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisHost;

impl Host for ThisHost {
    fn arch(&self) -> Option<&str> {
        Some(std::env::consts::ARCH)
    }

    fn cpu_map(&self) -> Option<&CpuMap> {
        // Read once, by the first who asks; a map that is there and broken is as good as none.
        static MAP: OnceLock<Option<CpuMap>> = OnceLock::new();
        let read = |name: &str| std::fs::read_to_string(Path::new(CPU_MAP).join(name)).ok();
        MAP.get_or_init(|| CpuMap::read(&mut |name| read(name)).ok()).as_ref()
    }

    fn file_exists(&self, path: &str) -> bool {
        Path::new(path).exists()
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

/// Whether `/dev/kvm` can be opened to run guests.
pub fn can_use_kvm() -> bool {
    why_no_kvm().is_none()
}

/// Why `/dev/kvm` cannot be opened, if it cannot.
pub fn why_no_kvm() -> Option<std::io::Error> {
    std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").err()
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
