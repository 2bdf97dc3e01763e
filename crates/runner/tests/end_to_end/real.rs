//! Real QEMU, where installed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use runner::probe::{ProbeLimits, ask_help, bare_guest, converse};
use runner::qmp::{QmpClient, pair};
use runner::{Command, HostRunner, Limits, Runner, Status};
use serde_json::json;

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
    assert_eq!(rounds.heard.len(), 6);
    assert!(rounds.heard[3].len() > 100_000, "the schema is long");
    assert_eq!(rounds.heard[4], "3 The command no-such has not been found");
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
