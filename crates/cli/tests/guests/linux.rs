//! Linux guests under TCG: what arrives in them, and how they end.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::initramfs;
use crate::support::{Place, Said, gone, may_unshare, real_qemu};

/// A guest in the background, and what it said.
struct Linux {
    place: Place,
}

/// Starts Linux under TCG with these devices and this script, or says why not.
fn start(script: &str, os: &str, devices: impl FnOnce(&Place, &Path) -> String) -> Option<Linux> {
    let (linux, said) = start_by(("qemu", "maximum"), script, os, devices)?;
    assert_eq!(said.status, 0, "{said:?}");
    Some(linux)
}

/// The same by an accelerator with a kind of CPU, and what domx said.
fn start_by(
    (kind, cpu): (&str, &str),
    script: &str,
    os: &str,
    devices: impl FnOnce(&Place, &Path) -> String,
) -> Option<(Linux, Said)> {
    real_qemu()?;
    let linux = initramfs::linux()?;
    let place = Place::new();
    let initrd = place.path().join("initrd");
    initramfs::write(&linux, &initrd, script);
    let devices = devices(&place, &linux);
    let xml = format!(
        "<domain type='{kind}'>
  <name>linux</name>
  <memory unit='MiB'>256</memory>
  <memoryBacking>
    <source type='memfd'/>
    <access mode='shared'/>
  </memoryBacking>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    {os}
    <kernel>{}</kernel>
    <initrd>{}</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 random.trust_cpu=on</cmdline>
  </os>
  <features>
    <acpi/>
  </features>
  <cpu mode='{cpu}'/>
  <on_reboot>destroy</on_reboot>
  <on_crash>preserve</on_crash>
  <devices>
    {devices}
    <serial type='pty'/>
    <memballoon model='none'/>
  </devices>
</domain>
",
        linux.join("vmlinuz").display(),
        initrd.display(),
    );
    let file = place.file("linux.xml", &xml);
    let said = place.domx(&["run", "--detach", file.to_str().unwrap(), "--timeout", "5m"]);
    Some((Linux { place }, said))
}

impl Linux {
    /// Waits until the guest has said this, and gives all it said.
    fn says(&self, text: &str) -> String {
        let log = || self.place.domx(&["logs", "linux"]).stdout;
        wait_for_long(&format!("the guest says `{text}`"), || log().contains(text), log);
        log()
    }

    fn qmp(&self, command: &[&str]) -> serde_json::Value {
        let said = self.place.domx(&[&["qmp", "linux"], command].concat());
        assert_eq!(said.status, 0, "{said:?}");
        serde_json::from_str(&said.stdout).unwrap()
    }

    /// Presses the power button, and finds nothing left.
    fn stop(&self) {
        let said = self.place.domx(&["stop", "linux", "--timeout", "60s"]);
        assert!(said.status == 0 && said.stderr.contains("it powered down"), "{said:?}");
        gone(&self.place);
    }
}

/// A guest needs some time under TCG, above all when others compute as well.
fn wait_for_long(what: &str, mut done: impl FnMut() -> bool, log: impl Fn() -> String) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(240);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "{what}, but only:\n{}", log());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn disk_network_and_randomness_arrive_in_linux() {
    let mut disk = PathBuf::new();
    let script = "
ip link set eth0 up
udhcpc -q -n -t 20 -i eth0 -s /bin/true 2>&1 | grep -o 'lease of [0-9.]*'
echo \"domx: disk $(blockdev --getsize64 /dev/vda) $(sha256sum < /dev/vda | cut -d' ' -f 1)\"
printf 'written by the guest' | dd of=/dev/vda bs=1 seek=4096 conv=notrunc 2>/dev/null
blockdev --flushbufs /dev/vda
echo \"domx: rng $(cat /sys/class/misc/hw_random/rng_current) $(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c)\"
";
    let content: Vec<u8> =
        (0..1 << 20).map(|index: u32| index.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let Some(linux) = start(script, "", |place, _| {
        disk = place.path().join("disk.raw");
        std::fs::write(&disk, &content).unwrap();
        std::fs::write(disk.with_extension("orig"), &content).unwrap();
        format!(
            "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>
             <target dev='vda' bus='virtio'/></disk>
             <interface type='user'><model type='virtio'/><driver txmode='iothread'/></interface>
             <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
            disk.display()
        )
    }) else {
        return;
    };
    let said = linux.says("domx: up");
    assert!(said.contains("lease of 10.0.2.15"), "{said}");
    assert!(
        said.contains(&format!("domx: disk 1048576 {}", checksum(&disk.with_extension("orig")))),
        "{said}"
    );
    assert!(said.contains("domx: rng virtio_rng.0 64"), "{said}");
    let tx = linux.qmp(&["qom-get", r#"{"path": "/machine/peripheral/net0", "property": "tx"}"#]);
    assert_eq!(tx, "bh");
    linux.stop();
    let after = std::fs::read(&disk).unwrap();
    assert_eq!(&after[4096..4116], b"written by the guest");
    assert!(after[..4096] == content[..4096] && after[4116..] == content[4116..]);
}

fn checksum(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn linux_boots_by_uefi() {
    let Some(files) = initramfs::linux() else { return };
    let (code, variables) = (files.join("OVMF_CODE_4M.fd"), files.join("OVMF_VARS_4M.fd"));
    let place = Place::new();
    let store = place.path().join("variables.fd");
    std::fs::copy(&variables, &store).unwrap();
    let os = format!(
        "<loader readonly='yes' type='pflash'>{}</loader><nvram>{}</nvram>",
        code.display(),
        store.display()
    );
    let has_tpm = is_installed("/usr/bin/swtpm", "swtpm");
    let tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>";
    let tpm = if has_tpm { tpm } else { "" };
    let script = "
echo domx: efi $(cat /sys/firmware/efi/fw_platform_size)
echo domx: tpm $(cat /sys/class/tpm/tpm0/tpm_version_major)
";
    let Some(linux) = start(script, &os, |_, _| tpm.to_owned()) else { return };
    let said = linux.says("domx: up");
    assert!(said.contains("domx: efi 64"), "{said}");
    assert!(said.contains("domx: tpm 2") == has_tpm, "{said}");
    linux.stop();
    assert!(std::fs::read(&store).unwrap() != std::fs::read(&variables).unwrap(), "the firmware has booted");
}

/// A helper process; where it is missing, its device is left out.
fn is_installed(program: &str, what: &str) -> bool {
    let found = Path::new(program).exists();
    if !found {
        eprintln!("skipped in part: there is no {what}");
    }
    found
}

#[test]
fn a_directory_is_shared_with_linux() {
    let daemons = ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"];
    let Some(daemon) = daemons.into_iter().find(|daemon| Path::new(daemon).exists()) else {
        eprintln!("skipped: there is no virtiofsd");
        return;
    };
    if !may_unshare("--mount") {
        return;
    }
    let shared = Place::new();
    shared.file("to-guest", "for the guest");
    let script = "
mount -t virtiofs shared /mnt && echo domx: $(cat /mnt/to-guest)
echo 'for the host' > /mnt/to-host
umount /mnt
";
    let Some(linux) = start(script, "", |_, _| {
        format!(
            "<filesystem type='mount'><driver type='virtiofs'/><binary path='{daemon}'/><source dir='{}'/>
             <target dir='shared'/></filesystem>",
            shared.path().display()
        )
    }) else {
        return;
    };
    let said = linux.says("domx: up");
    assert!(said.contains("domx: for the guest"), "{said}");
    linux.stop();
    assert_eq!(std::fs::read_to_string(shared.path().join("to-host")).unwrap(), "for the host\n");
}

#[test]
fn a_panic_of_linux_is_reported() {
    let script = "\necho domx: now\necho c > /proc/sysrq-trigger\n";
    let Some(linux) = start(script, "", |_, _| "<panic model='isa'/>".to_owned()) else { return };
    linux.says("domx: now");
    let messages = || linux.place.domx(&["logs", "linux", "--messages"]).stdout;
    wait_for_long("the panic is reported", || messages().contains("warning: the guest panicked"), messages);
    // It is kept for someone to look at.
    let listed = || linux.place.domx(&["list"]).stdout;
    wait_for_long("the guest is kept", || listed().contains("linux  preserved"), listed);
    assert_eq!(linux.qmp(&["query-status"])["status"], "guest-panicked");
    let said = linux.place.domx(&["stop", "linux"]);
    assert!(said.status == 0 && said.stderr.contains("has ended: panicked"), "{said:?}");
    gone(&linux.place);
    assert!(messages().contains("error: the guest panicked"), "{}", messages());
}

/// Whether Linux runs under KVM is a matter of the host, which may offer KVM and not be able to run anything with it.
/// What this test demands is that domx ends such a guest as any other; what came of it is printed.
#[test]
fn kvm_is_tried_and_what_came_of_it_is_told() {
    if std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        eprintln!("skipped: /dev/kvm cannot be opened");
        return;
    }
    for cpu in ["host-passthrough", "maximum"] {
        let Some((linux, said)) = start_by(("kvm", cpu), "", "", |_, _| String::new()) else { return };
        let log = || linux.place.domx(&["logs", "linux"]).stdout;
        let lives = || linux.place.domx(&["list"]).stdout.contains("linux ");
        let start = std::time::Instant::now();
        let limit = std::time::Duration::from_secs(30);
        while said.status == 0 && !log().contains("domx: up") && lives() && start.elapsed() < limit {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let time = start.elapsed().as_secs_f32();
        if log().contains("domx: up") {
            println!("KVM, {cpu}: Linux is up after {time:.1} s");
            linux.stop();
            continue;
        }
        let messages = linux.place.domx(&["logs", "linux", "--messages"]).stdout;
        match said.status {
            0 if lives() => println!("KVM, {cpu}: Linux is not up after {time:.1} s"),
            0 => println!("KVM, {cpu}: QEMU ended after {time:.1} s: {messages}"),
            _ => println!("KVM, {cpu}: domx refused: {}", said.stderr),
        }
        // Whoever is told of a failure is told why.
        assert!(said.status == 0 || said.stderr.contains("error"), "{said:?}");
        assert!(said.status != 0 || lives() || messages.contains("error: QEMU failed"), "{messages}");
        if lives() {
            assert_eq!(linux.place.domx(&["stop", "linux", "--force"]).status, 0);
        }
        gone(&linux.place);
    }
}
