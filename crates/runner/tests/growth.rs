//! Many guests one after the other leave nothing behind in this process.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use runner::console::{ConsoleLog, Terminal};
use runner::control::{ControlClient, Request};
use runner::runtime::RuntimeDir;
use runner::supervise::{End, Guest, Means, Outcome, Plan, Surroundings, supervise};
use runner::{Command, HostRunner};
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "end_to_end/support.rs"]
#[allow(dead_code, unreachable_pub, clippy::panic, reason = "the other tests need more of it")]
mod support;
use support::{FakeQemu, eventually, is_running};

/// What this process holds is counted, so that only one test may run at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// One guest from start to end with everything around it that there can be.
fn cycle(command: Command, plan: Plan, place: &Path, name: &str) -> Outcome {
    let runtime = RuntimeDir::at(place.join("domx")).unwrap();
    let mut entry = runtime.claim(name, Value::Null).unwrap();
    let guest = Guest::start(&HostRunner, command).unwrap();
    entry.set_qemu(guest.process.pid()).unwrap();
    let around = Surroundings {
        control: Some(entry.listen().unwrap()),
        entry: Some(entry),
        terminal: Some(Terminal::new(None, Some(fs::File::create("/dev/null").unwrap().into())).unwrap()),
        log: Some(ConsoleLog::create(place.join(format!("{name}.log")), 1 << 20).unwrap()),
        ..Surroundings::default()
    };
    supervise(guest, plan, around).unwrap()
}

/// Descriptors, threads, children, files of guests, and kilobytes of memory.
fn held(place: &Path) -> (usize, usize, String, Vec<PathBuf>, u64) {
    let entries = |path: &str| fs::read_dir(path).unwrap().count();
    // The harness has a thread for each test, named after it, and starts and ends those when it likes.
    let is_ours = |task: &fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let name = name.trim_end();
        !(name.is_empty() || name.starts_with("two_hundred") || name.starts_with("who_does_not"))
    };
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten().filter(is_ours).count();
    let children: String = fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .collect();
    let mut files: Vec<PathBuf> = fs::read_dir(place).unwrap().flatten().map(|entry| entry.path()).collect();
    files.sort();
    (entries("/proc/self/fd"), threads, children, files, resident())
}

/// Kilobytes of memory of this process.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    memory.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Runs rounds of guests, and compares what is held after the first ones and after the last ones.
fn check(what: &str, warm: usize, rounds: usize, round: impl Fn(&Path)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = TempDir::new().unwrap();
    for _ in 0..warm {
        round(place.path());
    }
    let before = held(place.path());
    for _ in 0..rounds {
        round(place.path());
    }
    let after = held(place.path());
    assert_eq!((after.0, after.1, &after.2, &after.3), (before.0, before.1, &before.2, &before.3));
    assert!(after.4 <= before.4 + 512, "{} kB became {} kB", before.4, after.4);
    println!(
        "{what}: {} descriptors, {} threads, {} files, {} kB before and {} kB after",
        after.0,
        after.1,
        after.3.len(),
        before.4,
        after.4
    );
}

#[test]
fn two_hundred_stand_ins_do_not_make_us_grow() {
    check("200 stand-ins", 10, 200, |place| {
        let command = Command::new(env!("CARGO_BIN_EXE_fake-qemu"));
        let plan = Plan { timeout: Some(Duration::from_millis(30)), ..Plan::default() };
        let outcome = cycle(command, plan, place, "guest");
        // On a busy machine the time may be over before QEMU has spoken.
        assert!(matches!(outcome.end, End::TimedOut | End::Stopped(Means::Kill)), "{outcome:?}");
    });
}

#[test]
fn two_hundred_guests_do_not_make_us_grow() {
    let qemu = std::env::var_os("DOMX_TEST_QEMU")
        .map_or_else(|| "/usr/bin/qemu-system-x86_64".into(), PathBuf::from);
    if !qemu.exists() {
        println!("skipped: {} is not installed", qemu.display());
        return;
    }
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/guests/hello.img");
    let hello = |place: &Path, name: &str| {
        let args = ["-S", "-nodefaults", "-no-user-config", "-display", "none", "-m", "16"];
        let mut command = Command::new(&qemu).args(args).args(["-machine", "q35,accel=tcg", "-drive"]);
        command = command.args([format!("file={},format=raw,if=ide,snapshot=on", image.display())]);
        command = command.env("TMPDIR", place);
        let outcome = cycle(command, Plan::default(), place, name);
        assert_eq!(outcome.end, End::PoweredOff, "{outcome:?}");
        assert_eq!(fs::read_to_string(place.join(format!("{name}.log"))).unwrap(), "hello from domx\r\n");
    };
    // Two at a time, as programs do that run many.
    check("200 guests", 5, 100, |place| {
        thread::scope(|scope| {
            scope.spawn(|| hello(place, "one"));
            hello(place, "two");
        });
    });
}

#[test]
fn who_does_not_read_his_answers_does_not_make_us_grow() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let huge = json!({"query-huge": {"return": {"text": "y".repeat(1 << 20)}}});
    let fake = FakeQemu::new(json!({"steps": ["greet", "serve"], "replies": huge}));
    let control = UnixListener::bind(fake.path("control")).unwrap();
    let mut client = ControlClient::new(UnixStream::connect(fake.path("control")).unwrap());
    let mut greedy = UnixStream::connect(fake.path("control")).unwrap();
    let guest = Guest::start(&HostRunner, Command::new(&fake.program)).unwrap();
    let around = Surroundings { control: Some(control), ..Surroundings::default() };
    let supervisor = thread::spawn(move || supervise(guest, Plan::default(), around));
    let limit = Duration::from_secs(5);
    eventually("it runs", || client.ask(&Request::Status, limit).unwrap()["state"] == "running");
    // Questions with 400 MB of answers.
    greedy.set_write_timeout(Some(limit)).unwrap();
    let question = format!("{}\n", json!({"request": "qmp", "command": "query-huge", "arguments": null}));
    let before = resident();
    std::io::Write::write_all(&mut greedy, question.repeat(400).as_bytes()).unwrap();
    for _ in 0..80 {
        assert_eq!(client.ask(&Request::Status, limit).unwrap()["state"], "running");
        let grown = resident().saturating_sub(before);
        assert!(grown < 48 << 10, "{grown} kB more");
        thread::sleep(Duration::from_millis(50));
    }
    client.ask(&Request::Stop { means: Means::Kill, limit_ms: None }, limit).unwrap();
    assert_eq!(supervisor.join().unwrap().unwrap().end, End::Stopped(Means::Kill));
    assert!(!is_running(&fake.program));
}
