//! Disks and controllers: what of them reaches the command line, and what is refused.

mod support;

use caps_parser::Capability;
use qemu_argv::Layout;
use support::{MODERN, arguments, layout};

/// What disks and controllers ask of a QEMU of today.
fn caps() -> Vec<Capability> {
    let more = [
        Capability::AioIoUring,
        Capability::BlockjobBackingMaskProtocol,
        Capability::Dc390,
        Capability::Lsi,
        Capability::Piix3UsbUhci,
        Capability::PrManagerHelper,
        Capability::Qcow2DiscardNoUnref,
        Capability::VirtioBlkIothreadMapping,
        Capability::VirtioScsiIothreadMapping,
        Capability::VirtioScsiPci,
    ];
    MODERN.iter().copied().chain(more).collect()
}

/// What of the added lines, or of the problems, has one of the parts.
#[track_caller]
fn check(devices: &str, parts: &[&str], expected: &[&str]) {
    let lines = arguments("qemu", devices, &caps(), &layout(Layout::Libvirt));
    let lines: Vec<&String> =
        lines.iter().filter(|line| parts.iter().any(|part| line.contains(part))).collect();
    assert_eq!(lines, expected, "{devices}");
}

/// A problem of a device, by its code and a part of its message.
#[track_caller]
fn refused(devices: &str, code: &str, part: &str) {
    let lines = arguments("qemu", devices, &caps(), &layout(Layout::Libvirt));
    let is_it = |line: &String| line.starts_with(&format!("{code}: ")) && line.contains(part);
    assert!(lines.iter().any(is_it), "{devices}: {lines:?}");
}

fn network(source: &str) -> String {
    format!("<disk type='network'>{source}<target dev='vda'/></disk>")
}

fn file(driver: &str, rest: &str) -> String {
    format!("<disk type='file'>{driver}<source file='/a'/><target dev='vda'/>{rest}</disk>")
}

#[test]
fn network_sources_say_what_their_protocol_knows() {
    let host = "<host name='h' port='7'/>";
    for (source, expected) in [
        (
            format!(
                "<source protocol='ftp' name='f' query='a=b'>{host}<cookies><cookie name='a'>b</cookie></cookies></source>"
            ),
            r#"-blockdev {"driver":"ftp","url":"ftp://h:7/f","node-name":"libvirt-1-storage","read-only":false}"#,
        ),
        (
            "<source protocol='http' name='f'><host transport='rdma' name='h' port='7'/></source>".to_owned(),
            r#"-blockdev {"driver":"http","url":"http+rdma://h/f","node-name":"libvirt-1-storage","read-only":false}"#,
        ),
        (
            "<source protocol='http' name='a:b'><host name='h' port='7'/></source>".to_owned(),
            r#"-blockdev {"driver":"http","url":"http://h:7/a%3Ab","node-name":"libvirt-1-storage","read-only":false}"#,
        ),
        (
            "<source protocol='rbd' name='p/i'><host name='h'/></source>".to_owned(),
            r#"-blockdev {"driver":"rbd","pool":"p","image":"i","server":[{"host":"h","port":"0"}],"node-name":"libvirt-1-storage","read-only":false}"#,
        ),
    ] {
        check(&network(&source), &["-blockdev", "-object"], &[expected]);
    }
}

#[test]
fn network_sources_are_refused() {
    let host = "<host name='h' port='7'/>";
    let auth = "<auth username='u'><secret type='ceph' usage='x'/></auth>";
    for (source, code, part) in [
        (format!("<source protocol='tftp' name='f'>{host}</source>"), "unsupported-configuration", "`tftp`"),
        (format!("<source protocol='nfs' name='f'>{host}</source>"), "unsupported-configuration", "port"),
        ("<source protocol='nfs' name='f'/>".to_owned(), "unsupported-configuration", "one `<host>`"),
        (
            format!("<source protocol='gluster' name='v/f'>{host}{auth}</source>"),
            "unsupported-configuration",
            "passwords",
        ),
        (format!("<source protocol='vxhs' name='f'>{host}</source>"), "missing-capability", "vxhs"),
        (format!("<source protocol='rbd' name='/f'>{host}</source>"), "bad-value", "`pool/image`"),
        (
            format!("<source protocol='rbd' name='p/f' tls='yes'>{host}</source>"),
            "unsupported-configuration",
            "TLS",
        ),
        (
            format!(
                "<source protocol='http' name='f'>{host}<cookies><cookie name='a'>b c</cookie></cookies></source>"
            ),
            "bad-value",
            "cookie `a`",
        ),
    ] {
        refused(&network(&source), code, part);
    }
}

#[test]
fn images_and_drivers_are_refused() {
    for (device, code, part) in [
        (file("<driver discard_no_unref='on'/>", ""), "unsupported-configuration", "`qcow2`"),
        (
            file("<driver type='qcow2' discard_no_unref='on'/>", "<readonly/>"),
            "unsupported-configuration",
            "only read",
        ),
        (
            file("<driver><metadata_cache><max_size>9</max_size></metadata_cache></driver>", ""),
            "unsupported-configuration",
            "`qcow2`",
        ),
        (
            "<disk type='dir'><driver type='fat'/><source dir='/a'/><target dev='vda'/></disk>".to_owned(),
            "unsupported-configuration",
            "`<readonly/>`",
        ),
        (
            "<disk type='dir'><source dir='/a'/><target dev='vda'/><readonly/></disk>".to_owned(),
            "unsupported-configuration",
            "`fat`",
        ),
        (
            "<disk type='file'><source file='/a'><encryption format='qcow'><secret type='passphrase' usage='x'/>\
             </encryption></source><target dev='vda'/></disk>"
                .to_owned(),
            "unsupported-configuration",
            "`luks`",
        ),
        (
            "<disk type='file'><source file='/a'><dataStore type='file'><format type='raw'/><source file='/b'/>\
             </dataStore></source><target dev='vda'/></disk>"
                .to_owned(),
            "unsupported-configuration",
            "`qcow2`",
        ),
        (
            "<disk type='file' device='cdrom'><source file='/a'/><target dev='sda' rotation_rate='1'/></disk>"
                .to_owned(),
            "malformed",
            "`rotation_rate`",
        ),
        (
            "<disk type='file'><source file='/a'/><target dev='vda' removable='on'/></disk>".to_owned(),
            "conflict",
            "`removable`",
        ),
        (file("", "<throttlefilters><throttlefilter group='g'/></throttlefilters>"), "conflict", "`g`"),
        (
            file(
                "",
                "<iotune><size_iops_sec>1000000000000001</size_iops_sec></iotune>",
            ),
            "unsupported-configuration",
            "at most",
        ),
    ] {
        refused(&device, code, part);
    }
}

#[test]
fn what_says_nothing_is_dropped() {
    let line = r#"-device {"driver":"virtio-blk-pci","bus":"pci.0","addr":"0x2","drive":"libvirt-1-storage","id":"virtio-disk0"}"#;
    for device in [
        file("<driver queues='0' queue_size='0'/>", ""),
        file("<driver><iothreads/></driver>", ""),
        file("", "<blockio logical_block_size='0' discard_granularity='0'/>"),
        file("", "<serial></serial>"),
    ] {
        check(&device, &["-device"], &[line]);
    }
}

#[test]
fn a_shared_disk_is_not_cached() {
    let lines = [
        r#"-blockdev {"driver":"file","filename":"/a","node-name":"libvirt-1-storage","read-only":false,"cache":{"direct":true,"no-flush":false}}"#,
        r#"-device {"driver":"virtio-blk-pci","bus":"pci.0","addr":"0x2","share-rw":true,"drive":"libvirt-1-storage","id":"virtio-disk0","write-cache":"on"}"#,
    ];
    check(&file("", "<shareable/>"), &["-blockdev", "-device"], &lines);
}

#[test]
fn reservations_have_a_helper() {
    let disk = |dev: &str, who: &str| {
        format!(
            "<disk type='block' device='lun'><source dev='/dev/{dev}'><reservations {who}</reservations></source>\
             <target dev='{dev}'/></disk>"
        )
    };
    let own = disk("sda", "managed='no'><source type='unix' path='/pr.sock' mode='client'/>");
    let managed = disk("sdb", "managed='yes'>");
    check(
        &format!("{own}{managed}"),
        &["pr-manager"],
        &[
            r#"-object {"qom-type":"pr-manager-helper","id":"pr-helper0","path":"/var/lib/libvirt/qemu/domain--1-guest/pr-helper0.sock"}"#,
            r#"-object {"qom-type":"pr-manager-helper","id":"pr-helper-libvirt-2-storage","path":"/pr.sock"}"#,
            r#"-blockdev {"driver":"host_device","filename":"/dev/sda","pr-manager":"pr-helper-libvirt-2-storage","node-name":"libvirt-2-storage","read-only":false}"#,
            r#"-blockdev {"driver":"host_device","filename":"/dev/sdb","pr-manager":"pr-helper0","node-name":"libvirt-1-storage","read-only":false}"#,
        ],
    );
}

#[test]
fn controllers_are_refused() {
    for (device, code, part) in [
        ("<controller type='pci' index='1'/>", "malformed", "`model`"),
        (
            "<controller type='usb' index='0' model='ich9-ehci1'/><controller type='usb' index='1' \
             model='ich9-uhci1'><master startport='0'/></controller>",
            "malformed",
            "companion",
        ),
        ("<controller type='xenbus'/>", "malformed", "no controller"),
        ("<controller type='usb' index='1' model='qemu-xhci'/>", "conflict", "without USB"),
        (
            "<controller type='scsi' model='lsilogic'><driver iothread='1'/></controller>",
            "conflict",
            "`iothread`",
        ),
        (
            "<controller type='scsi' model='virtio-scsi'><driver queues='2'><iothreads><iothread id='1'><queue \
             id='0'/></iothread></iothreads></driver></controller>",
            "unsupported-configuration",
            "queue 1",
        ),
        (
            "<controller type='scsi' model='virtio-scsi'><driver queues='1'><iothreads><iothread id='1'><queue \
             id='0'/><queue id='0'/></iothread></iothreads></driver></controller>",
            "unsupported-configuration",
            "serve the queue 0",
        ),
    ] {
        refused(device, code, part);
    }
}

#[test]
fn old_scsi_controllers_have_a_target_for_each_disk() {
    let disk = "<controller type='scsi' model='dc390'/>\
        <disk type='file'><source file='/a'/><target dev='sdc' bus='scsi'/></disk>";
    check(
        disk,
        &["-device"],
        &[
            r#"-device {"driver":"dc-390","id":"scsi0","bus":"pci.0","addr":"0x2"}"#,
            r#"-device {"driver":"scsi-hd","bus":"scsi0.0","scsi-id":2,"device_id":"drive-scsi0-0-0-2","drive":"libvirt-1-storage","id":"scsi0-0-0-2"}"#,
        ],
    );
}

#[test]
fn file_systems_say_what_their_kind_knows() {
    check(
        "<filesystem type='mount' multidevs='default'><driver type='path' queue='9'/><binary path='/v'/>\
         <source dir='/a'/><target dir='t'/><readonly/></filesystem>",
        &["fsdev "],
        &["-fsdev local,security_model=passthrough,id=fsdev-fs0,path=/a,readonly"],
    );
    refused(
        "<filesystem type='mount' accessmode='mapped'><driver type='mtp'/><source dir='/a'/><target dir='t'/>\
         </filesystem>",
        "unsupported-configuration",
        "`mtp`",
    );
    refused(
        "<filesystem type='mount'><driver type='virtiofs'/><source dir='/a'/><target dir='t'/></filesystem>\
         <filesystem type='mount'><source dir='/b'/><target dir='t'/></filesystem>",
        "unsupported-configuration",
        "tag `t`",
    );
}

#[test]
fn who_owns_shared_memory_is_said_without_a_server_only() {
    let shmem = |rest: &str| format!("<shmem name='s' role='master'><model type='ivshmem-{rest}</shmem>");
    let caps: Vec<Capability> =
        caps().into_iter().chain([Capability::IvshmemPlain, Capability::IvshmemDoorbell]).collect();
    for (rest, has_role) in [("plain'/>", true), ("doorbell'/><server path='/s'/><msi vectors='0'/>", false)]
    {
        let lines = arguments("qemu", &shmem(rest), &caps, &layout(Layout::Libvirt));
        let device = lines.iter().find(|line| line.starts_with("-device"));
        assert_eq!(device.map(|line| line.contains("master")), Some(has_role), "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains("vectors")), "{lines:?}");
    }
}

#[test]
fn ports_keep_memory_for_later_devices() {
    let mut caps = caps();
    caps.extend([Capability::PciBridge, Capability::DmiToPciBridge]);
    let bridge =
        "<controller type='pci' index='1' model='pci-bridge'><target memReserve='1024'/></controller>";
    let lines = arguments("qemu", bridge, &caps, &layout(Layout::Libvirt));
    assert!(lines.iter().any(|line| line.contains(r#""mem-reserve":1048576"#)), "{lines:?}");
    refused(&bridge.replace("1024", "0"), "bad-value", "`memReserve`");
    refused(
        &bridge.replace("memReserve='1024'", "chassisNr='256'"),
        "unsupported-configuration",
        "from 1 to 255",
    );
}
