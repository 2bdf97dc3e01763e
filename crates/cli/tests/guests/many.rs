//! Many guests, at once and one after the other.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::{Place, fixture, gone, qemus, real_qemu, repository, wait_for};

/// Copies of a guest of the repository under names of their own.
fn copies(place: &Place, guest: &str, count: usize) -> Vec<PathBuf> {
    let image = repository(&format!("fixtures/guests/{guest}.img")).canonicalize().unwrap();
    let xml = std::fs::read_to_string(fixture(guest)).unwrap();
    let xml = xml.replace(&format!("../guests/{guest}.img"), image.to_str().unwrap());
    let name = format!("<name>{guest}</name>");
    (0..count)
        .map(|index| {
            let own = format!("<name>{guest}-{index}</name>");
            place.file(&format!("{guest}-{index}.xml"), &xml.replace(&name, &own))
        })
        .collect()
}

/// Starts domx without waiting for it.
fn start(place: &Place, args: &[&str]) -> Child {
    let mut command = place.command();
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn all_succeed(children: Vec<Child>) {
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

/// Every file below a place, but for caches and domains.
fn files(place: &Place) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![place.path().join("state"), place.path().join("domx")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

#[test]
fn twenty_guests_at_once() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let domains = copies(&place, "echo", 20);
    // Asked once, so that twenty do not ask at the same time.
    assert_eq!(place.domx(&["argv", domains[0].to_str().unwrap()]).status, 0);
    let run = |path: &PathBuf| start(&place, &["run", "--detach", path.to_str().unwrap()]);
    all_succeed(domains.iter().map(run).collect());
    let listed = place.domx(&["list"]).stdout;
    assert_eq!(listed.lines().filter(|line| line.contains(" running ")).count(), 20, "{listed}");
    assert_eq!(qemus(&place).len(), 20);
    for index in 0..20 {
        let said = || place.domx(&["logs", &format!("echo-{index}")]).stdout;
        wait_for("a guest is up", || said().contains("ready"));
    }
    all_succeed((0..20).map(|index| start(&place, &["stop", &format!("echo-{index}")])).collect());
    gone(&place);
}

#[test]
fn of_twenty_starts_under_one_name_at_the_same_instant_one_runs() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    assert_eq!(place.domx(&["argv", &fixture("echo")]).status, 0);
    for options in [&["--detach"][..], &[]] {
        for count in [2, 20] {
            let domx = |_| {
                let mut command = place.command();
                command.args(["run", &fixture("echo")]).args(options);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
                command.spawn().unwrap()
            };
            let all: Vec<Child> = (0..count).map(domx).collect();
            let said = || place.domx(&["logs", "echo"]).stdout;
            wait_for("a guest is up", || said().contains("ready"));
            // Those in the foreground stay as long as their guest, so that it has to end before they can be counted.
            wait_for("only one is left", || qemus(&place).len() == 1);
            std::thread::sleep(Duration::from_millis(200));
            assert_eq!(qemus(&place).len(), 1);
            assert_eq!(place.domx(&["stop", "echo"]).status, 0);
            let outputs = all.into_iter().map(|domx| domx.wait_with_output().unwrap());
            let (won, lost): (Vec<_>, Vec<_>) = outputs.partition(|output| output.status.success());
            assert_eq!(won.len(), 1, "{options:?} {count}");
            for output in lost {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(1), "{said}");
                assert!(said.contains("a guest named `echo` is running already"), "{said}");
            }
            gone(&place);
        }
    }
}

#[test]
fn two_hundred_guests_one_after_the_other_leave_no_trace() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let lines = copies(&place, "hello", 4);
    let cycle =
        || all_succeed(lines.iter().map(|path| start(&place, &["run", path.to_str().unwrap()])).collect());
    cycle();
    gone(&place);
    let before = files(&place);
    for _ in 1..50 {
        cycle();
    }
    gone(&place);
    // The logs of the last ones are kept, and nothing else.
    assert_eq!(files(&place), before);
}

/// Descriptors and kilobytes of memory of a process.
fn held(pid: &str) -> (usize, u64) {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    (descriptors, memory.trim().trim_end_matches(" kB").parse().unwrap())
}

#[test]
fn a_supervisor_is_small_and_does_not_grow() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    assert_eq!(place.domx(&["run", "--detach", &fixture("echo")]).status, 0);
    let listed: serde_json::Value =
        serde_json::from_str(&place.domx(&["list", "--format", "json"]).stdout).unwrap();
    wait_for("the guest is up", || place.domx(&["logs", "echo"]).stdout.contains("ready"));
    let supervisor = listed["guests"][0]["supervisor"].to_string();
    let visit = || {
        assert_eq!(place.domx(&["list"]).status, 0);
        assert_eq!(place.domx(&["qmp", "echo", "query-status"]).status, 0);
        assert_eq!(place.domx(&["qmp", "echo", "no-such"]).status, 1);
        let mut console = place.command();
        console.args(["console", "echo"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut console = console.spawn().unwrap();
        console.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        console.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        console.kill().unwrap();
        console.wait().unwrap();
    };
    for _ in 0..5 {
        visit();
    }
    // Visitors are gone a moment after they have left.
    let settled = || {
        std::thread::sleep(Duration::from_millis(500));
        held(&supervisor)
    };
    let before = settled();
    for _ in 0..50 {
        visit();
    }
    wait_for("visitors are gone", || held(&supervisor).0 <= before.0);
    let after = settled();
    assert_eq!(after.0, before.0, "descriptors");
    assert!(after.1 <= before.1 + 512, "{} kB became {} kB", before.1, after.1);
    // Code that is not optimised is several times as large.
    let limit = if cfg!(debug_assertions) { 12 << 10 } else { 6 << 10 };
    assert!(after.1 <= limit, "{} kB", after.1);
    println!("{} kB before, {} kB after", before.1, after.1);
    assert_eq!(place.domx(&["stop", "echo", "--force"]).status, 0);
    gone(&place);
}
