//! Guests on a real QEMU, under TCG.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use crate::support::{Place, fixture, gone, qemus, real_qemu, repository, signal, wait_for};

/// Started in the background: ended with the test, whatever happens to it.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the guest that echoes, and waits until it is up.
fn start_echo(place: &Place) -> (Background, BufReader<std::process::ChildStdout>) {
    let mut child = place
        .command()
        .args(["run", &fixture("echo")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut console = BufReader::new(child.stdout.take().unwrap());
    let background = Background(child);
    let mut line = String::new();
    console.read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), "ready");
    (background, console)
}

#[test]
fn the_tiny_guest_says_hello_and_ends() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let said = place.domx(&["run", &fixture("hello"), "--timeout", "60s"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(said.stdout.trim_end(), "hello from domx");
    assert!(said.stderr.contains("TCG"), "{}", said.stderr);
    gone(&place);
}

#[test]
fn the_printed_command_line_runs_by_itself() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let xml = std::fs::read_to_string(repository("fixtures/domains/hello.xml")).unwrap();
    let image = repository("fixtures/guests/hello.img").canonicalize().unwrap();
    let xml = xml
        .replace("../guests/hello.img", image.to_str().unwrap())
        .replace("<serial type='pty'>", "<serial type='stdio'>")
        .replace("<console type='pty'>", "<console type='stdio'>");
    let printed = place.domx_reading(&["argv", "-"], &xml);
    assert_eq!(printed.status, 0, "{printed:?}");
    let output = Command::new("sh").arg("-c").arg(&printed.stdout).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), "hello from domx");
}

#[test]
fn the_first_interrupt_asks_the_guest_to_power_down() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let (mut guest, mut console) = start_echo(&place);
    signal("-INT", guest.0.id());
    let mut rest = String::new();
    console.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("power button"), "{rest}");
    assert_eq!(guest.0.wait().unwrap().code(), Some(0));
    gone(&place);
}

#[test]
fn killed_with_sigkill_nothing_lives_on_and_the_next_start_cleans() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let (mut guest, _console) = start_echo(&place);
    assert_eq!(qemus(&place).len(), 1);
    guest.0.kill().unwrap();
    guest.0.wait().unwrap();
    wait_for("QEMU outlives domx", || qemus(&place).is_empty());
    let again = place.domx(&["run", &fixture("echo"), "--timeout", "2s"]);
    assert_eq!(again.status, 124, "{again:?}");
    gone(&place);
}

#[test]
fn a_crash_of_qemu_is_reported_and_leaves_nothing() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let (mut guest, _console) = start_echo(&place);
    let qemu = *qemus(&place).first().unwrap();
    signal("-SEGV", qemu);
    assert_eq!(guest.0.wait().unwrap().code(), Some(1));
    gone(&place);
}

#[test]
fn the_time_limit_ends_the_guest_with_124() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let said = place.domx(&["run", &fixture("echo"), "--timeout", "3s"]);
    assert_eq!(said.status, 124, "{said:?}");
    assert!(said.stdout.contains("ready"), "{said:?}");
    gone(&place);
}

#[test]
fn an_error_at_start_is_shown_at_its_place() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    place.file("plain.img", "not an image of this format");
    let disk = "    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='plain.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>";
    let file = place.file("guest.xml", &crate::support::domain(disk));
    let said = place.domx(&["run", file.to_str().unwrap()]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.stderr.contains("guest.xml:9:5"), "{}", said.stderr);
    assert!(said.stderr.contains("not in qcow2 format"), "{}", said.stderr);
    gone(&place);
}

#[test]
fn the_transmit_mode_arrives_in_qemu() {
    let Some(qemu) = real_qemu() else { return };
    let place = Place::new();
    let xml = crate::support::domain(
        "    <interface type='user'><model type='virtio'/><driver txmode='iothread'/></interface>",
    );
    let printed =
        place.domx_reading(&["argv", "-", "--qemu", qemu.to_str().unwrap(), "--format", "json"], &xml);
    assert_eq!(printed.status, 0, "{printed:?}");
    let words: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    let words: Vec<&str> =
        words["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let mut guest = Command::new(words[0])
        .args(&words[1..])
        .args(["-S", "-qmp", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map(Background)
        .unwrap();
    let commands = r#"{"execute":"qmp_capabilities"}
{"execute":"qom-get","arguments":{"path":"/machine/peripheral/net0","property":"tx"},"id":"tx"}
{"execute":"quit"}
"#;
    std::io::Write::write_all(&mut guest.0.stdin.take().unwrap(), commands.as_bytes()).unwrap();
    let mut replies = String::new();
    guest.0.stdout.take().unwrap().read_to_string(&mut replies).unwrap();
    let reply = replies.lines().find(|line| line.contains("\"tx\"")).unwrap_or_else(|| panic!("{replies}"));
    let reply: serde_json::Value = serde_json::from_str(reply).unwrap();
    assert_eq!(reply["return"], "bh", "{replies}");
}

#[test]
fn what_no_argument_says_is_said_before_the_guest_runs() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let balloon = "<memballoon model='virtio'><stats period='5'/></memballoon>";
    let xml = crate::running::echo("").replace("<memballoon model='none'/>", balloon);
    let guest = crate::running::Running::start(&place, &xml, &[]);
    let property = r#"{"path":"/machine/peripheral/balloon0","property":"guest-stats-polling-interval"}"#;
    let said = place.domx(&["qmp", "echo", "qom-get", property]);
    assert_eq!((said.status, said.stdout.trim()), (0, "5"), "{said:?}");
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}

#[test]
fn a_password_that_ends_is_told_to_qemu() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let vnc = "<graphics type='vnc' passwd='open' passwdValidTo='2099-01-31T23:59:59'>\
               <listen type='socket'/></graphics><video><model type='vga'/></video>";
    let guest = crate::running::Running::start(&place, &crate::running::echo(vnc), &[]);
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}
