//! What QEMU says over QMP, and what others ask a supervisor for.

use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::setup::{Next, could_not};
use super::watch::Supervisor;
use super::words::{Event, Notice};
use crate::control::server::{ClientId, Wish};
use crate::control::{Report, Request, Response};
use crate::error::RunError;
use crate::qmp::{Message, QmpError, Reply};
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
    Dump,
    DumpProgress,
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
            (Some(Asker::Negotiation), Ok(_)) => self.set_up(),
            (Some(Asker::Negotiation), Err(refusal)) => {
                self.qmp_error = Some(QmpError::Refused { command: "qmp_capabilities".into(), refusal });
                self.give_up()
            }
            (Some(Asker::Setup(_)), Ok(value)) => match self.setup.answered(&value) {
                Ok(()) => self.set_up(),
                Err(why) => self.not_set_up(why),
            },
            (Some(Asker::Setup(command)), Err(refusal)) => {
                self.not_set_up(format!("QEMU refuses `{command}`: {refusal}"))
            }
            (Some(Asker::Lifecycle(command)), Err(refusal)) => {
                self.tell(&Event::Refused(command, refusal.to_string()))
            }
            (Some(Asker::Dump), Err(refusal)) => self.tell(&Event::DumpFailed(refusal.to_string())),
            (Some(Asker::DumpProgress), Ok(value)) => match completed(&value) {
                Some(bytes) => self.tell(&Event::DumpedSoFar(bytes)),
                None => Ok(()),
            },
            (Some(Asker::Client(client)), outcome) => {
                let response = match outcome {
                    Ok(value) => Response::Ok(serde_json::from_str(value.get()).unwrap_or(Value::Null)),
                    Err(refusal) => Response::Error(refusal.to_string()),
                };
                self.answer(client, &response);
                Ok(())
            }
            (Some(Asker::Lifecycle(_) | Asker::Dump | Asker::DumpProgress) | None, _) => Ok(()),
        }
    }

    /// Begins what has to be so before the guest runs; after the last of it, the guest can run.
    fn set_up(&mut self) -> Result<(), RunError> {
        loop {
            match self.setup.next() {
                Next::Ask(command, arguments) => {
                    self.ask(Asker::Setup(command.clone()), &command, arguments);
                    return Ok(());
                }
                Next::Place(placement) => match placement.apply(self.process.pid()) {
                    Ok(()) => self.setup.step(),
                    Err(error) => return self.not_set_up(could_not(&error)),
                },
                Next::Nothing => {
                    self.negotiated = true;
                    return self.tell(&Event::Negotiated);
                }
            }
        }
    }

    fn not_set_up(&mut self, why: String) -> Result<(), RunError> {
        self.not_set_up = Some(why);
        self.give_up()
    }

    /// Ends a guest that would not be what was asked for.
    fn give_up(&mut self) -> Result<(), RunError> {
        self.qmp = None;
        self.tell(&Event::ChannelLost)
    }

    /// Asks QEMU something.
    pub(super) fn ask(&mut self, asker: Asker, command: &str, arguments: Option<Value>) {
        if let Some(qmp) = &mut self.qmp {
            let id = qmp.execute(command, arguments);
            self.asked.insert(id, asker);
        }
    }

    /// Has the guest's memory written to a new file. QEMU gets the open file, and so needs no rights where it is.
    pub(super) fn dump(&mut self) -> Result<(), RunError> {
        let file = match self.dumper.begin() {
            Ok(file) => file,
            Err(error) => return self.tell(&Event::DumpFailed(error.to_string())),
        };
        if let Some(qmp) = &mut self.qmp {
            let id = qmp.execute_with("getfd", Some(json!({ "fdname": "dump" })), file.into());
            self.asked.insert(id, Asker::Dump);
        }
        let arguments = json!({ "paging": false, "protocol": "fd:dump", "detach": true });
        self.ask(Asker::Dump, "dump-guest-memory", Some(arguments));
        Ok(())
    }

    /// Keeps the dump or removes it, and tells so.
    pub(super) fn end_dump(&mut self, result: Result<(), String>) {
        let kept = result.and_then(|()| self.dumper.keep().map_err(|error| error.to_string()));
        self.dumper.drop_it();
        self.notify(&match kept {
            Ok(path) => Notice::Dumped(path),
            Err(why) => Notice::DumpFailed(why),
        });
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

/// How many bytes are written, in QEMU's answer to `query-dump`.
fn completed(value: &RawValue) -> Option<u64> {
    serde_json::from_str::<Value>(value.get()).ok()?.get("completed")?.as_u64()
}
