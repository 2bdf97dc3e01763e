//! Volumes of storage pools, and what they are on the host.

use domain_model::device::disk::Disk;
use domain_model::storage::{
    FileSource, Format, Host, NetworkSource, Protocol, SourceKind, VolumeMode, VolumeSource,
};
use domain_model::xml::Meta;
use domain_model::{Code, Device, Diagnostic, Origin};

use crate::host::{StoragePool, StorageVolume, VolumeKind};
use crate::resolve::Resolving;

/// Puts what volumes are in their place.
pub(crate) fn translate(cx: &mut Resolving<'_>) {
    for disk in &mut cx.domain.devices.disks {
        let SourceKind::Volume(volume) = &disk.spec.source.kind else { continue };
        let (volume, origin) = (volume.clone(), disk.at("source"));
        match found(&volume, origin, cx.inputs.host).and_then(|found| kind(found, &volume, disk)) {
            Ok(kind) => replace(&mut disk.spec, kind),
            Err(problem) => cx.problems.push(problem),
        }
    }
}

/// What a volume is on the host, and the credentials for it.
struct Place {
    kind: SourceKind,
    auth: Option<Box<domain_model::storage::Auth>>,
}

fn found(
    volume: &VolumeSource,
    origin: Origin,
    host: &dyn crate::host::Host,
) -> Result<(StoragePool, Option<StorageVolume>), Diagnostic> {
    let (pool_name, name) = names(volume);
    let Some(pool) = host.storage_pool(pool_name) else {
        let message = format!("there is no storage pool `{pool_name}`");
        return Err(Diagnostic::error(Code::NotFound, origin, message)
            .help("name the file or device itself: `<disk type='file'>`, `<disk type='block'>`"));
    };
    if !pool.active {
        let message = format!("the storage pool `{pool_name}` with the volume `{name}` is not active");
        return Err(Diagnostic::error(Code::Unsupported, origin, message)
            .help(format!("`virsh pool-start {pool_name}` starts it")));
    }
    let found = host.storage_volume(pool_name, name);
    Ok((pool, found))
}

fn names(volume: &VolumeSource) -> (&str, &str) {
    (volume.pool.as_deref().unwrap_or_default(), volume.volume.as_deref().unwrap_or_default())
}

fn kind(
    (pool, found): (StoragePool, Option<StorageVolume>),
    volume: &VolumeSource,
    disk: &Device<Disk>,
) -> Result<Place, Diagnostic> {
    let (pool_name, name) = names(volume);
    let refuse = |code, at, message: String| Err(Diagnostic::error(code, disk.at(at), message));
    let Some(found) = found else {
        let message = format!("the storage pool `{pool_name}` has no volume `{name}`");
        return refuse(Code::NotFound, "source/@volume", message);
    };
    let is_iscsi = matches!(pool.kind.as_str(), "iscsi" | "iscsi-direct");
    if volume.mode.is_some() && !is_iscsi {
        let message = format!(
            "`mode` is for volumes of iSCSI pools; `{pool_name}` is a pool of the type `{}`",
            pool.kind
        );
        return refuse(Code::Conflict, "source/@mode", message);
    }
    if disk.spec.source.startup_policy.is_some() && (is_iscsi || found.kind != VolumeKind::File) {
        let message = "`startupPolicy` is for volumes that are files";
        return refuse(Code::Conflict, "source/@startupPolicy", message.to_owned());
    }
    let path = Some(found.path);
    let kind = match pool.kind.as_str() {
        "iscsi-direct" => return direct(&pool, name, disk),
        "iscsi" if volume.mode == Some(VolumeMode::Direct) => return direct(&pool, name, disk),
        "iscsi" => SourceKind::Block { path },
        "dir" | "fs" | "netfs" | "logical" | "disk" | "scsi" | "zfs" | "vstorage" => match found.kind {
            VolumeKind::File => SourceKind::File(FileSource { path, fdgroup: None }),
            VolumeKind::Block => SourceKind::Block { path },
            VolumeKind::Dir => SourceKind::Dir { path },
            VolumeKind::Network => {
                let message = format!("a pool of the type `{}` has no volumes behind a network", pool.kind);
                return refuse(Code::HostFact, "source/@volume", message);
            }
        },
        other => {
            let message = format!("volumes of pools of the type `{other}` cannot be disks");
            return refuse(Code::Unsupported, "source/@pool", message);
        }
    };
    Ok(Place { kind, auth: None })
}

/// A unit of an iSCSI target, which QEMU reaches by itself. Such volumes are called `unit:0:0:LUN`.
fn direct(pool: &StoragePool, name: &str, disk: &Device<Disk>) -> Result<Place, Diagnostic> {
    let refuse = |message: String| Err(Diagnostic::error(Code::HostFact, disk.at("source/@volume"), message));
    let (Some((server, port)), Some(target)) = (&pool.server, &pool.device) else {
        return refuse("the pool of this volume does not say which server and target it is on".to_owned());
    };
    let parts: Vec<&str> = name.split(':').collect();
    let [_, _, _, lun] = parts.as_slice() else {
        return refuse(format!("bad iSCSI volume `{name}`: a name like `unit:0:0:1` is expected"));
    };
    let origin = disk.at("source").implies("the server of the pool that the volume is in");
    let host = Host {
        name: Some(server.clone()),
        port: Some(port.filter(|port| *port > 0).unwrap_or(3260)),
        meta: Meta::from_origin(origin),
        ..Host::default()
    };
    let network = NetworkSource {
        protocol: Some(Protocol::Iscsi),
        name: Some(format!("{target}/{lun}")),
        hosts: vec![host],
        ..NetworkSource::default()
    };
    Ok(Place { kind: SourceKind::Network(Box::new(network)), auth: pool.auth().map(Box::new) })
}

fn replace(disk: &mut Disk, place: Place) {
    // A directory is seen as a file system, and anything else as it is.
    let format = if matches!(place.kind, SourceKind::Dir { .. }) { Format::Fat } else { Format::Raw };
    if let Some(driver) = &mut disk.driver {
        driver.format.get_or_insert(format);
    }
    disk.source.kind = place.kind;
    // The pool knows who may use it.
    disk.source.auth = place.auth;
    disk.old_auth = None;
}
