//! A Linux guest of one program: Debian's kernel, busybox and a script.

use std::path::{Path, PathBuf};

/// Where `scripts/fetch-linux` has put kernel, busybox and firmware; without them the test is skipped, and says so,
/// unless `DOMX_REQUIRE_LINUX` is set.
pub fn linux() -> Option<PathBuf> {
    let path = std::env::var_os("DOMX_TEST_LINUX").map(PathBuf::from);
    let path = path.unwrap_or_else(|| crate::support::repository("target/linux-guest"));
    if path.join("vmlinuz").is_file() {
        return path.canonicalize().ok();
    }
    let required = std::env::var_os("DOMX_REQUIRE_LINUX").is_some_and(|value| value == "1");
    assert!(!required, "DOMX_REQUIRE_LINUX is set and scripts/fetch-linux has not been run");
    eprintln!("skipped: there is no Linux for guests; `scripts/fetch-linux target/linux-guest` fetches it");
    None
}

/// What every guest does first.
const START: &str = "#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /mnt /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
# Modules need each other, some at third hand.
for round in 1 2 3 4; do
    for module in /modules/*.ko; do insmod $module 2>/dev/null; done
done
";
/// What every guest does last: it says that it is up, and powers off when a button is pressed.
const END: &str = "
press() {
    dd if=$1 of=/dev/null bs=24 count=1 2>/dev/null
    echo domx: power button
    poweroff -f
}
for buttons in /dev/input/event*; do press $buttons & done
echo domx: up
while true; do sleep 1000; done
";

/// Writes an initramfs whose first program does this.
pub fn write(linux: &Path, into: &Path, script: &str) {
    let mut archive = Archive::default();
    for directory in ["bin", "modules", "dev"] {
        archive.add(directory, 0o040_755, &[]);
    }
    archive.add("bin/busybox", 0o100_755, &std::fs::read(linux.join("busybox")).unwrap());
    archive.add("bin/sh", 0o120_777, b"busybox");
    for module in std::fs::read_dir(linux.join("modules")).unwrap().flatten() {
        let name = format!("modules/{}", module.file_name().to_str().unwrap());
        archive.add(&name, 0o100_644, &std::fs::read(module.path()).unwrap());
    }
    archive.add("init", 0o100_755, format!("{START}{script}{END}").as_bytes());
    archive.add("TRAILER!!!", 0, &[]);
    std::fs::write(into, archive.bytes).unwrap();
}

/// An archive of the format `newc`: for each file 13 numbers of 8 hexadecimal digits, its name and its content,
/// both filled up to a multiple of four bytes.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    files: usize,
}

impl Archive {
    fn add(&mut self, name: &str, mode: usize, content: &[u8]) {
        self.files += 1;
        // Number, mode, owner, group, links, time, size, two device numbers in halves, length of the name, checksum.
        let numbers = [self.files, mode, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0]
            .map(|it| format!("{it:08x}"));
        self.bytes.extend_from_slice(b"070701");
        self.bytes.extend_from_slice(numbers.concat().as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.fill();
        self.bytes.extend_from_slice(content);
        self.fill();
    }

    fn fill(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
