//! Guests in the background, found by name.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Place, Said, fixture, gone, qemus, real_qemu, wait_for};

fn started(place: &Place, more: &[&str]) -> Said {
    let said = place.domx(&[&["run", "--detach", &fixture("echo")], more].concat());
    assert_eq!((said.status, said.stdout.as_str()), (0, "echo\n"), "{said:?}");
    is_up(place);
    said
}

/// Before it says that it is ready, the guest does not look at its power button.
fn is_up(place: &Place) {
    wait_for("the guest is up", || place.domx(&["logs", "echo"]).stdout.contains("ready"));
}

fn listed(place: &Place) -> Vec<Value> {
    let said = place.domx(&["list", "--format", "json"]);
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(document["version"], 1);
    document["guests"].as_array().unwrap().clone()
}

/// Runs a command and compares its status, and what it prints or says.
fn check(place: &Place, args: &[&str], status: i32, expected: &str) {
    let said = place.domx(args);
    assert_eq!(said.status, status, "{args:?}: {said:?}");
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(all.contains(expected), "{args:?}: {said:?}");
}

#[test]
fn a_guest_in_the_background_is_found_by_name() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let file = place.file("echo.xml", &crate::running::echo("").replace("reboot>destroy", "reboot>restart"));
    let said = place.domx(&["run", "--detach", file.to_str().unwrap()]);
    assert_eq!((said.status, said.stdout.as_str()), (0, "echo\n"), "{said:?}");
    is_up(&place);
    let guests = listed(&place);
    let [one] = guests.as_slice() else { panic!("{guests:?}") };
    assert_eq!((&one["name"], &one["state"]), (&"echo".into(), &"running".into()));
    assert_eq!(one["qemu"].as_u64().unwrap(), u64::from(qemus(&place)[0]));
    check(&place, &["list"], 0, "echo  running");
    // One name runs once, wherever it is started.
    check(&place, &["run", &fixture("echo")], 1, "`echo` is running already");
    check(&place, &["run", "--detach", &fixture("echo")], 1, "`echo` is running already");

    check(&place, &["qmp", "echo", "query-status"], 0, "\"status\": \"running\"");
    check(&place, &["qmp", "echo", "stop"], 0, "{}");
    assert_eq!(listed(&place)[0]["state"], "paused");
    check(&place, &["qmp", "echo", "cont"], 0, "{}");
    // A reset machine says that it is ready once more; where a reboot is the end, its firmware may make one of that.
    check(&place, &["qmp", "echo", "system_reset"], 0, "{}");
    let readies = || place.domx(&["logs", "echo"]).stdout.matches("ready").count();
    wait_for("the guest boots again", || readies() == 2);
    check(&place, &["qmp", "echo", "qom-get", r#"{"path": "/machine", "property": "type"}"#], 0, "machine");
    check(&place, &["qmp", "echo", "no-such"], 1, "no-such has not been found");
    check(&place, &["qmp", "echo", "query-status", "[]"], 2, "not a JSON object");

    check(&place, &["stop", "echo", "--timeout", "20s"], 0, "it powered down");
    check(&place, &["logs", "echo"], 0, "power button");
    for command in ["stop", "console"] {
        check(&place, &[command, "echo"], 1, "no guest named `echo` is running");
    }
    check(&place, &["logs", "other"], 1, "there is no log of a guest named `other`");
    assert!(listed(&place).is_empty());
    gone(&place);
}

#[test]
fn the_console_of_a_guest_in_the_background_is_shared_with_pipes() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    started(&place, &[]);
    let console = || {
        let mut command = place.command();
        command.args(["console", "echo"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut first = console();
    let mut keys = first.stdin.take().unwrap();
    keys.write_all(b"typed").unwrap();
    let mut echo = [0; 5];
    first.stdout.as_mut().unwrap().read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"typed");
    check(&place, &["console", "echo"], 1, "someone else is at the console");
    // The end of the input is not the end of the guest, nor of the console.
    drop(keys);
    check(&place, &["stop", "echo"], 0, "it powered down");
    let mut rest = String::new();
    first.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert!(rest.contains("power button"), "{rest}");
    check(&place, &["logs", "echo"], 0, "typed");
    gone(&place);
}

#[test]
fn guests_in_the_background_end_by_force_by_time_and_by_themselves() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    started(&place, &[]);
    check(&place, &["stop", "echo", "--force"], 0, "QEMU was told to quit");
    gone(&place);
    started(&place, &["--timeout", "4s"]);
    gone(&place);
    check(&place, &["logs", "echo", "--messages"], 0, "the guest's time was over");
    let said = place.domx(&["run", "--detach", &fixture("hello")]);
    assert_eq!(said.status, 0, "{said:?}");
    gone(&place);
    check(&place, &["logs", "hello"], 0, "hello from domx");
}

#[test]
fn a_deaf_guest_is_stopped_by_stronger_means() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    // A guest that is paused does not look at its power button.
    started(&place, &[]);
    check(&place, &["qmp", "echo", "stop"], 0, "{}");
    check(&place, &["stop", "echo"], 0, "QEMU was told to quit, as the guest did not power down");
    gone(&place);
    // A QEMU that stands still hears nothing at all.
    started(&place, &[]);
    let qemu = qemus(&place)[0];
    crate::support::signal("-STOP", qemu);
    let start = Instant::now();
    check(&place, &["stop", "echo", "--timeout", "200ms"], 0, "QEMU was killed");
    assert!(start.elapsed() < Duration::from_secs(10));
    gone(&place);
}

#[test]
fn failures_in_the_background_reach_the_user() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let xml = std::fs::read_to_string(fixture("echo")).unwrap();
    check(&place, &["run", "--detach", "nothing.xml"], 2, "nothing.xml");
    let file = place.file("broken.xml", &xml.replace("type='file'", "type='fil'"));
    check(&place, &["run", "--detach", file.to_str().unwrap()], 3, "broken.xml");
    let file = place.file("missing.xml", &xml);
    let said = place.domx(&["run", "--detach", file.to_str().unwrap()]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.stderr.contains("echo.img"), "{}", said.stderr);
    gone(&place);
    // A crash later is in the log.
    started(&place, &[]);
    crate::support::signal("-SEGV", qemus(&place)[0]);
    gone(&place);
    check(&place, &["logs", "echo", "--messages"], 0, "QEMU failed: signal 11 (SIGSEGV)");
}

#[test]
fn a_domain_is_read_from_standard_input_in_the_background() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let image = crate::support::repository("fixtures/guests/echo.img").canonicalize().unwrap();
    let xml = std::fs::read_to_string(fixture("echo")).unwrap();
    let xml = xml.replace("../guests/echo.img", image.to_str().unwrap());
    let said = place.domx_reading(&["run", "--detach", "-"], &xml);
    assert_eq!(said.status, 0, "{said:?}");
    is_up(&place);
    check(&place, &["stop", "echo"], 0, "it powered down");
    gone(&place);
}

#[test]
fn one_directory_may_serve_all_purposes() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let run = |args: &[&str]| {
        let mut command = place.command();
        for name in ["XDG_CACHE_HOME", "XDG_STATE_HOME"] {
            command.env(name, place.path());
        }
        let output = command.args(args).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run(&["run", &fixture("hello")]).trim_end(), "hello from domx");
    assert_eq!(run(&["list"]).lines().count(), 1);
    assert_eq!(run(&["logs", "hello"]).trim_end(), "hello from domx");
    assert!(place.path().join("domx/capabilities").is_dir());
}
