//! The guest's memory, written to a file when it panics.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::running::{echo, is_root};
use crate::support::{Place, gone, real_qemu, repository, wait_for};

/// The guest that panics at once, and what is done then.
fn panicking(on_crash: &str, kib: u32) -> String {
    let xml = std::fs::read_to_string(repository("fixtures/domains/hello.xml")).unwrap();
    let image = repository("fixtures/guests/panic.img").canonicalize().unwrap();
    xml.replace("../guests/hello.img", image.to_str().unwrap())
        .replace("<memory unit='MiB'>16<", &format!("<memory unit='KiB'>{kib}<"))
        .replace("<on_crash>destroy<", &format!("<on_crash>{on_crash}<"))
        .replace("<memballoon model='none'/>", "<memballoon model='none'/><panic model='isa'/>")
}

fn dumps(place: &Place) -> Vec<PathBuf> {
    let folder = place.path().join("state/domx/dump");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
    found.sort();
    found
}

/// Whether this is a core file with the boot sector of the guest where the BIOS has put it.
fn has_the_guest(core: &Path, name: &str) -> bool {
    let content = std::fs::read(core).unwrap();
    let sector = std::fs::read(repository(&format!("fixtures/guests/{name}.img"))).unwrap();
    content.starts_with(b"\x7fELF") && content.windows(512).any(|window| window == &sector[..512])
}

#[test]
fn the_memory_of_a_guest_that_panics_is_kept_in_private() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let file = place.file("guest.xml", &panicking("coredump-destroy", 16 << 10));
    let mut args = vec!["run", file.to_str().unwrap(), "--timeout", "60s"];
    if is_root() {
        // Whoever QEMU runs as needs no rights where the dump is.
        args.extend(["--user", "1234:1234"]);
        let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        std::fs::set_permissions(place.path(), open).unwrap();
    }
    let said = place.domx(&args);
    assert_eq!(said.status, 1, "{said:?}");
    let [core] = dumps(&place).try_into().unwrap_or_else(|found| panic!("{found:?}: {said:?}"));
    assert!(core.ends_with("hello-1.core"), "{core:?}");
    assert!(said.stderr.contains(&format!("the guest's memory is in `{}`", core.display())), "{said:?}");
    assert!(said.stderr.contains("error: the guest panicked"), "{said:?}");
    assert_eq!(core.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(core.parent().unwrap().metadata().unwrap().mode() & 0o777, 0o700);
    assert!(core.metadata().unwrap().len() > 16 << 20);
    assert!(has_the_guest(&core, "panic"), "the core has not what the guest had");
    gone(&place);
}

#[test]
fn a_guest_whose_watchdog_is_not_looked_after_is_dumped_and_goes_on() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let watchdog = "<watchdog model='itco' action='dump'/>";
    let image = repository("fixtures/guests/hang.img").canonicalize().unwrap();
    let xml = echo(watchdog).replace(
        repository("fixtures/guests/echo.img").canonicalize().unwrap().to_str().unwrap(),
        image.to_str().unwrap(),
    );
    let file = place.file("guest.xml", &xml);
    let started = place.domx(&["run", "--detach", file.to_str().unwrap()]);
    assert_eq!(started.status, 0, "{started:?}");
    let state = || place.domx(&["list"]).stdout;
    wait_for("nothing is dumped", || !dumps(&place).is_empty() && state().contains("running"));
    let core = &dumps(&place)[0];
    assert!(core.ends_with("echo-1.core"), "{core:?}");
    assert!(has_the_guest(core, "hang"), "the core has not what the guest had");
    let said = place.domx(&["logs", "echo", "--messages"]);
    assert!(said.stdout.contains("watchdog"), "{said:?}");
    assert_eq!(place.domx(&["stop", "echo", "--force"]).status, 0);
    gone(&place);
}

#[test]
fn a_guest_that_panics_again_and_again_does_not_fill_the_disk() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let file = place.file("guest.xml", &panicking("coredump-restart", 2 << 10));
    let mut child = place
        .command()
        .arg("run")
        .arg(file)
        .stdout(std::process::Stdio::null())
        .stderr(std::fs::File::create(place.path().join("errors")).unwrap())
        .spawn()
        .unwrap();
    let errors = || std::fs::read_to_string(place.path().join("errors")).unwrap();
    wait_for("it is told that there is no sixth dump", || {
        errors().contains("memory is not kept: 5 have been written since the guest was started")
    });
    assert!(errors().contains("the guest starts again"), "{}", errors());
    assert_eq!(dumps(&place).len(), 5);
    crate::support::signal("-TERM", child.id());
    child.wait().unwrap();
    gone(&place);
}

#[test]
fn what_cannot_be_written_is_told_and_what_is_unfinished_is_not_left() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    // A file is where the directory should be.
    std::fs::create_dir_all(place.path().join("state/domx")).unwrap();
    place.file("state/domx/dump", "");
    let file = place.file("guest.xml", &panicking("coredump-destroy", 2 << 10));
    let said = place.domx(&["run", file.to_str().unwrap(), "--timeout", "60s"]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.stderr.contains("the guest's memory is not kept: "), "{said:?}");
    assert!(said.stderr.contains("error: the guest panicked"), "{said:?}");
    gone(&place);
    // Left by a domx that was killed; the next start of this guest cleans, whether it panics or not.
    let place = Place::new();
    std::fs::create_dir_all(place.path().join("state/domx/dump")).unwrap();
    place.file("state/domx/dump/echo.core.new", "half");
    let guest = crate::running::Running::start(&place, &echo(""), &[]);
    assert_eq!(dumps(&place), [] as [PathBuf; 0]);
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}
