//! A guest that runs while a test looks at it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Place, repository, signal};

/// The guest that echoes, with more devices. Ended with the test, whatever happens to it.
pub struct Running {
    child: Child,
    console: BufReader<ChildStdout>,
    errors: std::path::PathBuf,
}

/// The domain of the guest that echoes, with more devices.
pub fn echo(devices: &str) -> String {
    let xml = std::fs::read_to_string(repository("fixtures/domains/echo.xml")).unwrap();
    let image = repository("fixtures/guests/echo.img").canonicalize().unwrap();
    let xml = xml.replace("../guests/echo.img", image.to_str().unwrap());
    xml.replace("<memballoon model='none'/>", &format!("<memballoon model='none'/>\n{devices}"))
}

impl Running {
    /// Starts it with `domx run ARGS` and waits until it is up.
    pub fn start(place: &Place, xml: &str, args: &[&str]) -> Self {
        let mut command = place.command();
        command.arg("run").arg(place.file("guest.xml", xml)).args(args);
        Self::of(place, command)
    }

    /// The same by a command that ends in `domx run`.
    pub fn of(place: &Place, mut command: Command) -> Self {
        let errors = place.path().join("errors");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        let console = BufReader::new(child.stdout.take().unwrap());
        let mut running = Running { child, console, errors };
        let mut line = String::new();
        running.console.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), "ready", "{}", running.errors());
        running
    }

    /// What domx said so far.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap()
    }

    /// Kills domx, which cannot do anything about it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Presses the guest's power button, and gives the exit status.
    pub fn power_off(mut self) -> i32 {
        signal("-TERM", self.child.id());
        let mut rest = String::new();
        self.console.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Waits for the end that comes by itself, and gives the exit status.
    pub fn wait(&mut self, limit: Duration) -> i32 {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the guest does not end: {}", self.errors());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a file is installed; if not, the test is skipped and says so.
pub fn is_installed(path: &str) -> bool {
    let found = Path::new(path).exists();
    if !found {
        eprintln!("skipped: there is no {path}");
    }
    found
}

/// Whether the test is run by root; if not, it is skipped and says so.
pub fn is_root() -> bool {
    let root = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    if !root {
        eprintln!("skipped: only root can do this");
    }
    root
}
