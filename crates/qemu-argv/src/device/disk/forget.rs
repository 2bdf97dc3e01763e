//! What a defined disk does not keep: defaults, and traces of running.

use domain_model::device::disk::{BlockIo, Cache, Disk, IoTune, Snapshot, Tray};
use domain_model::storage::{Format, Host, Identity, NetworkSource, Protocol, Source, SourceKind, Transport};
use domain_model::xml::text::YesNo;

/// Drops what libvirt does not keep of a disk, and fills in what it does.
pub(super) fn forget(disk: &mut Disk) {
    disk.target.tray.take_if(|tray| *tray == Tray::Closed);
    disk.mirror = None;
    disk.target.rotation_rate.take_if(|rate| *rate == 0);
    if let Some(transient) = &mut disk.transient {
        transient.share_backing.take_if(|share| *share == YesNo::No);
    }
    disk.serial.take_if(|serial| serial.is_empty());
    if let Some(sizes) = &mut disk.blockio {
        let BlockIo { logical_block_size, physical_block_size, discard_granularity, .. } = sizes.as_mut();
        for size in [logical_block_size, physical_block_size, discard_granularity] {
            size.take_if(|size| *size == 0);
        }
    }
    disk.blockio.take_if(|sizes| **sizes == BlockIo { meta: sizes.meta.clone(), ..BlockIo::default() });
    if let Some(tune) = &mut disk.iotune {
        tune.drop_zeroes();
    }
    disk.iotune.take_if(|tune| **tune == IoTune { meta: tune.meta.clone(), ..IoTune::default() });
    if let SourceKind::Nvme(nvme) = &mut disk.source.kind {
        nvme.managed.get_or_insert(YesNo::Yes);
    }
    if let Some(driver) = &mut disk.driver {
        driver.iothreads.take_if(|map| map.iothreads.is_empty());
        driver.cache.take_if(|cache| *cache == Cache::Default);
        driver.format = driver.format.map(|format| if format == Format::Aio { Format::Raw } else { format });
        driver.metadata_cache_max_size.take_if(|size| size.0 == 0);
        driver.queues.take_if(|count| *count == 0);
        driver.queue_size.take_if(|size| *size == 0);
    }
    // A drive without a medium is a drive for files.
    if disk.source.is_empty()
        && matches!(disk.source.kind, SourceKind::Dir { .. } | SourceKind::Network(_) | SourceKind::Volume(_))
    {
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

/// Drops what libvirt drops of a source, and fills in the ports of its servers.
pub(crate) fn source(source: &mut Source) {
    if let Some(store) = &mut source.data_store {
        self::source(&mut store.source);
    }
    source.index = None;
    source.seclabels.retain_mut(|label| {
        label.labelskip = None;
        label.label.is_some() || label.relabel == Some(YesNo::No)
    });
    let network = match &mut source.kind {
        SourceKind::Network(network) => network,
        SourceKind::VhostUser(socket) if socket.reconnect != Some(YesNo::Yes) => {
            socket.reconnect_timeout = None;
            return;
        }
        _ => return,
    };
    foreign(network);
    let port = network.protocol.and_then(default_port);
    for Host { transport, port: written, .. } in &mut network.hosts {
        written.take_if(|port| *port == 0);
        transport.take_if(|transport| *transport == Transport::Tcp);
        if transport.is_none() {
            *written = written.or(port);
        }
    }
}

/// Drops what says something to other protocols only.
fn foreign(network: &mut NetworkSource) {
    use Protocol::{Ftp, Ftps, Http, Https, Nbd, Nfs, Ssh};
    let protocol = network.protocol;
    let is = |protocols: &[Protocol]| protocol.is_some_and(|protocol| protocols.contains(&protocol));
    network.reconnect_delay.take_if(|delay| *delay == 0 || !is(&[Nbd]));
    network.tls_hostname.take_if(|_| !is(&[Nbd]));
    network.query.take_if(|_| !is(&[Http, Https]));
    network.cookies.retain(|_| is(&[Http, Https]));
    network.ssl_verify.take_if(|_| !is(&[Https, Ftps]));
    network.readahead.take_if(|size| *size == 0 || !is(&[Http, Https, Ftp, Ftps]));
    network.timeout.take_if(|seconds| *seconds == 0 || !is(&[Http, Https, Ftp, Ftps]));
    network.known_hosts.take_if(|_| !is(&[Ssh]));
    network.identity.take_if(|_| !is(&[Nfs, Ssh]));
    if let Some(identity) = &mut network.identity {
        let Identity { user, group, username, keyfile, agentsock, .. } = identity;
        let foreign = if is(&[Nfs]) { vec![username, keyfile, agentsock] } else { vec![user, group] };
        foreign.into_iter().for_each(|value| *value = None);
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
