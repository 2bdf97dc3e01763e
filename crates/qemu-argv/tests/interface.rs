//! Network cards on the command line.

mod support;

use caps_parser::Capability;
use qemu_argv::Layout;
use support::{MODERN, arguments, layout};

const NIC: &str = "<interface type='user'><mac address='52:54:00:0a:0b:0c'/>";

#[track_caller]
fn check(rest: &str, caps: &[Capability], expected: &[&str]) {
    let devices = format!("{NIC}{rest}</interface>");
    let lines = arguments("qemu", &devices, caps, &layout(Layout::Run));
    let network = |line: &&String| line.contains("net") || line.contains("tx=");
    // The address stands last, and is tested where it is assigned.
    let without_address = |line: &String| line.split(",\"bus\"").next().unwrap_or_default().to_owned();
    let lines: Vec<String> = lines.iter().filter(network).map(without_address).collect();
    assert_eq!(lines, expected);
}

#[test]
fn every_dialect_has_its_form() {
    let virtio = "<model type='virtio'/>";
    let device = [Capability::DeviceOption];
    let netdev = [Capability::DeviceOption, Capability::Netdev];
    check(virtio, &[], &["-net nic,macaddr=52:54:00:0a:0b:0c,vlan=0,model=virtio", "-net user,vlan=0"]);
    check(
        virtio,
        &[Capability::Release010],
        &[
            "-net nic,macaddr=52:54:00:0a:0b:0c,vlan=0,model=virtio,name=net0",
            "-net user,vlan=0,name=hostnet0",
        ],
    );
    check(
        virtio,
        &device,
        &[
            "-device virtio-net-pci,vlan=0,id=net0,mac=52:54:00:0a:0b:0c,bus=pci.0,addr=0x2",
            "-net user,vlan=0,name=hostnet0",
        ],
    );
    check(
        virtio,
        &netdev,
        &[
            "-netdev user,id=hostnet0",
            "-device virtio-net-pci,netdev=hostnet0,id=net0,mac=52:54:00:0a:0b:0c,bus=pci.0,addr=0x2",
        ],
    );
    check(
        "<model type='e1000'/>",
        MODERN,
        &[
            r#"-netdev {"type":"user","id":"hostnet0"}"#,
            r#"-device {"driver":"e1000","netdev":"hostnet0","id":"net0","mac":"52:54:00:0a:0b:0c","bootindex":1"#,
        ],
    );
}

#[test]
fn txmode_is_for_virtio_cards_of_a_qemu_that_has_tx() {
    let driver = "<driver txmode='timer'/>";
    let virtio = format!("<model type='virtio'/>{driver}");
    let device = [Capability::DeviceOption];
    check(
        &virtio,
        &[Capability::DeviceOption, Capability::VirtioTxAlg],
        &[
            "-device virtio-net-pci,tx=timer,vlan=0,id=net0,mac=52:54:00:0a:0b:0c,bus=pci.0,addr=0x2",
            "-net user,vlan=0,name=hostnet0",
        ],
    );
    let problem = "missing-capability: `-device …,tx=` is not supported: the QEMU of `a list of flags` lacks \
                   the capability `virtio-tx-alg`";
    check(&virtio, &device, &[problem]);
    check(
        &format!("<model type='rtl8139'/>{driver}"),
        &device,
        &[
            "-device rtl8139,vlan=0,id=net0,mac=52:54:00:0a:0b:0c,bus=pci.0,addr=0x2",
            "-net user,vlan=0,name=hostnet0",
        ],
    );
    check(
        &virtio,
        MODERN,
        &[
            r#"-netdev {"type":"user","id":"hostnet0"}"#,
            "-device {\"driver\":\"virtio-net-pci\",\"tx\":\"timer\",\"netdev\":\"hostnet0\",\"id\":\"net0\",\
             \"mac\":\"52:54:00:0a:0b:0c\",\"bootindex\":1",
        ],
    );
}
