//! passt over vhost-user: started when QEMU has connected, and ended with it.

use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::running::{Running, echo};
use crate::support::{Place, gone, may_unshare, processes, qemus, real_qemu, signal, wait_for};

fn domain(more: &str) -> String {
    let card = format!("<interface type='vhostuser'><backend type='passt'/>{more}</interface>");
    echo(&card).replace("<os>", "<memoryBacking><access mode='shared'/></memoryBacking><os>")
}

/// Puts a program of the name `passt` first on PATH.
fn install(place: &Place, script: &str) -> String {
    let folder = place.path().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("passt"), format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(folder.join("passt"), std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// A stand-in that takes passt's arguments, notes them, and speaks vhost-user as far as QEMU needs it to start.
fn stand_in(place: &Place) -> String {
    let own = std::env::current_exe().unwrap();
    install(
        place,
        &format!(
            "case \"$1\" in --print-capabilities) exit 0;; esac\necho \"$*\" >{}/arguments\n\
             DOMX_TEST_BACK_END=$3 exec {} passt::the_stand_in_answers --nocapture",
            place.path().display(),
            own.display()
        ),
    )
}

fn start(place: &Place, xml: &str, path: &str) -> Running {
    let mut command = place.command();
    command.arg("run").arg(place.file("guest.xml", xml)).env("PATH", path);
    Running::of(place, command)
}

/// Answers the two requests of vhost-user that are answered without any protocol feature, until the link closes.
fn serve(mut link: UnixStream) {
    let mut header = [0; 12];
    while link.read_exact(&mut header).is_ok() {
        let request = header[0];
        let size = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
        link.read_exact(&mut vec![0; size as usize]).unwrap();
        // What the device can do: be one of virtio 1. And the place in a queue, of which nothing has been taken.
        let answer = match request {
            1 => 1_u64 << 32,
            11 => 0,
            _ => continue,
        };
        let head = [u32::from(request), 5, 8].map(u32::to_ne_bytes).concat();
        link.write_all(&[head, answer.to_ne_bytes().to_vec()].concat()).unwrap();
    }
}

/// A test of the stand-in; and the stand-in itself, where this program is started as that.
#[test]
fn the_stand_in_answers() {
    if let Ok(number) = std::env::var("DOMX_TEST_BACK_END") {
        #[allow(unsafe_code, reason = "a number is all there is to an inherited descriptor")]
        // SAFETY: whoever starts a back end gives it a descriptor of this number, which nothing else here uses.
        let link = unsafe { OwnedFd::from_raw_fd(number.parse().unwrap()) };
        serve(link.into());
        std::process::exit(0);
    }
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let serving = std::thread::spawn(move || serve(theirs));
    // One that is not answered, and one that is.
    let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
    ours.write_all(&bytes(&[3, 1, 0, 1, 1, 0])).unwrap();
    let mut answer = [0; 20];
    ours.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..12], bytes(&[1, 5, 8])[..]);
    drop(ours);
    serving.join().unwrap();
}

#[test]
fn a_card_is_served_until_the_guest_ends_and_nothing_is_left() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let path = stand_in(&place);
    let ports = "<source dev='lo'/><portForward proto='tcp'><range start='2022' to='22'/></portForward>";
    let guest = start(&place, &domain(ports), &path);
    let said = std::fs::read_to_string(place.path().join("arguments")).unwrap();
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[..2], ["--foreground", "--fd"], "{said}");
    assert_eq!(words[3..], ["--interface", "lo", "--tcp-ports", "2022:22", "--vhost-user"], "{said}");
    // The socket by which QEMU came is gone already.
    let entry = place.path().join("domx/echo");
    let names: Vec<_> = std::fs::read_dir(entry).unwrap().flatten().map(|file| file.file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("passt")), "{names:?}");
    assert_eq!(guest.power_off(), 0);
    gone(&place);
    // The path of the socket is longer than its address may be.
    let runtime = place.path().join("r".repeat(120));
    std::fs::create_dir(&runtime).unwrap();
    let mut command = place.command();
    command.arg("run").arg(place.file("guest.xml", &domain("")));
    command.env("PATH", &path).env("XDG_RUNTIME_DIR", &runtime);
    let guest = Running::of(&place, command);
    let names: Vec<_> = std::fs::read_dir(runtime.join("domx/echo")).unwrap().flatten().collect();
    assert!(!names.iter().any(|file| file.file_name().to_string_lossy().contains("passt")), "{names:?}");
    assert_eq!(guest.power_off(), 0);
    gone(&place);
    // QEMU crashes.
    let mut guest = start(&place, &domain(""), &path);
    signal("-SEGV", qemus(&place)[0]);
    assert_eq!(guest.wait(Duration::from_secs(10)), 1);
    gone(&place);
    // domx is killed; the next start cleans what is left in files.
    let mut guest = start(&place, &domain(""), &path);
    assert!(processes(&place).len() >= 3);
    guest.kill();
    wait_for("something lives on", || processes(&place).is_empty());
    let guest = start(&place, &domain(""), &path);
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}

#[test]
fn a_passt_that_cannot_or_does_not_serve_is_told_at_its_place() {
    if real_qemu().is_none() {
        return;
    }
    for (script, expected) in [
        ("exit 1", "is too old for vhost-user"),
        ("test \"$1\" = --print-capabilities && exit 0; echo no network here >&2; exit 1", "no network here"),
        ("test \"$1\" = --print-capabilities && exit 0; exec true", "QEMU refuses"),
    ] {
        let place = Place::new();
        let path = install(&place, script);
        let mut command = place.command();
        command.arg("run").arg(place.file("guest.xml", &domain(""))).env("PATH", path);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected) && said.contains("guest.xml:"), "{expected}: {said}");
        gone(&place);
    }
}

#[test]
fn a_qemu_that_ends_before_it_connects_is_told() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let path = stand_in(&place);
    // The one in front of it takes QEMU's courage.
    let xml = domain("").replace(
        "<interface",
        "<serial type='tcp'><source mode='connect' host='127.0.0.1' service='1'/></serial><interface",
    );
    let mut command = place.command();
    command.arg("run").arg(place.file("guest.xml", &xml)).env("PATH", path);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("QEMU refuses"), "{said}");
    gone(&place);
}

#[test]
fn the_installed_passt_serves_a_card() {
    let ability = Command::new("passt").arg("--print-capabilities").output();
    if real_qemu().is_none() || !may_unshare("--user") {
        return;
    }
    if !ability.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no passt that speaks vhost-user");
        return;
    }
    let place = Place::new();
    let guest = Running::start(&place, &domain(""), &[]);
    assert_eq!(processes(&place).len(), 3, "domx, QEMU and passt");
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}
