//! PCI and mediated devices of the host: taken and given back.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use domain_model::{Code, Diagnostic};
use qemu_argv::needs::{HostDevice, VfioDevice};
use runner::User;
use runner::runtime::Undo;

use super::failed;
use super::files::may_use;

/// The driver that hands PCI devices over.
const VFIO: &str = "vfio-pci";

/// The host's devices, as Linux shows them below `/sys` and `/dev`.
#[derive(Debug, Clone)]
pub struct Devices {
    root: PathBuf,
}

/// A device that is taken from its driver: what is written for that, and what undoes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Taking {
    address: String,
    writes: Vec<Undo>,
    undo: Vec<Undo>,
}

impl Devices {
    /// Those of this host.
    pub fn of_this_host() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// The file by which a device is handed over alone (Linux 6.6), or why it is of no use: it is used together with
    /// that of the IOMMU.
    pub fn file(&self, address: &str) -> Option<Result<String, String>> {
        let folder = self.root.join("sys/bus/pci/devices").join(address).join("vfio-dev");
        let name = std::fs::read_dir(folder).ok()?.flatten().next()?.file_name().into_string().ok()?;
        let path = format!("/dev/vfio/devices/{name}");
        let here = |path: &str| self.root.join(path.trim_start_matches('/'));
        // Opened by whoever starts the guest. The device's own file can be opened once only, so it is looked at.
        let iommu = std::fs::OpenOptions::new().read(true).write(true).open(here("/dev/iommu"));
        Some(match (iommu, here(&path).exists()) {
            (Err(error), _) => Err(format!("`/dev/iommu` cannot be opened: {error}")),
            (Ok(_), false) => Err(format!("`{path}` is not there")),
            (Ok(_), true) => Ok(path),
        })
    }

    /// Takes the managed devices from their drivers; `note` is told what undoes that before anything is done, and
    /// whether anything was done is given back.
    ///
    /// # Errors
    /// When a device is not there or does not change its driver.
    pub fn take(
        &self,
        devices: &[HostDevice],
        note: impl FnOnce(Vec<Undo>) -> io::Result<()>,
        write: &mut dyn FnMut(&Undo) -> io::Result<()>,
    ) -> Result<bool, Vec<Diagnostic>> {
        let mut takings = Vec::new();
        let mut problems = Vec::new();
        for device in devices.iter().filter(|device| device.managed) {
            match self.taking(device) {
                Ok(taking) => takings.extend(taking.map(|taking| (taking, device))),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let Some((_, first)) = takings.first() else { return Ok(false) };
        let undo = takings.iter().flat_map(|(taking, _)| taking.undo.iter().cloned()).collect();
        note(undo)
            .map_err(|error| vec![failed(first.origin, format!("cannot note what to undo: {error}"))])?;
        for (taking, device) in &takings {
            for one in &taking.writes {
                write(one).map_err(|error| {
                    let (address, path) = (&taking.address, one.path.display());
                    let message =
                        format!("cannot take `{address}` from its driver: cannot write `{path}`: {error}");
                    let problem = failed(device.origin, message);
                    vec![match error.kind() {
                        io::ErrorKind::PermissionDenied => problem.help("run as root"),
                        _ => problem,
                    }]
                })?;
            }
        }
        Ok(true)
    }

    /// How a device is taken from its driver; nothing if VFIO has it already.
    fn taking(&self, device: &HostDevice) -> Result<Option<Taking>, Diagnostic> {
        let VfioDevice::Pci(address) = &device.which else { return Ok(None) };
        let folder = self.folder(device)?;
        if is_with_vfio(&folder) {
            return Ok(None);
        }
        let bus = self.root.join("sys/bus/pci");
        let wanted = device.driver.as_deref().unwrap_or(VFIO);
        let drivers = bus.join("drivers").join(wanted);
        if !drivers.is_dir() {
            let message = format!("the host's driver `{wanted}` is not there");
            let help = format!("load it with `modprobe {wanted}`");
            return Err(Diagnostic::error(Code::NotFound, device.origin, message).help(help));
        }
        let write = |path: PathBuf, text: &str| Undo { path, text: text.to_owned() };
        let chosen = std::fs::read_to_string(folder.join("driver_override")).unwrap_or_default();
        let chosen = match chosen.trim() {
            "" | "(null)" => "\n".to_owned(),
            name => name.to_owned(),
        };
        let had_driver = driver(&folder).is_some();
        let take_it = had_driver.then(|| write(folder.join("driver/unbind"), address));
        let probe = || write(bus.join("drivers_probe"), address);
        // As libvirt does it: the device is told which driver to have, and then looks for one.
        let mut writes = vec![write(folder.join("driver_override"), wanted)];
        writes.extend(take_it);
        writes.push(probe());
        let mut undo =
            vec![write(folder.join("driver_override"), &chosen), write(drivers.join("unbind"), address)];
        undo.extend(had_driver.then(probe));
        Ok(Some(Taking { address: address.clone(), writes, undo }))
    }

    /// Looks whether every device can be handed over, by QEMU's user.
    ///
    /// # Errors
    /// Every device that is not there, or in somebody else's hands.
    pub fn check(&self, devices: &[HostDevice], user: Option<&User>) -> Result<(), Vec<Diagnostic>> {
        let problems: Vec<Diagnostic> =
            devices.iter().filter_map(|device| self.check_one(device, user).err()).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn check_one(&self, device: &HostDevice, user: Option<&User>) -> Result<(), Diagnostic> {
        let folder = self.folder(device)?;
        let name = device.name();
        if matches!(device.which, VfioDevice::Pci(_)) && !is_with_vfio(&folder) {
            let has = match driver(&folder) {
                Some(driver) => format!("the driver `{driver}`"),
                None => "no driver".to_owned(),
            };
            let problem = failed(device.origin, format!("`{name}` has {has}, and so cannot be handed over"));
            let help = "`managed='yes'` takes it from its driver as long as the guest runs";
            return Err(if device.managed { problem } else { problem.help(help) });
        }
        let Some(group) = link_name(&folder.join("iommu_group")) else {
            let message = format!("`{name}` is in no IOMMU group, so it cannot be kept apart from the host");
            let help = "switch the IOMMU on in the firmware and with `intel_iommu=on` or the like";
            return Err(failed(device.origin, message).help(help));
        };
        // The devices of a group cannot be kept apart whichever file they are handed over by.
        self.check_group(&group, device)?;
        if device.file.is_some() {
            return Ok(());
        }
        let path = self.root.join("dev/vfio").join(&group);
        may_use(&path, user).map_err(|error| {
            let message = format!("`{}` cannot be used by QEMU: {error}", path.display());
            let help = "give QEMU's user rights to it, or run as root";
            failed(device.origin, message).help(help)
        })
    }

    /// Looks whether others of the group are in use: the devices of a group cannot be kept apart from each other.
    fn check_group(&self, group: &str, device: &HostDevice) -> Result<(), Diagnostic> {
        let folder = self.root.join("sys/kernel/iommu_groups").join(group).join("devices");
        let members = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names: BTreeSet<String> =
            members.filter_map(|member| member.file_name().into_string().ok()).collect();
        for name in names {
            let folder = self.root.join("sys/bus/pci/devices").join(&name);
            // Bridges stay with the host, as do those that a driver holds which does nothing.
            let class = std::fs::read_to_string(folder.join("class")).unwrap_or_default();
            let Some(driver) = driver(&folder) else { continue };
            let is_harmless = class.trim().starts_with("0x0604") || driver == "pci-stub";
            if !is_harmless && !is_with_vfio(&folder) {
                let message = format!(
                    "`{}` shares the IOMMU group {group} with `{name}`, which has the driver `{driver}`",
                    device.name()
                );
                let help = format!("hand `{name}` over as well, or bind it to `{VFIO}`");
                return Err(failed(device.origin, message).help(help));
            }
        }
        Ok(())
    }

    /// Where the kernel shows a device.
    fn folder(&self, device: &HostDevice) -> Result<PathBuf, Diagnostic> {
        let (bus, what) = match device.which {
            VfioDevice::Pci(_) => ("pci", "PCI"),
            VfioDevice::Mediated(_) => ("mdev", "mediated"),
        };
        let folder = self.root.join("sys/bus").join(bus).join("devices").join(device.name());
        if folder.is_dir() {
            return Ok(folder);
        }
        let message = format!("this host has no {what} device `{}`", device.name());
        Err(Diagnostic::error(Code::NotFound, device.origin, message))
    }
}

/// The last part of where a link leads.
fn link_name(link: &Path) -> Option<String> {
    std::fs::read_link(link).ok()?.file_name()?.to_str().map(str::to_owned)
}

fn driver(folder: &Path) -> Option<String> {
    link_name(&folder.join("driver"))
}

/// Whether a device has a driver that hands it over: the usual one, or one of its kind (since Linux 6.1 they show).
fn is_with_vfio(folder: &Path) -> bool {
    driver(folder).as_deref() == Some(VFIO) || folder.join("vfio-dev").is_dir()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::os::unix::fs::symlink;

    use domain_model::Origin;

    use super::*;

    /// A host with some devices, and a kernel that does what it is told by writes.
    struct Fake {
        root: tempfile::TempDir,
        log: RefCell<Vec<String>>,
    }

    impl Fake {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            for driver in ["nic", "snd", "vfio-pci", "pcieport", "pci-stub"] {
                fs::create_dir_all(root.path().join("sys/bus/pci/drivers").join(driver)).unwrap();
            }
            fs::create_dir_all(root.path().join("dev/vfio")).unwrap();
            Fake { root, log: RefCell::default() }
        }

        fn device(&self, address: &str, driver: Option<&str>, group: Option<u32>, class: &str) {
            let folder = self.folder(address);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("class"), class).unwrap();
            fs::write(folder.join("driver_override"), "(null)\n").unwrap();
            self.bind(address, driver);
            if let Some(group) = group {
                let all = self.root.path().join(format!("sys/kernel/iommu_groups/{group}"));
                fs::create_dir_all(all.join("devices").join(address)).unwrap();
                symlink(all, folder.join("iommu_group")).unwrap();
                fs::write(self.root.path().join(format!("dev/vfio/{group}")), "").unwrap();
            }
        }

        fn folder(&self, address: &str) -> PathBuf {
            self.root.path().join("sys/bus/pci/devices").join(address)
        }

        fn bind(&self, address: &str, driver: Option<&str>) {
            let link = self.folder(address).join("driver");
            let _ = fs::remove_file(&link);
            if let Some(driver) = driver {
                symlink(self.root.path().join("sys/bus/pci/drivers").join(driver), link).unwrap();
            }
        }

        /// What Linux does when this is written; without an override, a device goes to `nic`.
        fn write(&self, one: &Undo) -> io::Result<()> {
            let place = one.path.strip_prefix(self.root.path()).unwrap().display().to_string();
            self.log.borrow_mut().push(format!("{place} {:?}", one.text));
            if place.ends_with("driver_override") {
                return fs::write(&one.path, &one.text);
            }
            if place.ends_with("unbind") {
                self.bind(&one.text, None);
            } else {
                let chosen = fs::read_to_string(self.folder(&one.text).join("driver_override"))?;
                let chosen = Some(chosen.trim()).filter(|name| !name.is_empty()).unwrap_or("nic");
                self.bind(&one.text, Some(chosen));
            }
            Ok(())
        }

        fn devices(&self) -> Devices {
            Devices { root: self.root.path().to_owned() }
        }

        fn check(&self, devices: &[HostDevice]) -> Vec<String> {
            let problems = self.devices().check(devices, None).err().unwrap_or_default();
            let root = self.root.path().display().to_string();
            problems.into_iter().map(|problem| problem.message.replace(&root, "")).collect()
        }
    }

    fn pci(address: &str, managed: bool) -> HostDevice {
        let which = VfioDevice::Pci(address.to_owned());
        HostDevice { which, managed, driver: None, file: None, origin: Origin::Built }
    }

    #[test]
    fn a_managed_device_is_taken_and_given_back() {
        let host = Fake::new();
        host.device("0000:01:00.0", Some("nic"), Some(7), "0x020000");
        host.device("0000:01:00.1", None, Some(7), "0x040300");
        host.device("0000:02:00.0", Some("vfio-pci"), Some(8), "0x040300");
        let devices = [pci("0000:01:00.0", true), pci("0000:01:00.1", true), pci("0000:02:00.0", true)];
        let mut undo = Vec::new();
        let note = |all: Vec<Undo>| {
            assert!(host.log.borrow().is_empty(), "noted before anything is done");
            undo = all;
            Ok(())
        };
        assert!(host.devices().take(&devices, note, &mut |one| host.write(one)).unwrap());
        let expected = [
            "sys/bus/pci/devices/0000:01:00.0/driver_override \"vfio-pci\"",
            "sys/bus/pci/devices/0000:01:00.0/driver/unbind \"0000:01:00.0\"",
            "sys/bus/pci/drivers_probe \"0000:01:00.0\"",
            "sys/bus/pci/devices/0000:01:00.1/driver_override \"vfio-pci\"",
            "sys/bus/pci/drivers_probe \"0000:01:00.1\"",
        ];
        assert_eq!(host.log.take(), expected);
        assert_eq!(host.check(&devices), [] as [String; 0]);
        undo.iter().for_each(|one| host.write(one).unwrap());
        let expected = [
            "sys/bus/pci/devices/0000:01:00.0/driver_override \"\\n\"",
            "sys/bus/pci/drivers/vfio-pci/unbind \"0000:01:00.0\"",
            "sys/bus/pci/drivers_probe \"0000:01:00.0\"",
            "sys/bus/pci/devices/0000:01:00.1/driver_override \"\\n\"",
            "sys/bus/pci/drivers/vfio-pci/unbind \"0000:01:00.1\"",
        ];
        assert_eq!(host.log.take(), expected);
        let driver_of = |address: &str| driver(&host.folder(address));
        assert_eq!(driver_of("0000:01:00.0").as_deref(), Some("nic"));
        // What had no driver has none again, and what VFIO had it keeps.
        assert_eq!(driver_of("0000:01:00.1"), None);
        assert_eq!(driver_of("0000:02:00.0").as_deref(), Some("vfio-pci"));
    }

    #[test]
    fn a_device_has_a_file_where_the_kernel_and_rights_allow_it() {
        let host = Fake::new();
        host.device("0000:01:00.0", Some("vfio-pci"), Some(7), "0x020000");
        let check = |expected: Option<Result<&str, &str>>| {
            let found = host.devices().file("0000:01:00.0");
            assert_eq!(found, expected.map(|result| result.map(str::to_owned).map_err(str::to_owned)));
        };
        let make = |path: &str| {
            let path = host.root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        check(None);
        make("sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio3");
        check(Some(Err("`/dev/iommu` cannot be opened: No such file or directory (os error 2)")));
        make("dev/iommu");
        check(Some(Err("`/dev/vfio/devices/vfio3` is not there")));
        make("dev/vfio/devices/vfio3");
        check(Some(Ok("/dev/vfio/devices/vfio3")));
    }

    #[test]
    fn what_cannot_be_handed_over_is_told() {
        let host = Fake::new();
        host.device("0000:01:00.0", Some("nic"), Some(7), "0x020000");
        host.device("0000:02:00.0", Some("vfio-pci"), None, "0x020000");
        host.device("0000:03:00.0", Some("vfio-pci"), Some(9), "0x020000");
        host.device("0000:03:00.1", Some("snd"), Some(9), "0x040300");
        host.device("0000:04:00.0", Some("vfio-pci"), Some(10), "0x020000");
        host.device("0000:04:01.0", Some("pcieport"), Some(10), "0x060400");
        host.device("0000:04:02.0", Some("pci-stub"), Some(10), "0x040300");
        host.device("0000:04:03.0", None, Some(10), "0x040300");
        let check = |address: &str, expected: &[&str]| {
            assert_eq!(host.check(&[pci(address, false)]), expected, "{address}");
        };
        check("0000:09:00.0", &["this host has no PCI device `0000:09:00.0`"]);
        check("0000:01:00.0", &["`0000:01:00.0` has the driver `nic`, and so cannot be handed over"]);
        check(
            "0000:02:00.0",
            &["`0000:02:00.0` is in no IOMMU group, so it cannot be kept apart from the host"],
        );
        check(
            "0000:03:00.0",
            &["`0000:03:00.0` shares the IOMMU group 9 with `0000:03:00.1`, which has the driver `snd`"],
        );
        check("0000:04:00.0", &[]);
        fs::remove_file(host.root.path().join("dev/vfio/10")).unwrap();
        check(
            "0000:04:00.0",
            &["`/dev/vfio/10` cannot be used by QEMU: No such file or directory (os error 2)"],
        );
        let by_file =
            HostDevice { file: Some("/dev/vfio/devices/vfio0".to_owned()), ..pci("0000:04:00.0", false) };
        assert_eq!(host.check(&[by_file]), [] as [&str; 0], "needs no file of its group");
        let mediated = HostDevice { which: VfioDevice::Mediated("1-2".into()), ..pci("", false) };
        assert_eq!(host.check(&[mediated]), ["this host has no mediated device `1-2`"]);
        // The driver that is asked for is not there.
        let other = HostDevice { driver: Some("mlx5_vfio_pci".to_owned()), ..pci("0000:01:00.0", true) };
        let taken = host.devices().take(&[other], |_| Ok(()), &mut |one| host.write(one));
        let messages: Vec<String> = taken.unwrap_err().into_iter().map(|problem| problem.message).collect();
        assert_eq!(messages, ["the host's driver `mlx5_vfio_pci` is not there"]);
        assert!(host.log.borrow().is_empty());
    }
}
