//! Many guests one after the other leave nothing behind in this process.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use runner::qmp::pair;
use runner::supervise::{End, Guest, Means, Plan, Surroundings, supervise};
use runner::{Command, HostRunner, Runner};

/// One guest from start to end, by way of the polite stand-in, which resumes and is given no time.
fn cycle() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-qemu"));
    let (qmp, theirs) = pair().unwrap();
    let monitor = command.fds.pass(theirs).unwrap();
    let (console, theirs) = pair().unwrap();
    let serial = command.fds.pass(theirs).unwrap();
    command = command.args(["-chardev", &format!("socket,id=monitor,fd={monitor}")]);
    command = command.args(["-mon", "chardev=monitor,mode=control"]);
    command = command.args(["-chardev", &format!("socket,id=serial,fd={serial}")]);
    let process = HostRunner.start(&command).unwrap();
    drop(command);
    let guest =
        Guest { program: "fake-qemu".into(), process, qmp, console: Some(console), companions: Vec::new() };
    let plan = Plan { timeout: Some(std::time::Duration::from_millis(30)), ..Plan::default() };
    let outcome = supervise(guest, plan, Surroundings::default()).unwrap();
    // On a busy machine the time may be over before QEMU has spoken.
    assert!(matches!(outcome.end, End::TimedOut | End::Stopped(Means::Kill)), "{outcome:?}");
}

/// Descriptors, threads, children, and kilobytes of memory.
fn held() -> (usize, usize, String, u64) {
    let entries = |path: &str| fs::read_dir(path).unwrap().count();
    let children: String = fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .collect();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory = memory.trim().trim_end_matches(" kB").parse().unwrap();
    (entries("/proc/self/fd"), entries("/proc/self/task"), children, memory)
}

#[test]
fn two_hundred_guests_do_not_make_us_grow() {
    for _ in 0..10 {
        cycle();
    }
    let before = held();
    for _ in 0..200 {
        cycle();
    }
    let after = held();
    assert_eq!((after.0, after.1, &after.2), (before.0, before.1, &before.2));
    assert!(after.3 <= before.3 + 512, "{} kB became {} kB", before.3, after.3);
    println!("{} kB before, {} kB after 200 guests", before.3, after.3);
}
