//! The four kinds of message QEMU sends.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::QmpError;

/// One message from QEMU. Contents stay JSON text until someone wants them.
#[derive(Debug, Clone)]
pub enum Message {
    /// The first one.
    Greeting(Greeting),
    /// An answer to a command.
    Reply(Reply),
    /// Something happened.
    Event(Event),
}

/// `{"QMP": {"version": …, "capabilities": […]}}`.
#[derive(Debug, Clone, Deserialize)]
pub struct Greeting {
    /// Version of QEMU and of its package.
    pub version: Value,
    /// What the monitor can negotiate; `oob` since QEMU 2.12.
    #[serde(default)]
    pub capabilities: Vec<Value>,
}

/// `{"return": …, "id": …}` or `{"error": …, "id": …}`.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The id the command had. QEMU leaves it out when it could not read the command.
    pub id: Option<u64>,
    /// The returned value, or the refusal.
    pub outcome: Result<Box<RawValue>, Refusal>,
    /// The whole message as it came.
    pub text: String,
}

/// `{"class": …, "desc": …}`.
#[derive(Debug, Clone, Deserialize)]
pub struct Refusal {
    /// `GenericError`, `CommandNotFound`, …
    #[serde(default)]
    pub class: String,
    /// The message for people.
    #[serde(default)]
    pub desc: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.desc.is_empty() { &self.class } else { &self.desc })
    }
}

/// `{"event": …, "data": …, "timestamp": …}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `SHUTDOWN`, `RESET`, `GUEST_PANICKED`, …
    pub name: String,
    /// What the event carries; `Null` if nothing.
    pub data: Value,
}

/// Every key a message can have; which are there decides what it is.
#[derive(Deserialize)]
struct Wire<'text> {
    #[serde(rename = "QMP")]
    greeting: Option<Greeting>,
    #[serde(rename = "return", borrow)]
    value: Option<&'text RawValue>,
    error: Option<Refusal>,
    event: Option<String>,
    #[serde(default)]
    data: Value,
    id: Option<Value>,
}

impl Message {
    /// Reads one line.
    ///
    /// # Errors
    /// [`QmpError::NotQmp`] when it is not JSON, or JSON of another kind.
    pub fn parse(line: &[u8]) -> Result<Self, QmpError> {
        let wrong = || QmpError::not_qmp(line);
        let text = std::str::from_utf8(line).map_err(|_| wrong())?.trim();
        let wire: Wire<'_> = serde_json::from_str(text).map_err(|_| wrong())?;
        let reply = |outcome| {
            let id = wire.id.as_ref().and_then(Value::as_u64);
            Self::Reply(Reply { id, outcome, text: text.to_owned() })
        };
        match (wire.greeting, wire.value, wire.error, wire.event) {
            (Some(greeting), None, None, None) => Ok(Self::Greeting(greeting)),
            (None, Some(value), None, None) => Ok(reply(Ok(value.to_owned()))),
            (None, None, Some(refusal), None) => Ok(reply(Err(refusal))),
            (None, None, None, Some(name)) => Ok(Self::Event(Event { name, data: wire.data })),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let found = match Message::parse(line.as_bytes()) {
            Ok(Message::Greeting(greeting)) => format!("greeting {}", greeting.capabilities.len()),
            Ok(Message::Reply(Reply { id, outcome: Ok(value), .. })) => format!("return {id:?} {value}"),
            Ok(Message::Reply(Reply { id, outcome: Err(refusal), .. })) => format!("error {id:?} {refusal}"),
            Ok(Message::Event(event)) => format!("event {} {}", event.name, event.data),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn tells_the_kinds_apart() {
        check(r#"{"QMP": {"version": {}, "capabilities": ["oob"]}}"#, "greeting 1");
        check(r#"{"QMP": {"version": {}}}"#, "greeting 0");
        check(r#"{"return": {"a" :1}, "id": 7}"#, r#"return Some(7) {"a" :1}"#);
        check(r#"{"return": [null]}"#, "return None [null]");
        // No command of QEMU returns null.
        check(r#"{"return": null}"#, r#"`{"return": null}` is not a QMP message"#);
        check(r#"{"id": "x", "error": {"class": "GenericError", "desc": "no"}}"#, "error None no");
        check(r#"{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}"#, "event STOP null");
        check(r#"{"event": "RESET", "data": {"guest": true}}"#, r#"event RESET {"guest":true}"#);
        check("QEMU 7.2.0 monitor", "`QEMU 7.2.0 monitor` is not a QMP message");
        check("{}", "`{}` is not a QMP message");
        check("[1]", "`[1]` is not a QMP message");
        check(r#"{"return": 1, "event": "X"}"#, r#"`{"return": 1, "event": "X"}` is not a QMP message"#);
    }
}
