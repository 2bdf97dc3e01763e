//! Numbers of guests on the host's virtio sockets.

use std::fs::OpenOptions;
use std::io;

use rustix::ioctl::{Opcode, Setter, ioctl, opcode};

/// `VHOST_VSOCK_SET_GUEST_CID` of `linux/vhost.h`.
const SET_GUEST_NUMBER: Opcode = opcode::write::<u64>(0xaf, 0x60);
/// The smallest number of a guest; smaller ones are the host's and the hypervisor's.
const FIRST: u32 = 3;

/// A number that no guest has, found by taking it for a moment.
///
/// # Errors
/// When `/dev/vhost-vsock` cannot be opened, or there is none.
pub fn free_number() -> io::Result<u32> {
    let device = OpenOptions::new().read(true).write(true).open("/dev/vhost-vsock")?;
    let take = |number: u32| {
        #[allow(unsafe_code, reason = "there is no safe interface to the kernel's virtio sockets")]
        // SAFETY: the request reads one 64-bit number, which is what is given to it.
        let taken = unsafe { ioctl(&device, Setter::<SET_GUEST_NUMBER, u64>::new(u64::from(number))) };
        io::Result::Ok(taken?)
    };
    for number in FIRST..u32::MAX {
        match take(number) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            result => return result.map(|()| number),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}
