//! Stand-ins with a script, and what to look at afterwards.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A program that behaves as its script says; the file is gone when this is dropped.
pub struct FakeQemu {
    dir: TempDir,
    pub program: PathBuf,
}

impl FakeQemu {
    pub fn new(script: Value) -> Self {
        let dir = TempDir::new().unwrap();
        let program = dir.path().join("qemu-system-fake");
        symlink(env!("CARGO_BIN_EXE_fake-qemu"), &program).unwrap();
        fs::write(dir.path().join("qemu-system-fake.json"), script.to_string()).unwrap();
        Self { dir, program }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Whether any process (but zombies) was started as this program.
pub fn is_running(program: &Path) -> bool {
    let program = program.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .any(|line| String::from_utf8_lossy(&line).split('\0').next() == Some(program))
}

/// Waits until something is so; panics when it does not become so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process exists and is no zombie.
pub fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// Processes started by this test program or its children in this process group.
pub fn group_members(group: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        if fields.first() != Some(&"Z") && fields.get(2).and_then(|pgrp| pgrp.parse().ok()) == Some(group) {
            found.push(pid);
        }
    }
    found
}
