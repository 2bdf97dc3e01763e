//! A clean place to run `domx` in, and what it said.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A directory of its own, where caches and runtime files go as well.
pub struct Place {
    directory: tempfile::TempDir,
}

/// What `domx` said.
#[derive(Debug)]
pub struct Said {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("tmp")).unwrap();
        Place { directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A command that has not been started; nothing of the caller's settings reaches it.
    pub fn command(&self) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_domx"))
    }

    /// The same for another program.
    pub fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("XDG_RUNTIME_DIR", self.path())
            .env("TMPDIR", self.path().join("tmp"))
            .current_dir(self.path());
        command
    }

    /// Runs `domx` with nothing to read.
    pub fn domx(&self, args: &[&str]) -> Said {
        self.domx_reading(args, "")
    }

    /// Runs `domx` with a text to read.
    pub fn domx_reading(&self, args: &[&str], text: &str) -> Said {
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who does not read what it is given closes the pipe; that is no failure here.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        let output = child.wait_with_output().unwrap();
        Said {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What is left in the runtime directory of guests.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let runtime = self.path().join("domx");
        std::fs::read_dir(runtime)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default()
    }
}

impl Drop for Place {
    /// A test that fails leaves no guest in the background.
    fn drop(&mut self) {
        for (pid, _) in processes(self) {
            let _ = Command::new("sh").args(["-c", "kill -9 \"$0\"", &pid.to_string()]).status();
        }
    }
}

/// A domain with some devices.
pub fn domain(devices: &str) -> String {
    format!(
        "<domain type='qemu'>
  <name>guest</name>
  <uuid>8d4e4d7c-6f0c-4d57-9b64-1f2c3a5e7b90</uuid>
  <memory unit='MiB'>64</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
  </os>
  <devices>
{devices}
  </devices>
</domain>
"
    )
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Whether programs may have a namespace of their own, `--mount` for virtiofsd or `--user` for passt, which shut
/// themselves in with it; where they may not, as in a chroot, the test is skipped and says so.
pub fn may_unshare(namespace: &str) -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args([namespace, "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    let may = unshare.status().is_ok_and(|status| status.success());
    if !may {
        eprintln!("skipped: `unshare {namespace}` does not work here");
    }
    may
}

/// The installed QEMU; without one the test is skipped, and says so, unless `DOMX_REQUIRE_QEMU` is set.
pub fn real_qemu() -> Option<PathBuf> {
    let found = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .map(|directory| directory.join("qemu-system-x86_64"))
        .find(|program| program.is_file());
    if found.is_none() {
        let required = std::env::var_os("DOMX_REQUIRE_QEMU").is_some_and(|value| value == "1");
        assert!(!required, "DOMX_REQUIRE_QEMU is set and there is no qemu-system-x86_64 on PATH");
        eprintln!("skipped: there is no qemu-system-x86_64 on PATH");
    }
    found
}

/// A guest of the repository: `hello` says so and ends, `echo` repeats what is typed until its power button.
pub fn fixture(name: &str) -> String {
    repository(&format!("fixtures/domains/{name}.xml")).display().to_string()
}

/// The QEMU processes that were started from a place, found by its path in their environment.
pub fn qemus(place: &Place) -> Vec<u32> {
    processes(place).into_iter().filter(|(_, name)| name.starts_with("qemu")).map(|(pid, _)| pid).collect()
}

/// All processes that were started from a place, with their names.
pub fn processes(place: &Place) -> Vec<(u32, String)> {
    let home = format!("HOME={}", place.path().display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|variable| variable == home.as_bytes()) {
            found.push((pid, name.trim_end().to_owned()));
        }
    }
    found
}

/// Nothing of a place is left: no process, no entry and no temporary file.
pub fn gone(place: &Place) {
    // A supervisor in the background says that it has ended a moment before it has.
    wait_for("processes or entries are left", || processes(place).is_empty() && place.leftovers().is_empty());
    assert!(!place.path().join("domx").exists(), "the directory of all guests goes with the last one");
    let temporary: Vec<PathBuf> =
        std::fs::read_dir(place.path().join("tmp")).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(temporary.is_empty(), "{temporary:?}");
}

/// Waits until something is so.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal.
pub fn signal(name: &str, pid: u32) {
    // The one of the shell, because small systems have no other.
    let kill = ["-c", "kill \"$0\" \"$1\"", name, &pid.to_string()];
    assert!(Command::new("sh").args(kill).status().unwrap().success());
}
