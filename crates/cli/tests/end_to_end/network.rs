//! Network cards: TAP devices on bridges of a network namespace, and what is said without rights.

use std::os::unix::fs::PermissionsExt;

use crate::namespace::{Namespace, has_namespaces};
use crate::running::{Running, echo, is_installed};
use crate::support::{Place, gone, real_qemu, repository, wait_for};

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
        let path = place.file(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    let up = script("up", "#!/bin/sh\nip link set \"$1\" master brt up\n");
    let fail = script("fail", "#!/bin/sh\nexit 3\n");
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
    let isolated = BRIDGED.replace("<driver", "<port isolated='yes'/><mtu size='1300'/><driver");
    let guest = namespace.run(&place, &echo(&isolated));
    let port = namespace.ip(&["-d", "-o", "link", "show", "master", "brt"]);
    assert!(port.contains("isolated on") && port.contains("mtu 1300"), "{port}");
    assert_eq!(guest.power_off(), 0);
    // A script that fails leaves no device.
    let failing =
        format!("<interface type='ethernet'><target dev='mine'/><script path='{}'/></interface>", fail);
    let (status, said) = namespace.refusal(&place, &echo(&failing));
    assert!(status == 1 && said.contains("guest.xml:") && said.contains("exit status 3"), "{said}");
    assert!(!namespace.ip(&["-o", "link", "show"]).contains("mine"));
    gone(&place);
}

#[test]
fn a_device_that_somebody_else_made_is_used_and_stays_as_it_is() {
    if real_qemu().is_none() || !has_namespaces() {
        return;
    }
    let (place, namespace) = (Place::new(), Namespace::new());
    namespace.ip(&["tuntap", "add", "theirs", "mode", "tap", "vnet_hdr"]);
    namespace.ip(&["link", "add", "va", "type", "veth", "peer", "name", "vb"]);
    namespace.ip(&["link", "add", "link", "va", "name", "above", "type", "macvtap", "mode", "bridge"]);
    let before = namespace.ip(&["-o", "link", "show", "theirs"]);
    for name in ["theirs", "above"] {
        let card = format!(
            "<interface type='ethernet'><target dev='{name}' managed='no'/><model type='virtio'/></interface>"
        );
        let guest = namespace.run(&place, &echo(&card));
        assert_eq!(guest.power_off(), 0);
    }
    let after = namespace.ip(&["-o", "link", "show", "theirs"]);
    let mac = |line: &str| line.split("link/ether ").nth(1).map(str::to_owned);
    assert_eq!(mac(&after), mac(&before));
    assert!(namespace.ip(&["-o", "link", "show"]).contains("above@va"));
    let missing = "<interface type='ethernet'><target dev='nowhere' managed='no'/></interface>";
    let (status, said) = namespace.refusal(&place, &echo(missing));
    assert!(status == 1 && said.contains("cannot find the TAP device `nowhere`"), "{said}");
    gone(&place);
}

/// Makes a helper for bridges with rights in the namespace, and lists of what users may use, seen there only.
fn install_helper(namespace: &Namespace, list: &str, rights: &str) {
    let script = format!(
        "set -e; d=$(mktemp -d); cp -a /etc/. $d; cp /usr/lib/qemu/qemu-bridge-helper $d/helper; \
         mount -t tmpfs -o mode=755 none /etc; cp -a $d/. /etc; rm -r $d; mkdir -p /etc/qemu; \
         printf '{list}\n' >/etc/qemu/bridge.conf; chmod {rights} /etc/helper; \
         mount --bind /etc/helper /usr/lib/qemu/qemu-bridge-helper; \
         mknod /etc/tun c 10 200; chmod 666 /etc/tun; mount --bind /etc/tun /dev/net/tun"
    );
    namespace.say("sh", &["-c", &script]);
}

#[test]
fn users_get_ports_from_qemus_helper_where_a_list_allows_it() {
    let is_here = is_installed("/usr/lib/qemu/qemu-bridge-helper") && is_installed("/usr/bin/setpriv");
    if real_qemu().is_none() || !has_namespaces() || !is_here {
        return;
    }
    let place = Place::new();
    // All that the user needs is where the user can get to.
    let (own, image) = (place.path().join("domx-copy"), place.path().join("echo.img"));
    std::fs::copy(env!("CARGO_BIN_EXE_domx"), &own).unwrap();
    std::fs::copy(repository("fixtures/guests/echo.img"), &image).unwrap();
    let anyone = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&image, anyone).unwrap();
    std::os::unix::fs::chown(place.path(), Some(65534), Some(65534)).unwrap();
    let original = repository("fixtures/guests/echo.img").canonicalize().unwrap();
    let domain = |card: &str| echo(card).replace(original.to_str().unwrap(), image.to_str().unwrap());
    let simple = BRIDGED.replace("<driver queues='2'/>", "");
    let by_user = |namespace: &Namespace, card: &str| {
        let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
        let mut command = namespace.with(&place, &user, &own);
        command.arg("run").arg(place.file("guest.xml", &domain(card)));
        command
    };
    for (list, rights, card, expected) in [
        ("allow other", "4755", &simple, "`allow brt` in `/etc/qemu/bridge.conf`"),
        ("allow brt", "755", &simple, "chmod u+s"),
        ("allow brt", "4755", &BRIDGED.to_owned(), "several queues"),
    ] {
        let namespace = Namespace::with_mounts();
        install_helper(&namespace, list, rights);
        let output = by_user(&namespace, card).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        for expected in [expected, "guest.xml:", "CAP_NET_ADMIN", "--net user", "--net passt"] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
    let namespace = Namespace::with_mounts();
    install_helper(&namespace, "allow brt", "4755");
    let guest = Running::of(&place, by_user(&namespace, &simple));
    let port = namespace.ip(&["-d", "-o", "link", "show", "master", "brt"]);
    for expected in ["tap0", "mtu 1400", "vnet_hdr on", "persist off"] {
        assert!(port.contains(expected), "{expected}: {port}");
    }
    assert_eq!(guest.power_off(), 0);
    assert_eq!(namespace.ip(&["-o", "link", "show", "master", "brt"]), "");
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
