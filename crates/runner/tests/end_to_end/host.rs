//! `HostRunner`: limits, descriptors, environment, what is left behind.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use runner::{Command, FdTable, HostRunner, Limits, Runner, Signal, Sink, Status};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{FakeQemu, eventually, group_members, is_alive};

/// Runs a script and gives the output, or the error with the program's path left out.
fn check(script: serde_json::Value, expected: &str) {
    let fake = FakeQemu::new(script);
    let limits = Limits { time: Duration::from_millis(300), output: 100_000 };
    let found = match HostRunner.run(&Command::new(&fake.program).args(["-x"]).limits(limits)) {
        Ok(output) => format!(
            "{}|{}|{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => error.to_string().replace(fake.program.to_str().unwrap(), "QEMU"),
    };
    assert_eq!(found, expected);
}

#[test]
fn runs_end_in_every_way() {
    check(json!({"steps": [{"print": "a"}, {"complain": "b"}]}), "exit status 0|a|b");
    check(json!({"steps": [{"complain": "no\n"}, {"exit": 3}]}), "exit status 3||no\n");
    check(json!({"steps": [{"print": "x"}, {"crash": 11}]}), "signal 11 (SIGSEGV)|x|");
    check(
        json!({"steps": [{"complain": "thinking\n"}, "hang"]}),
        "`QEMU -x` did not end within 0.3 s; it said:\n  thinking",
    );
    check(json!({"steps": ["ignore_term", "hang"]}), "`QEMU -x` did not end within 0.3 s");
    check(json!({"steps": [{"flood": ["stdout", 10_000_000]}]}), "`QEMU -x` wrote more than 100000 bytes");
    let shown = "x".repeat(500);
    check(
        json!({"steps": [{"flood": ["stderr", 100_001]}]}),
        &format!("`QEMU -x` wrote more than 100000 bytes; it said:\n  {shown}…"),
    );
    // A grandchild that keeps the pipes open holds nobody up.
    check(json!({"steps": ["fork", {"print": "bye"}]}), "exit status 0|bye|");
    check(json!({"help": [{"args": ["-x"], "stdout": "helped", "status": 1}]}), "exit status 1|helped|");
}

#[test]
fn says_why_it_cannot_start() {
    let dir = TempDir::new().unwrap();
    let make = |name: &str, text: &str, mode: u32| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let check = |path: std::path::PathBuf, expected: &str| {
        let error = HostRunner.run(&Command::new(&path)).unwrap_err();
        assert_eq!(error.to_string().replace(path.to_str().unwrap(), "QEMU"), expected);
    };
    check(dir.path().join("none"), "`QEMU` does not exist");
    check(dir.path().join("none/below"), "`QEMU` does not exist");
    check(dir.path().to_path_buf(), "`QEMU` cannot be executed: it is a directory");
    check(make("plain", "#!/bin/sh\n", 0o644), "`QEMU` cannot be executed: permission denied");
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o755.into(), 0).unwrap();
    check(pipe, "`QEMU` cannot be executed: it is not a program");
    check(make("garbage", "\x01\x02", 0o755), "`QEMU` cannot be executed: it is not a program");
    check(
        make("nul\u{1}", "#!/nonexistent/sh\n", 0o755),
        "cannot start `QEMU`: No such file or directory (os error 2)",
    );
}

#[test]
fn gives_exactly_what_the_command_names() {
    let fake = FakeQemu::new(json!({"steps": []}));
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let kept_private = fs::File::open("/dev/null").unwrap();
    let mut command = Command::new(&fake.program).env("A", "1 2");
    let number = command.fds.pass(theirs).unwrap();
    let record = fake.path("record");
    fs::write(
        fake.path("qemu-system-fake.json"),
        json!({"steps": [{"record": record}, {"serial": "here"}]}).to_string(),
    )
    .unwrap();
    command = command.args(["-chardev".to_owned(), format!("socket,id=s,fd={number}")]);
    assert!(HostRunner.run(&command).unwrap().status.is_success());
    drop((command, kept_private));
    let mut said = String::new();
    ours.read_to_string(&mut said).unwrap();
    assert_eq!(said, "here");
    let record = fs::read_to_string(record).unwrap();
    assert_eq!(record, format!("A=1 2\ndescriptors [0, 1, 2, {number}]\n"));
}

#[test]
fn descriptors_keep_their_numbers_and_leave_standard_streams_alone() {
    let mut table = FdTable::default();
    let numbers: Vec<i32> =
        (0..3).map(|_| table.pass(fs::File::open("/dev/null").unwrap()).unwrap()).collect();
    assert!(numbers.iter().all(|number| *number > 2));
    assert_eq!(table.numbers().collect::<Vec<_>>(), numbers);
    table.close();
    assert_eq!(table.numbers().count(), 0);
}

#[test]
fn started_processes_are_heard_waited_for_and_signalled() {
    let fake = FakeQemu::new(json!({"steps": [{"print": "out\n"}, {"complain": "err\n"}, "hang"]}));
    let mut process = HostRunner.start(&Command::new(&fake.program)).unwrap();
    assert!(is_alive(process.pid()));
    assert_eq!(process.try_wait().unwrap(), None);
    let start = Instant::now();
    assert_eq!(process.wait_deadline(start + Duration::from_millis(50)).unwrap(), None);
    assert!(start.elapsed() >= Duration::from_millis(50));
    eventually("it has said both", || process.stderr_tail() == "out\nerr");
    assert_eq!(process.read_said(), b"out\nerr\n");
    assert_eq!(process.read_said(), b"");
    process.signal(Signal::TERM).unwrap();
    let status = process.wait_deadline(Instant::now() + Duration::from_secs(5)).unwrap();
    assert_eq!(status, Some(Status::Signal(15)));
    assert_eq!(process.kill().unwrap(), Status::Signal(15));
    process.signal(Signal::TERM).unwrap();
}

#[test]
fn a_talkative_process_is_not_blocked_by_its_pipe() {
    let fake = FakeQemu::new(json!({"steps": [{"flood": ["stderr", 5_000_000]}, {"complain": "\nend"}]}));
    let mut process = HostRunner.start(&Command::new(&fake.program)).unwrap();
    let status = process.wait_deadline(Instant::now() + Duration::from_secs(10)).unwrap();
    assert_eq!(status, Some(Status::Code(0)));
    assert!(process.stderr_tail().ends_with("\nend"));
    assert!(process.read_said().len() <= 1 << 20);
}

#[test]
fn dropping_a_process_takes_its_group_with_it() {
    let fake = FakeQemu::new(json!({"steps": ["fork", "ignore_term", "hang"]}));
    let process = HostRunner.start(&Command::new(&fake.program)).unwrap();
    let group = process.pid();
    eventually("parent and child run", || group_members(group).len() == 2);
    drop(process);
    eventually("nothing is left", || group_members(group).is_empty());
}

#[test]
fn given_streams_are_used_as_they_are() {
    let fake = FakeQemu::new(json!({"steps": [{"print": "to the file"}]}));
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"start, ").unwrap();
    let mut command = Command::new(&fake.program);
    command.stdout = Sink::Given(file.try_clone().unwrap().into());
    assert!(HostRunner.run(&command).unwrap().stdout.is_empty());
    use std::io::Seek;
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "start, to the file");
}

#[test]
fn the_working_directory_is_set() {
    let dir = TempDir::new().unwrap();
    let mut command = Command::new("/bin/pwd");
    command.cwd = Some(dir.path().to_path_buf());
    let output = HostRunner.run(&command).unwrap().success(&command.program).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), dir.path().to_str().unwrap());
}
