//! `<driver txmode=…>` of a network card: the feature this project began with.

use crate::support::{Place, Said, domain, repository};

fn nic(model: &str, txmode: &str) -> String {
    domain(&format!(
        "    <interface type='user'>
      <mac address='52:54:00:12:34:56'/>
      <model type='{model}'/>
      <driver txmode='{txmode}'/>
    </interface>
    <memballoon model='none'/>"
    ))
}

fn argv(xml: &str, args: &[&str]) -> Said {
    Place::new().domx_reading(&[&["argv", "-"], args].concat(), xml)
}

#[test]
fn todays_qemu_gets_json() {
    for (txmode, tx) in [("iothread", "bh"), ("timer", "timer")] {
        let said = argv(&nic("virtio", txmode), &["--caps", "builtin:qemu-10.0-x86_64"]);
        assert_eq!(said.status, 0, "{said:?}");
        assert!(said.stdout.contains("\"driver\":\"virtio-net-pci\""), "{}", said.stdout);
        assert!(said.stdout.contains(&format!("\"tx\":\"{tx}\"")), "{}", said.stdout);
    }
}

#[test]
fn without_the_capability_it_is_refused_at_its_place() {
    let caps = ["--caps", "builtin:qemu-10.0-x86_64", "--without", "virtio-tx-alg"];
    let said = argv(&nic("virtio", "iothread"), &caps);
    assert_eq!(said.status, 4, "{said:?}");
    assert_eq!(said.stdout, "");
    for expected in ["<stdin>:12:15", "virtio-tx-alg", "10.0"] {
        assert!(said.stderr.contains(expected), "{expected}: {}", said.stderr);
    }
}

#[test]
fn other_models_ignore_it() {
    let caps = ["--caps", "builtin:qemu-10.0-x86_64", "--without", "virtio-tx-alg"];
    let said = argv(&nic("e1000", "iothread"), &caps);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(!said.stdout.contains("\"tx\""), "{}", said.stdout);
}

#[test]
fn a_bad_value_is_an_error_of_the_xml_that_lists_the_good_ones() {
    let said = argv(&nic("virtio", "thread"), &["--caps", "builtin:qemu-10.0-x86_64"]);
    assert_eq!(said.status, 3, "{said:?}");
    for expected in ["<stdin>:12:15", "`iothread`", "`timer`"] {
        assert!(said.stderr.contains(expected), "{expected}: {}", said.stderr);
    }
}

#[test]
fn historic_qemus_are_asked_by_their_help() {
    let help = |name: &str| {
        let path = |file: &str| repository(&format!("fixtures/help/{file}")).display().to_string();
        format!("help:{},device:{}", path(name), path(&format!("{name}-device")))
    };
    let xml = nic("virtio", "iothread").replace("machine='q35'", "machine='pc'");
    let lists_tx = argv(&xml, &["--caps", &help("qemu-kvm-0.12.1.2-rhel61")]);
    assert_eq!(lists_tx.status, 0, "{lists_tx:?}");
    assert!(lists_tx.stdout.contains("virtio-net-pci,tx=bh,"), "{}", lists_tx.stdout);
    let lists_others = argv(&xml, &["--caps", &help("qemu-kvm-0.13.0")]);
    assert_eq!(lists_others.status, 4, "{lists_others:?}");
    assert!(lists_others.stderr.contains("virtio-tx-alg"), "{}", lists_others.stderr);
}
