//! Addresses of devices, and the controllers that come with them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use caps_parser::{Capabilities, Capability};
use domain_model::domain::has_errors;
use domain_model::{Devices, Diagnostic, Document, Domain};
use proptest::prelude::*;
use qemu_argv::{Config, Inputs, RecordedHost};

/// What a QEMU of today can do, as far as addresses depend on it.
const TODAY: &[Capability] = &[
    Capability::Blockdev,
    Capability::CirrusVga,
    Capability::DmiToPciBridge,
    Capability::I8042,
    Capability::Ich9Ahci,
    Capability::Ioh3420,
    Capability::Lsi,
    Capability::PciBridge,
    Capability::PciOhci,
    Capability::PciePciBridge,
    Capability::PcieRootPort,
    Capability::Piix3UsbUhci,
    Capability::QemuXhci,
    Capability::Qxl,
    Capability::RngRandom,
    Capability::SpaprPciHostBridge,
    Capability::UsbHub,
    Capability::UsbKbd,
    Capability::UsbStorage,
    Capability::VgaDevice,
    Capability::VhostVsock,
    Capability::VirtioGpu,
    Capability::VirtioMmio,
    Capability::VirtioPciNonTransitional,
    Capability::VirtioScsiPci,
    Capability::Zpci,
];

fn resolve(arch: &str, machine: &str, devices: &str, flags: &[Capability]) -> (Domain, Vec<Diagnostic>) {
    let xml = format!(
        "<domain type='qemu'><name>guest</name><memory>1048576</memory>\
         <os><type arch='{arch}' machine='{machine}'>hvm</type></os><devices>{devices}</devices></domain>"
    );
    let document = Document::parse("guest.xml", xml).unwrap();
    let (domain, problems) = Domain::read(&document);
    assert!(!has_errors(&problems), "{problems:?}");
    let caps = Capabilities::from_flags(flags.to_vec());
    let (host, config) = (RecordedHost::default(), Config::default());
    qemu_argv::resolve(&domain, Inputs { caps: &caps, host: &host, config: &config })
}

/// The addresses of a kind, in the order of the XML, as `element bus:slot.function`.
fn pci(devices: &Devices) -> Vec<String> {
    let domain = Domain { devices: devices.clone(), ..Domain::default() };
    let (mut out, mut element) = (Vec::new(), String::new());
    for line in domain.write().lines() {
        let value = |name: &str| {
            let start = line.split(&format!(" {name}='")).nth(1)?;
            start.split('\'').next().map(str::to_owned)
        };
        let hex = |name: &str| value(name).map_or(0, |text| u8::from_str_radix(&text[2..], 16).unwrap());
        match line.trim_start() {
            tag if line.starts_with("    <") && !line.starts_with("    </") => {
                let name = tag.trim_start_matches('<').split([' ', '>', '/']).next().unwrap();
                let kind = if name == "controller" { value("model").or(value("type")) } else { None };
                element = kind.unwrap_or_else(|| name.to_owned());
            }
            tag if tag.starts_with("<address type='pci'") => {
                let more = if tag.contains("multifunction='on'") { "+" } else { "" };
                let (bus, slot, function) = (hex("bus"), hex("slot"), hex("function"));
                out.push(format!("{element} {bus}:{slot:x}.{function}{more}"));
            }
            _ => {}
        }
    }
    out
}

fn check(machine: &str, devices: &str, flags: &[Capability], expected: &[&str]) {
    let arch = if machine == "virt" { "aarch64" } else { "x86_64" };
    let (domain, problems) = resolve(arch, machine, devices, flags);
    assert!(!has_errors(&problems), "{problems:?}");
    assert_eq!(pci(&domain.devices), expected, "{machine} {devices}");
}

const DISK: &str =
    "<disk type='file' device='disk'><source file='/a'/><target dev='vda' bus='virtio'/></disk>";
const NIC: &str = "<interface type='user'><model type='virtio'/></interface>";
const OLD_NIC: &str = "<interface type='user'><model type='rtl8139'/></interface>";
const NO_BALLOON: &str = "<memballoon model='none'/>";
const NO_USB: &str = "<controller type='usb' model='none'/>";

#[test]
fn a_pc_fills_its_slots_in_turns() {
    check(
        "pc",
        &format!("{DISK}{OLD_NIC}<video><model type='vga'/></video>"),
        TODAY,
        &["disk 0:4.0", "piix3-uhci 0:1.2", "interface 0:3.0", "video 0:2.0", "memballoon 0:5.0"],
    );
}

#[test]
fn express_devices_get_ports_and_one_is_spare() {
    check(
        "q35",
        &format!("{NIC}{OLD_NIC}{NO_BALLOON}{NO_USB}"),
        TODAY,
        &[
            "sata 0:1f.2",
            "pcie-root-port 0:1.0+",
            "pcie-root-port 0:1.1",
            "pcie-to-pci-bridge 1:0.0",
            "pcie-root-port 0:1.2",
            "interface 2:0.0",
            "interface 3:1.0",
        ],
    );
    // A QEMU without `pcie-pci-bridge` has the bridge of the ICH9.
    let old: Vec<_> = TODAY.iter().copied().filter(|flag| *flag != Capability::PciePciBridge).collect();
    check(
        "q35",
        &format!("{OLD_NIC}{NO_BALLOON}{NO_USB}"),
        &old,
        &[
            "sata 0:1f.2",
            "dmi-to-pci-bridge 0:1e.0",
            "pci-bridge 1:0.0",
            "pcie-root-port 0:1.0",
            "interface 2:1.0",
        ],
    );
}

#[test]
fn parts_of_a_usb_2_controller_share_a_slot() {
    let parts = "<controller type='usb' model='ich9-ehci1'/><controller type='usb' model='ich9-uhci1'/>\
                 <controller type='usb' model='ich9-uhci2'/><controller type='usb' model='ich9-uhci3'/>";
    let expected = |slot: &str| {
        ["ehci1 0:S.7", "uhci1 0:S.0+", "uhci2 0:S.1", "uhci3 0:S.2"]
            .map(|part| format!("ich9-{}", part.replace('S', slot)))
    };
    let expected_pc = expected("2");
    let all: Vec<&str> = expected_pc.iter().map(String::as_str).collect();
    check("pc", &format!("{parts}{NO_BALLOON}"), TODAY, &all);
    let expected_q35 = expected("1d");
    let all: Vec<&str> = expected_q35.iter().map(String::as_str).chain(["sata 0:1f.2"]).collect();
    check("q35", &format!("{parts}{NO_BALLOON}"), TODAY, &all);
}

#[test]
fn written_addresses_stay() {
    let nic = "<interface type='user'><model type='e1000'/><address type='pci' slot='2'/></interface>";
    check(
        "pc",
        &format!("{nic}{OLD_NIC}{NO_BALLOON}{NO_USB}"),
        TODAY,
        &["interface 0:2.0", "interface 0:3.0"],
    );
}

#[test]
fn impossible_addresses_are_refused() {
    let check = |machine: &str, devices: &str, code: &str| {
        let (_, problems) = resolve("x86_64", machine, devices, TODAY);
        let codes: Vec<_> = problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes, [code], "{machine} {devices} {problems:?}");
    };
    let nic = |address: &str| {
        format!("<interface type='user'><model type='e1000'/><address type='pci' {address}/></interface>")
    };
    let ide = "<controller type='ide'><address type='pci' slot='5'/></controller>";
    check("pc", &format!("{}{}", nic("slot='3'"), nic("slot='3'")), "conflict");
    check("pc", &nic("slot='1' function='1'").repeat(2), "conflict");
    check("pc", &nic("slot='1'"), "conflict");
    check("pc", ide, "exhausted");
    check("q35", &nic("bus='1' slot='1'").replace("e1000", "e1000e"), "conflict");
    check("pc", "<controller type='pci' index='300' model='pci-bridge'/>", "unsupported-configuration");
    check("pc", "<controller type='pci' index='1' model='pci-root'/>", "conflict");
    check("q35", "<controller type='pci' index='0' model='pci-root'/>", "conflict");
}

#[test]
fn many_disks_get_bridges() {
    let disk = |index: u8| {
        let (first, second) = (char::from(b'a' + index / 26), char::from(b'a' + index % 26));
        DISK.replace("vda", &format!("vd{first}{second}"))
    };
    let disks: String = (0..105).map(disk).collect();
    let (domain, problems) = resolve("x86_64", "pc", &disks, TODAY);
    assert!(!has_errors(&problems), "{problems:?}");
    let addresses = pci(&domain.devices);
    let bridges: Vec<_> = addresses.iter().filter(|address| address.starts_with("pci-bridge")).collect();
    assert_eq!(bridges, ["pci-bridge 0:2.0", "pci-bridge 0:3.0", "pci-bridge 0:4.0"]);
    assert_eq!(addresses.iter().filter(|address| address.starts_with("disk ")).count(), 105);
}

#[test]
fn other_buses_count_up() {
    let check = |arch: &str, machine: &str, devices: &str, attribute: &str, expected: &[&str]| {
        let (domain, problems) = resolve(arch, machine, devices, TODAY);
        assert!(!has_errors(&problems), "{problems:?}");
        let xml = domain.write();
        let start = format!(" {attribute}='");
        let values = xml.split(&start).skip(1);
        let values: Vec<&str> = values.filter_map(|rest| rest.split('\'').next()).collect();
        assert_eq!(values, expected, "{machine} {devices}");
    };
    let rng = "<rng model='virtio'><backend model='random'/></rng>";
    // In the order of the XML; the balloon comes before the generator in both.
    let all = ["0x0000", "0x0001", "0x0002", "0x0003"];
    check("s390x", "s390-ccw-virtio", &format!("{DISK}{NIC}{rng}"), "devno", &all);
    let written = DISK.replace("</disk>", "<address type='ccw' cssid='0xfe' ssid='0' devno='0'/></disk>");
    check("s390x", "s390-ccw-virtio", &format!("{written}{NIC}{NO_BALLOON}"), "devno", &["0x0000", "0x0001"]);

    let function = "<interface type='user'><model type='virtio'/><address type='pci'/></interface>";
    let devices = format!("{}{NO_BALLOON}", function.repeat(2));
    check("s390x", "s390-ccw-virtio", &devices, "uid", &["0x0001", "0x0002"]);
    check("s390x", "s390-ccw-virtio", &devices, "fid", &["0x00000000", "0x00000001"]);

    let vlan = "<interface type='user'><model type='spapr-vlan'/></interface>";
    let written = vlan.replace("</interface>", "<address type='spapr-vio' reg='0x1000'/></interface>");
    let expected = ["0x00001000", "0x00002000"];
    check("ppc64", "pseries", &format!("{written}{vlan}{NO_BALLOON}"), "reg", &expected);

    let port = "<channel type='pty'><target type='virtio'/></channel>";
    check("x86_64", "pc", &format!("{port}{port}{NO_BALLOON}"), "port", &["1", "2"]);
}

#[test]
fn usb_ports_are_given_at_start() {
    fn check(devices: &str, expected: &[&str]) {
        let (domain, _) = resolve("x86_64", "pc", devices, TODAY);
        assert!(!domain.write().contains("type='usb' bus="), "{devices}");
        let caps = Capabilities::from_flags(TODAY.to_vec());
        let (host, config) = (RecordedHost::default(), Config::default());
        let (started, problems) =
            qemu_argv::resolve::start(domain, Inputs { caps: &caps, host: &host, config: &config });
        assert!(problems.is_empty(), "{problems:?}");
        let xml = started.write();
        let ports: Vec<&str> =
            xml.split(" port='").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
        assert_eq!(ports, expected, "{devices}");
    }
    check(&"<input type='tablet' bus='usb'/>".repeat(3), &["2", "1.1", "1.2", "1"]);
    // Disks, network cards, sound cards and devices of the host come before what the guest's user touches.
    check(
        "<disk type='file' device='disk'><source file='/a'/><target dev='sda' bus='usb'/></disk>\
         <interface type='user'><model type='usb-net'/></interface>\
         <input type='tablet' bus='usb'/><sound model='usb'/>\
         <hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev>",
        &["2", "1.1", "1.4", "1.2", "1.3", "1"],
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written, nothing panics, and no function of a slot has two devices.
    #[test]
    fn no_two_devices_share_a_place(
        machine in prop::sample::select(vec!["pc", "q35", "isapc", "microvm", "pc-0.11"]),
        written in prop::collection::vec((0_usize..6, prop::option::of((0_u8..4, 0_u8..32, 0_u8..8))), 0..40),
        controllers in prop::collection::vec((0_usize..8, prop::option::of(0_u32..6)), 0..8),
    ) {
        let mut devices = String::new();
        for (model, index) in controllers {
            let models = ["pci-bridge", "pcie-root-port", "pcie-to-pci-bridge", "dmi-to-pci-bridge",
                "pcie-switch-upstream-port", "pcie-switch-downstream-port", "pci-expander-bus",
                "pcie-expander-bus"];
            let index = index.map_or(String::new(), |index| format!(" index='{index}'"));
            devices += &format!("<controller type='pci'{index} model='{}'/>", models[model]);
        }
        for (model, place) in written {
            let models = ["virtio", "e1000", "e1000e", "rtl8139", "igb", "virtio-transitional"];
            let place = place.map_or(String::new(), |(bus, slot, function)| {
                format!("<address type='pci' bus='{bus}' slot='{slot}' function='{function}'/>")
            });
            devices += &format!("<interface type='user'><model type='{}'/>{place}</interface>", models[model]);
        }
        let (domain, problems) = resolve("x86_64", machine, &devices, TODAY);
        if !has_errors(&problems) {
            let mut places: Vec<String> =
                pci(&domain.devices).iter().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect();
            places.iter_mut().for_each(|place| place.retain(|c| c != '+'));
            let count = places.len();
            places.sort();
            places.dedup();
            prop_assert_eq!(places.len(), count);
        }
    }
}
