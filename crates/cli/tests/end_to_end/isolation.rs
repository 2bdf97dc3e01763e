//! What QEMU can and cannot do: every point of SECURITY.md that a running guest shows.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::Command;

use crate::running::{Running, echo, is_root};
use crate::support::{Place, gone, qemus, real_qemu};

fn status(pid: u32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn qemu_has_few_rights() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let guest = Running::start(&place, &echo(""), &[]);
    let qemu = qemus(&place)[0];
    for (field, expected) in [("NoNewPrivs", "1"), ("Seccomp", "2"), ("Umask", "0077")] {
        assert_eq!(status(qemu, field), expected, "{field}");
    }
    let limits = std::fs::read_to_string(format!("/proc/{qemu}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().rev().nth(2), Some("0"), "{core}");
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}

#[test]
fn qemu_inherits_neither_environment_nor_descriptors() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    // Whoever starts domx leaves a descriptor and a variable lying about.
    let domx = place.command();
    let mut command = Command::new("sh");
    command.args(["-c", "exec 7</etc/passwd; exec \"$@\"", "sh"]).arg(domx.get_program());
    command.arg("run").arg(place.file("guest.xml", &echo(""))).env_clear().env("PASSWORD", "sesame");
    for (name, value) in domx.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let guest = Running::of(&place, command);
    let qemu = qemus(&place)[0];
    let environment = String::from_utf8(std::fs::read(format!("/proc/{qemu}/environ")).unwrap()).unwrap();
    let names: BTreeSet<&str> = environment.split('\0').filter_map(|entry| entry.split('=').next()).collect();
    let known = ["", "DOMX_GUEST", "HOME", "LC_ALL", "PATH", "TMPDIR", "XDG_RUNTIME_DIR"];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    let open = std::fs::read_dir(format!("/proc/{qemu}/fd")).unwrap().flatten();
    let open: Vec<_> = open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect();
    assert!(!open.iter().any(|path| path.ends_with("passwd")), "{open:?}");
    assert_eq!(guest.power_off(), 0);
    gone(&place);
}

#[test]
fn files_and_sockets_of_a_guest_are_private() {
    if real_qemu().is_none() {
        return;
    }
    let place = Place::new();
    let socket = place.path().join("serial.sock");
    let devices = format!(
        "<serial type='unix'><source mode='bind' path='{}'/></serial>\
         <serial type='file'><source path='out.txt'/><log file='log.txt'/></serial>\
         <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
        socket.display()
    );
    let guest = Running::start(&place, &echo(&devices), &[]);
    let mode = |path: &std::path::Path| std::fs::symlink_metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&place.path().join("domx")), 0o700);
    let entry = place.path().join("domx/echo");
    assert_eq!(mode(&entry), 0o700);
    let inside: Vec<_> = std::fs::read_dir(&entry).unwrap().flatten().map(|entry| entry.path()).collect();
    let sockets = inside
        .iter()
        .filter(|path| std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()));
    assert_eq!(sockets.clone().count(), 2, "control and channel: {inside:?}");
    for path in sockets.chain([&socket, &place.path().join("out.txt"), &place.path().join("log.txt")]) {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    assert_eq!(guest.power_off(), 0);
    assert!(!socket.exists());
    gone(&place);
}

#[test]
fn root_can_give_qemu_to_another_user() {
    if real_qemu().is_none() || !is_root() {
        return;
    }
    let place = Place::new();
    // Shared memory is a file in the guest's own directory, where that user has to get.
    let xml = echo("<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>")
        .replace("<os>", "<memoryBacking><source type='file'/><access mode='shared'/></memoryBacking><os>");
    // The image has to be one that everybody can reach.
    let image = std::env::temp_dir().join(format!("domx-test-{}.img", std::process::id()));
    std::fs::copy(crate::support::repository("fixtures/guests/echo.img"), &image).unwrap();
    let own = crate::support::repository("fixtures/guests/echo.img").canonicalize().unwrap();
    let xml = xml.replace(own.to_str().unwrap(), image.to_str().unwrap());
    let guest = Running::start(&place, &xml, &["--user", "65534:65533"]);
    let qemu = qemus_of_anyone();
    assert!(qemu.iter().any(|pid| {
        status(*pid, "Uid") == "65534 65534 65534 65534"
            && status(*pid, "Gid") == "65533 65533 65533 65533"
            && status(*pid, "Groups") == "65533"
            && status(*pid, "CapEff") == "0000000000000000"
    }));
    assert_eq!(guest.power_off(), 0);
    std::fs::remove_file(image).unwrap();
    gone(&place);
}

/// All QEMUs: that of another user has another home.
fn qemus_of_anyone() -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("qemu"))
        })
        .collect()
}

#[test]
fn only_root_can_choose_a_user() {
    if real_qemu().is_none() || !is_root() {
        return;
    }
    let place = Place::new();
    let file = place.file("guest.xml", &echo(""));
    let domx = place.command();
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid"]).arg(domx.get_program());
    command.args(["run", file.to_str().unwrap(), "--user", "65534:65534"]).env_clear();
    for (name, value) in domx.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("another user"), "{said}");
    gone(&place);
}
