//! Real QEMU, where installed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use runner::console::Terminal;
use runner::probe::{ProbeLimits, ask_help, bare_guest, converse};
use runner::qmp::{QmpClient, pair};
use runner::supervise::{Action, Guest, Notice, Outcome, Plan, Surroundings, supervise};
use runner::{Command, HostRunner, Limits, RunError, Runner, Status};
use serde_json::json;
use tempfile::TempDir;

use crate::probe::Rounds;

/// The QEMU to test with: `DOMX_TEST_QEMU`, or the one of the system.
pub fn qemu() -> Option<PathBuf> {
    let path = std::env::var_os("DOMX_TEST_QEMU")
        .map_or_else(|| "/usr/bin/qemu-system-x86_64".into(), PathBuf::from);
    if Path::new(&path).exists() {
        return Some(path);
    }
    println!("skipped: {} is not installed", path.display());
    None
}

#[test]
fn answers_a_probe_in_one_process() {
    let Some(qemu) = qemu() else { return };
    let rounds =
        vec![vec!["query-version", "query-commands", "query-qmp-schema", "no-such"], vec!["query-machines"]];
    let mut rounds = Rounds { rounds, ..Rounds::default() };
    converse(&HostRunner, &qemu, bare_guest(&["tcg"]), ProbeLimits::default(), &mut rounds).unwrap();
    assert_eq!(rounds.heard.len(), 7);
    assert!(rounds.heard[4].len() > 100_000, "the schema is long");
    assert_eq!(rounds.heard[5], "4 \"The command no-such has not been found\"");
    let help = ask_help(&HostRunner, &qemu, ["-device", "help"], Limits::default()).unwrap();
    assert!(String::from_utf8_lossy(&help.stdout).contains("virtio-net-pci"));
}

#[test]
fn takes_a_connected_socket_for_qmp_and_quits() {
    let Some(qemu) = qemu() else { return };
    let (ours, theirs) = pair().unwrap();
    let mut command = Command::new(qemu);
    let number = command.fds.pass(theirs).unwrap();
    let chardev = format!("socket,id=monitor,fd={number}");
    let args =
        ["-S", "-nodefaults", "-display", "none", "-machine", "pc,accel=tcg", "-chardev", &chardev, "-mon"];
    command = command.args(args).args(["chardev=monitor,mode=control"]);
    let mut process = HostRunner.start(&command).unwrap();
    command.fds.close();
    let mut client = QmpClient::open(ours, Duration::from_secs(20)).unwrap();
    let status: serde_json::Value =
        serde_json::from_str(client.execute("query-status", None).unwrap().get()).unwrap();
    assert_eq!(status["running"], json!(false));
    client.execute("cont", None).unwrap();
    client.execute("quit", None).unwrap();
    let end = process.wait_deadline(Instant::now() + Duration::from_secs(20)).unwrap();
    assert_eq!(end, Some(Status::Code(0)), "{}", process.stderr_tail());
}

/// A boot sector that writes a line on COM1, and then does this.
fn boot_sector(then: &[u8]) -> Vec<u8> {
    let text = b"hello from the guest\r\n\0";
    // xor ax,ax; mov ds,ax; cld; mov dx,COM1; mov si,text; next: lodsb; test al,al; jz over; out dx,al; jmp next
    let mut code = b"\x31\xc0\x8e\xd8\xfc\xba\xf8\x03\xbe\x00\x7d\xac\x84\xc0\x74\x03\xee\xeb\xf8".to_vec();
    code.extend_from_slice(then);
    // hlt; jmp to it
    code.extend_from_slice(b"\xf4\xeb\xfd");
    code.resize(0x100, 0);
    code.extend_from_slice(text);
    code.resize(510, 0);
    code.extend_from_slice(b"\x55\xaa");
    code.resize(1 << 20, 0);
    code
}

/// Writes the sleep bit to the power management port, where the firmware of PC machines puts it.
const POWER_OFF: &[u8] = b"\xba\x04\x06\xb8\x00\x20\xef";
/// Pulses the reset line by way of the keyboard controller.
const RESET: &[u8] = b"\xb0\xfe\xe6\x64";

/// Boots a disk whose boot sector does this; gives what the console showed, and the end.
fn boot(then: &[u8], more: &[&str], plan: Plan) -> Option<(String, Result<Outcome, RunError>)> {
    let qemu = qemu()?;
    let dir = TempDir::new().unwrap();
    let disk = dir.path().join("disk");
    std::fs::write(&disk, boot_sector(then)).unwrap();
    let args = ["-S", "-nodefaults", "-display", "none", "-machine", "pc,accel=tcg", "-m", "16"];
    let mut command = Command::new(&qemu).args(args).args(more);
    command = command.args(["-drive", &format!("file={},format=raw,if=ide", disk.display())]);
    let guest = Guest::start(&HostRunner, command).unwrap();
    let (mut shown, output) = std::io::pipe().unwrap();
    let mut told = Vec::new();
    let around = Surroundings {
        terminal: Some(Terminal::new(None, Some(output.into())).unwrap()),
        watch: Some(Box::new(|notice: &Notice| told.push(notice.clone()))),
        ..Surroundings::default()
    };
    let result = supervise(guest, plan, around);
    assert!(result.is_err() || told.contains(&Notice::Running));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut shown, &mut text).unwrap();
    Some((text, result))
}

#[test]
fn a_guest_speaks_and_ends_in_its_own_ways() {
    let check = |then: &[u8], more: &[&str], plan: Plan, expected: &str| {
        let Some((text, result)) = boot(then, more, plan) else { return };
        let outcome = result.unwrap();
        let end = format!("{:?}, {}{}", outcome.end, outcome.status, outcome.stderr_tail);
        assert_eq!(format!("{text}{end}"), format!("hello from the guest\r\n{expected}"));
    };
    let ok = "exit status 0";
    check(POWER_OFF, &[], Plan::default(), &format!("PoweredOff, {ok}"));
    check(POWER_OFF, &["-no-shutdown"], Plan::default(), &format!("PoweredOff, {ok}"));
    check(
        RESET,
        &["-no-reboot"],
        Plan { on_reboot: Action::Destroy, ..Plan::default() },
        &format!("Rebooted, {ok}"),
    );
    check(RESET, &[], Plan { on_reboot: Action::Destroy, ..Plan::default() }, &format!("Rebooted, {ok}"));
    let timeout = Plan { timeout: Some(Duration::from_secs(2)), ..Plan::default() };
    check(b"", &[], timeout, &format!("TimedOut, {ok}"));
}

#[test]
fn a_bad_option_is_reported_in_the_words_of_qemu() {
    let Some((text, result)) = boot(b"", &["-device", "no-such-device"], Plan::default()) else { return };
    let error = result.unwrap_err().to_string();
    assert_eq!(text, "");
    assert!(error.contains("ended with exit status 1; it said:\n"), "{error}");
    assert!(error.contains("'no-such-device' is not a valid device model name"), "{error}");
}

#[test]
fn a_restarted_guest_speaks_again() {
    let plan =
        Plan { on_poweroff: Action::Restart, timeout: Some(Duration::from_secs(4)), ..Plan::default() };
    let Some((text, result)) = boot(POWER_OFF, &["-no-shutdown"], plan) else { return };
    assert!(text.matches("hello").count() >= 2, "{text}");
    assert_eq!(format!("{:?}", result.unwrap().end), "TimedOut");
}
