//! The protocol with waiting, for one thing at a time.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use serde_json::value::RawValue;

use super::QmpError;
use super::connection::QmpConnection;
use super::message::{Event, Greeting, Message, Refusal, Reply};
use crate::ready::{self, Interest};

/// The most events and answers kept for a caller who does not fetch them.
const KEPT: usize = 4096;

/// Speaks QMP and waits for each answer, never longer than its limit.
#[derive(Debug)]
pub struct QmpClient {
    connection: QmpConnection,
    greeting: Greeting,
    replies: BTreeMap<u64, Reply>,
    events: VecDeque<Event>,
    limit: Duration,
}

impl QmpClient {
    /// Waits for the greeting and leaves negotiation mode. Every later wait has the same limit.
    ///
    /// # Errors
    /// When no greeting comes in time, or something else does.
    pub fn open(stream: UnixStream, limit: Duration) -> Result<Self, QmpError> {
        let connection = QmpConnection::new(stream)?;
        let mut client = Self {
            connection,
            greeting: Greeting { version: Value::Null, capabilities: Vec::new() },
            replies: BTreeMap::new(),
            events: VecDeque::new(),
            limit,
        };
        let deadline = ready::after(limit);
        client.greeting = loop {
            match client.receive_before(deadline)? {
                Some(Message::Greeting(greeting)) => break greeting,
                Some(Message::Event(event)) => client.keep(event),
                Some(Message::Reply(reply)) => {
                    return Err(QmpError::not_qmp(reply.text.as_bytes()));
                }
                None => return Err(QmpError::TimedOut { awaited: "greeting".into(), limit }),
            }
        };
        client.execute("qmp_capabilities", None)?;
        Ok(client)
    }

    /// Accepts at most this many bytes in one message, and in all of them together.
    pub fn limit(&mut self, longest: usize, total: usize) {
        self.connection.limit(longest, total);
    }

    /// What QEMU said of itself.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// [`QmpError::Refused`] when QEMU refuses it.
    pub fn execute(&mut self, command: &str, arguments: Option<Value>) -> Result<Box<RawValue>, QmpError> {
        let id = self.connection.execute(command, arguments);
        self.wait(id, command)?
            .outcome
            .map_err(|refusal: Refusal| QmpError::Refused { command: command.into(), refusal })
    }

    /// Sends a command without waiting and returns its id, for [`wait`](Self::wait).
    pub fn send(&mut self, command: &str, arguments: Option<Value>) -> u64 {
        self.connection.execute(command, arguments)
    }

    /// Waits for the answer to a command sent before, in whatever order the answers come.
    ///
    /// # Errors
    /// When it does not come in time; `command` is for that message.
    pub fn wait(&mut self, id: u64, command: &str) -> Result<Reply, QmpError> {
        let deadline = ready::after(self.limit);
        loop {
            if let Some(reply) = self.replies.remove(&id) {
                return Ok(reply);
            }
            match self.receive_before(deadline)? {
                // QEMU answers without an id only when it could not read the command at all.
                Some(Message::Reply(reply)) => self.keep_reply(reply.id.unwrap_or(id), reply),
                Some(Message::Event(event)) => self.keep(event),
                Some(Message::Greeting(_)) => {}
                None => {
                    let awaited = format!("answer to `{command}`");
                    return Err(QmpError::TimedOut { awaited, limit: self.limit });
                }
            }
        }
    }

    /// Waits for the next event until the deadline; `None` when none came.
    ///
    /// # Errors
    /// When the channel fails.
    pub fn event(&mut self, deadline: Instant) -> Result<Option<Event>, QmpError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            match self.receive(deadline)? {
                Some(Message::Event(event)) => return Ok(Some(event)),
                Some(Message::Reply(reply)) => self.keep_reply(reply.id.unwrap_or_default(), reply),
                Some(Message::Greeting(_)) => {}
                None => return Ok(None),
            }
        }
    }

    fn keep_reply(&mut self, id: u64, reply: Reply) {
        if self.replies.len() >= KEPT {
            self.replies.pop_first();
        }
        self.replies.insert(id, reply);
    }

    fn keep(&mut self, event: Event) {
        if self.events.len() >= KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// A message that comes before the deadline, even when QEMU never stops sending others.
    fn receive_before(&mut self, deadline: Instant) -> Result<Option<Message>, QmpError> {
        let late = Instant::now() >= deadline;
        if late { Ok(None) } else { self.receive(deadline) }
    }

    /// Writes and reads until a message is there. Both at once: QEMU stops reading while nobody reads its answers.
    fn receive(&mut self, deadline: Instant) -> Result<Option<Message>, QmpError> {
        loop {
            if let Some(message) = self.connection.message()? {
                return Ok(Some(message));
            }
            let write = self.connection.wants_write();
            let interest = Interest { fd: self.connection.as_fd(), read: true, write };
            let ready = ready::wait(&[interest], Some(deadline))?.first().copied().unwrap_or_default();
            if ready.write {
                // A peer that is gone may have left messages; reading finds its end.
                match self.connection.write() {
                    Ok(()) | Err(QmpError::Closed { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            if ready.read {
                self.connection.read()?;
            } else if !ready.write && Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }
}
