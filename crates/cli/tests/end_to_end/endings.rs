//! Every way a guest can end, killed at the moment named: nothing is left.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::support::{Place, fixture, gone, processes, qemus, real_qemu, signal, wait_for};

/// Killed with the test, whatever happens to it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn status(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "domx does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A QEMU that answers probes as the installed one does, and then does this instead of running a guest.
fn pretender(place: &Place, qemu: &Path, then: &str) -> PathBuf {
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' none,'*) exec '{}' \"$@\" ;; esac\ntouch '{}'\n{then}\n",
        qemu.display(),
        place.path().join("started").display(),
    );
    let program = place.file("qemu-pretender", &script);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn run(place: &Place, more: &[&str]) -> Command {
    // What an earlier guest wrote says nothing of this one.
    let _ = std::fs::remove_dir_all(place.path().join("state"));
    let mut command = place.command();
    command.args(["run", &fixture("echo")]).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn start(command: &mut Command) -> Running {
    Running(command.spawn().unwrap())
}

/// Waits until the guest can be talked to.
fn is_up(place: &Place) {
    wait_for("the guest is up", || place.domx(&["logs", "echo"]).stdout.contains("ready"));
}

#[test]
fn a_start_fails_at_each_step() {
    let Some(qemu) = real_qemu() else { return };
    let check = |then: &str, more: &[&str], status: i32, expected: &str| {
        let place = Place::new();
        let program = pretender(&place, &qemu, then);
        let said = place.domx(
            &[&["run", &fixture("echo"), "--accel", "tcg", "--qemu", program.to_str().unwrap()], more]
                .concat(),
        );
        assert_eq!(said.status, status, "{then}: {said:?}");
        assert!(said.stderr.contains(expected), "{then}: {said:?}");
        assert!(place.path().join("started").exists(), "{then}: {said:?}");
        gone(&place);
    };
    check("echo 'no such board' >&2; exit 1", &[], 1, "exit status 1; it said:\n  no such board");
    check("exit 0", &[], 1, "exit status 0");
    check("kill -SEGV $$", &[], 1, "SIGSEGV");
    // A QEMU that never answers.
    check("exec sleep 1000", &["--timeout", "1s"], 124, "the guest's time was over");
    check("trap '' TERM INT; exec sleep 1000", &["--timeout", "1s"], 124, "the guest's time was over");
    check("exec sleep 1000", &["--detach", "--timeout", "1s"], 124, "the guest's time was over");
    // A child of QEMU goes with it.
    check("sleep 1000 & exit 3", &[], 1, "exit status 3");
}

#[test]
fn a_start_fails_before_qemu() {
    let Some(qemu) = real_qemu() else { return };
    let place = Place::new();
    let program = pretender(&place, &qemu, "exit 1");
    let started = || place.path().join("started").exists();
    // Someone else could write to the directory of all guests.
    let runtime = place.path().join("domx");
    std::fs::create_dir(&runtime).unwrap();
    std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(0o777)).unwrap();
    let arguments = ["run", &fixture("echo"), "--accel", "tcg", "--qemu", program.to_str().unwrap()];
    let said = place.domx(&arguments);
    assert!(said.status == 1 && said.stderr.contains("others have rights in it"), "{said:?}");
    assert!(!started());
    std::fs::remove_dir(&runtime).unwrap();
    // This QEMU cannot do what the domain asks for.
    let interface = "<interface type='user'><model type='virtio'/><driver txmode='timer'/></interface>";
    let domain = place.file("odd.xml", &crate::support::domain(interface));
    let lacking = ["--without", "virtio-tx-alg", "--qemu", program.to_str().unwrap()];
    let said = place.domx(&[&["run", domain.to_str().unwrap()], &lacking[..]].concat());
    assert_eq!(said.status, 4, "{said:?}");
    assert!(!started());
    gone(&place);
}

#[test]
fn sigkill_of_domx_at_each_moment() {
    let Some(qemu) = real_qemu() else { return };
    // Named: while it asks QEMU, while QEMU starts, while the guest runs, while it is being stopped.
    let place = Place::new();
    let silent = place.file("qemu-silent", "#!/bin/sh\nexec sleep 1000\n");
    std::fs::set_permissions(&silent, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut domx = start(&mut run(&place, &["--qemu", silent.to_str().unwrap()]));
    wait_for("the probe runs", || processes(&place).len() > 1 || sleepers(&domx) > 0);
    domx.0.kill().unwrap();
    domx.0.wait().unwrap();
    wait_for("the probe is gone", || sleepers(&domx) == 0);
    gone(&place);

    let starting = pretender(&place, &qemu, "trap '' TERM INT; exec sleep 1000");
    let mut domx = start(&mut run(&place, &["--accel", "tcg", "--qemu", starting.to_str().unwrap()]));
    wait_for("QEMU starts", || place.path().join("started").exists());
    domx.0.kill().unwrap();
    domx.0.wait().unwrap();
    cleaned_by_the_next(&place);

    let mut domx = start(&mut run(&place, &[]));
    is_up(&place);
    domx.0.kill().unwrap();
    domx.0.wait().unwrap();
    cleaned_by_the_next(&place);

    let mut domx = start(&mut run(&place, &[]));
    is_up(&place);
    signal("-STOP", qemus(&place)[0]);
    signal("-TERM", domx.pid());
    wait_for("it is being stopped", || place.domx(&["list"]).stdout.contains("stopping"));
    domx.0.kill().unwrap();
    domx.0.wait().unwrap();
    cleaned_by_the_next(&place);
}

/// Children of a domx that has no environment of its own to be found by.
fn sleepers(domx: &Running) -> usize {
    let children = format!("/proc/{0}/task/{0}/children", domx.pid());
    let all = std::fs::read_dir(format!("/proc/{}/task", domx.pid())).into_iter().flatten().flatten();
    all.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default())
        .chain(std::fs::read_to_string(children))
        .map(|children| children.split_whitespace().count())
        .sum()
}

/// QEMU is gone at once; the entry nobody could remove goes with whatever is done next.
fn cleaned_by_the_next(place: &Place) {
    wait_for("QEMU outlives domx", || processes(place).is_empty());
    assert_eq!(place.leftovers().len(), 1);
    assert_eq!(place.domx(&["list"]).stdout.lines().count(), 1);
    gone(place);
}

#[test]
fn signals_to_domx_at_each_moment() {
    let Some(qemu) = real_qemu() else { return };
    let place = Place::new();
    let starting = pretender(&place, &qemu, "trap '' TERM INT; exec sleep 1000");
    for name in ["-INT", "-TERM", "-HUP"] {
        let _ = std::fs::remove_file(place.path().join("started"));
        let mut domx = start(&mut run(&place, &["--accel", "tcg", "--qemu", starting.to_str().unwrap()]));
        wait_for("QEMU starts", || place.path().join("started").exists());
        signal(name, domx.pid());
        assert_eq!(domx.status(), Some(0), "{name} while QEMU starts");
        gone(&place);
        let mut domx = start(&mut run(&place, &[]));
        is_up(&place);
        signal(name, domx.pid());
        assert_eq!(domx.status(), Some(0), "{name} while the guest runs");
        gone(&place);
    }
    // A QEMU that stands still: three times is enough.
    let mut domx = start(&mut run(&place, &[]));
    is_up(&place);
    signal("-STOP", qemus(&place)[0]);
    for _ in 0..3 {
        signal("-INT", domx.pid());
    }
    assert_eq!(domx.status(), Some(0));
    gone(&place);
}

#[test]
fn whoever_starts_a_guest_in_the_background_may_die() {
    let Some(qemu) = real_qemu() else { return };
    let place = Place::new();
    let starting = pretender(&place, &qemu, "trap '' TERM INT; exec sleep 1000");
    let options = ["--detach", "--accel", "tcg", "--qemu", starting.to_str().unwrap()];
    let mut domx = start(&mut run(&place, &options));
    wait_for("QEMU starts", || place.path().join("started").exists());
    domx.0.kill().unwrap();
    domx.0.wait().unwrap();
    // Nobody was told of this guest, so it ends; the supervisor cleans up.
    gone(&place);
}

#[test]
fn a_full_disk() {
    if real_qemu().is_none() {
        return;
    }
    // A limit of the size of files refuses writes as a full disk does, and needs no rights.
    let limited = |place: &Place, blocks: u32| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let domx = run(place, &[]);
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(domx.get_program()).args(domx.get_args());
        for (name, value) in domx.get_envs() {
            command.env(name, value.unwrap());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    // The guest cannot even be entered.
    let place = Place::new();
    let output = limited(&place, 0).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write"), "{said}");
    gone(&place);
    // Its console outgrows the disk: the log ends, and the guest goes on.
    let mut domx = start(&mut limited(&place, 1));
    let mut keys = domx.0.stdin.take().unwrap();
    let mut shown = domx.0.stdout.take().unwrap();
    let mut ready = [0; 7];
    shown.read_exact(&mut ready).unwrap();
    for _ in 0..40 {
        keys.write_all(&[b'x'; 100]).unwrap();
        shown.read_exact(&mut [0; 100]).unwrap();
    }
    signal("-TERM", domx.pid());
    assert_eq!(domx.status(), Some(0));
    let mut said = String::new();
    domx.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("the log of the console ends here"), "{said}");
    gone(&place);
}

/// A terminal: the user's side, and the one programs are started on.
struct Pty {
    user: File,
    terminal: OwnedFd,
}

impl Pty {
    fn new() -> Self {
        // Whatever other tests start must not hold this terminal open.
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap();
        let options = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = open(name, options, Mode::empty()).unwrap();
        Pty { user: File::from(user), terminal }
    }

    /// Starts domx as leader of a session on this terminal, as a terminal window does.
    fn start(&self, place: &Place, args: &[&str]) -> Running {
        let domx = place.command();
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(domx.get_program()).args(args);
        for (name, value) in domx.get_envs() {
            command.env(name, value.unwrap());
        }
        let side = || Stdio::from(self.terminal.try_clone().unwrap());
        start(command.stdin(side()).stdout(side()).stderr(side()))
    }

    fn modes(&self) -> String {
        format!("{:?}", tcgetattr(&self.terminal).unwrap().local_modes)
    }

    /// Reads until the terminal shows this.
    fn shows(&mut self, text: &str) {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&seen).contains(text) {
            assert_eq!(
                self.user.read(&mut byte).unwrap_or_default(),
                1,
                "{}",
                String::from_utf8_lossy(&seen)
            );
            seen.push(byte[0]);
        }
    }
}

#[test]
fn a_terminal_is_raw_at_the_console_and_itself_again_afterwards() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let mut pty = Pty::new();
    let before = pty.modes();
    let mut domx = pty.start(&place, &["run", "--console", &fixture("echo")]);
    pty.shows("ready");
    assert_ne!(pty.modes(), before);
    // An interrupt is a byte for the guest here, which echoes it.
    pty.user.write_all(b"a\x03b").unwrap();
    pty.shows("a\x03b");
    // A serial line has no size: that of its window may change at any time, and nothing comes of it.
    for columns in [10, 200, 0] {
        let size = Winsize { ws_row: 5, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&pty.terminal, size).unwrap();
        pty.user.write_all(b"cd").unwrap();
        pty.shows("cd");
    }
    pty.user.write_all(b"\x1d").unwrap();
    pty.shows("you left the console");
    assert_eq!(pty.modes(), before);
    // Now it is the user's again.
    pty.user.write_all(b"\x03").unwrap();
    pty.shows("power button");
    assert_eq!(domx.status(), Some(0));
    assert_eq!(pty.modes(), before);
    gone(&place);
}

#[test]
fn ctrl_c_at_a_terminal_presses_the_power_button() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let mut pty = Pty::new();
    let mut domx = pty.start(&place, &["run", &fixture("echo")]);
    pty.shows("ready");
    pty.user.write_all(b"\x03").unwrap();
    pty.shows("power button");
    assert_eq!(domx.status(), Some(0));
    gone(&place);
}

#[test]
fn a_closed_terminal_ends_the_guest_but_not_one_in_the_background() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    for options in [&["run"][..], &["run", "--console"]] {
        let mut pty = Pty::new();
        let mut domx = pty.start(&place, &[options, &[&fixture("echo")]].concat());
        pty.shows("ready");
        drop(pty);
        assert_eq!(domx.status(), Some(0), "{options:?}");
        gone(&place);
    }
    let mut pty = Pty::new();
    let mut domx = pty.start(&place, &["run", "--detach", "--console", &fixture("echo")]);
    pty.shows("Ctrl-]");
    drop(pty);
    assert_eq!(domx.status(), Some(0));
    is_up(&place);
    assert_eq!(place.domx(&["stop", "echo"]).status, 0);
    gone(&place);
}
