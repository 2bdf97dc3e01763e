//! Recorded QMP sessions: `.replies` files.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::reader::Reader;
use super::reply::Document;
use crate::error::ParseError;
use crate::facts::Facts;

/// How many commands may be sent ahead of their replies; a probe sends some eighty.
const AHEAD: usize = 256;

/// Reads a recording: commands and replies as JSON documents, one after the other, in the order they went over the socket.
/// Greetings and events may be among them. A `qmp_capabilities` starts another QEMU process, which was asked about TCG.
pub fn parse(text: &str) -> Result<Facts, ParseError> {
    let mut reader = Reader::default();
    let mut waiting: VecDeque<Document<'_>> = VecDeque::new();
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Document<'_>>();
    while let Some(document) = documents.next() {
        let document = document.map_err(|error| {
            ParseError::new(format!("not a QMP recording: {error}"), text, documents.byte_offset())
        })?;
        if document.execute.is_some() {
            waiting.push_back(document);
            continue;
        }
        let reply = match (document.returned, document.error) {
            (Some(returned), _) => Some(returned.get()),
            (None, Some(_)) => None,
            // A greeting or an event.
            (None, None) => continue,
        };
        // Replies come in the order of the commands; the id guards against one that was lost.
        let at = waiting.iter().take(AHEAD).position(|command| command.id == document.id);
        let Some(command) = at.and_then(|at| waiting.remove(at)) else {
            reader.facts.skipped = reader.facts.skipped.saturating_add(1);
            continue;
        };
        let name: Cow<'_, str> = command.execute.unwrap_or_default();
        reader.note(&name, command.arguments.map(|raw| raw.get()), reply);
    }
    reader.finish(text)
}
