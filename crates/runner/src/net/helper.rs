//! TAP devices from QEMU's helper for bridges, for users without rights.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::{Tap, TapError};
use crate::command::{Command, Limits};
use crate::process::Runner;

/// Where QEMU's helper for bridges is installed.
pub const BRIDGE_HELPERS: &[&str] = &[
    "/usr/lib/qemu/qemu-bridge-helper",
    "/usr/libexec/qemu-bridge-helper",
    "/usr/libexec/qemu/qemu-bridge-helper",
    "/usr/local/libexec/qemu-bridge-helper",
];

/// Asks the helper, which has the rights and a list of the bridges that users may use, for a port of a bridge.
///
/// # Errors
/// When it refuses, says nothing, or fails.
pub fn through_helper(
    runner: &dyn Runner,
    helper: &Path,
    bridge: &str,
    vnet_header: bool,
) -> Result<Tap, TapError> {
    let failed = |source| TapError::of("get a port from QEMU's helper for the bridge", bridge)(source);
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    let limits = Limits { time: Duration::from_secs(10), ..Limits::default() };
    let mut command = Command::new(helper).limits(limits);
    let number = command.fds.pass(theirs).map_err(failed)?;
    command = command.args(vnet_header.then_some("--use-vnet"));
    command = command.args([format!("--br={bridge}"), format!("--fd={number}")]);
    let output = runner.run(&command).and_then(|output| output.success(helper));
    output.map_err(|error| failed(io::Error::other(error.to_string())))?;
    let queue = received(&ours).map_err(failed)?;
    Ok(Tap { name: String::new(), queues: vec![queue], remains: None })
}

/// The descriptor that was sent over a socket.
fn received(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut messages = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut messages, RecvFlags::CMSG_CLOEXEC)?;
    let mut rights = messages.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    rights.next().ok_or_else(|| io::Error::other("it sent no descriptor"))
}
