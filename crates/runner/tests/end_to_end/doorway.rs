//! Sockets that wait for one connection of a process that is just starting.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use runner::doorway::Doorway;
use runner::{Command, HostRunner, Runner};
use serde_json::json;
use tempfile::TempDir;

use crate::support::FakeQemu;

const LONG: Duration = Duration::from_secs(10);

#[test]
fn the_connection_comes_and_the_name_goes() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("door");
    let fake = FakeQemu::new(json!({"steps": ["hang"]}));
    let mut process = HostRunner.start(&Command::new(&fake.program)).unwrap();
    let doorway = Doorway::at(&path, None).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // Whoever connects need not wait until it is let in.
    let connected = UnixStream::connect(&path).unwrap();
    let accepted = doorway.accept(&mut *process, LONG).unwrap();
    assert!(accepted.is_some() && !path.exists());
    drop((connected, accepted));
    // A path that is taken stays what it is.
    std::fs::write(&path, "mine").unwrap();
    assert!(Doorway::at(&path, None).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn nobody_is_waited_for_in_vain() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("door");
    for (steps, limit, expected) in
        [(json!([{"exit": 1}]), LONG, Some("ended")), (json!(["hang"]), Duration::from_millis(100), None)]
    {
        let fake = FakeQemu::new(json!({"steps": steps}));
        let mut process = HostRunner.start(&Command::new(&fake.program)).unwrap();
        let doorway = Doorway::at(&path, None).unwrap();
        let start = Instant::now();
        let result = doorway.accept(&mut *process, limit);
        assert!(start.elapsed() < Duration::from_secs(5));
        match expected {
            Some(_) => assert!(result.is_ok_and(|connection| connection.is_none())),
            None => assert!(result.is_err()),
        }
        assert!(!path.exists());
    }
}
