//! More moments to end at: in the background, with helpers, without streams, on a full disk.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::running::{Running, echo, is_root};
use crate::support::{Place, fixture, gone, may_unshare, processes, qemus, real_qemu, signal, wait_for};

const TPM: &str = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>";
const PASST: &str = "<interface type='user'><model type='virtio'/><backend type='passt'/></interface>";

fn is_up(place: &Place) {
    wait_for("the guest is up", || place.domx(&["logs", "echo"]).stdout.contains("ready"));
}

/// The process that looks after the guest.
fn supervisor(place: &Place) -> u32 {
    let listed: serde_json::Value =
        serde_json::from_str(&place.domx(&["list", "--format", "json"]).stdout).unwrap();
    listed["guests"][0]["supervisor"].as_u64().unwrap().try_into().unwrap()
}

#[test]
fn sigkill_of_the_supervisor_of_a_guest_in_the_background() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let start = || {
        let said = place.domx(&["run", "--detach", &fixture("echo")]);
        assert_eq!(said.status, 0, "{said:?}");
        is_up(&place);
    };
    // Cleaned by whoever looks, and by the next start under the same name.
    let look = || assert_eq!(place.domx(&["list"]).stdout.lines().count(), 1);
    for clean in [&look as &dyn Fn(), &start] {
        start();
        signal("-KILL", supervisor(&place));
        wait_for("QEMU outlives its supervisor", || processes(&place).is_empty());
        assert_eq!(place.leftovers().len(), 1);
        clean();
        if !processes(&place).is_empty() {
            assert_eq!(place.domx(&["stop", "echo"]).status, 0);
        }
        gone(&place);
    }
    // A QEMU that stands still dies as well.
    start();
    signal("-STOP", qemus(&place)[0]);
    signal("-KILL", supervisor(&place));
    wait_for("QEMU outlives its supervisor", || processes(&place).is_empty());
    look();
    gone(&place);
    // Signals end a guest in the background as one at a terminal.
    for name in ["-TERM", "-INT", "-HUP"] {
        start();
        signal(name, supervisor(&place));
        gone(&place);
        let said = place.domx(&["logs", "echo"]);
        assert!(said.stdout.contains("power button"), "{name}: {said:?}");
    }
}

/// A guest whose BIOS is at work does not hear its power button yet, and QEMU keeps nothing for it.
#[test]
fn a_signal_right_after_the_start_ends_a_guest_as_soon_as_it_listens() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let mut took = Vec::new();
    for delay in [0, 10, 50, 100, 200] {
        let mut command = place.command();
        command.args(["run", &fixture("echo")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut domx = command.spawn().unwrap();
        wait_for("the guest does not run", || place.domx(&["list"]).stdout.contains("running"));
        std::thread::sleep(Duration::from_millis(delay));
        let signalled = Instant::now();
        signal("-TERM", domx.id());
        assert!(domx.wait().unwrap().success());
        took.push(signalled.elapsed());
        gone(&place);
        // It went down by itself.
        let said = place.domx(&["logs", "echo"]).stdout;
        assert!(said.contains("ready") && said.contains("power button"), "{said}");
    }
    // Far from the 30 s that a guest has to go down in: its BIOS takes about half a second.
    assert!(took.iter().all(|time| *time < Duration::from_secs(8)), "{took:?}");
}

/// Not at a moment that has a name, but at one after the other, from the first instruction to the running guest.
#[test]
fn signals_at_any_moment() {
    if real_qemu().is_none() || !crate::running::is_installed("/usr/bin/swtpm") {
        return;
    }
    let place = Place::new();
    // Asked once, so that moments are those of a start and not those of a probe; the probe has its own test.
    let file = place.file("guest.xml", &echo(TPM));
    assert_eq!(place.domx(&["argv", file.to_str().unwrap()]).status, 0);
    for options in [&[][..], &["--detach"]] {
        for name in ["-KILL", "-TERM"] {
            // Closer together where most happens.
            for delay in (0..64).step_by(8).chain((64..200).step_by(40)).chain([300, 500]) {
                let mut command = place.command();
                command.arg("run").arg(&file).args(options);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                let mut domx = command.spawn().unwrap();
                std::thread::sleep(Duration::from_millis(delay));
                // It may be through already, where its guest runs in the background.
                if domx.try_wait().unwrap().is_none() {
                    signal(name, domx.id());
                }
                // Once is enough, though the guest may not have got as far as to see its power button.
                wait_for("domx does not end", || domx.try_wait().unwrap().is_some());
                // Whoever was told of a guest in the background has one, and whoever was not has none for long.
                wait_for("something is left", || {
                    let _ = place.domx(&["stop", "echo", "--force"]);
                    processes(&place).is_empty()
                });
                assert_eq!(place.domx(&["list"]).stdout.lines().count(), 1, "{name} after {delay} ms");
                gone(&place);
            }
        }
    }
}

/// Programs of these names that do this, first on PATH.
fn stand_ins(place: &Place, names: &[&str], script: &str) -> String {
    let bin = place.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for name in names {
        let program = bin.join(name);
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default())
}

#[test]
fn helpers_that_fail_at_each_step() {
    if real_qemu().is_none() {
        return;
    }
    let virtiofs = |place: &Place| {
        let daemon = place.path().join("bin/virtiofsd");
        let device = format!(
            "<filesystem type='mount'><driver type='virtiofs'/><binary path='{}'/>\n\
             <source dir='/tmp'/><target dir='t'/></filesystem>",
            daemon.display()
        );
        let memory = "<memoryBacking><access mode='shared'/></memoryBacking><os>";
        echo(&device).replace("<os>", memory)
    };
    type Xml<'a> = &'a dyn Fn(&Place) -> String;
    let tpm: Xml<'_> = &|_| echo(TPM);
    let passt: Xml<'_> = &|_| echo(PASST);
    let check = |xml: Xml<'_>, names: &[&str], script: &str, status: &[i32], expected: &str| {
        let place = Place::new();
        let path = stand_ins(&place, names, script);
        let file = place.file("guest.xml", &xml(&place));
        let mut command = place.command();
        command.env("PATH", path).arg("run").arg(file).args(["--timeout", "2s"]);
        let start = Instant::now();
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(status.contains(&output.status.code().unwrap()), "{names:?} {script}: {said}");
        assert!(said.contains(expected), "{names:?} {script}: {said}");
        assert!(start.elapsed() < Duration::from_secs(15), "{names:?} {script}");
        gone(&place);
    };
    for (xml, names) in
        [(tpm, &["swtpm", "swtpm_setup"][..]), (&virtiofs, &["virtiofsd"]), (passt, &["passt"])]
    {
        // It fails at once; QEMU sees the end of the link, and the user why. A guest may do without its network.
        check(xml, names, "echo no way >&2; exit 7", &[1, 124], "no way");
        check(xml, names, "kill -SEGV $$", &[1, 124], "SIGSEGV");
        // It stands still, with a child, and hears no signal.
        check(xml, names, "trap '' TERM INT HUP; sleep 1000 & sleep 1000", &[124, 1], "");
    }
    // What prepares a helper fails.
    let banks: Xml<'_> = &|_| {
        let bank = "version='2.0'><active_pcr_banks><sha256/></active_pcr_banks></backend>";
        echo(TPM).replace("version='2.0'/>", bank)
    };
    check(banks, &["swtpm_setup"], "echo no room >&2; exit 3", &[1], "no room");
}

#[test]
fn domx_and_supervisor_die_with_helpers_that_hear_no_signal() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let path = stand_ins(&place, &["passt"], "trap '' TERM INT HUP\nwhile :; do sleep 1; done");
    let start = || {
        let mut command = place.command();
        command.env("PATH", &path).arg("run").arg(place.file("guest.xml", &echo(PASST)));
        let guest = Running::of(&place, command);
        assert!(processes(&place).iter().any(|(_, name)| name == "passt"));
        guest
    };
    start().kill();
    wait_for("the helper outlives domx", || processes(&place).is_empty());
    assert_eq!(place.domx(&["list"]).stdout.lines().count(), 1);
    gone(&place);
    // With the guest it has a second to end, and is killed then.
    let (guest, before) = (start(), Instant::now());
    assert_eq!(guest.power_off(), 0);
    assert!(before.elapsed() < Duration::from_secs(5));
    gone(&place);
}

/// The kernel kills what domx has started, and knows nothing of what that has started.
#[test]
fn what_a_helper_starts_goes_with_the_guest() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let script = "sleep 1000 &\nsetsid sleep 1000 &\ntrap '' TERM\nwhile :; do sleep 1; done";
    let path = stand_ins(&place, &["passt"], script);
    let start = || {
        let mut command = place.command();
        command.env("PATH", &path).arg("run").arg(place.file("guest.xml", &echo(PASST)));
        let guest = Running::of(&place, command);
        let sleepers = || processes(&place).iter().filter(|(_, name)| name == "sleep").count();
        wait_for("the helper starts nothing", || sleepers() >= 2);
        guest
    };
    start().kill();
    wait_for("QEMU outlives domx", || qemus(&place).is_empty());
    assert!(!processes(&place).is_empty(), "nobody has cleaned yet");
    assert_eq!(place.domx(&["list"]).stdout.lines().count(), 1);
    gone(&place);
    start().kill();
    assert_eq!(start().power_off(), 0);
    gone(&place);
}

#[test]
fn nohup_is_obeyed() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let domx = place.command();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(domx.get_program()).arg("run");
    command.arg(place.file("guest.xml", &echo("")));
    for (name, value) in domx.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let guest = Running::of(&place, command);
    signal("-HUP", supervisor(&place));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(place.domx(&["list"]).stdout.lines().count(), 2, "it goes on");
    assert!(!guest.errors().contains("power button"));
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}

#[test]
fn streams_that_are_closed_are_no_reason_to_fail() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        for options in ["", "--console", "--detach"] {
            let domx = place.command();
            let mut command = Command::new("sh");
            let script = format!("exec \"$0\" run \"$1\" {options} {closed}");
            command.args(["-c", &script]).arg(domx.get_program()).arg(fixture("hello"));
            for (name, value) in domx.get_envs() {
                command.env(name, value.unwrap_or_default());
            }
            let output = command.stdin(Stdio::null()).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{closed} {options}: {output:?}");
            gone(&place);
            // What nobody saw is kept.
            assert_eq!(place.domx(&["logs", "hello"]).stdout.trim_end(), "hello from domx");
        }
    }
}

#[test]
fn a_file_system_that_is_full() {
    if real_qemu().is_none() || !is_root() || !may_unshare("--mount") {
        return;
    }
    // Mounts a small file system in a place of its own, fills it, runs domx, and lists what is left.
    let script = "mount -t tmpfs -o size=64k,mode=700 none \"$FULL\" || exit 99\n\
                  cat /dev/zero > \"$FULL/fill\" 2>/dev/null\n\
                  \"$@\"\nstatus=$?\nrm \"$FULL/fill\"\nfind \"$FULL\" -type f -size +0 -o -type s >&2\nexit $status";
    let check = |variable: &str, xml: &str, status: i32, expected: &[&str]| {
        let place = Place::new();
        let full = place.path().join("full");
        std::fs::create_dir(&full).unwrap();
        let file: PathBuf = place.file("guest.xml", xml);
        let domx = place.command();
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(domx.get_program());
        command.arg("run").arg(file).args(["--timeout", "20s"]);
        for (name, value) in domx.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.env(variable, &full).env("FULL", &full);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{variable}: {said}");
        for words in expected {
            assert!(said.contains(words), "{variable}: {words}: {said}");
        }
        let left: Vec<&str> = said.lines().filter(|line| line.starts_with(full.to_str().unwrap())).collect();
        assert!(left.is_empty(), "{variable}: {left:?}");
        gone(&place);
    };
    let hello = std::fs::read_to_string(fixture("hello")).unwrap();
    let image = crate::support::repository("fixtures/guests/hello.img").canonicalize().unwrap();
    let hello = hello.replace("../guests/hello.img", image.to_str().unwrap());
    check("XDG_RUNTIME_DIR", &hello, 1, &["cannot write", "No space left on device"]);
    // Without a log, a cache or a place for what QEMU says the guest runs all the same.
    check("XDG_STATE_HOME", &hello, 0, &["the log of the console ends here: No space left on device"]);
    check("XDG_CACHE_HOME", &hello, 0, &[]);
    // Half a store of variables would be worse than none.
    if crate::running::is_installed("/usr/share/OVMF/OVMF_VARS_4M.fd") {
        let uefi = hello.replace("<os>", "<os firmware='efi'>").replace("machine='pc'", "machine='q35'");
        check("XDG_STATE_HOME", &uefi, 1, &["cannot make", "No space left on device", "guest.xml:"]);
    }
}

#[test]
fn what_was_left_of_a_cache_is_cleaned_by_the_next() {
    let Some(qemu) = real_qemu() else { return };
    let place = Place::new();
    let cache = place.path().join("cache/domx/capabilities");
    std::fs::create_dir_all(&cache).unwrap();
    let left = |name: &str, age: u64| {
        let file = std::fs::File::create(cache.join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
    };
    left(".new-dead", 3600);
    // Somebody may be writing it just now, or it is not ours.
    left(".new-alive", 1);
    left("else", 3600);
    assert_eq!(place.domx(&["caps", "--qemu", qemu.to_str().unwrap()]).status, 0);
    let mut names: Vec<String> = std::fs::read_dir(&cache)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.retain(|name| !name.starts_with("qemu-system-"));
    names.sort();
    assert_eq!(names, [".new-alive", "else"]);
}

/// What kills QEMU when domx dies in another way is shown by every test here that kills domx: `PR_SET_PDEATHSIG`.
#[test]
fn a_qemu_that_can_exit_with_its_parent_is_told_to() {
    let Some(qemu) = real_qemu() else { return };
    let place = Place::new();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' none,'*) exec '{}' \"$@\" ;; esac\necho \"$@\" > '{}'\nexit 1\n",
        qemu.display(),
        place.path().join("arguments").display(),
    );
    let program = place.file("qemu-pretender", &script);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let check = |more: &[&str], expected: bool| {
        let arguments = ["run", &fixture("echo"), "--accel", "tcg", "--qemu", program.to_str().unwrap()];
        assert_eq!(place.domx(&[&arguments[..], more].concat()).status, 1);
        let given = std::fs::read_to_string(place.path().join("arguments")).unwrap();
        assert_eq!(given.contains("-run-with exit-with-parent=on"), expected, "{more:?}: {given}");
        gone(&place);
    };
    check(&["--with", "run-with.exit-with-parent"], true);
    check(&["--without", "run-with.exit-with-parent"], false);
}

#[test]
fn a_pipe_that_nobody_reads_is_no_file_to_write_to() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let pipe = place.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let serial = format!("<serial type='file'><source path='{}'/></serial>", pipe.display());
    let file = place.file("guest.xml", &echo(&serial));
    let said = place.domx(&["run", file.to_str().unwrap(), "--timeout", "5s"]);
    assert!(said.status == 1 && said.stderr.contains("it is a pipe"), "{said:?}");
    gone(&place);
}
