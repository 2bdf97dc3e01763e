//! Network devices by rtnetlink: made, marked, listed and removed.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// The kernel answers while it is asked; this is for one that does not.
const ANSWER: Duration = Duration::from_secs(5);
/// The most that the kernel puts into one answer.
const LARGEST: usize = 64 << 10;

// Numbers of `linux/netlink.h`.
const IS_REQUEST: u16 = 0x1;
const WANTS_ANSWER: u16 = 0x4;
const ALL: u16 = 0x300;
const NEW_ONLY: u16 = 0x600;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NESTED: u16 = 0x8000;
/// A message has a header of its length, kind, flags, number and sender.
const HEADER: usize = 16;

// Numbers of `linux/rtnetlink.h` and `linux/if_link.h`.
const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
/// What follows the header: family, kind of device, index, flags, and which flags change.
const LINK_INFO: usize = 16;
const NAME: u16 = 3;
const LOWER: u16 = 5;
const PORT: u16 = 12;
const KIND: u16 = 18;
const KIND_NAME: u16 = 1;
const KIND_DATA: u16 = 2;
const ALIAS: u16 = 20;
const MACVLAN_MODE: u16 = 1;
const PORT_ISOLATED: u16 = 33;
const BRIDGE_FAMILY: u8 = 7;

/// A network device as the kernel lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What somebody wrote on it, if anybody did.
    pub alias: Option<String>,
    /// The number of the device that it is stacked on.
    pub lower: Option<u32>,
    /// What kind of device it is, such as `macvtap`, unless it is hardware.
    pub kind: Option<String>,
}

/// Every network device of this network namespace.
///
/// # Errors
/// When the kernel does not say.
pub fn links() -> io::Result<Vec<Link>> {
    let mut links = Vec::new();
    Message::new(GET_LINK, ALL, 0, 0).send(|kind, body| {
        if kind == NEW_LINK {
            links.push(link(body));
        }
    })?;
    Ok(links)
}

/// Makes a macvtap device with this number on top of another, with an alias, and says nothing else about it.
///
/// The alias is there as soon as the device is: both are said at once, and no signal comes in between. The number is
/// the caller's choice so that the alias cannot get onto another device if this one cannot be made.
pub(super) fn add_macvtap(index: u32, name: &str, alias: &str, lower: u32, mode: u32) -> io::Result<()> {
    let mut make = Message::new(NEW_LINK, NEW_ONLY, 0, index);
    make.put(NAME, &text(name));
    make.put(LOWER, &lower.to_ne_bytes());
    make.nest(KIND, |kind| {
        kind.put(KIND_NAME, b"macvtap");
        kind.nest(KIND_DATA, |data| data.put(MACVLAN_MODE, &mode.to_ne_bytes()));
    });
    let mut mark = Message::new(SET_LINK, 0, 0, index);
    mark.put(ALIAS, alias.as_bytes());
    make.followed_by(mark).send(|_, _| {})
}

/// Removes a device.
pub(super) fn remove(index: u32) -> io::Result<()> {
    Message::new(DELETE_LINK, 0, 0, index).send(|_, _| {})
}

/// Lets a port of a bridge reach only ports that are not isolated.
pub(super) fn isolate(port: u32) -> io::Result<()> {
    let mut message = Message::new(SET_LINK, 0, BRIDGE_FAMILY, port);
    message.nest(PORT, |port| port.put(PORT_ISOLATED, &[1]));
    message.send(|_, _| {})
}

/// A name with the zero that ends it.
fn text(name: &str) -> Vec<u8> {
    name.bytes().chain([0]).collect()
}

/// Requests to the kernel, one behind the other.
struct Message {
    bytes: Vec<u8>,
    /// Where the last request begins.
    start: usize,
    /// How many answers come.
    count: usize,
    /// Whether the answers are a list with an end of its own.
    lists: bool,
}

impl Message {
    fn new(kind: u16, flags: u16, family: u8, index: u32) -> Self {
        let mut bytes = vec![0; 4];
        let asks = if flags == ALL { IS_REQUEST } else { IS_REQUEST | WANTS_ANSWER };
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((flags | asks).to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.push(family);
        bytes.resize(HEADER + 4, 0);
        bytes.extend(index.to_ne_bytes());
        bytes.resize(HEADER + LINK_INFO, 0);
        Message { bytes, start: 0, count: 1, lists: flags == ALL }.measured()
    }

    /// Writes the length of the last request in front of it.
    fn measured(mut self) -> Self {
        let length = self.bytes.len().saturating_sub(self.start);
        write_at(&mut self.bytes, self.start, &u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
        self
    }

    /// Adds an attribute; each begins at a multiple of four bytes.
    fn put(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Adds an attribute that consists of others.
    fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.put(kind | NESTED, &[]);
        inside(self);
        let length = u16::try_from(self.bytes.len().saturating_sub(start)).unwrap_or(u16::MAX);
        write_at(&mut self.bytes, start, &length.to_ne_bytes());
    }

    /// Both requests. Whether the first one is granted makes no difference to the second.
    fn followed_by(self, next: Self) -> Self {
        let mut both = self.measured();
        both.start = both.bytes.len();
        both.count = both.count.saturating_add(next.count);
        both.bytes.extend(next.measured().bytes);
        both.measured()
    }

    /// Asks, and takes what the kernel answers until it is done.
    fn send(self, mut hear: impl FnMut(u16, &[u8])) -> io::Result<()> {
        let message = self.measured();
        // Without a number of a protocol it is that of network devices, 0.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER))?;
        send(&socket, &message.bytes, SendFlags::empty())?;
        let mut left = message.count;
        while left > 0 {
            left = left.saturating_sub(answers(&socket, message.lists, &mut hear)?);
        }
        Ok(())
    }
}

/// Reads answers once, and says how many requests are done with.
fn answers(socket: &OwnedFd, lists: bool, hear: &mut impl FnMut(u16, &[u8])) -> io::Result<usize> {
    let mut buffer = vec![0; LARGEST];
    let (count, _) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
    let mut rest = buffer.get(..count).unwrap_or_default();
    let mut done: usize = 0;
    while let Some((kind, body, after)) = message(rest) {
        rest = after;
        match kind {
            ERROR => match number(body, 0).map_or(0, u32::cast_signed) {
                0 => done = done.saturating_add(1),
                error => return Err(io::Error::from_raw_os_error(error.saturating_neg())),
            },
            DONE if lists => done = done.saturating_add(1),
            _ => hear(kind, body),
        }
    }
    if count == 0 { Err(Errno::NODATA.into()) } else { Ok(done) }
}

/// The first message: its kind, what is in it, and what is behind it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(number(bytes, 0)?).ok()?;
    let kind = short(bytes, 4)?;
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// A device from what the kernel lists of it.
fn link(body: &[u8]) -> Link {
    let string = |value: &[u8]| {
        let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
        String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
    };
    let mut link = Link { index: number(body, 4).unwrap_or_default(), ..Link::default() };
    for (kind, value) in attributes(body.get(LINK_INFO..).unwrap_or_default()) {
        match kind {
            NAME => link.name = string(value),
            ALIAS => link.alias = Some(string(value)),
            LOWER => link.lower = number(value, 0),
            KIND => {
                let mut inside = attributes(value);
                link.kind = inside.find(|(kind, _)| *kind == KIND_NAME).map(|(_, name)| string(name));
            }
            _ => {}
        }
    }
    link
}

/// The attributes of a message, by kind.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(short(bytes, 0)?);
        let kind = short(bytes, 2)? & !NESTED;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn write_at(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes.iter_mut().skip(at).zip(value).for_each(|(slot, byte)| *slot = *byte);
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_is_listed() {
        let links = links().unwrap_or_default();
        let loopback = links.iter().find(|link| link.name == "lo");
        assert_eq!(loopback.map(|link| (link.index, link.lower)), Some((1, None)), "{links:?}");
    }

    #[test]
    fn attributes_are_read_as_they_were_written_and_broken_ones_end_the_list() {
        let mut message = Message::new(NEW_LINK, 0, 0, 7);
        message.put(NAME, &text("vnet0"));
        message.nest(KIND, |kind| kind.put(KIND_NAME, b"macvtap"));
        message.put(LOWER, &3_u32.to_ne_bytes());
        let bytes = message.measured().bytes;
        let expected = Link {
            index: 7,
            name: "vnet0".into(),
            lower: Some(3),
            kind: Some("macvtap".into()),
            alias: None,
        };
        let (kind, body, after) = super::message(&bytes).unwrap_or_default();
        assert_eq!((kind, link(body), after.len()), (NEW_LINK, expected, 0));
        for length in 0..bytes.len() {
            // A message that is cut off is none, and half an attribute neither.
            let cut = bytes.get(..length).unwrap_or_default();
            assert!(super::message(cut).is_none());
            link(cut);
        }
        assert_eq!(attributes(&[3, 0, 1, 0, 9]).count(), 0);
    }
}
