//! What a user is told when the host or QEMU refuses: why, where in the XML, and what would help.

use std::net::TcpListener;
use std::process::Stdio;

use crate::running::echo;
use crate::support::{Place, gone, real_qemu};

/// Runs a domain that cannot start, and looks for words and for the line that is to blame.
fn check(xml: &str, blamed: &str, expected: &[&str]) {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let file = place.file("guest.xml", xml);
    let mut command = place.command();
    command.arg("run").arg(file).args(["--timeout", "5s"]).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = xml.lines().position(|line| line.contains(blamed)).unwrap() + 1;
    let at = format!("guest.xml:{line}:");
    for words in expected.iter().chain([&at.as_str(), &"ended with exit status 1"]) {
        assert!(said.contains(words), "{words}: {said}");
    }
    gone(&place);
}

#[test]
fn ports_that_are_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    check(
        &echo(&format!(
            "<serial type='tcp'>\n<source mode='bind' host='127.0.0.1' service='{port}'/></serial>"
        )),
        "<serial type='tcp'>",
        &["Address already in use"],
    );
    // The ports of VNC are counted from 5900.
    if port > 5900 {
        let vnc = format!("<graphics type='vnc' port='{port}' listen='127.0.0.1'/>");
        check(&echo(&vnc), "<graphics", &["Address already in use"]);
    }
}

#[test]
fn memory_that_the_host_does_not_have() {
    let xml = echo("").replace("<memory unit='MiB'>16</memory>", "<memory unit='TiB'>100</memory>");
    check(&xml, "<memory unit", &["Cannot allocate memory"]);
}

#[test]
fn displays_that_cannot_be_reached() {
    // Whether QEMU has no such display or no way to it is QEMU's to say.
    check(&echo("<graphics type='sdl' display=':77'/>"), "<graphics", &["QEMU refuses: "]);
}

#[test]
fn files_that_are_no_images() {
    let place = Place::new();
    let image = place.file("data.qcow2", &"x".repeat(4096));
    let disk = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\n<source file='{}'/>\n\
         <target dev='vdb' bus='virtio'/></disk>",
        image.display()
    );
    check(&echo(&disk), "type='qcow2'", &["Image is not in qcow2 format"]);
}
