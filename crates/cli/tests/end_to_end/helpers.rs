//! Processes that serve a guest: started before it, ended with it, in every ending.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::running::{Running, echo, is_installed};
use crate::support::{Place, gone, may_unshare, processes, real_qemu, signal, wait_for};

const TPM: &str = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>";
const PASST: &str = "<interface type='user'><model type='virtio'/><backend type='passt'/></interface>";

fn pid(place: &Place, name: &str) -> u32 {
    let all = processes(place);
    let found = all.iter().find(|(_, found)| found.starts_with(name)).map(|(pid, _)| *pid);
    found.unwrap_or_else(|| panic!("no {name} among {all:?}"))
}

#[test]
fn an_emulated_tpm_runs_beside_the_guest_and_keeps_its_state_private() {
    if real_qemu().is_none() || !is_installed("/usr/bin/swtpm") {
        return;
    }
    let place = Place::new();
    for _ in 0..2 {
        let guest = Running::start(&place, &echo(TPM), &[]);
        pid(&place, "swtpm");
        assert_eq!(guest.power_off(), 0);
        gone(&place);
    }
    let folder = place.path().join("state/domx/swtpm/echo");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("tpm2-00.permall")), 0o600);
}

#[test]
fn a_crash_of_a_helper_is_reported() {
    if real_qemu().is_none() || !is_installed("/usr/bin/swtpm") {
        return;
    }
    let place = Place::new();
    let guest = Running::start(&place, &echo(TPM), &[]);
    signal("-KILL", pid(&place, "swtpm"));
    wait_for("the crash is not reported", || {
        guest.errors().contains("`swtpm` ended before the guest: signal 9 (SIGKILL)")
    });
    guest.power_off();
    gone(&place);
}

#[test]
fn no_helper_survives_domx_or_qemu() {
    let is_here = is_installed("/usr/bin/swtpm") && is_installed("/usr/bin/passt");
    if real_qemu().is_none() || !is_here || !may_unshare("--user") {
        return;
    }
    let place = Place::new();
    let devices = format!("{TPM}{PASST}");
    let mut guest = Running::start(&place, &echo(&devices), &[]);
    pid(&place, "passt");
    guest.kill();
    wait_for("something lives on", || processes(&place).is_empty());
    // What is left in files is cleaned by the next start, which ends by QEMU's crash.
    let mut guest = Running::start(&place, &echo(&devices), &[]);
    signal("-SEGV", pid(&place, "qemu"));
    assert_eq!(guest.wait(Duration::from_secs(10)), 1);
    gone(&place);
}

#[test]
fn a_helper_that_is_missing_or_fails_is_told_at_its_place() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let share = |daemon: &str| {
        let memory = "<memoryBacking><access mode='shared'/></memoryBacking><os>";
        echo(&format!(
            "<filesystem type='mount'><driver type='virtiofs'/><binary path='{daemon}'/>\n\
             <source dir='/tmp'/><target dir='t'/></filesystem>"
        ))
        .replace("<os>", memory)
    };
    let missing = place.file("missing.xml", &share("/no/such/virtiofsd"));
    let said = place.domx(&["run", missing.to_str().unwrap()]);
    assert_eq!(said.status, 1, "{said:?}");
    for expected in ["`/no/such/virtiofsd` cannot be executed", "missing.xml:"] {
        assert!(said.stderr.contains(expected), "{expected}: {}", said.stderr);
    }
    let failing = place.file("failing.xml", &share("/bin/false"));
    let said = place.domx(&["run", failing.to_str().unwrap()]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.stderr.contains("failing.xml:"), "{}", said.stderr);
    gone(&place);
}

#[test]
fn a_directory_is_shared_by_its_own_daemon() {
    let daemons = ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"];
    let is_there = daemons.iter().any(|path| std::path::Path::new(path).exists());
    let is_there = is_there || is_installed(daemons[0]);
    if real_qemu().is_none() || !is_there || !crate::running::is_root() || !may_unshare("--mount") {
        return;
    }
    let place = Place::new();
    let xml = echo(
        "<filesystem type='mount'><driver type='virtiofs'/><source dir='/tmp'/><target dir='t'/></filesystem>",
    );
    let xml = xml.replace("<os>", "<memoryBacking><access mode='shared'/></memoryBacking><os>");
    let guest = Running::start(&place, &xml, &[]);
    pid(&place, "virtiofsd");
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}

/// A disk whose lowest image has its reservations made by somebody: QEMU does not ask whether that is a SCSI device.
fn reservations(place: &Place, made: &str) -> String {
    let (base, top) = (place.file("base.raw", &"x".repeat(1 << 16)), place.path().join("top.qcow2"));
    let mut image = std::process::Command::new("qemu-img");
    image.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(&base).arg(&top);
    assert!(image.status().unwrap().success());
    echo(&format!(
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>\n\
         <backingStore type='file'><format type='raw'/><source file='{}'>{made}</source><backingStore/>\
         </backingStore><target dev='vdb' bus='virtio'/></disk>",
        top.display(),
        base.display()
    ))
}

#[test]
fn persistent_reservations_are_made_by_a_helper_that_ends_with_the_guest() {
    let is_here = is_installed("/usr/bin/qemu-pr-helper") && is_installed("/usr/bin/qemu-img");
    if real_qemu().is_none() || !is_here {
        return;
    }
    let place = Place::new();
    let xml = reservations(&place, "<reservations managed='yes'/>");
    let guest = Running::start(&place, &xml, &[]);
    let socket = place.path().join("domx/echo/pr-helper0.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().mode() & 0o077, 0, "others can connect");
    pid(&place, "qemu-pr-helper");
    assert_eq!(guest.power_off(), 0);
    gone(&place);
    let mut guest = Running::start(&place, &xml, &[]);
    guest.kill();
    wait_for("something lives on", || processes(&place).is_empty());
    let mut guest = Running::start(&place, &xml, &[]);
    signal("-SEGV", pid(&place, "qemu-system"));
    assert_eq!(guest.wait(Duration::from_secs(10)), 1);
    gone(&place);
}

/// The address of a socket is shorter than paths may be.
#[test]
fn a_runtime_directory_may_have_a_long_path() {
    let is_here = is_installed("/usr/bin/qemu-pr-helper") && is_installed("/usr/bin/qemu-img");
    if real_qemu().is_none() || !is_here || !is_installed("/usr/bin/swtpm") {
        return;
    }
    let place = Place::new();
    let runtime = place.path().join("r".repeat(120));
    std::fs::create_dir(&runtime).unwrap();
    let console = runtime.join("console.sock");
    let channel = format!("<serial type='unix'><source mode='bind' path='{}'/></serial>", console.display());
    let xml = reservations(&place, "<reservations managed='yes'/>");
    let xml = xml.replace("<memballoon model='none'/>", &format!("<memballoon model='none'/>{TPM}{channel}"));
    let mut command = place.command();
    command.env("XDG_RUNTIME_DIR", &runtime).arg("run").arg(place.file("guest.xml", &xml));
    let guest = Running::of(&place, command);
    assert!(pid(&place, "swtpm") != pid(&place, "qemu-pr-helper"));
    assert!(std::fs::metadata(&console).is_ok());
    let mut command = place.command();
    let listed = command.env("XDG_RUNTIME_DIR", &runtime).arg("list").output().unwrap();
    assert!(String::from_utf8(listed.stdout).unwrap().contains("running"));
    assert_eq!(guest.power_off(), 0);
    assert_eq!(std::fs::read_dir(&runtime).unwrap().count(), 0);
    gone(&place);
}

#[test]
fn the_helper_for_reservations_keeps_the_rights_that_another_user_has_not() {
    let is_here = is_installed("/usr/bin/qemu-pr-helper") && is_installed("/usr/bin/qemu-img");
    if real_qemu().is_none() || !is_here || !crate::running::is_root() {
        return;
    }
    let place = Place::new();
    let xml = reservations(&place, "<reservations managed='yes'/>");
    for path in [place.path().to_owned(), place.path().join("base.raw"), place.path().join("top.qcow2")] {
        let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777);
        std::fs::set_permissions(path, open).unwrap();
    }
    let guest = Running::start(&place, &xml, &["--user", "1234:1234"]);
    let owner = |pid: u32| std::fs::metadata(format!("/proc/{pid}")).unwrap().uid();
    let helper = pid(&place, "qemu-pr-helper");
    assert_eq!(owner(helper), 0);
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}

#[test]
fn nobody_who_makes_reservations_is_told_at_its_place() {
    if real_qemu().is_none() || !is_installed("/usr/bin/qemu-img") {
        return;
    }
    let place = Place::new();
    let path = place.path().join("none");
    let none = format!(
        "<reservations managed='no'><source type='unix' path='{}' mode='client'/></reservations>",
        path.display()
    );
    let file = place.file("guest.xml", &reservations(&place, &none));
    let said = place.domx(&["run", file.to_str().unwrap()]);
    assert_eq!(said.status, 1, "{said:?}");
    for expected in ["/none` does not exist", "guest.xml:30:"] {
        assert!(said.stderr.contains(expected), "{expected}: {said:?}");
    }
    gone(&place);
}
