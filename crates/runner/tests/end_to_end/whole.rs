//! Whole supervisors as processes of their own: signals, terminals, sudden deaths.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use runner::{Command, HostRunner, Input, Process, Runner, Signal, Sink, Status};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{FakeQemu, eventually, is_running};

/// The example that supervises, with a runtime directory of its own.
struct Domx {
    runtime: TempDir,
}

impl Domx {
    fn new() -> Self {
        Self { runtime: TempDir::new().unwrap() }
    }

    fn command<T: Into<OsString>>(&self, args: impl IntoIterator<Item = T>) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_fake-qemu")).with_file_name("examples").join("run");
        Command::new(program).args(args).env("XDG_RUNTIME_DIR", self.runtime.path())
    }

    fn start(&self, name: &str, fake: &FakeQemu) -> Box<dyn Process> {
        HostRunner.start(&self.command([name.as_ref(), fake.program.as_os_str()])).unwrap()
    }

    /// What it prints and says, and how it ends.
    fn run<T: Into<OsString>>(&self, args: impl IntoIterator<Item = T>) -> String {
        let output = HostRunner.run(&self.command(args)).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("{}{}{}", text(&output.stdout), text(&output.stderr), output.status)
    }

    fn entries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.runtime.path().join("domx")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Waits until a process has said this, and fails with what it said instead.
fn said(process: &mut dyn Process, text: &str) {
    let (mut all, deadline) = (String::new(), soon());
    while !all.contains(text) {
        all.push_str(&String::from_utf8_lossy(&process.read_said()));
        assert!(Instant::now() < deadline, "not `{text}` but `{all}`");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn running(more: Value) -> FakeQemu {
    let mut script = json!({"steps": ["greet", "serve"], "on": {"cont": [{"event": ["RESUME", null]}]}});
    for (key, value) in more.as_object().unwrap() {
        script["on"][key] = value.clone();
    }
    FakeQemu::new(script)
}

#[test]
fn signals_end_a_guest_politely_then_firmly() {
    let check = |fake: FakeQemu, signals: &[(Signal, &str)], expected: &str| {
        let domx = Domx::new();
        let mut process = domx.start("guest", &fake);
        said(process.as_mut(), "[Running]");
        for (signal, then) in signals {
            process.signal(*signal).unwrap();
            if !then.is_empty() {
                said(process.as_mut(), then);
            }
        }
        let status = process.wait_deadline(soon()).unwrap();
        assert!(process.stderr_tail().contains(expected), "{}", process.stderr_tail());
        assert_eq!(status, Some(Status::Code(0)));
        assert!(!is_running(&fake.program) && domx.entries().is_empty());
    };
    check(running(json!({})), &[(Signal::INT, "")], "Stopped(PowerDown), exit status 0");
    check(running(json!({})), &[(Signal::TERM, "")], "Stopped(PowerDown), exit status 0");
    check(running(json!({})), &[(Signal::HUP, "")], "Stopped(PowerDown), exit status 0");
    let deaf = || running(json!({"system_powerdown": []}));
    check(
        deaf(),
        &[(Signal::INT, "[Stopping(PowerDown)]"), (Signal::INT, "")],
        "Stopped(Quit), exit status 0",
    );
    let stuck = running(json!({"system_powerdown": ["ignore_term", "hang"]}));
    let twice =
        [(Signal::INT, "[Stopping(PowerDown)]"), (Signal::INT, "[Stopping(Quit)]"), (Signal::INT, "")];
    check(stuck, &twice, "Stopped(Kill), signal 9 (SIGKILL)");
}

#[test]
fn nothing_survives_a_killed_supervisor() {
    // Killed while QEMU starts, while it runs, and while it is being stopped.
    let hanging = FakeQemu::new(json!({"steps": ["ignore_term", "hang"]}));
    let check = |fake: &FakeQemu, until: &str, stop: bool| {
        let domx = Domx::new();
        let mut process = domx.start("guest", fake);
        eventually("QEMU runs", || is_running(&fake.program));
        if !until.is_empty() {
            said(process.as_mut(), until);
        }
        if stop {
            process.signal(Signal::INT).unwrap();
            said(process.as_mut(), "[Stopping");
        }
        process.signal(Signal::KILL).unwrap();
        assert_eq!(process.wait_deadline(soon()).unwrap(), Some(Status::Signal(9)));
        eventually("QEMU is gone", || !is_running(&fake.program));
        assert_eq!(domx.entries().len(), 1, "nobody could remove it");
        assert_eq!(domx.run(["list"]), "exit status 0");
        assert!(domx.entries().is_empty());
    };
    check(&hanging, "", false);
    check(&running(json!({})), "[Running]", false);
    check(&running(json!({"system_powerdown": ["hang"]})), "[Running]", true);
}

#[test]
fn one_name_runs_once_and_is_free_again_afterwards() {
    let (domx, fake) = (Domx::new(), running(json!({})));
    let mut first = domx.start("a/../b c", &fake);
    said(first.as_mut(), "[Running]");
    let second = domx.run(["a/../b c".as_ref(), fake.program.as_os_str()]);
    assert_eq!(second, "run: a guest named `a/../b c` is running already\nexit status 1");
    assert_eq!(domx.run(["list"]), "a/../b c Some(\"running\")\nexit status 0");
    assert_eq!(domx.run(["stop", "other"]), "run: no guest named `other` is running\nexit status 1");
    first.signal(Signal::KILL).unwrap();
    first.wait_deadline(soon()).unwrap();
    let mut third = domx.start("a/../b c", &fake);
    said(third.as_mut(), "[Running]");
    assert_eq!(
        domx.run(["stop", "a/../b c"]),
        "{\"end\":\"stopped\",\"means\":\"powerdown\",\"status\":\"exit status 0\"}\nexit status 0"
    );
    assert_eq!(third.wait_deadline(soon()).unwrap(), Some(Status::Code(0)));
    assert!(domx.entries().is_empty());
}

#[test]
fn a_detached_guest_is_found_by_name_and_stopped() {
    let (domx, fake) = (Domx::new(), running(json!({})));
    let launched = domx.run(["--detach".as_ref(), "guest".as_ref(), fake.program.as_os_str()]);
    assert!(launched.starts_with("guest: ") && launched.ends_with("\nexit status 0"), "{launched}");
    assert!(is_running(&fake.program), "it is still there though its starter is gone");
    assert_eq!(domx.run(["list"]), "guest Some(\"running\")\nexit status 0");
    assert_eq!(
        domx.run(["stop", "guest"]),
        "{\"end\":\"stopped\",\"means\":\"powerdown\",\"status\":\"exit status 0\"}\nexit status 0"
    );
    eventually("nothing is left", || !is_running(&fake.program) && domx.entries().is_empty());

    let failing = FakeQemu::new(json!({"steps": [{"complain": "bad machine\n"}, {"exit": 1}]}));
    let failed = domx.run(["--detach".as_ref(), "guest".as_ref(), failing.program.as_os_str()]);
    assert!(failed.contains("ended with exit status 1; it said:\n  bad machine"), "{failed}");
    assert!(domx.entries().is_empty());
}

#[test]
fn a_runtime_directory_others_can_enter_is_refused() {
    let domx = Domx::new();
    let dir = domx.runtime.path().join("domx");
    assert_eq!(domx.run(["list"]), "exit status 0");
    assert!(!dir.exists(), "looking makes nothing");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert!(domx.run(["list"]).contains("cannot be trusted: others have rights in it"));
    fs::remove_dir(&dir).unwrap();
    std::os::unix::fs::symlink("/tmp", &dir).unwrap();
    assert!(domx.run(["list"]).contains("cannot be trusted: it is not a directory"));
}

#[test]
fn a_terminal_is_raw_at_the_console_and_itself_again_afterwards() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let (domx, fake) = (Domx::new(), running(json!({})));
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname(&user, Vec::new()).unwrap();
    let terminal: OwnedFd =
        File::options().read(true).write(true).open(Path::new(name.to_str().unwrap())).unwrap().into();
    let modes = || format!("{:?}", rustix::termios::tcgetattr(&terminal).unwrap().local_modes);
    let before = modes();
    let mut user = File::from(user);
    let mut command = domx.command(["--console".as_ref(), "guest".as_ref(), fake.program.as_os_str()]);
    command.stdin = Input::Given(terminal.try_clone().unwrap());
    command.stdout = Sink::Given(terminal.try_clone().unwrap());
    let mut process = HostRunner.start(&command).unwrap();
    said(process.as_mut(), "[Running]");
    assert_ne!(modes(), before);
    // Neither an interrupt nor a line end means anything here: both are the guest's, which echoes them.
    user.write_all(b"a\x03\r").unwrap();
    let mut echo = [0; 3];
    user.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"a\x03\r");
    user.write_all(b"\x1d").unwrap();
    said(process.as_mut(), "[ConsoleLeft]");
    assert_eq!(modes(), before);
    assert_eq!(process.try_wait().unwrap(), None, "the guest goes on");
    process.signal(Signal::INT).unwrap();
    assert_eq!(process.wait_deadline(soon()).unwrap(), Some(Status::Code(0)));
    assert_eq!(modes(), before);
}

#[test]
fn the_console_of_a_detached_guest_is_shared_with_a_pipe() {
    let (domx, fake) = (Domx::new(), running(json!({})));
    domx.run(["--detach".as_ref(), "guest".as_ref(), fake.program.as_os_str()]);
    let (input, mut keys) = std::io::pipe().unwrap();
    let mut command = domx.command(["console", "guest"]);
    command.stdin = Input::Given(input.into());
    let mut console = HostRunner.start(&command).unwrap();
    drop(command);
    keys.write_all(b"to the guest").unwrap();
    drop(keys);
    said(console.as_mut(), "to the guest");
    assert_eq!(domx.run(["console", "guest"]), "run: someone else is at the console\nexit status 1");
    domx.run(["stop", "guest"]);
    assert_eq!(console.wait_deadline(soon()).unwrap(), Some(Status::Code(0)));
    assert!(console.stderr_tail().ends_with("Ended"));
}

#[test]
fn a_starter_that_ignores_the_end_of_children_does_not_matter() {
    let (domx, fake) = (Domx::new(), running(json!({"cont": [{"event": ["RESUME", null]}, {"exit": 3}]})));
    let command = domx.command(["guest".as_ref(), fake.program.as_os_str()]);
    let script = "trap '' CHLD; exec \"$@\"";
    let mut ignoring =
        Command::new("/bin/sh").args(["-c", script, "sh"]).args([command.program]).args(command.args);
    ignoring.env = command.env;
    let output = HostRunner.run(&ignoring).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.ends_with("Failed, exit status 3\n"), "{said}");
}

#[test]
fn many_guests_leave_no_trace() {
    let domx = Domx::new();
    let fakes: Vec<FakeQemu> = (0..20).map(|_| running(json!({}))).collect();
    let mut all: Vec<_> =
        fakes.iter().enumerate().map(|(index, fake)| domx.start(&format!("guest{index}"), fake)).collect();
    for process in &mut all {
        said(process.as_mut(), "[Running]");
    }
    assert_eq!(domx.entries().len(), 20);
    for process in &mut all {
        process.signal(Signal::TERM).unwrap();
    }
    for process in &mut all {
        assert_eq!(process.wait_deadline(soon()).unwrap(), Some(Status::Code(0)));
    }
    assert_eq!(fs::read_dir(domx.runtime.path()).unwrap().count(), 0, "the directory of all guests goes too");
}
