//! `<disk>` and the sources it shares with others.

use domain_model::Code;
use domain_model::device::disk::{BackingStore, Disk};
use domain_model::storage::SourceKind;

use super::{check, check_problem, check_same, read, read_well};

fn first(device: &str) -> Disk {
    read_well(device).devices.disks.remove(0).spec
}

/// A disk of a type, with a source.
fn disk(kind: &str, source: &str) -> String {
    format!("<disk type='{kind}' device='disk'>\n{source}  <target dev='vda' bus='virtio'/>\n</disk>")
}

/// A network disk.
fn network(source: &str) -> String {
    disk("network", source)
}

#[test]
fn every_attribute_of_the_driver_is_kept_in_order() {
    check_same(
        "<disk type='block' device='lun' model='virtio' rawio='yes' sgio='unfiltered' snapshot='external'>
  <driver name='qemu' type='qcow2' cache='none' error_policy='enospace' rerror_policy='report' io='io_uring' \
ioeventfd='on' event_idx='off' copy_on_read='on' discard='unmap' iothread='2' detect_zeroes='unmap' queues='4' \
queue_size='256' discard_no_unref='on' iommu='on' ats='on' packed='on' page_per_vq='on'>
    <iothreads>
      <iothread id='1'>
        <queue id='0'/>
        <queue id='1'/>
      </iothread>
      <iothread id='2'/>
    </iothreads>
    <metadata_cache>
      <max_size unit='bytes'>65536</max_size>
    </metadata_cache>
  </driver>
  <target dev='sda' bus='scsi' tray='open' removable='on' rotation_rate='7200'/>
</disk>",
    );
}

#[test]
fn children_are_kept_in_order() {
    check_same(
        "<disk type='block' device='disk'>
  <source dev='/dev/vg/guest' startupPolicy='optional' index='3'>
    <slices>
      <slice type='storage' offset='0' size='4096'/>
    </slices>
    <encryption format='luks' engine='qemu'>
      <secret type='passphrase' usage='volume'/>
    </encryption>
    <reservations managed='no'>
      <source type='unix' path='/run/pr.sock' mode='client'/>
    </reservations>
    <seclabel model='dac' relabel='no'/>
  </source>
  <backenddomain name='storage'/>
  <geometry cyls='1024' heads='16' secs='63' trans='lba'/>
  <blockio logical_block_size='512' physical_block_size='4096' discard_granularity='8192'/>
  <target dev='vda' bus='virtio'/>
  <iotune>
    <read_bytes_sec>1</read_bytes_sec>
    <write_bytes_sec>2</write_bytes_sec>
    <total_iops_sec>3</total_iops_sec>
    <total_bytes_sec_max>4</total_bytes_sec_max>
    <size_iops_sec>5</size_iops_sec>
    <group_name>slow</group_name>
    <total_bytes_sec_max_length>6</total_bytes_sec_max_length>
    <read_iops_sec_max_length>7</read_iops_sec_max_length>
  </iotune>
  <throttlefilters>
    <throttlefilter group='first'/>
    <throttlefilter group='second'/>
  </throttlefilters>
  <readonly/>
  <shareable/>
  <transient shareBacking='yes'/>
  <serial>ABC 123</serial>
  <wwn>5000c50015ea71ad</wwn>
  <vendor>ACME</vendor>
  <product>Disk of ours</product>
  <boot order='1' loadparm='LINUX'/>
  <alias name='ua-root'/>
  <acpi index='7'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/>
</disk>",
    );
}

#[test]
fn every_type_of_source_is_kept() {
    check_same(&disk("file", "  <source file='/images/a&apos;b' fdgroup='group'/>\n"));
    check_same(&disk("block", "  <source dev='/dev/sdx'/>\n"));
    check_same(&disk("dir", "  <source dir='/srv/floppy'/>\n"));
    check_same(&disk("volume", "  <source pool='pool' volume='volume' mode='direct'/>\n"));
    check_same(&disk("vhostvdpa", "  <source dev='/dev/vhost-vdpa-1'/>\n"));
    check_same(&disk(
        "nvme",
        "  <source type='pci' managed='yes' namespace='2'>
    <address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
  </source>\n",
    ));
    check_same(&disk(
        "vhostuser",
        "  <source type='unix' path='/run/blk.sock'>
    <reconnect enabled='yes' timeout='10'/>
  </source>\n",
    ));
    check_same(&disk(
        "file",
        "  <source file='/images/top'>
    <dataStore type='file'>
      <format type='raw'/>
      <source file='/images/data'/>
    </dataStore>
  </source>\n",
    ));
}

#[test]
fn network_sources_are_kept() {
    check_same(&network(
        "  <source protocol='rbd' name='pool/image'>
    <host name='mon1' port='6789'/>
    <host name='mon2'/>
    <snapshot name='clean'/>
    <config file='/etc/ceph.conf'/>
    <auth username='admin'>
      <secret type='ceph' uuid='00112233-4455-6677-8899-aabbccddeeff'/>
    </auth>
  </source>\n",
    ));
    check_same(&network(
        "  <source protocol='nbd' tls='yes' tlsHostname='disk.example'>
    <host transport='unix' socket='/run/nbd.sock'/>
    <reconnect delay='10'/>
  </source>\n",
    ));
    check_same(&network(
        "  <source protocol='iscsi' name='iqn.2020-01.example:disk/1'>
    <host name='target' port='3260'/>
    <initiator>
      <iqn name='iqn.2020-01.example:guest'/>
    </initiator>
  </source>\n",
    ));
    check_same(&network(
        "  <source protocol='https' name='disk.iso' query='a=b&amp;c=d'>
    <host name='web'/>
    <ssl verify='no'/>
    <cookies>
      <cookie name='session'>abc</cookie>
    </cookies>
    <readahead size='65536'/>
    <timeout seconds='30'/>
  </source>\n",
    ));
    check_same(&network(
        "  <source protocol='nfs' name='/export/disk'>
    <host name='nas'/>
    <identity user='+1000' group='users'/>
  </source>\n",
    ));
    check_same(&network(
        "  <source protocol='ssh' name='/disk.img'>
    <host name='box' port='22'/>
    <knownHosts path='/keys/known'/>
    <identity username='me' keyfile='/keys/id'/>
  </source>\n",
    ));
}

#[test]
fn chains_end_where_they_say() {
    let chain = disk(
        "file",
        "  <source file='/images/top'/>
  <backingStore type='block' index='4'>
    <format type='qcow2'>
      <metadata_cache>
        <max_size unit='bytes'>1024</max_size>
      </metadata_cache>
    </format>
    <source dev='/dev/vg/middle'/>
    <backingStore/>
  </backingStore>\n",
    );
    check_same(&chain);
    let middle = first(&chain).backing_store.unwrap();
    assert_eq!(middle.source.as_ref().and_then(|source| source.path()), Some("/dev/vg/middle"));
    assert_eq!(middle.backing_store.as_deref(), Some(&BackingStore::default()));
}

#[test]
fn a_mirror_of_old_gets_a_source() {
    check(
        "<disk type='file' device='disk'><source file='/a'/>\
         <mirror file='/b' format='qcow2' job='copy' ready='yes'/><target dev='vda' bus='virtio'/></disk>",
        &disk(
            "file",
            "  <source file='/a'/>
  <mirror type='file' file='/b' format='qcow2' job='copy' ready='yes'>
    <source file='/b'/>
  </mirror>\n",
        ),
    );
}

#[test]
fn an_empty_path_is_none() {
    check(
        "<disk type='file' device='cdrom'><source file=''/><target dev='sr0'/></disk>",
        "<disk type='file' device='cdrom'>\n  <target dev='sr0'/>\n</disk>",
    );
    assert!(first("<disk type='block'><target dev='sr0'/></disk>").source.is_empty());
    assert!(first("<disk type='network'><target dev='sr0'/></disk>").source.is_empty());
    assert!(!first("<disk type='file'><source file='/a'/><target dev='hda'/></disk>").source.is_empty());
}

#[test]
fn sizes_may_have_any_unit() {
    check(
        "<disk device='disk'><driver><metadata_cache><max_size unit='KiB'>2</max_size></metadata_cache></driver>\
         <target dev='vda' bus='virtio'/></disk>",
        &disk(
            "file",
            "  <driver>
    <metadata_cache>
      <max_size unit='bytes'>2048</max_size>
    </metadata_cache>
  </driver>\n",
        ),
    );
}

#[test]
fn secrets_are_found_in_both_places() {
    let auth = "<auth username='me'><secret type='ceph' usage='pool'/></auth>";
    let source =
        |inner: &str| format!("<source protocol='rbd' name='p/i'>{inner}</source><target dev='vda'/>");
    for device in [
        format!("<disk type='network'>{auth}{}</disk>", source("")),
        format!("<disk type='network'>{}</disk>", source(auth)),
    ] {
        assert_eq!(first(&device).auth().map(|auth| auth.username.as_str()), Some("me"), "{device}");
    }
    check_problem(
        &format!("<disk type='network'>{auth}{}</disk>", source(auth)),
        Code::Unsupported,
        "both in `<disk>` and in its `<source>`",
    );
}

#[test]
fn what_libvirt_refuses_is_refused() {
    let target = "<target dev='vda'/>";
    let file = |inner: &str| format!("<disk type='file'><source file='/a'/>{target}{inner}</disk>");
    let source = |kind: &str, source: &str| format!("<disk type='{kind}'>{source}{target}</disk>");
    check_problem("<disk type='file'><source file='/a'/></disk>", Code::NotFound, "`<target>`");
    check_problem("<disk><target bus='ide'/></disk>", Code::NotFound, "`dev`");
    check_problem(&file("<vendor>much too long</vendor>"), Code::Unsupported, "8 characters");
    check_problem(&file("<product>\u{e9}</product>"), Code::BadValue, "cannot be printed");
    check_problem(&file("<wwn>12</wwn>"), Code::Malformed, "16 hexadecimal digits");
    check_problem(&file("<driver rerror_policy='enospace'/>"), Code::Unsupported, "`enospace`");
    check_problem(&file("<driver iothread='0'/>"), Code::BadValue, "from 1");
    check_problem(
        &file("<backingStore type='file'><source file='/b'/></backingStore>"),
        Code::MissingElement,
        "format",
    );
    check_problem(&file("<mirror job='copy'/>"), Code::MissingElement, "`<source>`");
    check_problem(
        &file("<encryption format='luks'><secret type='passphrase'/></encryption>"),
        Code::MissingAttribute,
        "`uuid` or `usage`",
    );
    check_problem(
        &file("<encryption format='luks'><cipher name='aes' size='256'/></encryption>"),
        Code::Unsupported,
        "`<cipher>`",
    );
    check_problem(&source("volume", "<source pool='p'/>"), Code::MissingAttribute, "`volume`");
    check_problem(&source("nvme", "<source type='pci' namespace='1'/>"), Code::MissingElement, "`<address>`");
    check_problem(
        &source("nvme", "<source type='pci' namespace='0'><address domain='0' bus='1' slot='0'/></source>"),
        Code::Unsupported,
        "`namespace`",
    );
    check_problem(&source("vhostuser", "<source type='unix'/>"), Code::MissingAttribute, "`path`");
    check_problem(&source("vhostuser", "<source path='/a'/>"), Code::MissingAttribute, "`unix`");
    check_problem(&source("network", "<source name='a'/>"), Code::MissingAttribute, "`protocol`");
    check_problem(&source("network", "<source protocol='rbd'/>"), Code::MissingAttribute, "`name`");
    check_problem(
        &source("network", "<source protocol='nbd' startupPolicy='optional'/>"),
        Code::Conflict,
        "startup policy",
    );
    check_problem(
        &source(
            "block",
            "<source dev='/a'><slices><slice type='storage' offset='0' size='0'/></slices></source>",
        ),
        Code::BadValue,
        "`size`",
    );
    check_problem(
        &source("block", "<source dev='/a'><reservations managed='no'/></source>"),
        Code::MissingElement,
        "`<source>`",
    );
    check_problem(
        "<disk type='file' device='lun'><source file='/a'/><target dev='sda'/></disk>",
        Code::Unsupported,
        "`lun`",
    );
    for (host, code, part) in [
        ("<host port='1'/>", Code::MissingAttribute, "`name`"),
        ("<host transport='unix' name='a'/>", Code::MissingAttribute, "`socket`"),
        ("<host name='a' socket='/b'/>", Code::Conflict, "`unix`"),
        ("<host name='a' transport='carrier-pigeon'/>", Code::BadValue, "`tcp`, `unix`, `rdma`"),
    ] {
        check_problem(&source("network", &format!("<source protocol='nbd'>{host}</source>")), code, part);
    }
    for (attributes, secret, code, part) in [
        ("", "", Code::MissingAttribute, "`format`"),
        ("format=''", "", Code::MissingAttribute, "`format`"),
        ("format='rot13'", "", Code::UnknownWord, "`luks`"),
        ("format='luks'", "<secret type='' usage='a'/>", Code::MissingAttribute, "`passphrase`"),
        ("format='luks'", "<secret type='tls' usage='a'/>", Code::Unsupported, "`passphrase`"),
    ] {
        check_problem(&file(&format!("<encryption {attributes}>{secret}</encryption>")), code, part);
    }
    for (secret, code, part) in [
        ("", Code::MissingElement, "`<secret>`"),
        ("<secret type='iscsi' usage='a'/>", Code::Unsupported, "`iscsi`"),
        ("<secret usage='a'/>", Code::Unsupported, "`type`"),
    ] {
        let source = source(
            "network",
            &format!("<source protocol='rbd' name='a'><auth username='u'>{secret}</auth></source>"),
        );
        let (_, problems) = read(&source);
        assert!(problems.iter().any(|(found, text)| *found == code && text.contains(part)), "{problems:?}");
    }
}

#[test]
fn a_source_says_what_it_is() {
    let disk = first(
        "<disk type='network'><source protocol='nbd'><host name='a'/></source><target dev='vda'/></disk>",
    );
    assert!(matches!(&disk.source.kind, SourceKind::Network(network) if network.hosts.len() == 1));
    assert_eq!(disk.source.path(), None);
}
