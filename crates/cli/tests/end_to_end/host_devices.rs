//! Devices of the host that are taken from their drivers: they go back in every ending.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::namespace::{Namespace, has_namespaces};
use crate::running::{Running, echo};
use crate::support::{Place, gone, processes, real_qemu, wait_for};

const DEVICE: &str = "0000:01:00.0";

/// What Linux does about the one device that there is. Who writes to a pipe waits until the kernel has come to it: what
/// was written before has been done then.
const KERNEL: &str = "
device=devices/0000:01:00.0
while :; do
    driver=$(basename \"$(readlink $device/driver)\")
    read -r _ < drivers/$driver/unbind
    rm $device/driver
    read -r chosen < $device/driver_override
    case $chosen in ''|'(null)') chosen=nic; echo '(null)' > $device/driver_override ;; esac
    ln -s /sys/bus/pci/drivers/$chosen $device/driver
    read -r _ < drivers_probe
done";

/// Makes what every program needs of `/dev` in a folder.
const DEV: &str = "
set -e
mount -t tmpfs dev \"$1\"
for node in null zero random urandom full tty; do
    touch \"$1/$node\"
    mount --bind /dev/$node \"$1/$node\"
done
mkdir \"$1/shm\"";

/// A program that leaves out what it cannot have.
const WITHOUT_VFIO: &str = "#!/bin/sh
for word; do
    shift
    case $before:$word in
        *:-device) ;;
        -device:*vfio-pci*) ;;
        -device:*) set -- \"$@\" -device \"$word\" ;;
        *) set -- \"$@\" \"$word\" ;;
    esac
    before=$word
done
";

/// A host with a network card that can be handed over, as processes in a namespace see it.
struct Host {
    pci: PathBuf,
    kernel: Child,
    namespace: Namespace,
}

impl Host {
    fn new(place: &Place) -> Self {
        let (pci, groups, dev) =
            (place.path().join("pci"), place.path().join("groups"), place.path().join("dev"));
        let device = pci.join("devices").join(DEVICE);
        for folder in [
            &device,
            &pci.join("drivers/nic"),
            &pci.join("drivers/vfio-pci"),
            &groups.join("7/devices"),
            &dev,
        ] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::create_dir(groups.join("7/devices").join(DEVICE)).unwrap();
        std::fs::write(device.join("class"), "0x020000\n").unwrap();
        std::fs::write(device.join("driver_override"), "(null)\n").unwrap();
        symlink("/sys/bus/pci/drivers/nic", device.join("driver")).unwrap();
        symlink("/sys/kernel/iommu_groups/7", device.join("iommu_group")).unwrap();
        for pipe in ["drivers_probe", "drivers/nic/unbind", "drivers/vfio-pci/unbind"] {
            assert!(Command::new("mkfifo").arg(pci.join(pipe)).status().unwrap().success());
        }
        let namespace = Namespace::with_mounts();
        let mounts = format!(
            "{DEV}
            mkdir \"$1/vfio\"
            touch \"$1/vfio/7\"
            mount --rbind \"$1\" /dev
            mount --bind \"$2\" /sys/bus/pci
            mount --bind \"$3\" /sys/kernel/iommu_groups"
        );
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        namespace.say("sh", &["-c", &mounts, "sh", &path(&dev), &path(&pci), &path(&groups)]);
        let kernel = Command::new("sh").args(["-c", KERNEL]).current_dir(&pci).spawn().unwrap();
        Host { pci, kernel, namespace }
    }

    /// The driver of the device.
    fn driver(&self) -> String {
        let link = std::fs::read_link(self.pci.join("devices").join(DEVICE).join("driver"));
        link.ok().and_then(|link| Some(link.file_name()?.to_str()?.to_owned())).unwrap_or_default()
    }

    /// Starts a guest with the device, which QEMU only pretends to have.
    fn start(&self, place: &Place, qemu: &Path) -> Running {
        let script = format!("{WITHOUT_VFIO}exec '{}' \"$@\"\n", qemu.display());
        let program = place.file("qemu-without-vfio", &script);
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let device = "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='1' \
                      slot='0' function='0'/></source></hostdev>";
        let mut command = self.namespace.domx(place, &[]);
        // Nothing is locked by a QEMU without the device, and not everybody may.
        let little = "<memtune><hard_limit unit='KiB'>64</hard_limit></memtune><os>";
        let xml = echo(device).replace("<os>", little);
        command.arg("run").arg(place.file("guest.xml", &xml)).arg("--qemu").arg(program);
        Running::of(place, command)
    }

    /// What is left of a guest whose `domx` is killed: the next call of `domx` gives the device back.
    fn killed(&self, place: &Place, mut guest: Running) {
        guest.kill();
        wait_for("QEMU outlives domx", || processes(place).is_empty());
        assert_eq!(self.driver(), "vfio-pci");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.kernel.kill();
        let _ = self.kernel.wait();
    }
}

#[test]
fn a_device_goes_back_to_its_driver_after_every_end() {
    let Some(qemu) = real_qemu() else { return };
    if !has_namespaces() {
        return;
    }
    let place = Place::new();
    let host = Host::new(&place);
    let guest = host.start(&place, &qemu);
    assert_eq!(host.driver(), "vfio-pci");
    assert_eq!(guest.errors().matches("`<hard_limit>`").count(), 1, "{}", guest.errors());
    assert_eq!(guest.power_off(), 0);
    assert_eq!(host.driver(), "nic");
    // The next listing.
    host.killed(&place, host.start(&place, &qemu));
    let listed = host.namespace.domx(&place, &[]).arg("list").stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 1, "no guest");
    assert_eq!(host.driver(), "nic");
    assert!(place.leftovers().is_empty());
    // The next start: the guest takes the device from its own driver again, which has it after the end.
    host.killed(&place, host.start(&place, &qemu));
    let guest = host.start(&place, &qemu);
    assert_eq!(host.driver(), "vfio-pci");
    assert_eq!(guest.power_off(), 0);
    assert_eq!(host.driver(), "nic");
    assert!(place.leftovers().is_empty());
}

/// QEMU itself is started, and finds out that these devices do not do what such devices do.
#[test]
fn scsi_devices_of_the_host_reach_qemu() {
    if real_qemu().is_none() || !has_namespaces() {
        return;
    }
    let place = Place::new();
    let dev = place.path().join("dev");
    std::fs::create_dir(&dev).unwrap();
    let namespace = Namespace::with_mounts();
    let unit = "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/>\
                <address bus='0' target='0' unit='0'/></source></hostdev>";
    let target = "<hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' \
                  wwpn='naa.5123456789abcde0'/></hostdev>";
    let check = |device: &str, expected: &str| {
        let (_, said) = namespace.refusal(&place, &echo(device));
        assert!(said.contains(expected) && said.contains("guest.xml:29:"), "{said}");
        gone(&place);
    };
    check(unit, "the host has no SCSI device on `scsi_host0` at bus 0, target 0, unit 0");
    let mounts = format!(
        "{DEV}
        mount --rbind \"$1\" /dev
        mount -t tmpfs bus /sys/bus
        mkdir -p /sys/bus/scsi/devices/0:0:0:0/scsi_generic/sg0"
    );
    namespace.say("sh", &["-c", &mounts, "sh", dev.to_str().unwrap()]);
    check(unit, "`/dev/sg0` does not exist");
    check(target, "cannot open `/dev/vhost-scsi`: No such file or directory");
    namespace.say("sh", &["-c", "touch /dev/vhost-scsi /dev/sg0; mount --bind /dev/null /dev/sg0"]);
    check(unit, "QEMU refuses: cannot get SG_IO version number");
    check(target, "QEMU refuses: vhost");
}
