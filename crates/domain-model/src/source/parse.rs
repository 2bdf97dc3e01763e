//! From text to tree: quick-xml's events, with limits.

use std::borrow::Cow;
use std::sync::OnceLock;

use quick_xml::Reader;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesStart, Event};

use super::{
    Document, Lines, MAX_ATTRIBUTES, MAX_BYTES, MAX_DEPTH, NodeKind, Position, RawAttribute, RawNode,
};

/// The text is not XML, or more than is read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{document}:{position}: {message}")]
pub struct SyntaxError {
    /// What messages call the document.
    pub document: String,
    /// What is wrong.
    pub message: String,
    /// Where, in bytes.
    pub offset: usize,
    /// Where, as line and column.
    pub position: Position,
}

pub(super) fn parse(name: String, text: String) -> Result<Document, SyntaxError> {
    if text.len() > MAX_BYTES {
        let (size, limit) = (text.len() >> 20, MAX_BYTES >> 20);
        let message = format!("the text has {size} MiB; more than {limit} MiB are not read");
        return Err(SyntaxError {
            document: name,
            message,
            offset: 0,
            position: Position { line: 1, column: 1 },
        });
    }
    // A tag begins an element or ends one, and a text is at most in front of each; growing lists would leave up to half
    // of their memory over. The shortest element and attribute bound what a text that is no XML asks for.
    let bytes = text.as_bytes();
    let (mut tags, mut ends) = (0, 0);
    for tag in memchr::memchr_iter(b'<', bytes) {
        tags += 1;
        ends += usize::from(bytes.get(tag + 1) == Some(&b'/'));
    }
    let equals = memchr::memchr_iter(b'=', bytes).count();
    let nodes = Vec::with_capacity((2 * tags - ends).min(text.len() / 4 + 1));
    let attributes = Vec::with_capacity(equals.min(text.len() / 5 + 1));
    let mut builder = Builder {
        text: &text,
        nodes,
        attributes,
        outside: Vec::new(),
        open: Vec::new(),
        has_comments: false,
        has_default_namespace: false,
    };
    match builder.run() {
        Ok(()) => {
            let Builder { nodes, attributes, outside, has_comments, has_default_namespace, .. } = builder;
            Ok(Document {
                name,
                text,
                nodes,
                attributes,
                outside,
                has_comments,
                has_default_namespace,
                lines: OnceLock::new(),
                numbers: OnceLock::new(),
            })
        }
        Err((offset, message)) => Err(SyntaxError {
            document: name,
            message,
            offset,
            position: Lines::of(&text).position(&text, offset),
        }),
    }
}

pub(super) fn parse_bytes(name: String, bytes: &[u8]) -> Result<Document, SyntaxError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(name, text.to_owned()),
        Err(error) => {
            let offset = error.valid_up_to();
            let before = bytes.get(..offset).and_then(|before| std::str::from_utf8(before).ok());
            let before = before.unwrap_or("");
            let position = Lines::of(before).position(before, offset);
            let message = "this byte is not UTF-8, the only encoding that is read".to_owned();
            Err(SyntaxError { document: name, message, offset, position })
        }
    }
}

/// `NameStartChar` of XML 1.0.
fn begins_name(character: char) -> bool {
    matches!(character,
        ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}' | '\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

/// `NameChar` of XML 1.0.
fn continues_name(character: char) -> bool {
    begins_name(character)
        || matches!(character,
            '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}' | '\u{2040}')
}

type Failure = (usize, String);

struct Builder<'t> {
    text: &'t str,
    nodes: Vec<RawNode>,
    attributes: Vec<RawAttribute>,
    outside: Vec<super::Span>,
    open: Vec<u32>,
    has_comments: bool,
    has_default_namespace: bool,
}

impl Builder<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        if let Some((offset, character)) = forbidden_character(self.text) {
            return Err((offset, format!("the control character {character} is not allowed in XML")));
        }
        let mut reader = Reader::from_str(self.text);
        let config = reader.config_mut();
        config.check_comments = true;
        config.expand_empty_elements = false;
        loop {
            let start = to_usize(reader.buffer_position());
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err((to_usize(reader.error_position()), error.to_string())),
            };
            let end = to_usize(reader.buffer_position());
            match event {
                Event::Start(tag) => self.start(&tag, start, end, false)?,
                Event::Empty(tag) => self.start(&tag, start, end, true)?,
                Event::End(_) => self.end(end),
                Event::Text(_) => self.text(start, end)?,
                Event::GeneralRef(_) => self.reference(start, end)?,
                Event::CData(_) => self.leaf(NodeKind::CData, start, end, 9, 3)?,
                Event::Comment(_) => self.leaf(NodeKind::Comment, start, end, 4, 3)?,
                Event::PI(_) => self.leaf(NodeKind::Instruction, start, end, 2, 2)?,
                Event::Decl(declaration) => {
                    if !self.text.get(..start).unwrap_or("").trim_start_matches('\u{feff}').is_empty() {
                        return Err((
                            start,
                            "`<?xml …?>` is allowed at the start of the text alone".to_owned(),
                        ));
                    }
                    let encoding = match declaration.encoding() {
                        Some(Ok(encoding)) => encoding,
                        _ => continue,
                    };
                    if !["utf-8", "us-ascii"].contains(&encoding.to_ascii_lowercase().as_str()) {
                        return Err((start, format!("encoding `{encoding}` is not read; only UTF-8 is")));
                    }
                }
                Event::DocType(_) => {
                    return Err((start, "a DOCTYPE is not allowed in a domain".to_owned()));
                }
                Event::Eof => break,
            }
        }
        if let Some(node) = self.open.last().and_then(|open| self.nodes.get(*open as usize)) {
            let name = self.slice(node.inner.clone());
            return Err((node.span.start as usize, format!("element `<{name}>` is never closed")));
        }
        if self.nodes.is_empty() {
            return Err((self.text.len(), "there is no element in the text".to_owned()));
        }
        Ok(())
    }

    fn slice(&self, span: super::Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// The range of a string that is a part of the text.
    fn range_of(&self, part: &str) -> super::Span {
        let start = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let start = if start <= self.text.len() { start } else { 0 };
        to_u32(start)..to_u32(start + part.len())
    }

    fn start(&mut self, tag: &BytesStart<'_>, start: usize, end: usize, empty: bool) -> Result<(), Failure> {
        let parent = match self.open.last() {
            Some(parent) => *parent,
            None if self.nodes.is_empty() => 0,
            None => return Err((start, "there is a second root element".to_owned())),
        };
        if self.open.len() >= MAX_DEPTH {
            return Err((start, format!("elements are nested more than {MAX_DEPTH} deep")));
        }
        let name = tag.name();
        let inner = self.range_of(name.as_ref());
        self.check_name(&inner)?;
        let first = to_u32(self.attributes.len());
        // quick-xml compares each attribute with all before it; that is done below, within a limit.
        let mut attributes = tag.attributes();
        attributes.with_checks(false);
        for attribute in attributes {
            let attribute = attribute.map_err(|error| attribute_failure(start + 1, &error))?;
            let name = self.range_of(attribute.key.as_ref());
            self.check_name(&name)?;
            let value = match &attribute.value {
                Cow::Borrowed(value) => self.range_of(value),
                Cow::Owned(_) => return Err((start, "an attribute cannot be placed".to_owned())),
            };
            self.check_entities(value.clone())?;
            if self.slice(value.clone()).contains('<') {
                return Err((value.start as usize, "`<` is not allowed in an attribute".to_owned()));
            }
            let own = self.attributes.get(first as usize..).unwrap_or_default();
            if own.len() >= MAX_ATTRIBUTES {
                let message = format!("an element has more than {MAX_ATTRIBUTES} attributes");
                return Err((name.start as usize, message));
            }
            if own.iter().any(|other| self.slice(other.name.clone()) == self.slice(name.clone())) {
                let message = format!("attribute `{}` is given twice", self.slice(name.clone()));
                return Err((name.start as usize, message));
            }
            self.has_default_namespace |= self.slice(name.clone()) == "xmlns";
            self.attributes.push(RawAttribute { name, value });
        }
        let id = to_u32(self.nodes.len());
        self.nodes.push(RawNode {
            kind: NodeKind::Element,
            span: to_u32(start)..to_u32(end),
            inner,
            attributes: first..to_u32(self.attributes.len()),
            parent,
            end: id + 1,
        });
        if !empty {
            self.open.push(id);
        }
        Ok(())
    }

    /// Refuses what is no name in XML; quick-xml takes any text for one.
    fn check_name(&self, span: &super::Span) -> Result<(), Failure> {
        let name = self.slice(span.clone());
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && name.bytes().all(is_plain) {
            return Ok(());
        }
        let mut characters = name.chars();
        if characters.next().is_some_and(begins_name) && characters.all(continues_name) {
            return Ok(());
        }
        Err((span.start as usize, format!("`{name}` cannot be the name of an element or attribute")))
    }

    /// quick-xml has checked that the names match.
    fn end(&mut self, end: usize) {
        let after = to_u32(self.nodes.len());
        if let Some(node) = self.open.pop().and_then(|open| self.nodes.get_mut(open as usize)) {
            node.span.end = to_u32(end);
            node.end = after;
        }
    }

    fn text(&mut self, start: usize, end: usize) -> Result<(), Failure> {
        let text = self.text.get(start..end).unwrap_or("");
        let blank = text.trim_matches([' ', '\t', '\r', '\n', '\u{feff}']).is_empty();
        if !blank && let Some(offset) = text.find("]]>") {
            return Err((start + offset, "`]]>` is not allowed in text".to_owned()));
        }
        if self.open.is_empty() {
            return if blank { Ok(()) } else { Err((start, "text outside the root element".to_owned())) };
        }
        self.leaf(NodeKind::Text, start, end, 0, 0)
    }

    fn reference(&mut self, start: usize, end: usize) -> Result<(), Failure> {
        if self.open.is_empty() {
            return Err((start, "text outside the root element".to_owned()));
        }
        self.check_entities(to_u32(start)..to_u32(end))?;
        self.leaf(NodeKind::Text, start, end, 0, 0)
    }

    fn leaf(
        &mut self,
        kind: NodeKind,
        start: usize,
        end: usize,
        before: usize,
        after: usize,
    ) -> Result<(), Failure> {
        let Some(parent) = self.open.last().copied() else {
            if kind == NodeKind::CData {
                return Err((start, "text outside the root element".to_owned()));
            }
            self.outside.push(to_u32(start)..to_u32(end));
            return Ok(());
        };
        self.has_comments |= kind == NodeKind::Comment;
        let id = to_u32(self.nodes.len());
        self.nodes.push(RawNode {
            kind,
            span: to_u32(start)..to_u32(end),
            inner: to_u32(start + before)..to_u32(end.saturating_sub(after)),
            attributes: 0..0,
            parent,
            end: id + 1,
        });
        Ok(())
    }

    /// Only XML's own entities and character references exist, since there is no DOCTYPE.
    fn check_entities(&self, span: super::Span) -> Result<(), Failure> {
        let text = self.slice(span.clone());
        if !text.as_bytes().contains(&b'&') {
            return Ok(());
        }
        let start = span.start as usize;
        let resolved = quick_xml::escape::unescape(text).map_err(|error| (start, error.to_string()))?;
        match forbidden_character(&resolved) {
            Some((_, character)) => {
                Err((start, format!("the control character {character} is not allowed in XML")))
            }
            None => Ok(()),
        }
    }
}

/// Where in the text an attribute goes wrong, given where the tag's content starts.
fn attribute_failure(tag: usize, error: &AttrError) -> Failure {
    match error {
        AttrError::ExpectedEq(offset) | AttrError::ExpectedValue(offset) => {
            (tag + offset, "an attribute needs a value, such as `name='value'`".to_owned())
        }
        AttrError::UnquotedValue(offset) | AttrError::ExpectedQuote(offset, _) => {
            (tag + offset, "the value of an attribute has to be in quotes".to_owned())
        }
        AttrError::Duplicated(offset, _) => (tag + offset, "an attribute is given twice".to_owned()),
    }
}

/// The first character that XML cannot hold, not even as a reference, and where it is.
fn forbidden_character(text: &str) -> Option<(usize, String)> {
    let is_control = |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    // In pieces without a way out, which several bytes at a time are looked at.
    let has_control = |piece: &[u8]| piece.iter().fold(false, |found, byte| found | is_control(*byte));
    let bytes = text.as_bytes();
    let control = match bytes.chunks(256).any(has_control) {
        true => bytes.iter().position(|byte| is_control(*byte)),
        false => None,
    };
    if control.is_none() && text.is_ascii() {
        return None;
    }
    let offset = [control, text.find('\u{fffe}'), text.find('\u{ffff}')].into_iter().flatten().min()?;
    let character = text.get(offset..)?.chars().next()?;
    Some((offset, format!("U+{:04X}", u32::from(character))))
}

fn to_usize(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// Offsets fit, because texts are at most [`MAX_BYTES`] long.
fn to_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
