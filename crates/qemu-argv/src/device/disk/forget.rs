//! What a defined disk does not keep: defaults, and traces of running.

use domain_model::device::disk::{Cache, Disk, Snapshot, Tray};
use domain_model::storage::{Host, Protocol, Source, SourceKind, Transport};

/// Drops what libvirt does not keep of a disk, and fills in what it does.
pub(super) fn forget(disk: &mut Disk) {
    disk.target.tray.take_if(|tray| *tray == Tray::Closed);
    disk.mirror = None;
    if let Some(driver) = &mut disk.driver {
        driver.cache.take_if(|cache| *cache == Cache::Default);
    }
    // A drive without a medium is a drive for files.
    if disk.source.is_empty() && matches!(disk.source.kind, SourceKind::Network(_) | SourceKind::Volume(_)) {
        disk.source.kind = SourceKind::default();
    }
    if matches!(disk.source.kind, SourceKind::VhostUser(_)) {
        disk.snapshot.get_or_insert(Snapshot::No);
    }
    if disk.readonly {
        disk.snapshot.take_if(|snapshot| *snapshot == Snapshot::No);
    }
    source(&mut disk.source);
    let mut below = disk.backing_store.as_deref_mut();
    while let Some(store) = below {
        store.index = None;
        store.source.iter_mut().for_each(source);
        below = store.backing_store.as_deref_mut();
    }
}

fn source(source: &mut Source) {
    source.index = None;
    source.seclabels.retain_mut(|label| {
        label.labelskip = None;
        label.label.is_some() || label.relabel == Some(domain_model::xml::text::YesNo::No)
    });
    let SourceKind::Network(network) = &mut source.kind else { return };
    let Some(port) = network.protocol.and_then(default_port) else { return };
    for host in &mut network.hosts {
        let Host { transport, port: written, .. } = host;
        if transport.is_none_or(|transport| transport == Transport::Tcp) {
            written.get_or_insert(port);
        }
    }
}

/// The TCP port that a protocol has unless another is said.
fn default_port(protocol: Protocol) -> Option<u32> {
    Some(match protocol {
        Protocol::Http => 80,
        Protocol::Https => 443,
        Protocol::Ftp => 21,
        Protocol::Ftps => 990,
        Protocol::Tftp => 69,
        Protocol::Ssh => 22,
        Protocol::Nbd => 10809,
        Protocol::Iscsi => 3260,
        Protocol::Gluster => 24007,
        Protocol::Sheepdog => 7000,
        Protocol::Vxhs => 9999,
        // RBD takes it from its own configuration, and NFS from the RPC port mapper.
        Protocol::Rbd | Protocol::Nfs => return None,
    })
}
