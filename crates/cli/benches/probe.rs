//! Probing real QEMU over QMP, beside a bare script that asks it the same.
//!
//! Prints the median of both and their ratio. `DOMX_TEST_QEMU` names the binary; default: `qemu-system-x86_64`.

#![expect(clippy::unwrap_used, reason = "a bench may panic")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use caps_parser::qmp::probe::{Probe, Step};

/// How often each is measured, in turns.
const ROUNDS: usize = 21;

fn main() {
    let qemu = std::env::var("DOMX_TEST_QEMU").unwrap_or_else(|_| "qemu-system-x86_64".to_owned());
    if Command::new(&qemu).arg("-version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: `{qemu}` does not run");
        return;
    }
    let script = Script::record(&qemu);
    let (mut bare, mut domx) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(timed(|| script.play(&qemu)));
        domx.push(timed(|| ask(&qemu)));
    }
    let (bare, domx) = (median(bare), median(domx));
    let ratio = domx.as_secs_f64() / bare.as_secs_f64();
    println!("bare script {bare:.1?}, domx caps {domx:.1?}, ratio {ratio:.2}");
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The whole of `domx`, process and all.
fn ask(qemu: &str) {
    let status = Command::new(env!("CARGO_BIN_EXE_domx"))
        .args(["caps", "--via", "qmp", "--format", "flags", "--qemu"])
        .arg(std::fs::canonicalize(qemu).unwrap_or_else(|_| on_path(qemu)))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

fn on_path(name: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file()).unwrap()
}

/// What a probe sends to each process it starts, and how many replies there are to it.
struct Script(Vec<(&'static str, String, usize)>);

impl Script {
    fn record(qemu: &str) -> Self {
        let mut probe = Probe::new();
        let mut processes = Vec::new();
        let mut accel = "kvm:tcg";
        loop {
            let mut sent = probe.start();
            let mut next = None;
            let mut batch = sent.clone();
            talk(qemu, accel, |stdin, line| {
                if !batch.is_empty() {
                    stdin.write_all(std::mem::take(&mut batch).as_bytes()).unwrap();
                }
                match probe.feed(line).unwrap() {
                    Step::Wait => true,
                    Step::Send(more) => {
                        stdin.write_all(more.as_bytes()).unwrap();
                        sent.push_str(&more);
                        true
                    }
                    Step::Restart(other) => {
                        next = Some(other.qemu());
                        false
                    }
                    Step::Done => false,
                }
            });
            let replies = sent.lines().count();
            processes.push((accel, sent, replies));
            match next {
                Some(other) => accel = other,
                None => return Self(processes),
            }
        }
    }

    /// Sends everything at once and reads the replies, without a look at them.
    fn play(&self, qemu: &str) {
        for (accel, text, replies) in &self.0 {
            let mut left = *replies;
            let mut text = Some(text);
            talk(qemu, accel, |stdin, line| {
                if let Some(text) = text.take() {
                    stdin.write_all(text.as_bytes()).unwrap();
                    return true;
                }
                left -= usize::from(!line.starts_with("{\"timestamp"));
                left > 0
            });
        }
    }
}

/// Starts QEMU and hands over every line it says, the greeting first, until `hear` has had enough.
fn talk(qemu: &str, accel: &str, mut hear: impl FnMut(&mut dyn Write, &str) -> bool) {
    let mut child = Command::new(qemu)
        .args(["-S", "-no-user-config", "-nodefaults", "-nographic", "-qmp", "stdio", "-machine"])
        .arg(format!("none,accel={accel}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines {
        if !hear(&mut stdin, &line.unwrap()) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
