//! The schema as one small text, for snapshots.
//!
//! Entities end with `;` and their words are separated by blanks; the first word says the kind, the second the name.
//! Where a name could be mistaken for syntax its bytes are written `%HH`, so that the text also needs no escapes in JSON.
//!
//! ```text
//! c NAME ARG RET $FEATURE…          command; `-` stands for no type
//! e NAME ARG                        event
//! o NAME MEMBER:TYPE$FEATURE… *OPTIONAL:TYPE… ?TAG +CASE:TYPE… $FEATURE…
//! n NAME VALUE$FEATURE…             enumeration
//! a NAME ELEMENT                    array
//! t NAME TYPE…                      alternate
//! b NAME JSON                       builtin
//! ```

use std::collections::HashMap;
use std::fmt::Write;

use super::{Entity, EnumValue, Features, Id, JsonType, Member, NOWHERE, Schema, Variants};

impl Schema {
    pub(super) fn to_compact(&self) -> String {
        let mut names: Vec<&str> = vec![""; self.entities.len()];
        for (name, id) in &self.by_name {
            if let Some(place) = names.get_mut(*id as usize) {
                *place = name;
            }
        }
        let name = |id: Id| names.get(id as usize).filter(|name| !name.is_empty()).copied().unwrap_or("-");
        let mut out = Text(String::new());
        for (entity, id) in self.entities.iter().zip(0..) {
            match entity {
                Entity::Command { arg, ret, features } => {
                    out.entity("c", name(id))
                        .word("", name(*arg))
                        .word("", name(*ret))
                        .features(" ", features);
                }
                Entity::Event { arg } => {
                    out.entity("e", name(id)).word("", name(*arg));
                }
                Entity::Object { members, variants, features } => {
                    out.entity("o", name(id));
                    for member in members {
                        out.word(if member.optional { "*" } else { "" }, &member.name);
                        out.glue(":", name(member.kind)).features("", &member.features);
                    }
                    if let Some(variants) = variants {
                        out.word("?", &variants.tag);
                        for (case, kind) in &variants.cases {
                            out.word("+", case).glue(":", name(*kind));
                        }
                    }
                    out.features(" ", features);
                }
                Entity::Enum { values } => {
                    out.entity("n", name(id));
                    for value in values {
                        out.word("", &value.name).features("", &value.features);
                    }
                }
                Entity::Array { element } => {
                    out.entity("a", name(id)).word("", name(*element));
                }
                Entity::Alternate { types } => {
                    out.entity("t", name(id));
                    for kind in types {
                        out.word("", name(*kind));
                    }
                }
                Entity::Builtin { json } => {
                    out.entity("b", name(id)).word("", json.qemu());
                }
            }
            out.0.push(';');
        }
        out.0
    }

    /// Reads the text; what it does not understand it leaves out.
    pub(super) fn from_compact(text: &str) -> Self {
        let lines: Vec<(&str, std::str::SplitAsciiWhitespace<'_>)> = text
            .split_terminator(';')
            .filter_map(|line| {
                let mut words = line.split_ascii_whitespace();
                Some((words.next()?, words))
            })
            .collect();
        let mut by_name: HashMap<&str, Id> = HashMap::with_capacity(lines.len());
        for ((_, words), id) in lines.iter().zip(0..) {
            if let Some(name) = words.clone().next() {
                by_name.entry(name).or_insert(id);
            }
        }
        let id = |name: Option<&str>| name.and_then(|name| by_name.get(name)).copied().unwrap_or(NOWHERE);
        let entities = lines
            .into_iter()
            .map(|(kind, mut words)| {
                words.next();
                match kind {
                    "c" => Entity::Command {
                        arg: id(words.next()),
                        ret: id(words.next()),
                        features: words.filter_map(|word| word.strip_prefix('$')).map(plain).collect(),
                    },
                    "e" => Entity::Event { arg: id(words.next()) },
                    "o" => object(words, id),
                    "n" => Entity::Enum { values: words.map(enum_value).collect() },
                    "a" => Entity::Array { element: id(words.next()) },
                    "t" => Entity::Alternate { types: words.map(|word| id(Some(word))).collect() },
                    _ => Entity::Builtin {
                        json: words.next().and_then(JsonType::from_qemu).unwrap_or(JsonType::Any),
                    },
                }
            })
            .collect();
        let by_name = by_name.into_iter().map(|(name, id)| (plain(name), id)).collect();
        Self { entities, by_name }
    }
}

fn object<'a>(words: impl Iterator<Item = &'a str>, id: impl Fn(Option<&str>) -> Id) -> Entity {
    let (mut members, mut variants, mut features) = (Vec::new(), None::<Variants>, Vec::new());
    for word in words {
        let (word, marks) = split_features(word);
        if let Some(tag) = word.strip_prefix('?') {
            variants = Some(Variants { tag: plain(tag), cases: Vec::new() });
        } else if let Some(case) = word.strip_prefix('+') {
            let (case, kind) = split_type(case);
            if let Some(variants) = &mut variants {
                variants.cases.push((plain(case), id(kind)));
            }
        } else if word.is_empty() {
            features.extend(marks);
        } else {
            let (optional, word) = word.strip_prefix('*').map_or((false, word), |rest| (true, rest));
            let (name, kind) = split_type(word);
            members.push(Member { name: plain(name), kind: id(kind), optional, features: marks });
        }
    }
    Entity::Object { members, variants, features }
}

fn enum_value(word: &str) -> EnumValue {
    let (name, features) = split_features(word);
    EnumValue { name: plain(name), features }
}

fn split_type(word: &str) -> (&str, Option<&str>) {
    word.split_once(':').map_or((word, None), |(name, kind)| (name, Some(kind)))
}

fn split_features(word: &str) -> (&str, Features) {
    let mut parts = word.split('$');
    (parts.next().unwrap_or_default(), parts.map(plain).collect())
}

/// The text under construction.
struct Text(String);

impl Text {
    fn entity(&mut self, kind: &str, name: &str) -> &mut Self {
        self.0.push_str(kind);
        self.word("", name)
    }

    fn word(&mut self, mark: &str, name: &str) -> &mut Self {
        self.0.push(' ');
        self.glue(mark, name)
    }

    fn glue(&mut self, mark: &str, name: &str) -> &mut Self {
        self.0.push_str(mark);
        for byte in name.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'[' | b']' | b'/' => {
                    self.0.push(byte.into())
                }
                _ => {
                    // Writing to a string cannot fail.
                    let _ = write!(self.0, "%{byte:02x}");
                }
            }
        }
        self
    }

    fn features(&mut self, before: &str, features: &Features) -> &mut Self {
        for feature in features {
            self.0.push_str(before);
            self.glue("$", feature);
        }
        self
    }
}

/// A name without `%HH`.
fn plain(word: &str) -> Box<str> {
    if !word.contains('%') {
        return word.into();
    }
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escaped = (*byte == b'%')
            .then(|| after.split_at_checked(2))
            .flatten()
            .and_then(|(digits, after)| Some((std::str::from_utf8(digits).ok()?, after)))
            .and_then(|(digits, after)| Some((u8::from_str_radix(digits, 16).ok()?, after)));
        let (byte, after) = escaped.unwrap_or((*byte, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qmp::schema::tests::example;

    #[test]
    fn the_text_gives_the_same_schema() {
        let schema = example();
        let text = schema.to_compact();
        let again = Schema::from_compact(&text);
        assert_eq!(again.entities, schema.entities);
        assert_eq!(again.by_name, schema.by_name);
        assert_eq!(again.to_compact(), text);
        assert!(!text.contains(['"', '\\', '\n']));
    }

    #[test]
    fn nonsense_is_left_out() {
        for text in ["", ";;;", "c", "o 1 a b:c *", "x %zz %", "n 1 %e2%82", "o 1 +case:2;c 1 1 1"] {
            let schema = Schema::from_compact(text);
            assert!(!schema.has_path("missing"), "{text}");
        }
    }
}
