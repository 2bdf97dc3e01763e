//! Files of a guest: what is missing or in use, and variables of firmware.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::running::{Running, echo, is_installed, is_root};
use crate::support::{Place, gone, real_qemu, signal};

fn disk(path: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>\n<source file='{path}'/>\
         <target dev='vdb' bus='virtio'/></disk>"
    )
}

#[test]
fn every_missing_file_is_told_at_once_with_its_line() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let devices = format!("{}{}", disk("/no/such/one"), disk("two.img").replace("vdb", "vdc"));
    let file =
        place.file("guest.xml", &echo(&devices).replace("<boot dev='hd'/>", "<kernel>vmlinux</kernel>"));
    let said = place.domx(&["run", file.to_str().unwrap()]);
    assert_eq!(said.status, 1, "{said:?}");
    for missing in ["/no/such/one", "two.img", "vmlinux"] {
        let told = said.stderr.lines().any(|line| line.contains(missing) && line.contains("does not exist"));
        assert!(told, "{missing}: {}", said.stderr);
    }
    let line = std::fs::read_to_string(&file).unwrap().lines().position(|line| line.contains("/no/such/one"));
    let place_of_it = format!("guest.xml:{}:", line.unwrap() + 1);
    assert!(said.stderr.contains(&place_of_it), "{place_of_it}: {}", said.stderr);
    gone(&place);
}

#[test]
fn an_image_in_use_is_told_with_its_line() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    place.file("data.img", &"x".repeat(4096));
    let guest = Running::start(&place, &echo(&disk("data.img")), &[]);
    let other = echo(&disk("data.img")).replace("<name>echo</name>", "<name>other</name>");
    let file = place.file("other.xml", &other);
    let said = place.domx(&["run", file.to_str().unwrap()]);
    assert_eq!(said.status, 1, "{said:?}");
    for expected in ["other.xml:", "lock", "data.img"] {
        assert!(said.stderr.contains(expected), "{expected}: {}", said.stderr);
    }
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}

#[test]
fn an_image_that_the_user_may_not_write_is_told_before_the_start() {
    if real_qemu().is_none() || !is_root() {
        return;
    }
    let place = Place::new();
    place.file("data.img", &"x".repeat(4096));
    let file = place.file("guest.xml", &echo(&disk("data.img")));
    let said = place.domx(&["run", file.to_str().unwrap(), "--user", "65534:65534"]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.stderr.contains("data.img` cannot be written"), "{}", said.stderr);
    let said = place.domx(&["run", file.to_str().unwrap(), "--user", "no-such-user"]);
    assert_eq!(said.status, 2, "{said:?}");
    gone(&place);
}

#[test]
fn uefi_runs_and_its_variables_are_kept_in_private() {
    if real_qemu().is_none() || !is_installed("/usr/share/OVMF/OVMF_VARS_4M.fd") {
        return;
    }
    let place = Place::new();
    let xml = "<domain type='qemu'><name>uefi</name><memory unit='MiB'>128</memory>\
               <os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type>\
               <firmware><feature enabled='no' name='secure-boot'/></firmware></os>\
               <features><acpi/></features><devices><serial type='pty'/><memballoon model='none'/></devices></domain>";
    let file = place.file("uefi.xml", xml);
    let variables = place.path().join("state/domx/nvram/uefi_VARS.fd");
    let mut domx = place
        .command()
        .args(["run", file.to_str().unwrap(), "--timeout", "120s"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut console = domx.stdout.take().unwrap();
    let (mut said, mut buffer, deadline) = (Vec::new(), [0; 4096], Instant::now() + Duration::from_secs(110));
    // The firmware's boot manager says what it tries.
    while !String::from_utf8_lossy(&said).contains("BdsDxe") && Instant::now() < deadline {
        match console.read(&mut buffer).unwrap() {
            0 => break,
            count => said.extend_from_slice(&buffer[..count]),
        }
    }
    assert!(String::from_utf8_lossy(&said).contains("BdsDxe"), "{}", String::from_utf8_lossy(&said));
    signal("-KILL", domx.id());
    domx.wait().unwrap();
    let first = std::fs::metadata(&variables).unwrap();
    assert_eq!(first.mode() & 0o777, 0o600);
    let mut content = std::fs::read(&variables).unwrap();
    let template = std::fs::read("/usr/share/OVMF/OVMF_VARS_4M.fd").unwrap();
    assert!(content.len() == template.len() && content != template, "the firmware wrote nothing");
    // A second run goes on with them.
    let again = place.domx(&["run", file.to_str().unwrap(), "--timeout", "300ms"]);
    assert_eq!(again.status, 124, "{again:?}");
    assert_eq!(std::fs::metadata(&variables).unwrap().ino(), first.ino());
    content.truncate(64);
    assert!(std::fs::read(&variables).unwrap().starts_with(&content));
    gone(&place);
}

#[test]
fn devices_that_the_host_lacks_are_told_before_the_start() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let usb = "<controller type='usb' model='qemu-xhci'/>\n<hostdev mode='subsystem' type='usb'>\
               <source startupPolicy='mandatory'><vendor id='0xfffe'/><product id='0xfffd'/></source></hostdev>";
    let check = |devices: &str, expected: &[&str]| {
        let file = place.file("guest.xml", &echo(devices));
        let said = place.domx(&["run", file.to_str().unwrap()]);
        assert_eq!(said.status, 1, "{said:?}");
        for expected in expected {
            assert!(said.stderr.contains(expected), "{expected}: {said:?}");
        }
        gone(&place);
    };
    check(usb, &["this host has no USB device `fffe:fffd`", "guest.xml:30:"]);
    check(&usb.replace("mandatory", "requisite"), &["this host has no USB device `fffe:fffd`"]);
    for managed in ["yes", "no"] {
        let pci = format!(
            "<hostdev mode='subsystem' type='pci' managed='{managed}'>\n\
             <source><address domain='0xfffe' bus='0xfe' slot='0x1e' function='0x7'/></source></hostdev>"
        );
        check(&pci, &["this host has no PCI device `fffe:fe:1e.7`", "guest.xml:30:"]);
    }
    let mediated = "<hostdev mode='subsystem' type='mdev' model='vfio-pci'>\
                    <source><address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>";
    check(mediated, &["this host has no mediated device `c2177883-f1bb-47f0-914d-32a22e3a8804`"]);
    // What is optional is gone without.
    let guest = Running::start(&place, &echo(&usb.replace("mandatory", "optional")), &[]);
    assert!(guest.errors().contains("this USB device is not there, so the guest goes without it"));
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}
