//! Entries of guests: one name runs once, and what the dead left is cleaned.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use runner::runtime::{ProcessId, RuntimeDir, RuntimeError};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Something that lives, and ends with the test.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }

    fn id(&self) -> ProcessId {
        ProcessId::of(self.0.id()).unwrap()
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn directory(temp: &TempDir) -> RuntimeDir {
    RuntimeDir::at(temp.path().join("domx")).unwrap()
}

/// What a supervisor leaves that cannot clean up: a record that names this process as QEMU, and a file.
fn leave(dir: &RuntimeDir, name: &str, qemu: &ProcessId) {
    let path = dir.path().join(name);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).unwrap();
    let record = json!({"name": name, "supervisor": 1, "qemu": qemu, "since": 0, "detail": null});
    fs::write(path.join("record.json"), record.to_string()).unwrap();
    fs::write(path.join("channel.sock"), "").unwrap();
}

#[test]
fn what_a_dead_supervisor_left_is_cleaned_and_nobody_else_is_hit() {
    // Looking and claiming clean alike.
    let look = |dir: &RuntimeDir| assert_eq!(dir.list().unwrap(), []);
    let claim = |dir: &RuntimeDir| drop(dir.claim("guest", Value::Null).unwrap());
    for clean in [&look as &dyn Fn(&RuntimeDir), &claim] {
        let check = |change: &dyn Fn(&mut ProcessId), survives: bool| {
            let (temp, mut process) = (TempDir::new().unwrap(), Bystander::new());
            let mut id = process.id();
            change(&mut id);
            leave(&directory(&temp), "guest", &id);
            clean(&directory(&temp));
            assert_eq!(process.lives(), survives, "{id:?}");
            assert!(!temp.path().join("domx").exists());
        };
        // A QEMU that outlived its supervisor.
        check(&|_| {}, false);
        // Its number has gone to somebody else.
        check(&|id| id.started -= 1, true);
        // The host has started anew since, and by chance number and time fit.
        check(&|id| id.boot = "00000000-0000-0000-0000-000000000000".into(), true);
        check(&|id| id.pid = u32::MAX, true);
    }
}

#[test]
fn records_that_nobody_can_read_are_cleaned_too() {
    for content in ["", "{", "null", "{\"name\": 1}", "\u{0}"] {
        let temp = TempDir::new().unwrap();
        let dir = directory(&temp);
        let path = dir.path().join("guest");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path.join("deep/er")).unwrap();
        fs::write(path.join("record.json"), content).unwrap();
        assert_eq!(dir.list().unwrap(), [], "{content}");
        assert!(!dir.path().exists(), "{content}");
    }
}

#[test]
fn of_many_who_start_at_the_same_instant_one_wins() {
    let temp = TempDir::new().unwrap();
    for starters in [2, 20] {
        for _ in 0..20 {
            let barrier = Barrier::new(starters);
            let claims: Vec<_> = thread::scope(|scope| {
                let all: Vec<_> = (0..starters)
                    .map(|_| {
                        scope.spawn(|| {
                            let dir = directory(&temp);
                            barrier.wait();
                            let claimed = dir.claim("guest", Value::Null);
                            // The winner can be asked at once, so that nobody has to wait for a claim to be sure.
                            claimed.map(|entry| (entry.listen().unwrap(), entry))
                        })
                    })
                    .collect();
                all.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let won = claims.iter().filter(|claim| claim.is_ok()).count();
            let lost = claims.iter().filter(|claim| matches!(claim, Err(RuntimeError::Taken { .. }))).count();
            assert_eq!((won, lost), (1, starters - 1));
        }
    }
    assert!(!temp.path().join("domx").exists());
}

#[test]
fn names_come_and_go_at_the_same_time() {
    let temp = TempDir::new().unwrap();
    thread::scope(|scope| {
        for number in 0..8 {
            let temp = &temp;
            scope.spawn(move || {
                for _ in 0..50 {
                    let dir = directory(temp);
                    let entry = dir.claim(&format!("guest-{number}"), Value::Null).unwrap();
                    assert!(entry.path().is_dir());
                    dir.list().unwrap();
                }
            });
        }
    });
    assert!(!temp.path().join("domx").exists());
}

#[test]
fn a_supervisor_that_accepts_nobody_is_not_waited_for() {
    let temp = TempDir::new().unwrap();
    let dir = directory(&temp);
    let entry = dir.claim("guest", Value::Null).unwrap();
    let listener = entry.listen().unwrap();
    rustix::net::listen(&listener, 1).unwrap();
    let start = Instant::now();
    let (mut inside, error) = (Vec::new(), loop_until_refused(&dir));
    inside.extend(error.0);
    assert!(error.1.contains("cannot reach the supervisor of"), "{}", error.1);
    assert!(inside.len() < 5 && start.elapsed() < Duration::from_secs(3));
    // It is listed, without a report.
    let found = dir.list().unwrap();
    assert_eq!(found.iter().map(|found| found.report.is_none()).collect::<Vec<_>>(), [true]);
    assert!(matches!(dir.connect("other"), Err(RuntimeError::NotRunning { .. })));
    drop(listener);
    // A socket that nobody listens at any more is none.
    assert!(matches!(dir.connect("guest"), Err(RuntimeError::NotRunning { .. })));
}

/// Connects until there is no room, and gives those that are connected and the complaint.
fn loop_until_refused(dir: &RuntimeDir) -> (Vec<runner::control::ControlClient>, String) {
    let mut inside = Vec::new();
    loop {
        match dir.connect("guest") {
            Ok(client) => inside.push(client),
            Err(error) => return (inside, error.to_string()),
        }
    }
}

#[test]
fn the_directory_itself_may_vanish() {
    let temp = TempDir::new().unwrap();
    let dir = directory(&temp);
    let entry = dir.claim("guest", Value::Null).unwrap();
    fs::remove_dir_all(temp.path().join("domx")).unwrap();
    drop(entry);
    assert_eq!(dir.list().unwrap(), []);
    drop(dir.claim("guest", Value::Null).unwrap());
    assert!(!Path::new(temp.path()).join("domx").exists());
}
