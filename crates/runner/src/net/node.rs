//! The file by which the queues of a macvtap device are opened.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Dev, FileType, Mode, OFlags, inotify, makedev, mknodat, open, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use crate::ready;

/// How long whoever fills `/dev` may take to make a file there.
const LIMIT: Duration = Duration::from_secs(2);
/// How a device is opened whose file has been found.
const OPEN: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC);

/// Opens the device once.
///
/// Its file `/dev/tapINDEX` is missing in containers, and belongs to another device where two network namespaces have
/// devices of the same index. The number that the kernel gave the device is what counts, so a file with another number
/// is not opened, and one is made where nobody else sees it.
pub(super) fn open_queue(name: &str, index: u32) -> io::Result<OwnedFd> {
    let number = number(name, index)?;
    let path = format!("/dev/tap{index}");
    if has_number(Path::new(&path), number) {
        return Ok(open(&path, OPEN, Mode::empty())?);
    }
    let made = own_file(number);
    match made {
        Ok(file) => Ok(file),
        // Only root may make files of devices; then somebody else has to.
        Err(_) => appearing(Path::new(&path), number),
    }
}

/// The number of the device's file, from the kernel's own list of devices.
fn number(name: &str, index: u32) -> io::Result<Dev> {
    // What is mounted shows the network namespace of whoever mounted it, which need not be ours.
    let mounted = open("/sys", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(io::Error::from);
    let found = mounted.and_then(|sysfs| listed(&sysfs, name, index));
    found.or_else(|error| match detached("sysfs") {
        Ok(sysfs) => listed(&sysfs, name, index),
        Err(_) => Err(error),
    })
}

/// The number in a list of devices, if the device in it is the one that is meant.
fn listed(sysfs: &OwnedFd, name: &str, index: u32) -> io::Result<Dev> {
    let folder = format!("class/net/{name}");
    let other = || io::Error::new(io::ErrorKind::NotFound, "`/sys` does not list it");
    if text(sysfs, &format!("{folder}/ifindex"))? != index.to_string() {
        return Err(other());
    }
    let number = text(sysfs, &format!("{folder}/macvtap/tap{index}/dev"))?;
    let (major, minor) = number.split_once(':').ok_or_else(other)?;
    let parsed = major.parse().ok().zip(minor.parse().ok());
    parsed.map(|(major, minor)| makedev(major, minor)).ok_or_else(other)
}

fn text(directory: &OwnedFd, path: &str) -> io::Result<String> {
    let file = openat(directory, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = String::new();
    fs::File::from(file).take(64).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

/// A file system that is in no directory and goes with its descriptor.
fn detached(kind: &str) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// Opens the device by a file that nobody else sees, and that is gone at once.
fn own_file(number: Dev) -> io::Result<OwnedFd> {
    let directory = detached("tmpfs")?;
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(&directory, "tap", FileType::CharacterDevice, mode, number)?;
    Ok(openat(&directory, "tap", OPEN, Mode::empty())?)
}

fn has_number(path: &Path, number: Dev) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device() && found.rdev() == number)
}

/// Waits for the file to appear, and opens it.
fn appearing(path: &Path, number: Dev) -> io::Result<OwnedFd> {
    let deadline = ready::after(LIMIT);
    let news = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let changes = inotify::WatchFlags::CREATE | inotify::WatchFlags::ATTRIB | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&news, path.parent().unwrap_or(path), changes)?;
    let mut buffer = [0; 4096];
    // Looked at after the watch has begun, so that nothing is missed in between.
    while !has_number(path, number) {
        if Instant::now() >= deadline {
            let message = format!("there is no `{}` for it", path.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        ready::wait(&[ready::Interest::read(news.as_fd())], Some(deadline))?;
        // What happened does not matter: the file is looked at anyway.
        while rustix::io::read(&news, &mut buffer[..]).is_ok_and(|count| count > 0) {}
    }
    Ok(open(path, OPEN, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_none_has_no_file() {
        // The loopback device is listed, under another number or without a file.
        for (name, index) in [("lo", 1), ("lo", 2), ("no-such-device0", 1)] {
            assert!(open_queue(name, index).is_err(), "{name} {index}");
        }
    }

    #[test]
    fn only_a_device_of_the_number_that_is_meant_is_opened() {
        let null = fs::metadata("/dev/null").map(|found| found.rdev()).unwrap_or_default();
        assert!(has_number(Path::new("/dev/null"), null));
        assert!(!has_number(Path::new("/dev/zero"), null));
        assert!(!has_number(Path::new("/"), null));
        assert!(appearing(Path::new("/dev/null"), null).is_ok());
    }
}
