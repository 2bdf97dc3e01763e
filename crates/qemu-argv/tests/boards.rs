//! What machines of many architectures make of devices that do not say much, and what they refuse.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use caps_parser::facts::{Accel, Accelerator, Machine};
use caps_parser::{Capabilities, Capability};
use domain_model::{Diagnostic, Document, Domain};
use qemu_argv::{Config, Inputs, Layout, RecordedHost};

const TODAY: &[Capability] = &[
    Capability::Blockdev,
    Capability::CirrusVga,
    Capability::DeviceJsonHotplug,
    Capability::I8042,
    Capability::IvshmemPlain,
    Capability::Lsi,
    Capability::NetdevJson,
    Capability::Nvram,
    Capability::PcieRootPort,
    Capability::PciePciBridge,
    Capability::PciOhci,
    Capability::Piix3UsbUhci,
    Capability::PvpanicPci,
    Capability::QemuXhci,
    Capability::Ramfb,
    Capability::RngRandom,
    Capability::Rtl8139,
    Capability::SpaprPciHostBridge,
    Capability::UsbHub,
    Capability::VirtioMmio,
    Capability::VirtioPciNonTransitional,
    Capability::VirtioScsiPci,
];

/// What the devices add to a machine without them, or the code of the first thing that is wrong.
#[track_caller]
fn check(arch: &str, machine: &str, devices: &str, expected: &[&str]) {
    let build = |devices: &str| {
        let xml = format!(
            "<domain type='qemu'><name>guest</name><memory>1048576</memory><os><type arch='{arch}' \
             machine='{machine}'>hvm</type></os><devices>{devices}<memballoon model='none'/></devices></domain>"
        );
        let document = Document::parse("guest.xml", &xml).unwrap();
        let (domain, mut problems) = Domain::read(&document);
        let caps = Capabilities::from_flags(TODAY.to_vec());
        let host = RecordedHost::default();
        let config = Config { layout: Layout::Libvirt, ..Config::default() };
        let inputs = Inputs { caps: &caps, host: &host, config: &config };
        let (resolved, more) = qemu_argv::resolve(&domain, inputs);
        problems.extend(more);
        let (line, more) = qemu_argv::lower(&resolved, inputs);
        problems.extend(more);
        let payload = |arg| line.payload(arg, &mut |_| "3".to_owned()).unwrap_or_default();
        let lines: Vec<String> =
            line.args.iter().map(|arg| format!("{} {}", arg.flag, payload(arg))).collect();
        problems.retain(Diagnostic::is_error);
        (lines, problems.iter().map(|problem| problem.code.to_string()).take(1).collect::<Vec<_>>())
    };
    let (base, _) = build("");
    let (mut lines, problems) = build(devices);
    lines.retain(|line| !base.contains(line));
    assert_eq!(if problems.is_empty() { lines } else { problems }, expected, "{arch} {machine}: {devices}");
}

#[test]
fn cards_of_boards_have_no_device() {
    let card =
        |model: &str| format!("<interface type='user'><mac address='52:54:00:00:00:01'/>{model}</interface>");
    let netdev = r#"-netdev {"type":"user","id":"hostnet0"}"#;
    for (arch, machine, model, expected) in [
        ("armv7l", "vexpress-a9", "", "lan9118"),
        ("aarch64", "raspi3b", "<model type='virtio'/>", "virtio"),
        ("aarch64", "virt", "<model type='spapr-vlan'/>", "spapr-vlan"),
    ] {
        let nic = format!("-net nic,macaddr=52:54:00:00:00:01,netdev=hostnet0,model={expected},id=net0");
        check(arch, machine, &card(model), &[netdev, &nic]);
    }
    let pci = r#"-device {"driver":"scm91c111","netdev":"hostnet0","id":"net0","mac":"52:54:00:00:00:01","bus":"pci","addr":"0x1"}"#;
    let usb = r#"-device {"driver":"pci-ohci","id":"usb","bus":"pci","addr":"0x2"}"#;
    check("armv7l", "versatilepb", &card(""), &[usb, netdev, pci]);
}

#[test]
fn video_cards_that_nobody_chose() {
    let cirrus = r#"-device {"driver":"cirrus-vga","id":"video0"}"#;
    check("aarch64", "raspi3b", "<video/>", &[cirrus]);
    let ramfb = r#"-device {"driver":"ramfb","id":"video0"}"#;
    check("aarch64", "virt", "<video><model type='ramfb'/></video>", &[ramfb]);
}

#[test]
fn what_a_machine_has_no_room_for() {
    let rng = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>";
    let disk = "<disk><source file='/a'/><target dev='fda' bus='fdc'/></disk>";
    for (arch, machine, devices, expected) in [
        // libvirt knows of PCI on these boards only by their `virt` machine.
        ("aarch64", "raspi3b", rng, "malformed"),
        ("riscv64", "spike", rng, "malformed"),
        ("m68k", "q800", rng, "conflict"),
        ("x86_64", "isapc", rng, "conflict"),
        ("x86_64", "isapc", "<controller type='ide'/>", "unsupported-configuration"),
        ("aarch64", "raspi3b", "<panic model='pvpanic'/>", "unsupported-configuration"),
        ("aarch64", "virt", "<panic/><panic/>", "conflict"),
        (
            "aarch64",
            "raspi3b",
            "<shmem name='a'><model type='ivshmem-plain'/></shmem>",
            "unsupported-configuration",
        ),
        ("aarch64", "raspi3b", "<serial type='pty'><target type='system-serial'/></serial>", "malformed"),
        (
            "aarch64",
            "virt",
            "<serial type='pty'><target type='isa-debug'/></serial>",
            "unsupported-configuration",
        ),
        ("aarch64", "virt", "<console type='pty'><target type='sclp'/></console>", "missing-capability"),
        ("sparc64", "sun4u", "<input type='mouse' bus='ps2'/>", "unsupported-configuration"),
        (
            "aarch64",
            "virt",
            "<pstore backend='acpi-erst'><size unit='KiB'>8</size></pstore>",
            "missing-capability",
        ),
        (
            "s390x",
            "s390-ccw-virtio",
            "<input type='passthrough' bus='virtio'><source evdev='/dev/input/event0'/></input>",
            "unsupported-configuration",
        ),
    ] {
        check(arch, machine, devices, &[expected]);
    }
    check(
        "ppc64",
        "pseries",
        &disk.replace("<disk>", "<disk device='floppy' type='file'>"),
        &["unsupported-configuration"],
    );
}

#[test]
fn controllers_that_machines_have_or_prefer() {
    let device = |devices: &str, (arch, machine): (&str, &str), expected: &str| {
        let xml = format!(
            "<domain type='qemu'><name>guest</name><memory>1048576</memory><os><type arch='{arch}' \
             machine='{machine}'>hvm</type></os><devices>{devices}<memballoon model='none'/></devices></domain>"
        );
        let (written, _) = resolved(&xml, &Capabilities::from_flags(TODAY.to_vec()), false);
        assert!(written.contains(expected), "{arch} {machine} {devices}: {written}");
    };
    device("<controller type='usb'/>", ("riscv64", "virt"), "type='usb' index='0' model='piix3-uhci'");
    device("<controller type='scsi'/>", ("riscv64", "virt"), "type='scsi' index='0' model='lsilogic'");
    device("<controller type='usb'/>", ("loongarch64", "virt"), "type='usb' index='0' model='qemu-xhci'");
    device("<controller type='scsi'/>", ("loongarch64", "virt"), "type='scsi' index='0' model='virtio-scsi'");
    device("<input type='mouse'/>", ("s390x", "s390-ccw-virtio"), "<input type='mouse' bus='virtio'>");
    device("<controller type='ide'/>", ("ppc", "g3beige"), "<controller type='ide' index='0'/>");
    let nvram = "<nvram><address type='spapr-vio' reg='0x4000'/></nvram>";
    check("ppc64", "pseries", nvram, &["-global spapr-nvram.reg=0x4000"]);
}

/// What a domain becomes; `is_new` is whether defaults need not be those of older guests.
fn resolved(xml: &str, caps: &Capabilities, is_new: bool) -> (String, Vec<String>) {
    let document = Document::parse("guest.xml", xml).unwrap();
    let (host, config) = (RecordedHost::default(), Config { abi_update: is_new, ..Config::default() });
    let inputs = Inputs { caps, host: &host, config: &config };
    let (resolved, problems) = qemu_argv::resolve(&Domain::read(&document).0, inputs);
    let errors = problems.iter().filter(|problem| problem.is_error());
    (resolved.write(), errors.map(|problem| problem.code.to_string()).collect())
}

#[test]
fn a_machine_type_that_nobody_chose() {
    let machine = |name: &str, default| Machine { name: name.to_owned(), default, ..Machine::default() };
    for (arch, machines, expected) in [
        ("riscv64", ["spike", "virt"], "virt"),
        ("aarch64", ["raspi3b", "virt"], "virt"),
        // What QEMU prefers counts where it has not what guests always got.
        ("riscv64", ["spike", "shakti_c"], "spike"),
    ] {
        let mut caps = Capabilities::from_flags([Capability::Blockdev]);
        caps.facts.arch = Some(arch.to_owned());
        let machines = vec![machine(machines[0], true), machine(machines[1], false)];
        caps.facts.accelerators.insert(Accel::Tcg, Accelerator { machines, ..Accelerator::default() });
        let xml = format!(
            "<domain type='qemu'><name>g</name><memory>1048576</memory><os><type arch='{arch}'>hvm</type></os></domain>"
        );
        let (xml, _) = resolved(&xml, &caps, false);
        assert!(xml.contains(&format!("machine='{expected}'")), "{arch}: {xml}");
    }
}

#[test]
fn room_for_memory_needs_a_cell() {
    let xml = "<domain type='qemu'><name>g</name><maxMemory slots='4' unit='GiB'>4</maxMemory><memory>1048576</memory>\
               <vcpu>4</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os><devices><memory model='dimm'><target>\
               <size unit='MiB'>256</size></target></memory></devices></domain>";
    let caps = Capabilities::from_flags([Capability::Blockdev, Capability::PcDimm]);
    let (new, problems) = resolved(xml, &caps, true);
    assert!(problems.is_empty(), "{problems:?}");
    for expected in ["<cell id='0' cpus='0-3' memory='786432' unit='KiB'/>", "<node>0</node>"] {
        assert!(new.contains(expected), "{expected}: {new}");
    }
    let (_, problems) = resolved(xml, &caps, false);
    assert_eq!(problems, ["unsupported-configuration"]);
}

#[test]
fn what_is_read_and_says_nothing() {
    let features = "<features><hpt/></features>";
    let xml = |rest: &str| {
        format!(
            "<domain type='qemu'><name>g</name><memory>1048576</memory><os><type arch='aarch64' \
             machine='raspi3b'>hvm</type>{rest}</domain>"
        )
    };
    let caps = Capabilities::from_flags([Capability::Blockdev]);
    let (written, problems) = resolved(&xml(&format!("</os>{features}")), &caps, false);
    assert!(problems.is_empty() && !written.contains("features"), "{written}");
    let (written, _) = resolved(&xml("<loader type='rom'>/fw</loader></os>"), &caps, false);
    assert!(written.contains("<loader type='rom'>/fw</loader>"), "{written}");
    let labels = "</os><seclabel type='dynamic' model='dac'><label>l</label><imagelabel>i</imagelabel></seclabel>\
        <seclabel model='apparmor'/>";
    let (written, _) = resolved(&xml(labels), &caps, false);
    assert!(
        written.contains("  <seclabel type='dynamic' model='dac' relabel='yes'/>\n</domain>"),
        "{written}"
    );
    let lengths = "</os><cpu mode='maximum'><feature policy='require' name='sve128'/></cpu>";
    let (written, _) = resolved(&xml(lengths), &caps, false);
    assert!(written.contains("<feature policy='require' name='sve'/>"), "{written}");
}
