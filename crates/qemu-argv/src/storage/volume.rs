//! Volumes of storage pools, and what they are on the host.

use domain_model::storage::{
    FileSource, Format, Host, NetworkSource, Protocol, Source, SourceKind, VolumeMode, VolumeSource,
};
use domain_model::xml::Meta;
use domain_model::{Code, Diagnostic};

use crate::host::{StoragePool, StorageVolume, VolumeKind};
use crate::resolve::Resolving;

/// Puts what volumes are in their place, in the images below as well.
pub(crate) fn translate(cx: &mut Resolving<'_>) {
    let host = cx.inputs.host;
    for disk in &mut cx.domain.devices.disks {
        let (meta, disk) = (disk.meta.clone(), &mut disk.spec);
        match place(&disk.source, &meta, host) {
            Some(Ok(place)) => {
                let format = place.format();
                place.put_into(&mut disk.source);
                if let Some(driver) = &mut disk.driver {
                    driver.format.get_or_insert(format);
                }
                disk.old_auth = None;
            }
            Some(Err(problem)) => cx.problems.push(problem),
            None => {}
        }
        let mut below = disk.backing_store.as_deref_mut();
        while let Some(store) = below {
            if let Some(source) = &mut store.source {
                match place(source, &store.meta, host) {
                    Some(Ok(place)) => {
                        let format = place.format();
                        place.put_into(source);
                        store.format.get_or_insert_default().kind.get_or_insert(format);
                    }
                    Some(Err(problem)) => cx.problems.push(problem),
                    None => {}
                }
            }
            below = store.backing_store.as_deref_mut();
        }
    }
}

/// What the volume of a source is, if it is one; `meta` is that of the element that has the source.
fn place(source: &Source, meta: &Meta, host: &dyn crate::host::Host) -> Option<Result<Place, Diagnostic>> {
    let SourceKind::Volume(volume) = &source.kind else { return None };
    let wanted = Wanted { volume, meta, has_policy: source.startup_policy.is_some() };
    Some(wanted.found(host).and_then(|found| wanted.kind(found)))
}

/// A volume that is looked for.
struct Wanted<'a> {
    volume: &'a VolumeSource,
    meta: &'a Meta,
    has_policy: bool,
}

/// What a volume is on the host, and the credentials for it.
struct Place {
    kind: SourceKind,
    auth: Option<Box<domain_model::storage::Auth>>,
}

impl Place {
    /// A directory is seen as a file system, and anything else as it is.
    fn format(&self) -> Format {
        if matches!(self.kind, SourceKind::Dir { .. }) { Format::Fat } else { Format::Raw }
    }

    /// Replaces the volume. The pool knows who may use it.
    fn put_into(self, source: &mut Source) {
        (source.kind, source.auth) = (self.kind, self.auth);
    }
}

impl Wanted<'_> {
    fn found(
        &self,
        host: &dyn crate::host::Host,
    ) -> Result<(StoragePool, Option<StorageVolume>), Diagnostic> {
        let origin = self.meta.at("source");
        let (pool_name, name) = self.names();
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

    fn names(&self) -> (&str, &str) {
        let VolumeSource { pool, volume, .. } = self.volume;
        (pool.as_deref().unwrap_or_default(), volume.as_deref().unwrap_or_default())
    }

    fn kind(&self, (pool, found): (StoragePool, Option<StorageVolume>)) -> Result<Place, Diagnostic> {
        let (pool_name, name) = self.names();
        let mode = self.volume.mode;
        let refuse = |code, at, message: String| Err(Diagnostic::error(code, self.meta.at(at), message));
        let Some(found) = found else {
            let message = format!("the storage pool `{pool_name}` has no volume `{name}`");
            return refuse(Code::NotFound, "source/@volume", message);
        };
        let is_iscsi = matches!(pool.kind.as_str(), "iscsi" | "iscsi-direct");
        if mode.is_some() && !is_iscsi {
            let message = format!(
                "`mode` is for volumes of iSCSI pools; `{pool_name}` is a pool of the type `{}`",
                pool.kind
            );
            return refuse(Code::Conflict, "source/@mode", message);
        }
        if self.has_policy && (is_iscsi || found.kind != VolumeKind::File) {
            let message = "`startupPolicy` is for volumes that are files";
            return refuse(Code::Conflict, "source/@startupPolicy", message.to_owned());
        }
        let path = Some(found.path);
        let kind = match pool.kind.as_str() {
            "iscsi-direct" => return self.direct(&pool, name),
            "iscsi" if mode == Some(VolumeMode::Direct) => return self.direct(&pool, name),
            "iscsi" => SourceKind::Block { path },
            "dir" | "fs" | "netfs" | "logical" | "disk" | "scsi" | "zfs" | "vstorage" => match found.kind {
                VolumeKind::File => SourceKind::File(FileSource { path, fdgroup: None }),
                VolumeKind::Block => SourceKind::Block { path },
                VolumeKind::Dir => SourceKind::Dir { path },
                VolumeKind::Network => {
                    let message =
                        format!("a pool of the type `{}` has no volumes behind a network", pool.kind);
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
    fn direct(&self, pool: &StoragePool, name: &str) -> Result<Place, Diagnostic> {
        let refuse =
            |message: String| Err(Diagnostic::error(Code::HostFact, self.meta.at("source/@volume"), message));
        let (Some((server, port)), Some(target)) = (&pool.server, &pool.device) else {
            return refuse(
                "the pool of this volume does not say which server and target it is on".to_owned(),
            );
        };
        let parts: Vec<&str> = name.split(':').collect();
        let [_, _, _, lun] = parts.as_slice() else {
            return refuse(format!("bad iSCSI volume `{name}`: a name like `unit:0:0:1` is expected"));
        };
        let origin = self.meta.at("source").implies("the server of the pool that the volume is in");
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
}
