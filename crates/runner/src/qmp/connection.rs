//! The protocol without waiting: bytes in, messages out.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

use super::message::Message;
use super::{QmpError, beginning};
use crate::ready::{self, Got};

/// The longest message accepted by default; the QAPI schema of QEMU 10 has half a megabyte.
const LONGEST: usize = 64 << 20;

/// One end of a QMP channel that never waits; made for an event loop.
///
/// Read with [`read`](Self::read) when the descriptor is readable, then take every [`message`](Self::message);
/// write with [`write`](Self::write) when it is writable and [`wants_write`](Self::wants_write).
#[derive(Debug)]
pub struct QmpConnection {
    stream: UnixStream,
    inbox: Vec<u8>,
    /// Everything before this is known to contain no end of line.
    searched: usize,
    /// Everything before this has been taken.
    taken: usize,
    outbox: Vec<u8>,
    written: usize,
    /// What is handed over with the byte at a place of the outbox.
    handed_over: VecDeque<(usize, OwnedFd)>,
    next_id: u64,
    received: usize,
    longest: usize,
    total: usize,
    ended: bool,
}

impl QmpConnection {
    /// Takes over our end of a [`pair`](super::pair).
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            inbox: Vec::new(),
            searched: 0,
            taken: 0,
            outbox: Vec::new(),
            written: 0,
            handed_over: VecDeque::new(),
            next_id: 1,
            received: 0,
            longest: LONGEST,
            total: usize::MAX,
            ended: false,
        })
    }

    /// Accepts at most this many bytes in one message, and in all of them together.
    pub fn limit(&mut self, longest: usize, total: usize) {
        (self.longest, self.total) = (longest, total);
    }

    /// Appends `{"execute": command, "arguments": arguments}` to what will be written and returns its id.
    pub fn execute(&mut self, command: &str, arguments: Option<Value>) -> u64 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let mut object = json!({ "execute": command, "id": id });
        if let (Some(arguments), Some(object)) = (arguments, object.as_object_mut()) {
            object.insert("arguments".into(), arguments);
        }
        self.outbox.extend_from_slice(object.to_string().as_bytes());
        self.outbox.push(b'\n');
        id
    }

    /// Appends commands as they are, one per line, to what will be written.
    pub(crate) fn say(&mut self, lines: &str) {
        self.outbox.extend_from_slice(lines.as_bytes());
    }

    /// The same with a descriptor for the command (`getfd`, `add-fd`), which QEMU gets a copy of.
    pub fn execute_with(&mut self, command: &str, arguments: Option<Value>, fd: OwnedFd) -> u64 {
        self.handed_over.push_back((self.outbox.len(), fd));
        self.execute(command, arguments)
    }

    /// Whether anything waits to be written.
    pub fn wants_write(&self) -> bool {
        self.written < self.outbox.len()
    }

    /// How many bytes wait to be written.
    pub fn unwritten(&self) -> usize {
        self.outbox.len().saturating_sub(self.written)
    }

    /// Whether the other end has closed; whole messages may still be there to take.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Writes as much as the socket takes now.
    ///
    /// # Errors
    /// [`QmpError::Closed`] when the other end is gone.
    pub fn write(&mut self) -> Result<(), QmpError> {
        while self.wants_write() {
            match self.write_some() {
                Ok(count) => self.written = self.written.saturating_add(count),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(()),
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                        return Err(QmpError::Closed { partial: String::new() });
                    }
                    _ => return Err(error.into()),
                },
            }
        }
        self.outbox.clear();
        self.written = 0;
        Ok(())
    }

    /// Writes what is next, up to where the next descriptor is handed over.
    fn write_some(&mut self) -> io::Result<usize> {
        let rest = self.outbox.get(self.written..).unwrap_or_default();
        let upto = |place: usize| rest.get(..place.saturating_sub(self.written)).unwrap_or(rest);
        let is_due = self.handed_over.front().is_some_and(|(place, _)| *place == self.written);
        let next = self.handed_over.get(usize::from(is_due)).map(|(place, _)| *place);
        let bytes = next.map_or(rest, upto);
        let Some((_, fd)) = self.handed_over.front().filter(|_| is_due) else {
            return (&self.stream).write(bytes);
        };
        let fds = [fd.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        let sent = sendmsg(&self.stream, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
        self.handed_over.pop_front();
        Ok(sent)
    }

    /// Reads what is there now, up to a bound that keeps an event loop responsive.
    ///
    /// # Errors
    /// [`QmpError::TooLong`] when a limit is exceeded.
    pub fn read(&mut self) -> Result<(), QmpError> {
        let mut buffer = [0; 64 << 10];
        for _ in 0..16 {
            if self.ended {
                break;
            }
            match ready::read_once(&self.stream, &mut buffer)? {
                Got::Bytes(count) => {
                    self.inbox.extend_from_slice(buffer.get(..count).unwrap_or_default());
                    self.received = self.received.saturating_add(count);
                    if self.received > self.total {
                        return Err(QmpError::TooLong { limit: self.total });
                    }
                }
                Got::Nothing => break,
                Got::End => self.ended = true,
            }
        }
        Ok(())
    }

    /// Takes the next whole message, if there is one.
    ///
    /// # Errors
    /// [`QmpError::NotQmp`] for a line that is none, [`QmpError::TooLong`] for a message without end, and
    /// [`QmpError::Closed`] once the other end is gone and every whole message is taken.
    pub fn message(&mut self) -> Result<Option<Message>, QmpError> {
        self.next()?.map(Message::parse).transpose()
    }

    /// The same as the text of its line.
    pub(crate) fn line(&mut self) -> Result<Option<String>, QmpError> {
        let text = |line| std::str::from_utf8(line).map(str::to_owned).map_err(|_| QmpError::not_qmp(line));
        self.next()?.map(text).transpose()
    }

    /// The next whole line that is not empty, without its end.
    fn next(&mut self) -> Result<Option<&[u8]>, QmpError> {
        let line = loop {
            let unsearched = self.inbox.get(self.searched..).unwrap_or_default();
            let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') else {
                break None;
            };
            let line = self.taken..self.searched.saturating_add(end);
            self.taken = line.end.saturating_add(1);
            self.searched = self.taken;
            if !self.inbox.get(line.clone()).unwrap_or_default().trim_ascii().is_empty() {
                break Some(line);
            }
        };
        if let Some(line) = line {
            return match self.inbox.get(line) {
                Some(line) if line.len() <= self.longest => Ok(Some(line)),
                _ => Err(QmpError::TooLong { limit: self.longest }),
            };
        }
        self.inbox.drain(..self.taken);
        self.taken = 0;
        self.searched = self.inbox.len();
        if self.inbox.len() > self.longest {
            return Err(QmpError::TooLong { limit: self.longest });
        }
        if self.ended {
            return Err(QmpError::Closed { partial: beginning(&self.inbox) });
        }
        Ok(None)
    }
}

impl AsFd for QmpConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
