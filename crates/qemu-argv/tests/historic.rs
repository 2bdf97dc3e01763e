//! Command lines and XML of small domains as libvirt of February 2011 had them.

use caps_parser::{Capabilities, Capability};
use domain_model::{Document, Domain, Severity};
use qemu_argv::dialect::Era;
use qemu_argv::import::{NoFiles, import};
use qemu_argv::{Config, FdRequest, Inputs, Layout, RecordedHost};

/// A domain with these parts: attributes of `<domain>`, what stands before `<os>`, in `<os>` and in `<devices>`.
#[derive(Clone, Copy)]
struct Parts {
    kind: &'static str,
    ty: &'static str,
    before: &'static str,
    os: &'static str,
    emulator: &'static str,
    devices: &'static str,
}

const PC: Parts = Parts {
    kind: "qemu",
    ty: "<type arch='i686' machine='pc'>hvm</type>",
    before: "",
    os: "<boot dev='hd'/>",
    emulator: "/usr/bin/qemu",
    devices: "",
};

impl Parts {
    fn xml(self) -> String {
        let Parts { kind, ty, before, os, emulator, devices } = self;
        format!(
            "<domain type='{kind}'><name>guest</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\
             <memory>65536</memory>{before}<os>{ty}{os}</os>\
             <devices><emulator>{emulator}</emulator>{devices}</devices></domain>"
        )
    }
}

struct Built {
    words: String,
    xml: String,
    problems: Vec<String>,
}

fn build(parts: Parts, flags: &str, config: &Config) -> Result<Built, String> {
    let xml = parts.xml();
    let document = Document::parse("", &xml).map_err(|error| error.to_string())?;
    let (domain, mut problems) = Domain::read(&document);
    let names = flags.split(' ').filter(|name| !name.is_empty());
    let flags: Result<Vec<Capability>, _> = names.map(str::parse).collect();
    let caps = Capabilities::from_flags(flags.map_err(|error| error.to_string())?);
    let host =
        RecordedHost { arch: Some("x86_64".to_owned()), free_port: Some(0), ..RecordedHost::default() };
    let inputs = Inputs { caps: &caps, host: &host, config };
    let (resolved, more) = qemu_argv::resolve(&domain, inputs);
    problems.extend(more);
    let (line, more) = qemu_argv::lower(&resolved, inputs);
    problems.extend(more);
    let env = line.env.iter().map(|var| format!("{}={}", var.name, var.value));
    let argv = line.argv(&mut |_: &FdRequest| "-1".to_owned());
    let words = env.chain(argv).collect::<Vec<_>>().join(" ");
    let problems = problems.iter().map(|problem| problem.message.clone()).collect();
    Ok(Built { words, xml: resolved.write_historic(), problems })
}

fn config() -> Config {
    Config { layout: Layout::Libvirt, monitor_socket: Some("/m".to_owned()), ..Config::default() }
}

#[track_caller]
fn has(parts: Parts, flags: &str, config: &Config, expected: &str) {
    let built = build(parts, flags, config);
    let text = match &built {
        Ok(built) => format!("{} {}", built.words, built.problems.join("; ")),
        Err(error) => error.clone(),
    };
    let is_good = built.is_ok_and(|built| built.problems.is_empty() && built.words.contains(expected));
    assert!(is_good, "{}\n{flags}\n expected: {expected}\n got: {text}", parts.xml());
}

#[track_caller]
fn words(devices: &'static str, flags: &str, expected: &str) {
    has(Parts { devices, ..PC }, flags, &config(), expected);
}

const DEVICE: &str = "device chardev drive";

#[test]
fn the_processor_of_32_bit_guests() {
    let check = |emulator, ty, expected| has(Parts { emulator, ty, ..PC }, "", &config(), expected);
    let i686 = "<type arch='i686' machine='pc'>hvm</type>";
    check("/usr/bin/qemu", i686, "-M pc -m 64");
    check("/usr/bin/kvm", i686, "-M pc -cpu qemu32 -m 64");
    check("/usr/bin/qemu-system-x86_64", i686, "-M pc -cpu qemu32 -m 64");
    check("/usr/bin/qemu-system-x86_64", "<type arch='x86_64' machine='pc'>hvm</type>", "-M pc -m 64");
}

#[test]
fn disks_that_the_bios_does_not_know_are_booted() {
    const TWO: &str = "<disk type='file'><source file='/a'/><target dev='sda' bus='usb'/></disk>\
                       <disk type='file'><source file='/b'/><target dev='vda' bus='virtio'/></disk>\
                       <disk type='file'><source file='/c'/><target dev='vdb' bus='virtio'/></disk>";
    // A stick with an option of its own is no drive that could be the first.
    words(
        TWO,
        "drive drive-boot",
        "-usbdevice disk:/a -drive file=/b,if=virtio,boot=on -drive file=/c,if=virtio -net",
    );
    words(TWO, "device drive drive-boot", "-drive file=/a,if=none,id=drive-usb-disk0,boot=on");
    words(TWO, "drive", "-drive file=/b,if=virtio -drive");
    let os = "<kernel>/k</kernel>";
    let parts = Parts { devices: TWO, os, ..PC };
    has(
        parts,
        "drive drive-boot",
        &config(),
        "-boot c -kernel /k -usbdevice disk:/a -drive file=/b,if=virtio,boot=on",
    );
    // The same binary without KVM does not know the word.
    words(TWO, "drive drive-boot kvm", "-drive file=/b,if=virtio -drive file=/c");
}

#[test]
fn spice_and_its_cards() {
    const SPICE: &str = "<graphics type='spice' port='5903'>\
        <channel name='inputs' mode='insecure'/><channel name='cursor' mode='any'/>\
        <channel name='main' mode='secure'/></graphics>\
        <video><model type='qxl' vram='18432' heads='1'/></video><video><model type='qxl' vram='32768'/></video>";
    let tls = Config {
        spice_tls: true,
        spice_listen: String::new(),
        spice_tls_dir: "/etc/spice".to_owned(),
        spice_password: Some("x".to_owned()),
        ..config()
    };
    let parts = Parts { devices: SPICE, ..PC };
    let flags = format!("{DEVICE} spice vga vga-qxl");
    has(
        parts,
        &flags,
        &tls,
        "-spice port=5903,tls-port=0,x509-dir=/etc/spice,tls-channel=main,plaintext-channel=inputs \
         -vga qxl -device qxl,id=video1,bus=pci.0,addr=0x4",
    );
    has(
        parts,
        &format!("{flags} device-qxl-vga"),
        &tls,
        "-vga qxl -global qxl-vga.vram_size=18874368 -device",
    );
    let plain = Config { spice_listen: "1.2.3.4".to_owned(), spice_tls: false, ..config() };
    let parts = Parts { devices: "<graphics type='spice' autoport='yes'/>", ..PC };
    has(parts, "spice vga", &plain, "-spice port=0,addr=1.2.3.4,disable-ticketing -vga cirrus");
    let parts = Parts { devices: "<graphics type='spice'/>", ..PC };
    has(parts, "spice vga", &plain, "-spice port=5900,addr=1.2.3.4,disable-ticketing");
}

#[test]
fn network_cards() {
    const MAC: &str = "<interface type='ethernet'><mac address='00:11:22:33:44:55'/><source dev='eth0'/>\
        <ip address='10.0.0.1'/><script path='/up'/><target dev='tap7'/></interface>";
    words(
        MAC,
        "",
        "-net nic,macaddr=00:11:22:33:44:55,vlan=0 -net tap,ifname=tap7,script=/up,vlan=0 -serial",
    );
    words(
        MAC,
        "0.10",
        "-net nic,macaddr=00:11:22:33:44:55,vlan=0,name=net0 -net tap,ifname=tap7,script=/up,vlan=0,name=hostnet0",
    );
}

#[test]
fn consoles_and_channels() {
    const BOTH: &str = "<serial type='pty'/><console type='stdio'><target type='virtio'/></console>";
    words(
        BOTH,
        DEVICE,
        "-device isa-serial,chardev=charserial0,id=serial0 -chardev stdio,id=charconsole0 \
         -device virtconsole,chardev=charconsole0,id=console0 -usb",
    );
    const GUESTFWD: &str = "<channel type='pipe'><source path='/p'/>\
        <target type='guestfwd' address='10.0.2.1' port='4600'/></channel>";
    words(
        GUESTFWD,
        DEVICE,
        "-chardev pipe,id=charchannel0,path=/p \
         -netdev user,guestfwd=tcp:10.0.2.1:4600,chardev=charchannel0,id=user-channel0",
    );
    for flags in ["", "device", "chardev"] {
        let refused = build(Parts { devices: GUESTFWD, ..PC }, flags, &config());
        assert!(refused.is_ok_and(|built| !built.problems.is_empty()), "{flags}");
    }
    const SPICEVMC: &str = "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/>\
        <address type='virtio-serial' controller='1' bus='0' port='3'/></channel>";
    words(SPICEVMC, "device device-spicevmc", "-device spicevmc,bus=virtio-serial1.0,nr=3,id=channel0 -usb");
}

#[test]
fn controllers_stay_where_they_stand() {
    const DISKS: &str = "<controller type='scsi' index='2'/><controller type='virtio-serial' index='1'/>\
        <controller type='scsi' index='0'/>\
        <disk type='file'><source file='/a'/><target dev='sdh' bus='scsi'/></disk>";
    words(
        DISKS,
        DEVICE,
        "-device lsi,id=scsi2,bus=pci.0,addr=0x2 -device virtio-serial-pci,id=virtio-serial1,bus=pci.0,addr=0x3 \
         -device lsi,id=scsi0,bus=pci.0,addr=0x4 -device lsi,id=scsi1,bus=pci.0,addr=0x5 -drive",
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let check = |devices, flags: &str, expected: &str| {
        let problems = build(Parts { devices, ..PC }, flags, &config()).map(|built| built.problems);
        let problems = problems.unwrap_or_default().join("; ");
        assert!(problems.contains(expected), "{devices}: {problems}");
    };
    check(
        "<disk type='file'><source file='/a'/><target dev='vda'/>\
         <address type='pci' domain='0' bus='0' slot='7' function='1'/></disk>",
        DEVICE,
        "function 0",
    );
    check("<input type='mouse' bus='xen'/>", DEVICE, "bus `xen`");
    check("<sound model='ich6'/>", DEVICE, "`hda-duplex`");
    check("<watchdog model='ib700'/><watchdog model='i6300esb'/>", DEVICE, "one watchdog");
    check("<controller type='sata'/>", DEVICE, "type `sata`");
    // A controller of a QEMU without `-device` is not spoken of.
    words("<controller type='sata'/><controller type='virtio-serial'/>", "", "-boot c -net none");
    words(
        "<sound model='ich6'/>",
        "device hda-duplex",
        "-device hda-duplex,id=sound0-codec0,bus=sound0.0,cad=0",
    );
}

/// The lines of the domain's XML that hold the word.
#[track_caller]
fn lines(parts: Parts, word: &str, expected: &[&str]) {
    let built = build(parts, "", &config());
    let xml = built.map(|built| built.xml).unwrap_or_else(|error| error);
    let lines: Vec<&str> = xml.lines().map(str::trim).filter(|line| line.contains(word)).collect();
    assert_eq!(lines, expected, "{}", parts.xml());
}

#[test]
fn what_is_kept_of_a_domain() {
    let devices = |devices, word: &str, expected: &[&str]| lines(Parts { devices, ..PC }, word, expected);
    lines(PC, "clock", &["<clock offset='utc'/>"]);
    let vnc = |devices, expected| lines(Parts { devices, ..PC }, "<graphics", &[expected]);
    vnc("<graphics type='vnc'/>", "<graphics type='vnc' port='-1' autoport='yes'/>");
    vnc("<graphics type='vnc' port='-1'/>", "<graphics type='vnc' port='-1' autoport='yes'/>");
    vnc(
        "<graphics type='vnc' port='5901' autoport='yes'/>",
        "<graphics type='vnc' port='-1' autoport='yes'/>",
    );
    vnc("<graphics type='vnc' port='5901'/>", "<graphics type='vnc' port='5901' autoport='no'/>");
    vnc(
        "<graphics type='vnc' port='5901' listen='::1' passwd='x' keymap='de'/>",
        "<graphics type='vnc' port='5901' autoport='no' listen='::1' keymap='de'/>",
    );
    vnc("<graphics type='vnc' socket='/s' port='5901' autoport='no'/>", "<graphics type='vnc' socket='/s'/>");
    vnc("<graphics type='sdl' fullscreen='no'/>", "<graphics type='sdl'/>");
    vnc("<graphics type='spice'/>", "<graphics type='spice' port='5900' autoport='no'/>");
    vnc(
        "<graphics type='spice' port='5901' tlsPort='0'/>",
        "<graphics type='spice' port='5901' autoport='no'/>",
    );
    vnc(
        "<graphics type='spice' port='1' tlsPort='2' autoport='yes'/>",
        "<graphics type='spice' autoport='yes'/>",
    );
    devices(
        "<graphics type='spice'><channel name='main' mode='any'/><channel name='record' mode='secure'/></graphics>",
        "<channel",
        &["<channel name='record' mode='secure'/>"],
    );
    let disk = |devices, expected: &[&str]| lines(Parts { devices, ..PC }, "<driver", expected);
    disk("<disk type='file'><driver type='raw'/><source file='/a'/><target dev='hda'/></disk>", &[]);
    disk(
        "<disk type='file'><driver name='qemu' cache='default'/><source file='/a'/><target dev='hda'/></disk>",
        &["<driver name='qemu'/>"],
    );
    // Only where the screen is seen, the machine's own mouse is mentioned.
    devices("<input type='mouse' bus='ps2'/>", "<input", &[]);
    devices(
        "<input type='mouse' bus='ps2'/><input type='tablet'/><graphics type='sdl'/>",
        "<input",
        &["<input type='tablet' bus='usb'/>", "<input type='mouse' bus='ps2'/>"],
    );
    devices(
        "<serial type='pty'><source path='/dev/pts/1'/><target port='4'/></serial>\
         <console type='pty'><target type='virtio'/></console>",
        "<target",
        &["<target port='0'/>", "<target type='virtio' port='0'/>"],
    );
    devices(
        "<interface type='ethernet'><ip address='10.0.0.1'/></interface>",
        "<ip",
        &["<ip address='10.0.0.1'/>"],
    );
    let cpu = |before, expected: &[&str]| {
        for (word, expected) in ["<cpu", "<feature "].into_iter().zip(expected) {
            lines(Parts { before, ..PC }, word, &[expected]);
        }
    };
    cpu("<cpu match='exact'><topology sockets='1' cores='1' threads='1'/></cpu>", &["<cpu>"]);
    cpu(
        "<cpu><model>core2duo</model><feature name='vmx'/></cpu>",
        &["<cpu match='exact'>", "<feature policy='require' name='vmx'/>"],
    );
    cpu("<cpu match='strict'><model>core2duo</model></cpu>", &["<cpu match='strict'>"]);
}

#[test]
fn the_way_back() {
    let check = |script: &str, expected: &[&str]| {
        let (domain, problems) = import(script, Era::Historic, &NoFiles);
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert!(messages.is_empty(), "{script}: {messages:?}");
        let xml = domain.write_historic();
        for expected in expected {
            assert!(xml.contains(expected), "{script}\n expected: {expected}\n got: {xml}");
        }
    };
    check(
        "qemu -M pc -smp 6,sockets=1,cores=3,threads=2",
        &["<vcpu>6</vcpu>", "<topology sockets='1' cores='3'"],
    );
    check("qemu -M pc -smp 4,sockets=8,cores=1,threads=1", &["<vcpu>4</vcpu>", "<topology sockets='8'"]);
    check("qemu -M pc -smp 2,maxcpus=4", &["<vcpu current='2'>4</vcpu>"]);
    check("qemu-system-sparc -M SS-5", &["<type arch='sparc' machine='SS-5'>hvm</type>", "<acpi/>"]);
    check("xenner -M xenner -bootloader /foo", &["<domain type='kvm'>", ">xen</type>", "<bootloader>/foo<"]);
    check(
        "qemu -net nic,vlan=1,macaddr=00:11:22:33:44:55 -net user",
        &["<interface type='user'>", "<mac address='00:11:22:33:44:55'/>"],
    );
    check(
        "qemu -drive file=/a,if=virtio,format=raw,werror=enospace,rerror=enospace",
        &["error_policy='enospace'"],
    );
    // What libvirt passed over is not refused, and not passed over without a word.
    let (domain, problems) = import("qemu -cpu core2duo,check,+vmx", Era::Historic, &NoFiles);
    assert!(domain.write_historic().contains("<feature policy='require' name='vmx'/>"));
    let severities: Vec<Severity> = problems.iter().map(|problem| problem.severity).collect();
    assert_eq!(severities, [Severity::Warning]);
}
