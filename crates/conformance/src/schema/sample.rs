//! Domains that together use everything a grammar has.

use std::collections::HashMap;
use std::fmt::Write;

use super::grammar::{Grammar, Pattern};

/// How often a name may stand inside itself, as the layers of a disk do.
const NESTED: usize = 1;

/// Rounds in which what depends on each other, as the source on the type of a device, has met.
pub const ROUNDS: usize = 3;

/// Bytes from which on an element is not repeated for company alone.
const LONG: usize = 200;

/// What stands for a text of which only the form is given; no word of the schema looks like it.
pub const ANY_TEXT: &str = "0";

/// A piece of a document: attributes, and what stands between the tags.
#[derive(Debug, Clone, Default)]
struct Piece {
    attributes: Vec<(String, String)>,
    content: String,
}

impl Piece {
    fn text(text: &str) -> Self {
        Self { attributes: Vec::new(), content: text.to_owned() }
    }

    fn add(&mut self, other: &Piece) {
        for (name, value) in &other.attributes {
            // Alternatives that differ in one attribute may both be there; a document can have but one of them.
            if self.attributes.iter().all(|(own, _)| own != name) {
                self.attributes.push((name.clone(), value.clone()));
            }
        }
        self.content.push_str(&other.content);
    }
}

/// Documents in which every element, attribute and word of the grammar occurs, in each round in other company.
pub fn domains(grammar: &Grammar, round: usize) -> Vec<String> {
    let mut sampler = Sampler { grammar, round, known: HashMap::new(), open: Vec::new() };
    sampler.cover(grammar.start()).into_iter().map(|piece| piece.content).collect()
}

/// A path without the numbers that tell twins apart.
pub fn any_of_its_name(path: &str) -> String {
    path.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect()
}

struct Sampler<'g> {
    grammar: &'g Grammar,
    round: usize,
    /// What names stand for, as far as it does not depend on where they stand.
    known: HashMap<&'g str, Vec<Piece>>,
    open: Vec<&'g str>,
}

impl<'g> Sampler<'g> {
    /// Pieces that together use everything below a pattern; at least one.
    fn cover(&mut self, pattern: &'g Pattern) -> Vec<Piece> {
        match pattern {
            Pattern::Empty => vec![Piece::default()],
            Pattern::Text => vec![Piece::text(ANY_TEXT)],
            Pattern::Word(word) => vec![Piece::text(word)],
            Pattern::Optional(inner) => self.cover(inner),
            Pattern::Choice(alternatives) => alternatives.iter().flat_map(|it| self.cover(it)).collect(),
            Pattern::Attribute(name, value) => {
                let values = self.cover(value).into_iter();
                let piece = |value: Piece| Piece {
                    attributes: vec![(name.clone(), value.content)],
                    content: String::new(),
                };
                values.map(piece).collect()
            }
            Pattern::Element(namespace, name, inner) => {
                self.cover(inner).iter().map(|inner| element(namespace, name, inner)).collect()
            }
            Pattern::All(parts) => {
                // Parts do not depend on each other, so the variants of all of them are used side by side. What is long
                // is left out, if it may be, once all its variants have been there, which keeps the documents small.
                let variants: Vec<Vec<Piece>> = parts.iter().map(|part| self.cover(part)).collect();
                let count = variants.iter().map(Vec::len).max().unwrap_or(1);
                let whole = |index: usize| {
                    let mut whole = Piece::default();
                    for (place, (part, variants)) in parts.iter().zip(&variants).enumerate() {
                        let turn = (index + place * self.round) % count;
                        let variant = &variants[turn % variants.len()];
                        let may_be_left_out = matches!(part, Pattern::Optional(_));
                        if turn < variants.len() || !may_be_left_out || variant.content.len() < LONG {
                            whole.add(variant);
                        }
                    }
                    whole
                };
                (0..count).map(whole).collect()
            }
            Pattern::Ref(name) => self.cover_define(name),
        }
    }

    fn cover_define(&mut self, name: &'g str) -> Vec<Piece> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        if self.open.iter().filter(|open| **open == name).count() >= NESTED {
            return vec![Piece::default()];
        }
        self.open.push(name);
        let pieces = self.cover(self.grammar.define(name));
        self.open.pop();
        if self.open.is_empty() || !self.open.contains(&name) {
            self.known.insert(name, pieces.clone());
        }
        pieces
    }
}

fn element(namespace: &str, name: &str, inner: &Piece) -> Piece {
    let (prefix, declaration) = match namespace {
        "" => ("", String::new()),
        uri => ("x:", format!(" xmlns:x='{uri}'")),
    };
    let mut content = format!("<{prefix}{name}{declaration}");
    for (name, value) in &inner.attributes {
        let _ = write!(content, " {name}='{value}'");
    }
    let _ = write!(content, ">{}</{prefix}{name}>", inner.content);
    Piece { attributes: Vec::new(), content }
}
