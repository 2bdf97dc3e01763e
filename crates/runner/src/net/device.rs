//! Network devices of the kernel, by its `ioctl` interface.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// A name has at most 15 bytes and a zero.
const NAME: usize = 16;

// Numbers of `linux/sockios.h` and `linux/if_tun.h`.
const GET_FLAGS: Opcode = 0x8913;
const SET_FLAGS: Opcode = 0x8914;
const GET_MTU: Opcode = 0x8921;
const SET_MTU: Opcode = 0x8922;
const SET_ADDRESS: Opcode = 0x8924;
const GET_INDEX: Opcode = 0x8933;
const ADD_PORT: Opcode = 0x89a2;
const ATTACH: Opcode = opcode::write::<c_int>(b'T', 202);

const IS_TAP: u16 = 0x0002;
const NO_PACKET_INFORMATION: u16 = 0x1000;
const VNET_HEADER: u16 = 0x4000;
const MULTI_QUEUE: u16 = 0x0100;
const UP: u16 = 0x1;
const ETHERNET: u16 = 1;

/// What the kernel calls `struct ifreq`: a name, and a value that depends on the request.
#[repr(C, align(8))]
struct Request {
    name: [u8; NAME],
    value: [u8; 24],
}

impl Request {
    fn named(name: &str) -> io::Result<Self> {
        let mut request = Request { name: [0; NAME], value: [0; 24] };
        let slots = request.name.iter_mut().take(NAME - 1);
        if name.is_empty() || name.len() >= NAME || name.contains(['\0', '/']) {
            let message = "the name of a network device has 1 to 15 bytes";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        slots.zip(name.bytes()).for_each(|(slot, byte)| *slot = byte);
        Ok(request)
    }

    fn put(mut self, bytes: &[u8]) -> Self {
        self.value.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
        self
    }

    fn number(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.value;
        [a, b, c, d]
    }

    fn small(&self) -> [u8; 2] {
        let [a, b, ..] = self.value;
        [a, b]
    }

    fn send<const OPCODE: Opcode>(&mut self, to: impl AsFd) -> io::Result<()> {
        #[allow(unsafe_code, reason = "there is no safe interface to the kernel's network devices")]
        // SAFETY: every request of this file takes a `struct ifreq`, which `Request` is at least as large as, and
        // reads and writes nothing else.
        unsafe {
            Ok(ioctl(to, Updater::<OPCODE, Request>::new(self))?)
        }
    }
}

/// Makes a descriptor of a TAP device's file a queue of the device of this name, and says its name.
///
/// In a name, `%d` stands for the first free number. A device that is not there is made.
pub(super) fn attach(queue: &OwnedFd, name: &str, several: bool, vnet_header: bool) -> io::Result<String> {
    let mut flags = IS_TAP | NO_PACKET_INFORMATION;
    flags |= if several { MULTI_QUEUE } else { 0 };
    flags |= if vnet_header { VNET_HEADER } else { 0 };
    let mut request = Request::named(name)?.put(&flags.to_ne_bytes());
    request.send::<ATTACH>(queue)?;
    let end = request.name.iter().position(|byte| *byte == 0).unwrap_or(NAME);
    Ok(String::from_utf8_lossy(request.name.get(..end).unwrap_or_default()).into_owned())
}

/// A network device.
#[derive(Debug)]
pub struct Device {
    name: String,
    socket: OwnedFd,
}

impl Device {
    /// The device of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        let device = Device { name: name.to_owned(), socket };
        device.ask::<GET_INDEX>(&[])?;
        Ok(device)
    }

    fn ask<const OPCODE: Opcode>(&self, value: &[u8]) -> io::Result<Request> {
        let mut request = Request::named(&self.name)?.put(value);
        request.send::<OPCODE>(&self.socket)?;
        Ok(request)
    }

    /// Its number.
    pub(super) fn index(&self) -> io::Result<u32> {
        Ok(u32::from_ne_bytes(self.ask::<GET_INDEX>(&[])?.number()))
    }

    /// Bytes of the largest packet.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn mtu(&self) -> io::Result<u32> {
        Ok(u32::from_ne_bytes(self.ask::<GET_MTU>(&[])?.number()))
    }

    /// Whether it is switched on.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn is_up(&self) -> io::Result<bool> {
        Ok(u16::from_ne_bytes(self.ask::<GET_FLAGS>(&[])?.small()) & UP != 0)
    }

    pub(super) fn set_mtu(&self, mtu: u32) -> io::Result<()> {
        self.ask::<SET_MTU>(&mtu.to_ne_bytes()).map(drop)
    }

    pub(super) fn set_mac(&self, mac: [u8; 6]) -> io::Result<()> {
        let [low, high] = ETHERNET.to_ne_bytes();
        let [a, b, c, d, e, f] = mac;
        self.ask::<SET_ADDRESS>(&[low, high, a, b, c, d, e, f]).map(drop)
    }

    pub(super) fn set_up(&self) -> io::Result<()> {
        let flags = u16::from_ne_bytes(self.ask::<GET_FLAGS>(&[])?.small());
        self.ask::<SET_FLAGS>(&(flags | UP).to_ne_bytes()).map(drop)
    }

    /// Makes another device a port of this bridge.
    pub(super) fn add_port(&self, port: &Device) -> io::Result<()> {
        let index = port.ask::<GET_INDEX>(&[])?.number();
        match self.ask::<ADD_PORT>(&index) {
            Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "the device is a port of another bridge"))
            }
            result => result.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_cannot_have_are_refused_before_it_is_asked() {
        for (name, fits) in [
            ("vnet%d", true),
            ("", false),
            ("a/b", false),
            ("123456789012345", true),
            ("1234567890123456", false),
        ] {
            assert_eq!(Request::named(name).is_ok(), fits, "{name}");
        }
    }

    #[test]
    fn the_loopback_device_answers() {
        let Ok(device) = Device::named("lo") else { panic!("there is no loopback device") };
        assert!(device.mtu().is_ok_and(|mtu| mtu >= 1280));
        assert!(Device::named("no-such-device0").is_err());
    }
}
