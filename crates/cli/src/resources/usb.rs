//! USB devices of the host: found, and usable by QEMU.

use std::path::Path;

use domain_model::{Code, Diagnostic};
use qemu_argv::needs::UsbDevice;
use runner::User;

use super::failed;
use super::files::may_use;

/// Looks whether QEMU will find every device, and may use it.
///
/// # Errors
/// Every device that is not there, is there more than once, or is not for QEMU's user.
pub fn check(root: &Path, devices: &[UsbDevice], user: Option<&User>) -> Result<(), Vec<Diagnostic>> {
    let problems: Vec<Diagnostic> =
        devices.iter().filter_map(|device| check_one(root, device, user).err()).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn check_one(root: &Path, device: &UsbDevice, user: Option<&User>) -> Result<(), Diagnostic> {
    let found: Vec<(u32, u32)> = present(root, device);
    let Some((bus, number)) = found.first() else {
        let message = format!("this host has no USB device {}", describe(device));
        let help = "`lsusb` lists those it has; `startupPolicy='optional'` goes without one";
        return Err(Diagnostic::error(Code::NotFound, device.origin, message).help(help));
    };
    if found.len() > 1 {
        let places: Vec<String> =
            found.iter().map(|(bus, number)| format!("bus {bus}, device {number}")).collect();
        let message = format!("this host has {} USB devices {}", found.len(), describe(device));
        let help = format!("say which one with `<address>`: {}", places.join("; "));
        return Err(failed(device.origin, message).help(help));
    }
    let path = root.join(format!("dev/bus/usb/{bus:03}/{number:03}"));
    may_use(&path, user).map_err(|error| {
        let message = format!("`{}` cannot be used by QEMU: {error}", path.display());
        failed(device.origin, message).help("give QEMU's user rights to it, or run as root")
    })
}

/// Whether a device is there.
pub fn is_there(root: &Path, device: &UsbDevice) -> bool {
    !present(root, device).is_empty()
}

/// Where the devices are that this can be: bus and number there.
fn present(root: &Path, device: &UsbDevice) -> Vec<(u32, u32)> {
    let folders = std::fs::read_dir(root.join("sys/bus/usb/devices")).into_iter().flatten().flatten();
    let mut found: Vec<(u32, u32)> = folders
        .filter_map(|folder| {
            let path = folder.path();
            let place = (number(&path, "busnum", 10)?, number(&path, "devnum", 10)?);
            let is_placed = device.place.is_none_or(|wanted| wanted == place);
            let is_it = device.ids.is_none_or(|(vendor, product)| {
                number(&path, "idVendor", 16) == Some(vendor.into())
                    && number(&path, "idProduct", 16) == Some(product.into())
            });
            (is_placed && is_it).then_some(place)
        })
        .collect();
    found.sort_unstable();
    found
}

/// A number that the kernel says of a device; interfaces of devices have none.
fn number(folder: &Path, name: &str, radix: u32) -> Option<u32> {
    let text = std::fs::read_to_string(folder.join(name)).ok()?;
    u32::from_str_radix(text.trim(), radix).ok()
}

fn describe(device: &UsbDevice) -> String {
    let ids = device.ids.map(|(vendor, product)| format!("`{vendor:04x}:{product:04x}`"));
    let place = device.place.map(|(bus, number)| format!("on bus {bus} with the number {number}"));
    [ids, place].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use domain_model::Origin;

    use super::*;

    #[test]
    fn devices_are_found_by_what_they_are_or_where() {
        let root = tempfile::tempdir().unwrap();
        let add = |name: &str, bus: u32, number: u32, ids: (&str, &str)| {
            let folder = root.path().join("sys/bus/usb/devices").join(name);
            fs::create_dir_all(&folder).unwrap();
            for (file, text) in [
                ("busnum", bus.to_string()),
                ("devnum", number.to_string()),
                ("idVendor", ids.0.to_owned()),
                ("idProduct", ids.1.to_owned()),
            ] {
                fs::write(folder.join(file), format!("{text}\n")).unwrap();
            }
            let node = root.path().join(format!("dev/bus/usb/{bus:03}"));
            fs::create_dir_all(&node).unwrap();
            fs::write(node.join(format!("{number:03}")), "").unwrap();
        };
        add("usb1", 1, 1, ("1d6b", "0002"));
        add("1-1", 1, 4, ("046d", "c52b"));
        add("1-2", 1, 5, ("0951", "1666"));
        add("2-1", 2, 5, ("0951", "1666"));
        fs::create_dir_all(root.path().join("sys/bus/usb/devices/1-1:1.0")).unwrap();
        let check = |ids, place, expected: &[&str]| {
            let device = UsbDevice { ids, place, origin: Origin::Built };
            let problems = check(root.path(), &[device], None).err().unwrap_or_default();
            let found: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            assert_eq!(found, expected, "{ids:?} {place:?}");
            assert_eq!(is_there(root.path(), &device), !expected.concat().contains("no USB device"));
        };
        check(Some((0x046d, 0xc52b)), None, &[]);
        check(None, Some((2, 5)), &[]);
        check(Some((0x0951, 0x1666)), Some((1, 5)), &[]);
        check(Some((0x0951, 0x1666)), None, &["this host has 2 USB devices `0951:1666`"]);
        check(Some((0x0951, 1)), None, &["this host has no USB device `0951:0001`"]);
        check(
            Some((0x046d, 0xc52b)),
            Some((1, 5)),
            &["this host has no USB device `046d:c52b` on bus 1 with the number 5"],
        );
        fs::remove_file(root.path().join("dev/bus/usb/001/004")).unwrap();
        let path = root.path().join("dev/bus/usb/001/004").display().to_string();
        let gone = format!("`{path}` cannot be used by QEMU: No such file or directory (os error 2)");
        check(Some((0x046d, 0xc52b)), None, &[&gone]);
    }
}
