//! The supervisor's side: several askers, none of whom it waits for.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};

use serde_json::Value;

use super::{Farewell, Request, Response};
use crate::ready::{self, Got, Interest};

/// Askers served at the same time.
const CLIENTS: usize = 32;
/// The longest request.
const LONGEST: usize = 1 << 20;
/// How far behind someone may be: then one who watches a console is cut off, and one who asks is not heard.
const BEHIND: usize = 4 << 20;

/// Names one asker for as long as he is connected.
pub(crate) type ClientId = u64;

/// What an asker wants.
#[derive(Debug)]
pub(crate) enum Wish {
    Request(Request),
    /// Bytes for the console.
    Typed(Vec<u8>),
}

/// A listening socket and those who came.
#[derive(Debug)]
pub(crate) struct Server {
    listener: UnixListener,
    clients: BTreeMap<ClientId, Client>,
    next: ClientId,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    watches_console: bool,
    awaits_end: bool,
}

impl Server {
    pub(crate) fn new(listener: UnixListener) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener, clients: BTreeMap::new(), next: 0 })
    }

    pub(crate) fn listener(&self) -> Interest<'_> {
        Interest::read(self.listener.as_fd())
    }

    /// What to wait for on each asker; those at a console wait while the guest does not read.
    pub(crate) fn clients(&self, console_is_full: bool) -> impl Iterator<Item = (ClientId, Interest<'_>)> {
        self.clients.iter().map(move |(id, client)| {
            // Who does not read his answers is not asked what else he wants.
            let read = client.outbox.len() < BEHIND && !(client.watches_console && console_is_full);
            (*id, Interest { fd: client.stream.as_fd(), read, write: !client.outbox.is_empty() })
        })
    }

    pub(crate) fn accept(&mut self) {
        // Whoever gave up in the meantime needs no answer.
        let Ok((stream, _)) = self.listener.accept() else { return };
        if self.clients.len() < CLIENTS && stream.set_nonblocking(true).is_ok() {
            self.next = self.next.wrapping_add(1);
            let (inbox, outbox) = (Vec::new(), Vec::new());
            let client = Client { stream, inbox, outbox, watches_console: false, awaits_end: false };
            self.clients.insert(self.next, client);
        }
    }

    /// Reads what an asker says and gives what he wants, in order.
    pub(crate) fn read(&mut self, id: ClientId) -> Vec<Wish> {
        let Some(client) = self.clients.get_mut(&id) else { return Vec::new() };
        let mut buffer = [0; 4096];
        match ready::read_once(&client.stream, &mut buffer) {
            Ok(Got::Bytes(count)) => client.inbox.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Ok(Got::Nothing) => {}
            Ok(Got::End) | Err(_) => {
                self.clients.remove(&id);
                return Vec::new();
            }
        }
        let mut wishes = Vec::new();
        while !client.watches_console
            && let Some(end) = client.inbox.iter().position(|byte| *byte == b'\n')
        {
            let line: Vec<u8> = client.inbox.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(request) => {
                    // What follows is for the guest, even if it came in the same breath.
                    client.watches_console = request == Request::Console;
                    wishes.push(Wish::Request(request));
                }
                Err(error) => {
                    client.answer(&Response::Error(format!("this is no request: {error}")));
                }
            }
        }
        if client.watches_console && !client.inbox.is_empty() {
            wishes.push(Wish::Typed(std::mem::take(&mut client.inbox)));
        }
        if client.inbox.len() > LONGEST {
            self.clients.remove(&id);
        }
        wishes
    }

    /// Writes what an asker is ready to take.
    pub(crate) fn write(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id)
            && !client.flush()
        {
            self.clients.remove(&id);
        }
    }

    pub(crate) fn answer(&mut self, id: ClientId, response: &Response) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.answer(response);
            if matches!(response, Response::Error(_)) {
                client.watches_console = false;
            }
        }
        self.write(id);
    }

    /// Someone waits for the end of the guest.
    pub(crate) fn await_end(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.awaits_end = true;
        }
    }

    /// Whether someone but this one is at the console.
    pub(crate) fn console_is_taken(&self, by_other_than: ClientId) -> bool {
        self.clients.iter().any(|(id, client)| client.watches_console && *id != by_other_than)
    }

    /// Shows what the guest wrote to whoever is at the console.
    pub(crate) fn show(&mut self, bytes: &[u8]) {
        self.clients.retain(|_, client| {
            if client.watches_console {
                client.outbox.extend_from_slice(bytes);
                return client.flush() && client.outbox.len() <= BEHIND;
            }
            true
        });
    }

    /// Tells everyone who waits for it that the guest has ended.
    pub(crate) fn announce_end(&mut self, farewell: &Farewell) {
        let end = serde_json::to_value(farewell).unwrap_or(Value::Null);
        for client in self.clients.values_mut().filter(|client| client.awaits_end) {
            client.answer(&Response::Ok(end.clone()));
            client.flush();
        }
    }
}

impl Client {
    fn answer(&mut self, response: &Response) {
        // Strings and JSON values always have a JSON form.
        self.outbox.extend(serde_json::to_vec(response).unwrap_or_default());
        self.outbox.push(b'\n');
    }

    /// Writes what can be written; `false` when nobody is there any more.
    fn flush(&mut self) -> bool {
        while !self.outbox.is_empty() {
            match (&self.stream).write(&self.outbox) {
                Ok(count) => drop(self.outbox.drain(..count.min(self.outbox.len()))),
                Err(error) => match error.kind() {
                    std::io::ErrorKind::WouldBlock => return true,
                    std::io::ErrorKind::Interrupted => {}
                    _ => return false,
                },
            }
        }
        true
    }
}
