//! What a guest does at its ends, and what becomes of it: every action of every end.

use std::process::Stdio;

use crate::boot_sector::{PANIC, POWER_OFF, RESET, domain};
use crate::support::{Place, Said, gone, real_qemu, wait_for};

const DEVICE: &str = "<panic model='isa'/>";

/// What becomes of a guest.
enum Then {
    /// domx ends, with this status, and says this.
    Ends(i32, &'static str),
    /// It says `up` once more.
    Again,
    /// It is kept.
    Stays,
}

fn check(then: &[u8], end: &[(&str, &str)], expected: &Then) -> Option<Said> {
    real_qemu()?;
    let place = Place::new();
    let file = domain(&place, then, end, DEVICE);
    let mut command = place.command();
    command.arg("run").arg(file).args(["--timeout", "60s"]);
    let domx = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ups = || place.domx(&["logs", "echo"]).stdout.matches("up\r\n").count();
    match expected {
        Then::Ends(..) => {}
        Then::Again => {
            wait_for("the guest starts again", || ups() > 1);
            assert_eq!(place.domx(&["stop", "echo", "--force"]).status, 0, "{end:?}");
        }
        Then::Stays => {
            wait_for("the guest is kept", || place.domx(&["list"]).stdout.contains("echo  preserved"));
            assert_eq!(ups(), 1);
            // Somebody can look at it for as long as he likes.
            let said = place.domx(&["qmp", "echo", "query-status"]);
            assert!(said.stdout.contains("\"running\": false"), "{said:?}");
            assert_eq!(place.domx(&["stop", "echo"]).status, 0, "{end:?}");
        }
    }
    let output = domx.wait_with_output().unwrap();
    let said = Said {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    if let Then::Ends(status, words) = expected {
        assert_eq!(said.status, *status, "{end:?}: {said:?}");
        assert!(said.stdout.matches("up\r\n").count() == 1, "{end:?}: {said:?}");
        assert!(said.stderr.contains(words), "{end:?}: {said:?}");
    }
    gone(&place);
    Some(said)
}

const REBOOTS: (&str, &str) = ("on_reboot", "restart");
/// A reboot of the guest is the end, and no reboot is what its firmware does, which finds the machine reset from outside
/// and resets it once more.
const ENDS: (&str, &str) = ("on_reboot", "destroy");

#[test]
fn powering_off() {
    check(POWER_OFF, &[("on_poweroff", "destroy")], &Then::Ends(0, ""));
    check(POWER_OFF, &[REBOOTS], &Then::Ends(0, ""));
    check(POWER_OFF, &[("on_poweroff", "restart"), REBOOTS], &Then::Again);
}

#[test]
fn rebooting() {
    check(RESET, &[ENDS], &Then::Ends(0, ""));
    check(RESET, &[REBOOTS], &Then::Again);
}

#[test]
fn panicking() {
    check(PANIC, &[("on_crash", "destroy")], &Then::Ends(1, "error: the guest panicked"));
    check(PANIC, &[("on_crash", "restart"), REBOOTS], &Then::Again);
    check(PANIC, &[("on_crash", "restart"), ENDS], &Then::Again);
    let kept = check(PANIC, &[("on_crash", "preserve")], &Then::Stays);
    assert!(kept.is_none_or(|said| said.status == 1 && said.stderr.contains("warning: the guest panicked")));
    let dumped = "the guest's memory is in `";
    check(PANIC, &[("on_crash", "coredump-destroy")], &Then::Ends(1, dumped));
    let again = check(PANIC, &[("on_crash", "coredump-restart"), REBOOTS], &Then::Again);
    assert!(again.is_none_or(|said| said.stderr.contains(dumped)));
}

#[test]
fn what_qemu_has_no_action_for_is_refused() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    for (name, action) in [
        ("on_poweroff", "rename-restart"),
        ("on_reboot", "rename-restart"),
        ("on_crash", "rename-restart"),
        ("on_poweroff", "preserve"),
        ("on_reboot", "preserve"),
    ] {
        let file = domain(&place, POWER_OFF, &[(name, action)], "");
        let said = place.domx(&["run", file.to_str().unwrap()]);
        assert_eq!(said.status, 4, "{name} {action}: {said:?}");
        let words = format!("`{action}` is not an action of `<{name}>` with QEMU");
        assert!(said.stderr.contains(&words) && said.stderr.contains("sector.xml:"), "{said:?}");
    }
    gone(&place);
}
