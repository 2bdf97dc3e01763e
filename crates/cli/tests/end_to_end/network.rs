//! Network cards: TAP devices on bridges of a network namespace, and what is said without rights.

use crate::namespace::{Namespace, has_namespaces};
use crate::running::{Running, echo};
use crate::support::{Place, gone, real_qemu, wait_for};

const BRIDGED: &str = "<interface type='bridge'><mac address='52:54:00:aa:bb:cc'/><source bridge='brt'/>\
                       <model type='virtio'/><driver queues='2'/></interface>";

#[test]
fn a_card_on_a_bridge_has_a_tap_device_as_long_as_the_guest_runs() {
    if real_qemu().is_none() || !has_namespaces() {
        return;
    }
    let (place, namespace) = (Place::new(), Namespace::new());
    let ports = || namespace.ip(&["-d", "-o", "link", "show", "master", "brt"]);
    let guest = namespace.run(&place, &echo(BRIDGED));
    let port = ports();
    for expected in
        ["vnet0", "fe:54:00:aa:bb:cc", "mtu 1400", "UP", "vnet_hdr on", "multi_queue", "persist off"]
    {
        assert!(port.contains(expected), "{expected}: {port}");
    }
    assert_eq!(guest.power_off(), 0);
    assert_eq!(ports(), "");
    gone(&place);
    // No ending leaves it, not even one in which nobody can clean.
    let mut guest = namespace.run(&place, &echo(BRIDGED));
    assert!(ports().contains("vnet0"));
    guest.kill();
    wait_for("the TAP device is left", || ports().is_empty());
}

#[test]
fn an_isolated_port_with_a_name_and_a_script() {
    if real_qemu().is_none() || !has_namespaces() {
        return;
    }
    let (place, namespace) = (Place::new(), Namespace::new());
    let script = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = place.file(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    let up = script("up", "#!/bin/sh\nip link set \"$1\" master brt up\n");
    let down = script("down", &format!("#!/bin/sh\necho \"$1\" >{}/downed\n", place.path().display()));
    let ethernet = format!(
        "<interface type='ethernet'><target dev='mine'/><script path='{up}'/><downscript path='{down}'/></interface>"
    );
    let guest = namespace.run(&place, &echo(&ethernet));
    let port = namespace.ip(&["-o", "link", "show", "master", "brt"]);
    assert!(port.contains("mine"), "{port}");
    assert_eq!(guest.power_off(), 0);
    assert_eq!(std::fs::read_to_string(place.path().join("downed")).unwrap().trim(), "mine");
    gone(&place);
}

#[test]
fn a_virtual_network_is_found_by_its_definition_where_its_bridge_is_up() {
    if real_qemu().is_none() || !has_namespaces() {
        return;
    }
    let (place, namespace) = (Place::new(), Namespace::new());
    let networks = place.path().join(".config/libvirt/qemu/networks");
    std::fs::create_dir_all(&networks).unwrap();
    let definition = "<network><name>domx-test</name><forward mode='nat'/><bridge name='brt'/></network>";
    std::fs::write(networks.join("domx-test.xml"), definition).unwrap();
    let card = "<interface type='network'><source network='domx-test'/></interface>";
    let guest = namespace.run(&place, &echo(card));
    assert!(namespace.ip(&["-o", "link", "show", "master", "brt"]).contains("vnet0"));
    assert_eq!(guest.power_off(), 0);
    // Here, outside, there is no such bridge.
    let file = place.file("guest.xml", &echo(card));
    let said = place.domx(&["run", file.to_str().unwrap()]);
    assert_eq!(said.status, 4, "{said:?}");
    for expected in ["`domx-test`", "guest.xml:", "--net user"] {
        assert!(said.stderr.contains(expected), "{expected}: {}", said.stderr);
    }
    gone(&place);
}

#[test]
fn a_network_is_replaced_on_request_only() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let card = "<interface type='network'><source network='no-such-network'/></interface>";
    let guest = Running::start(&place, &echo(card), &["--net", "user"]);
    assert!(guest.errors().contains("network card 1 (`network`) is connected to QEMU's own network"));
    assert_eq!(guest.power_off(), 0);
    let said = place.domx(&["run", "guest.xml", "--net", "elsewhere"]);
    assert_eq!(said.status, 2, "{said:?}");
    gone(&place);
}

#[test]
fn without_rights_or_bridge_the_way_out_is_named() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let file = place.file("guest.xml", &echo(BRIDGED));
    let said = place.domx(&["run", file.to_str().unwrap()]);
    assert_eq!(said.status, 1, "{said:?}");
    for expected in ["guest.xml:", "`brt`", "--net user"] {
        assert!(said.stderr.contains(expected), "{expected}: {}", said.stderr);
    }
    gone(&place);
}

#[test]
fn a_user_without_rights_is_told_so() {
    if real_qemu().is_none() || !has_namespaces() {
        return;
    }
    let (place, namespace) = (Place::new(), Namespace::new());
    let file = place.file("guest.xml", &echo(BRIDGED));
    let without = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
    let mut command = namespace.domx(&place, &without);
    command.arg("run").arg(file);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for expected in ["guest.xml:", "CAP_NET_ADMIN", "--net user"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    gone(&place);
}
