//! Storage pools of libvirt's, as its files describe them.

use std::path::Path;

use qemu_argv::{FileKind, Host as _, StoragePool, StorageVolume, VolumeKind};

use super::ThisHost;

/// Where libvirt keeps the definitions of pools, and where it notes which are active.
const DEFINED: &str = "/etc/libvirt/storage";
const ACTIVE: &str = "/run/libvirt/storage";

/// A pool, by its name.
pub(super) fn pool(name: &str) -> Option<StoragePool> {
    if !is_plain(name) {
        return None;
    }
    let file = format!("{name}.xml");
    let text = std::fs::read_to_string(Path::new(DEFINED).join(&file)).ok()?;
    let active = Path::new(ACTIVE).join(&file).exists();
    Some(StoragePool { active, ..StoragePool::read(&text)? })
}

/// A volume: of most pools a file or device in the pool's directory, of iSCSI pools a unit.
pub(super) fn volume(pool_name: &str, name: &str) -> Option<StorageVolume> {
    if !is_plain(name) {
        return None;
    }
    let pool = pool(pool_name)?;
    let target = pool.target.as_deref().unwrap_or("/dev/disk/by-path");
    let path = match pool.kind.as_str() {
        "iscsi" | "iscsi-direct" => {
            let (server, port) = pool.server?;
            let unit = name.rsplit(':').next()?;
            format!("{target}/ip-{server}:{}-iscsi-{}-lun-{unit}", port.unwrap_or(3260), pool.device?)
        }
        _ => format!("{target}/{name}"),
    };
    let kind = match ThisHost.file_kind(&path) {
        FileKind::File => VolumeKind::File,
        FileKind::Directory => VolumeKind::Dir,
        FileKind::BlockDevice | FileKind::CdromDrive => VolumeKind::Block,
        _ if pool.kind.starts_with("iscsi") => VolumeKind::Network,
        _ => return None,
    };
    Some(StorageVolume { kind, path })
}

/// Whether a name is that of something in a folder, and not a way out of it.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        let check = |name: &str, plain: bool| assert_eq!(is_plain(name), plain, "{name}");
        check("default", true);
        check("unit:0:0:1", true);
        check("..", false);
        check("a/b", false);
        check("", false);
    }
}
