//! What QEMU says over QMP, and what others ask a supervisor for.

use std::time::Duration;

use serde_json::{Value, json};

use super::watch::Supervisor;
use super::words::Event;
use crate::control::server::{ClientId, Wish};
use crate::control::{Report, Request, Response};
use crate::error::RunError;
use crate::qmp::{Message, QmpError, Refusal, Reply};
use crate::ready::Ready;

/// How many questions for QEMU one asker may have open.
const QUESTIONS: usize = 16;
/// How much QEMU may leave unread before nothing more is passed on to it.
const UNREAD: usize = 4 << 20;

/// Who waits for an answer of QEMU.
#[derive(Debug)]
pub(super) enum Asker {
    Negotiation,
    Setup(String),
    Lifecycle(&'static str),
    Client(ClientId),
}

impl Supervisor<'_> {
    /// Hears what QEMU has said since the last time.
    pub(super) fn attend_qmp(&mut self, ready: Ready) -> Result<(), RunError> {
        let Some(qmp) = &mut self.qmp else { return Ok(()) };
        if ready.write {
            // A channel that takes nothing any more may still have something to say.
            let _ = qmp.write();
        }
        let mut result = if ready.read { qmp.read() } else { Ok(()) };
        while result.is_ok() {
            let Some(qmp) = &mut self.qmp else { return Ok(()) };
            match qmp.message() {
                Ok(Some(message)) => self.hear(message)?,
                Ok(None) => return Ok(()),
                Err(error) => result = Err(error),
            }
        }
        self.qmp_error = result.err();
        self.qmp = None;
        self.tell(&Event::ChannelLost)
    }

    fn hear(&mut self, message: Message) -> Result<(), RunError> {
        match message {
            Message::Greeting(_) => {
                if let Some(qmp) = &mut self.qmp {
                    let id = qmp.execute("qmp_capabilities", None);
                    self.asked.insert(id, Asker::Negotiation);
                }
                Ok(())
            }
            Message::Event(event) => self.tell(&Event::Qmp(event)),
            Message::Reply(reply) => self.hear_reply(reply),
        }
    }

    fn hear_reply(&mut self, reply: Reply) -> Result<(), RunError> {
        // Commands are answered in order, so one without an id belongs to the oldest question.
        let id = reply.id.or_else(|| self.asked.keys().next().copied());
        match (id.and_then(|id| self.asked.remove(&id)), reply.outcome) {
            (Some(Asker::Negotiation | Asker::Setup(_)), Ok(_)) => self.set_up(),
            (Some(Asker::Negotiation), Err(refusal)) => self.give_up("qmp_capabilities".into(), refusal),
            (Some(Asker::Setup(command)), Err(refusal)) => self.give_up(command, refusal),
            (Some(Asker::Lifecycle(command)), Err(refusal)) => {
                self.tell(&Event::Refused(command, refusal.to_string()))
            }
            (Some(Asker::Client(client)), outcome) => {
                let response = match outcome {
                    Ok(value) => Response::Ok(serde_json::from_str(value.get()).unwrap_or(Value::Null)),
                    Err(refusal) => Response::Error(refusal.to_string()),
                };
                self.answer(client, &response);
                Ok(())
            }
            (Some(Asker::Lifecycle(_)) | None, _) => Ok(()),
        }
    }

    /// Sends the next command of the setup; after the last one, the guest can run.
    fn set_up(&mut self) -> Result<(), RunError> {
        match (self.setup.pop_front(), &mut self.qmp) {
            (Some((command, arguments)), Some(qmp)) => {
                let id = qmp.execute(&command, Some(arguments));
                self.asked.insert(id, Asker::Setup(command));
                Ok(())
            }
            (Some(_), None) => Ok(()),
            (None, _) => {
                self.negotiated = true;
                self.tell(&Event::Negotiated)
            }
        }
    }

    /// Ends a guest that would not be what was asked for.
    fn give_up(&mut self, command: String, refusal: Refusal) -> Result<(), RunError> {
        self.qmp_error = Some(QmpError::Refused { command, refusal });
        self.qmp = None;
        self.tell(&Event::ChannelLost)
    }

    fn answer(&mut self, client: ClientId, response: &Response) {
        if let Some(server) = &mut self.server {
            server.answer(client, response);
        }
    }

    fn questions_of(&self, client: ClientId) -> usize {
        self.asked.values().filter(|asker| matches!(asker, Asker::Client(who) if *who == client)).count()
    }

    /// Gives someone what he asks for, or says why not.
    pub(super) fn grant(&mut self, client: ClientId, wish: Wish) -> Result<(), RunError> {
        match wish {
            Wish::Typed(bytes) => self.take_typed(&bytes),
            Wish::Request(Request::Status) => {
                let report = Report { state: self.lifecycle.state().word().into(), pid: self.process.pid() };
                let report = serde_json::to_value(report).unwrap_or(Value::Null);
                self.answer(client, &Response::Ok(report));
            }
            Wish::Request(Request::Stop { means, limit_ms }) => {
                self.answer(client, &Response::Ok(json!({})));
                if let Some(server) = &mut self.server {
                    server.await_end(client);
                }
                self.tell(&Event::Stop(means, limit_ms.map(Duration::from_millis)))?;
            }
            Wish::Request(Request::Qmp { .. }) if self.questions_of(client) >= QUESTIONS => {
                self.answer(client, &Response::Error("too many questions have no answer yet".into()));
            }
            Wish::Request(Request::Qmp { command, arguments }) => match &mut self.qmp {
                Some(qmp) if qmp.unwritten() > UNREAD => {
                    self.answer(client, &Response::Error("QEMU does not read what it is told".into()));
                }
                Some(qmp) if self.negotiated => {
                    let id = qmp.execute(&command, arguments);
                    self.asked.insert(id, Asker::Client(client));
                }
                _ => self.answer(client, &Response::Error("there is no QMP channel now".into())),
            },
            Wish::Request(Request::Console) => {
                let taken = self.server.as_ref().is_some_and(|server| server.console_is_taken(client));
                let response = match (&self.console, taken) {
                    (None, _) => Response::Error("the guest has no serial console here".into()),
                    (_, true) => Response::Error("someone else is at the console".into()),
                    _ => Response::Ok(json!({})),
                };
                self.answer(client, &response);
            }
        }
        Ok(())
    }
}
