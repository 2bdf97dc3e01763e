//! What depends on facts of the host.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

use caps_parser::{Capabilities, Capability};
use domain_model::{Diagnostic, Document, Domain};
use qemu_argv::{CommandLine, Config, FdRequest, Inputs, Layout, RecordedHost};

type Built = Result<(CommandLine, Vec<Diagnostic>), Vec<Diagnostic>>;

/// The command line of a domain with these elements.
fn build((body, devices): (&str, &str), host: &str, config: &Config) -> Built {
    let xml = format!(
        "<domain type='qemu'><name>g</name><memory>65536</memory>{body}<devices><controller type='usb' model='none'/><memballoon model='none'/>{devices}</devices></domain>"
    );
    let document = Document::parse("", xml.as_str()).unwrap();
    let (domain, problems) = Domain::read(&document);
    assert!(problems.is_empty(), "{problems:?}");
    let caps = Capabilities::from_flags([
        Capability::Blockdev,
        Capability::BootIndex,
        Capability::Vnc,
        Capability::VncPasswordSecret,
        Capability::VgaDevice,
        Capability::VfioPci,
        Capability::Iommufd,
        Capability::VfioPciFd,
    ]);
    let host: RecordedHost = serde_json::from_str(host).unwrap();
    qemu_argv::build(&domain, Inputs { caps: &caps, host: &host, config })
}

/// The arguments with this flag, or what is wrong.
#[track_caller]
fn check(domain: (&str, &str), host: &str, config: &Config, flag: &str, expected: &[&str]) {
    let found = match build(domain, host, config) {
        Ok((line, _)) => {
            let of_flag = line.args.iter().filter(|arg| arg.flag == flag);
            let mut fds = |_: &FdRequest| "9".to_owned();
            of_flag.map(|arg| line.payload(arg, &mut fds).unwrap_or_default()).collect::<Vec<_>>()
        }
        Err(problems) => problems
            .iter()
            .filter(|problem| problem.is_error())
            .map(|problem| format!("{}: {}", problem.code, problem.message))
            .collect(),
    };
    assert_eq!(found, expected, "{domain:?}");
}

/// What a domain is warned of that can be started.
fn warnings(domain: (&str, &str), host: &str, config: &Config) -> Vec<String> {
    let (_, warnings) = build(domain, host, config).unwrap();
    warnings.into_iter().map(|warning| warning.message).collect()
}

const OS: &str = "<os><type arch='x86_64' machine='pc'>hvm</type></os>";

#[test]
fn the_tables_of_the_host_become_the_guests() {
    let body = "<os><type arch='x86_64' machine='pc'>hvm</type><smbios mode='host'/></os>";
    let host = r#"{"dmi": {"bios_vendor": "SeaBIOS", "sys_vendor": "QEMU", "product_name": "A, B",
                   "product_uuid": "1-2-3", "board_name": "b", "chassis_serial": "7"}}"#;
    let tables = [
        "type=0,vendor=SeaBIOS",
        "type=1,manufacturer=QEMU,product=A,, B",
        "type=2,product=b",
        "type=3,serial=7",
    ];
    check((body, ""), host, &Config::default(), "-smbios", &tables);
    check((body, ""), host, &Config { layout: Layout::Libvirt, ..Config::default() }, "-smbios", &tables);
    check(
        (body, ""),
        "{}",
        &Config::default(),
        "-smbios",
        &["unsupported-configuration: this host does not say what machine it is"],
    );
}

#[test]
fn volumes_below_other_images_are_found_too() {
    let host = r#"{"pools": {"p": {"kind": "dir", "active": true, "target": "/pool",
                   "volumes": {"v": {"path": "/pool/v", "kind": "file"}}}}}"#;
    let check = |below: &str, expected: &[&str]| {
        let disk = format!(
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/top'/>\
             <backingStore type='volume'><format type='raw'/>{below}<backingStore/></backingStore>\
             <target dev='vda' bus='virtio'/></disk>"
        );
        check((OS, &disk), host, &Config::default(), "-blockdev", expected);
    };
    check(
        "<source pool='p' volume='v'/>",
        &[
            r#"{"driver":"file","filename":"/pool/v","node-name":"libvirt-2-storage","auto-read-only":true,"discard":"unmap"}"#,
            r#"{"node-name":"libvirt-2-format","read-only":true,"driver":"raw","file":"libvirt-2-storage"}"#,
            r#"{"driver":"file","filename":"/top","node-name":"libvirt-1-storage","auto-read-only":true,"discard":"unmap"}"#,
            r#"{"node-name":"libvirt-1-format","read-only":false,"driver":"qcow2","file":"libvirt-1-storage","backing":"libvirt-2-format"}"#,
        ],
    );
    check("<source pool='p' volume='w'/>", &["not-found: the storage pool `p` has no volume `w`"]);
    check("<source pool='q' volume='v'/>", &["not-found: there is no storage pool `q`"]);
    check(
        "<source pool='p' volume='v' startupPolicy='optional' mode='direct'/>",
        &["conflict: `mode` is for volumes of iSCSI pools; `p` is a pool of the type `dir`"],
    );
}

#[test]
fn a_guest_goes_without_images_that_are_missing_and_optional() {
    let disk = |device: &str, target: &str, policy: &str| {
        format!(
            "<disk type='file' device='{device}'><driver name='qemu' type='raw'/><source file='/a' \
             startupPolicy='{policy}'/><target dev='{target}'/></disk>"
        )
    };
    let devices = [disk("disk", "vda", "optional"), disk("cdrom", "hdc", "optional")].concat();
    let (here, gone) = (r#"{"files": {"/a": "file"}}"#, "{}");
    let config = Config::default();
    let nodes = |devices: &str, host: &str, config: &Config| {
        let (line, _) = build((OS, devices), host, config).unwrap();
        let drives = line.args.iter().filter_map(|arg| line.payload(arg, &mut |_| String::new()));
        drives.filter(|payload| payload.contains("/a") || payload.starts_with("ide-cd")).collect::<Vec<_>>()
    };
    assert_eq!(nodes(&devices, here, &config).len(), 3);
    assert_eq!(warnings((OS, &devices), here, &config), [] as [&str; 0]);
    // An empty drive is left.
    assert_eq!(nodes(&devices, gone, &config), ["ide-cd,bus=ide.1,unit=0,id=ide0-1-0"]);
    let told = ["the guest goes without this disk", "the drive is empty"];
    let told = told.map(|then| format!("`/a` does not exist, so {then}"));
    assert_eq!(warnings((OS, &devices), gone, &config), told);
    // What is needed when the guest boots is not dropped; nor is anything where it is only compared with libvirt's.
    assert_eq!(nodes(&disk("cdrom", "hdc", "requisite"), gone, &config).len(), 2);
    let libvirt = Config { layout: Layout::Libvirt, ..Config::default() };
    assert_eq!(nodes(&devices, gone, &libvirt).len(), 3);
}

#[test]
fn a_password_ends_where_somebody_can_say_so() {
    let vnc = "<graphics type='vnc' passwd='open' passwdValidTo='2026-01-31T23:59:59'/>";
    let host = r#"{"free-port": 5900}"#;
    let refused = "not-yet-supported: a password that is valid for some time only, without a monitor, is not supported yet";
    check((OS, vnc), host, &Config::default(), "-vnc", &[refused]);
    let supervised = Config { supervised: true, ..Config::default() };
    check(
        (OS, vnc),
        host,
        &supervised,
        "-vnc",
        &["127.0.0.1:0,password-secret=graphics0-password,audiodev=audio1"],
    );
}

#[test]
fn devices_are_handed_over_open_where_qemu_and_the_host_can() {
    let pci = |slot: u32| {
        format!(
            "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='6' slot='{slot}' \
             function='0'/></source><address type='pci' slot='{slot}'/></hostdev>"
        )
    };
    let nic = "<interface type='hostdev'><mac address='52:54:00:00:00:01'/><source>\
               <address type='pci' domain='0' bus='6' slot='9' function='0'/></source>\
               <address type='pci' slot='9'/></interface>";
    let devices = [pci(3), pci(4), nic.to_owned()].concat();
    let host = r#"{"vfio-devices": {"0000:06:03.0": "/dev/vfio/devices/vfio1", "0000:06:09.0": "/dev/vfio/devices/vfio2"}}"#;
    let supervised = Config { supervised: true, ..Config::default() };
    check(
        (OS, &devices),
        host,
        &supervised,
        "-object",
        &[r#"{"qom-type":"iommufd","id":"iommufd0","fd":"9"}"#],
    );
    check(
        (OS, &devices),
        host,
        &supervised,
        "-device",
        &[
            "vfio-pci,iommufd=iommufd0,fd=9,id=hostdev0,bus=pci.0,addr=0x9",
            "vfio-pci,iommufd=iommufd0,fd=9,id=hostdev1,bus=pci.0,addr=0x3",
            "vfio-pci,host=0000:06:04.0,id=hostdev2,bus=pci.0,addr=0x4",
        ],
    );
    // What is of no use is not used, and told.
    let no_iommu =
        r#"{"vfio-devices": {"0000:06:03.0": "/dev/vfio/devices/vfio1"}, "no-iommu": "no rights"}"#;
    let by_group = ["vfio-pci,host=0000:06:03.0,id=hostdev0,bus=pci.0,addr=0x3"];
    check((OS, &pci(3)), no_iommu, &supervised, "-device", &by_group);
    let told = "QEMU has to open the IOMMU group of `0000:06:03.0` by itself: no rights";
    assert_eq!(warnings((OS, &pci(3)), no_iommu, &supervised), [told]);
    assert_eq!(warnings((OS, &pci(3)), no_iommu, &Config::default()), [] as [&str; 0]);
    // Whoever pastes a command line has nobody who opens anything; libvirt 11.3 does not either.
    for config in [Config::default(), Config { layout: Layout::Libvirt, ..Config::default() }] {
        check(
            (OS, &pci(3)),
            host,
            &config,
            "-device",
            &["vfio-pci,host=0000:06:03.0,id=hostdev0,bus=pci.0,addr=0x3"],
        );
    }
}
