//! Network cards on macvtap devices: in every mode, and gone after every ending.

use std::time::Duration;

use crate::namespace::{Namespace, has_namespaces};
use crate::running::echo;
use crate::support::{Place, gone, qemus, real_qemu, signal, wait_for};

const MAC: &str = "52:54:00:aa:bb:cc";

fn card(source: &str) -> String {
    echo(&format!(
        "<interface type='direct'><mac address='{MAC}'/><source {source}/><model type='virtio'/>\
         <driver queues='2'/></interface>"
    ))
}

/// A namespace with an interface `va`, at whose other end nobody is.
fn namespace() -> Namespace {
    let namespace = Namespace::new();
    namespace.ip(&["link", "add", "va", "type", "veth", "peer", "name", "vb"]);
    namespace
}

/// The macvtap devices.
fn devices(namespace: &Namespace) -> String {
    namespace.ip(&["-d", "-o", "link", "show", "type", "macvtap"])
}

fn address(namespace: &Namespace, device: &str) -> String {
    let line = namespace.ip(&["-o", "link", "show", device]);
    line.split("link/ether ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned()
}

#[test]
fn every_mode_has_its_device_as_long_as_the_guest_runs() {
    if real_qemu().is_none() || !has_namespaces() {
        return;
    }
    let (place, namespace) = (Place::new(), namespace());
    let own = address(&namespace, "va");
    for (source, mode, below) in [
        ("dev='va'", "vepa", own.as_str()),
        ("dev='va' mode='bridge'", "bridge", own.as_str()),
        ("dev='va' mode='private'", "private", own.as_str()),
        // The interface has the guest's address as long as it is the guest's alone.
        ("dev='va' mode='passthrough'", "passthru", MAC),
    ] {
        namespace.ip(&["link", "set", "va", "down"]);
        let guest = namespace.run(&place, &card(source));
        let device = devices(&namespace);
        for expected in ["macvtap0@va", MAC, &format!("macvtap mode {mode}"), ",UP", "alias domx"] {
            assert!(device.contains(expected), "{expected}: {device}");
        }
        assert_eq!(address(&namespace, "va"), below, "{mode}");
        assert!(namespace.ip(&["-o", "link", "show", "va"]).contains(",UP"));
        // The host does not speak with the guest's address.
        assert_eq!(namespace.ip(&["-6", "addr", "show", "dev", "macvtap0"]), "");
        let qemu = qemus(&place)[0];
        let open = std::fs::read_dir(format!("/proc/{qemu}/fd")).unwrap().flatten();
        let open = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        assert_eq!(open.filter(|path| path.display().to_string().contains("/tap")).count(), 2, "two queues");
        assert_eq!(guest.power_off(), 0);
        assert_eq!((devices(&namespace), address(&namespace, "va")), (String::new(), own.clone()));
        gone(&place);
    }
}

#[test]
fn a_device_is_removed_after_every_end_or_by_the_next_start() {
    if real_qemu().is_none() || !has_namespaces() {
        return;
    }
    let (place, namespace) = (Place::new(), namespace());
    // QEMU crashes.
    let mut guest = namespace.run(&place, &card("dev='va'"));
    signal("-SEGV", qemus(&place)[0]);
    assert_eq!(guest.wait(Duration::from_secs(10)), 1);
    assert_eq!(devices(&namespace), "");
    gone(&place);
    // domx is killed and cannot do anything about it.
    let mut guest = namespace.run(&place, &card("dev='va' mode='bridge'"));
    guest.kill();
    wait_for("QEMU lives on", || qemus(&place).is_empty());
    assert!(devices(&namespace).contains("macvtap0@va"));
    // A device that somebody else made and one of a guest that runs are not touched by a start, which is here one from
    // another place.
    namespace.ip(&["link", "add", "link", "va", "name", "macvtap7", "type", "macvtap", "mode", "bridge"]);
    namespace.ip(&["link", "set", "macvtap7", "alias", "domx of somebody"]);
    let other = Place::new();
    let own = card("dev='va' mode='bridge'").replace("<driver queues", "<target dev='mine'/><driver queues");
    let running = namespace.run(&other, &own.replace(MAC, "52:54:00:00:00:01"));
    let left = devices(&namespace);
    assert!(!left.contains("macvtap0") && left.contains("macvtap7") && left.contains("mine@va"), "{left}");
    let guest = namespace.run(&place, &card("dev='va' mode='bridge'"));
    let left = devices(&namespace);
    assert!(left.contains("macvtap0") && left.contains("macvtap7") && left.contains("mine@va"), "{left}");
    assert_eq!((guest.power_off(), running.power_off()), (0, 0));
    let left = devices(&namespace);
    assert!(left.contains("macvtap7") && left.lines().count() == 1, "{left}");
    gone(&place);
    gone(&other);
}

#[test]
fn a_start_that_fails_leaves_no_device() {
    if real_qemu().is_none() || !has_namespaces() {
        return;
    }
    let (place, namespace) = (Place::new(), namespace());
    namespace.ip(&["link", "add", "taken", "type", "bridge"]);
    let good = card("dev='va'");
    let named = |name: &str| good.replace("<driver queues", &format!("<target dev='{name}'/><driver queues"));
    let then = |more: &str| good.replace("</devices>", &format!("{more}</devices>"));
    for (xml, expected) in [
        (card("dev='no-such-if'"), "cannot find the interface `no-such-if`"),
        (named("taken"), "cannot make a macvtap device on `va`"),
        (named("a/b"), "cannot make a macvtap device on `va`"),
        // What comes after it.
        (
            then("<interface type='bridge'><source bridge='none'/></interface>"),
            "cannot find the bridge `none`",
        ),
        (
            then(
                "<filesystem type='mount'><driver type='virtiofs'/><binary path='/no'/><source dir='/tmp'/>\
               <target dir='t'/></filesystem>",
            )
            .replace("<os>", "<memoryBacking><access mode='shared'/></memoryBacking><os>"),
            "`/no` cannot be executed",
        ),
        // QEMU itself.
        (
            then("<serial type='tcp'><source mode='connect' host='127.0.0.1' service='1'/></serial>"),
            "refuses",
        ),
    ] {
        let (status, said) = namespace.refusal(&place, &xml);
        assert_eq!(status, 1, "{said}");
        assert!(said.contains(expected) && said.contains("guest.xml:"), "{expected}: {said}");
        assert_eq!(devices(&namespace), "", "{said}");
        gone(&place);
    }
}

#[test]
fn a_virtual_network_can_be_an_interface() {
    if real_qemu().is_none() || !has_namespaces() {
        return;
    }
    let (place, namespace) = (Place::new(), namespace());
    let networks = place.path().join(".config/libvirt/qemu/networks");
    std::fs::create_dir_all(&networks).unwrap();
    let definition = "<network><name>lan</name><forward mode='private'><interface dev='none'/>\
                      <interface dev='va'/></forward></network>";
    std::fs::write(networks.join("lan.xml"), definition).unwrap();
    let xml = echo("<interface type='network'><source network='lan'/></interface>");
    let guest = namespace.run(&place, &xml);
    let device = devices(&namespace);
    assert!(device.contains("macvtap0@va") && device.contains("mode private"), "{device}");
    assert_eq!(guest.power_off(), 0);
    assert_eq!(devices(&namespace), "");
    gone(&place);
}

#[test]
fn a_container_without_files_of_devices_has_one_that_nobody_else_sees() {
    if real_qemu().is_none() || !has_namespaces() {
        return;
    }
    let (place, namespace) = (Place::new(), Namespace::with_mounts());
    namespace.ip(&["link", "add", "va", "type", "veth", "peer", "name", "vb"]);
    let make =
        "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9 && chmod 666 /dev/*";
    namespace.say("sh", &["-c", make]);
    let guest = namespace.run(&place, &card("dev='va' mode='bridge'"));
    assert!(devices(&namespace).contains("macvtap0@va"));
    assert_eq!(namespace.say("ls", &["/dev"]), "null\nurandom\n");
    assert_eq!(guest.power_off(), 0);
    assert_eq!(devices(&namespace), "");
    gone(&place);
}
