//! What supervision costs a guest: time to its first byte, end, memory.

#![expect(clippy::unwrap_used, reason = "a bench may panic")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Guests of each kind; medians are printed.
const ROUNDS: usize = 20;

fn main() {
    let Some(place) = Place::new() else {
        println!("skipped: there is no qemu-system-x86_64 on PATH");
        return;
    };
    let by_hand = place.argv_by_hand();
    let hello = fixture("domains/hello.xml");
    // Asked before, so that no round has to ask QEMU what it can do.
    first_byte(&mut place.domx(&["run", &hello]));
    let (mut hand, mut domx) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        hand.push(first_byte(Command::new(&by_hand[0]).args(&by_hand[1..])));
        domx.push(first_byte(&mut place.domx(&["run", &hello])));
    }
    let (hand, domx) = (median(hand), median(domx));
    println!("first byte by hand      {}", milliseconds(hand));
    println!("first byte by domx run  {}", milliseconds(domx));
    println!(
        "difference              {:+.1} ms (at most 10)",
        (domx.as_secs_f64() - hand.as_secs_f64()) * 1e3
    );
    let (ends, memory): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| place.power_off()).unzip();
    println!("end after power off     {} (at most 100)", milliseconds(median(ends)));
    println!("memory of domx          {} kB (at most 6144)", median(memory));
    println!("memory in the background {} kB (at most 6144)", place.background());
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn median<T: Ord + Copy>(mut all: Vec<T>) -> T {
    all.sort();
    all[all.len() / 2]
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    path.canonicalize().unwrap().display().to_string()
}

/// From the start of a program to the first byte it prints.
fn first_byte(command: &mut Command) -> Duration {
    let start = Instant::now();
    let mut child = start_it(command);
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let time = start.elapsed();
    assert!(child.wait().unwrap().success());
    time
}

/// Kilobytes of memory of a process.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    memory.trim().trim_end_matches(" kB").parse().unwrap()
}

fn start_it(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// A directory for everything domx keeps.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
        directories.iter().find(|directory| directory.join("qemu-system-x86_64").is_file())?;
        tempfile::tempdir().ok().map(Place)
    }

    fn domx(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_domx"));
        for name in ["XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"] {
            command.env(name, self.0.path());
        }
        command.args(args);
        command
    }

    /// The command line of the same guest with its serial port on standard streams.
    fn argv_by_hand(&self) -> Vec<String> {
        let xml = std::fs::read_to_string(fixture("domains/hello.xml")).unwrap();
        let xml = xml
            .replace("../guests/hello.img", &fixture("guests/hello.img"))
            .replace("<serial type='pty'>", "<serial type='stdio'>")
            .replace("<console type='pty'>", "<console type='stdio'>");
        let file = self.0.path().join("hello.xml");
        std::fs::write(&file, xml).unwrap();
        let output = self.domx(&["argv", file.to_str().unwrap(), "--format", "json"]).output().unwrap();
        let words: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        words["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    /// From the last word of a guest that powers off to the end of domx, and domx's memory in kB before.
    fn power_off(&self) -> (Duration, u64) {
        let mut domx = start_it(&mut self.domx(&["run", &fixture("domains/echo.xml")]));
        let mut lines = BufReader::new(domx.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let memory = resident(domx.id());
        let stopped = self.domx(&["stop", "echo"]).stderr(Stdio::null()).spawn().unwrap();
        while !line.contains("power button") {
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
        let off = Instant::now();
        assert!(domx.wait().unwrap().success());
        let time = off.elapsed();
        assert!({ stopped }.wait().unwrap().success());
        (time, memory)
    }

    /// Memory in kB of a supervisor in the background that has been asked this and that.
    fn background(&self) -> u64 {
        let domx = |args: &[&str]| self.domx(args).stderr(Stdio::null()).output().unwrap();
        assert!(domx(&["run", "--detach", &fixture("domains/echo.xml")]).status.success());
        let listed: serde_json::Value =
            serde_json::from_slice(&domx(&["list", "--format", "json"]).stdout).unwrap();
        for _ in 0..ROUNDS {
            assert!(domx(&["qmp", "echo", "query-status"]).status.success());
        }
        let supervisor = listed["guests"][0]["supervisor"].as_u64().unwrap();
        let memory = resident(supervisor.try_into().unwrap());
        assert!(domx(&["stop", "echo", "--force"]).status.success());
        memory
    }
}
