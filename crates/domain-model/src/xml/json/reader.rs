//! Fills structs from JSON.

use super::{EXTRAS, Json, TEXT, VERBATIM};
use crate::source::Node;
use crate::xml::presence::mark_alone;
use crate::xml::problems::Problems;
use crate::xml::reader::nearest;
use crate::xml::{Anchor, Element, Extra, Meta, Step, Tagged, Text, TextError, Xml};
use crate::{Code, Diagnostic, Document, Origin};

/// Reads an object with one member, `name`, with every problem there is; the opposite of
/// [`to_json`](super::to_json).
///
/// There is no document, so messages end with the place, such as ``in `devices.disk[0]` ``.
pub fn from_json<E: Element>(name: &'static str, json: Json) -> (E, Vec<Diagnostic>) {
    let mut reader = JsonReader::default();
    let mut value = E::default();
    reader.inside(String::new(), json, |reader| reader.required_child(name, &mut value));
    (value, reader.problems.into_sorted(|_| 0))
}

/// An [`Xml`] that reads [`Json`].
#[derive(Debug, Default)]
pub struct JsonReader {
    /// What is left of the element that is being read.
    members: Vec<(String, Json)>,
    /// Members that were asked for in it.
    asked: Vec<String>,
    /// Its children's names among them.
    children: Vec<&'static str>,
    /// Where it is, for messages.
    place: String,
    /// The way from the element that keeps the extras.
    path: Vec<Step>,
    extras: Vec<Extra>,
    /// What kind of problem bad and missing values are, if not the usual one.
    blame: Option<Code>,
    problems: Problems,
}

impl JsonReader {
    fn element<E: Element>(&mut self, place: String, json: Json, value: &mut E) {
        let outer_path = std::mem::take(&mut self.path);
        let outer_extras = std::mem::take(&mut self.extras);
        let outer_blame = self.blame.take();
        *value.meta() = Meta::default();
        self.inside(place, json, |reader| value.describe(reader));
        let mut extras = std::mem::replace(&mut self.extras, outer_extras);
        mark_alone(value, &mut extras);
        value.meta().push_extras(extras);
        self.path = outer_path;
        self.blame = outer_blame;
    }

    /// Runs `body` on `json`, then reports what `body` did not ask for.
    fn inside(&mut self, place: String, json: Json, body: impl FnOnce(&mut Self)) {
        let outer_place = std::mem::replace(&mut self.place, place);
        let members = match json {
            Json::Object(members) => members,
            Json::Array(_) => {
                self.problem(Code::BadValue, "expected one value, not an array".to_owned());
                Vec::new()
            }
            text => vec![(TEXT.to_owned(), text)],
        };
        let outer_members = std::mem::replace(&mut self.members, members);
        let outer_asked = std::mem::take(&mut self.asked);
        let outer_children = std::mem::take(&mut self.children);
        body(self);
        self.collect_extras();
        self.report_unknown();
        self.members = outer_members;
        self.asked = outer_asked;
        self.children = outer_children;
        self.place = outer_place;
    }

    /// The text of an attribute or of the element; it may be asked for more than once.
    fn peek(&mut self, name: &str) -> Option<Option<String>> {
        self.asked.push(name.to_owned());
        self.members.iter().find(|(own, _)| own == name).map(|(_, json)| json.as_text())
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        self.asked.push(name.to_owned());
        let index = self.members.iter().position(|(own, _)| own == name)?;
        Some(self.members.remove(index).1)
    }

    /// Takes the next child of a name, and leaves those behind it.
    fn take_child(&mut self, name: &'static str) -> Option<Json> {
        self.children.push(name);
        match self.take(name)? {
            Json::Array(values) => {
                let mut values = values.into_iter();
                let first = values.next();
                let rest: Vec<Json> = values.collect();
                if !rest.is_empty() {
                    self.members.push((name.to_owned(), Json::Array(rest)));
                }
                first
            }
            Json::Bool(false) => None,
            Json::Bool(true) => Some(Json::Object(Vec::new())),
            value => Some(value),
        }
    }

    fn take_children(&mut self, name: &'static str) -> Vec<Json> {
        self.children.push(name);
        match self.take(name) {
            Some(Json::Array(values)) => values,
            value => value.into_iter().collect(),
        }
    }

    fn child_place(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    fn parse<T: Text>(&mut self, name: &str) -> Option<T> {
        let Some(text) = self.peek(name)? else {
            self.problem(Code::BadValue, format!("expected text for `{name}`"));
            return None;
        };
        match T::parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.bad_value(&text, name, &error);
                None
            }
        }
    }

    fn bad_value(&mut self, text: &str, name: &str, error: &TextError) {
        let message = format!("bad value `{text}` for `{name}`: {error}");
        let mut diagnostic = Diagnostic::error(self.blame.unwrap_or(error.code), Origin::Built, message);
        if let Some(word) = nearest(text, error.words.iter().copied()) {
            diagnostic = diagnostic.help(format!("did you mean `{word}`?"));
        }
        self.report(diagnostic);
    }

    fn problem(&mut self, code: Code, message: String) {
        self.report(Diagnostic::error(code, Origin::Built, message));
    }

    fn collect_extras(&mut self) {
        for json in self.take_children(EXTRAS) {
            let member = |name: &str| match &json {
                Json::Object(members) => members.iter().find(|(own, _)| own == name)?.1.as_text(),
                _ => None,
            };
            let anchor = member("at").and_then(|at| self.anchor(&at));
            match (anchor, member("source")) {
                (Some(anchor), Some(source)) if is_sound(anchor, &source) => {
                    self.extras.push(Extra { path: self.path.clone(), anchor, source, is_alone: false });
                }
                _ => {
                    let message =
                        format!("`{EXTRAS}` needs `at`, a place in the element, and `source`, XML for it");
                    self.problem(Code::BadValue, message);
                }
            }
        }
    }

    fn anchor(&self, at: &str) -> Option<Anchor> {
        let child = |name: &str| self.children.iter().find(|own| **own == name).copied();
        match at.split_once(' ') {
            None if at == "lead" => Some(Anchor::Lead),
            None if at == "attribute" => Some(Anchor::Attribute),
            None if at == "end" => Some(Anchor::End),
            None if at == "trail" => Some(Anchor::Trail),
            Some(("before", name)) => Some(child(name).map_or(Anchor::End, Anchor::Before)),
            Some(("after", name)) => child(name).map(Anchor::After),
            _ => None,
        }
    }

    fn report_unknown(&mut self) {
        for (name, _) in std::mem::take(&mut self.members) {
            let is_text = name.starts_with(['@', '#']);
            if is_text && self.asked.contains(&name) {
                continue;
            }
            if self.problems.is_full() {
                self.problems.count_warning();
                continue;
            }
            let (code, kind) = match name.strip_prefix('@') {
                Some(_) => (Code::UnknownAttribute, "attribute"),
                None => (Code::UnknownElement, "element"),
            };
            let mut diagnostic = Diagnostic::warning(code, Origin::Built, format!("unknown {kind} `{name}`"));
            if self.asked.contains(&name) {
                diagnostic.code = Code::RepeatedElement;
                diagnostic.message = format!("`{name}` occurs again; this one is ignored");
            } else if let Some(word) = nearest(&name, self.asked.iter().map(String::as_str)) {
                diagnostic = diagnostic.help(format!("did you mean `{word}`?"));
            }
            self.report(diagnostic);
        }
    }
}

impl Xml for JsonReader {
    const READS: bool = true;

    fn attribute<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        if let Some(parsed) = self.parse(&format!("@{name}")) {
            *value = Some(parsed);
        }
    }

    fn blamed_as(&mut self, code: Code, body: impl FnOnce(&mut Self)) {
        let outer = self.blame.replace(code);
        body(self);
        self.blame = outer;
    }

    fn optional<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        if self.peek(&format!("@{name}")) != Some(Some(String::new())) {
            self.attribute(name, value);
        }
    }

    fn lenient<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        let key = format!("@{name}");
        match self.peek(&key).flatten().map(|text| T::parse(&text)) {
            Some(Ok(parsed)) => *value = Some(parsed),
            Some(Err(error)) => {
                let message = format!("bad value for `{key}`, which is ignored: {error}");
                self.report(Diagnostic::warning(Code::BadValue, Origin::Built, message));
            }
            None => {}
        }
    }

    fn required<T: Text>(&mut self, name: &'static str, value: &mut T) {
        let mut read = None;
        self.needed(name, &mut read);
        if let Some(read) = read {
            *value = read;
        }
    }

    fn needed<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        let key = format!("@{name}");
        if !self.members.iter().any(|(own, _)| *own == key) {
            self.problem(self.blame.unwrap_or(Code::MissingAttribute), format!("`{key}` is missing"));
        }
        self.attribute(name, value);
    }

    fn defaulted<T: Text>(&mut self, name: &'static str, value: &mut T) {
        if let Some(parsed) = self.parse(&format!("@{name}")) {
            *value = parsed;
        }
    }

    fn tag<T: Tagged>(&mut self, name: &'static str, value: &mut T) {
        let key = format!("@{name}");
        let Some(Some(text)) = self.peek(&key) else { return };
        match T::from_tag(&text) {
            Some(variant) => *value = variant,
            None => self.bad_value(&text, &key, &TextError::words(T::TAGS).code(T::CODE)),
        }
    }

    fn required_tag<T: Tagged>(&mut self, name: &'static str, value: &mut T) {
        let key = format!("@{name}");
        if !self.members.iter().any(|(own, _)| *own == key) {
            self.problem(self.blame.unwrap_or(Code::MissingAttribute), format!("`{key}` is missing"));
        }
        self.tag(name, value);
    }

    fn text<T: Text>(&mut self, value: &mut Option<T>) {
        if let Some(parsed) = self.parse(TEXT) {
            *value = Some(parsed);
        }
    }

    fn child<E: Element>(&mut self, name: &'static str, value: &mut Option<E>) {
        if let Some(json) = self.take_child(name) {
            self.element(self.child_place(name), json, value.insert(E::default()));
        }
    }

    fn section<E: Element>(&mut self, name: &'static str, value: &mut E) {
        if let Some(json) = self.take_child(name) {
            self.element(self.child_place(name), json, value);
        }
    }

    fn required_child<E: Element>(&mut self, name: &'static str, value: &mut E) {
        match self.take_child(name) {
            Some(json) => self.element(self.child_place(name), json, value),
            None => self.problem(Code::MissingElement, format!("`{name}` is missing")),
        }
    }

    fn children<E: Element>(&mut self, name: &'static str, values: &mut Vec<E>) {
        for (index, json) in self.take_children(name).into_iter().enumerate() {
            let mut value = E::default();
            self.element(format!("{}[{index}]", self.child_place(name)), json, &mut value);
            values.push(value);
        }
    }

    fn nested(&mut self, name: &'static str, body: impl FnOnce(&mut Self)) {
        if let Some(json) = self.take_child(name) {
            self.path.push(Step { name, index: 0 });
            self.inside(self.child_place(name), json, body);
            self.path.pop();
        }
    }

    fn present(&mut self, name: &'static str, value: &mut bool) {
        self.nested(name, |_| *value = true);
    }

    fn values<T: Text>(&mut self, name: &'static str, values: &mut Vec<T>) {
        for json in self.take_children(name) {
            let mut value = None;
            self.path.push(Step { name, index: values.len() });
            self.inside(self.child_place(name), json, |reader| reader.text(&mut value));
            self.path.pop();
            values.extend(value);
        }
    }

    fn verbatim(&mut self, value: &mut Option<String>) {
        let inside: String = self.parse(VERBATIM).unwrap_or_default();
        if Document::parse("", format!("<x>{inside}</x>")).is_err() {
            self.problem(Code::BadValue, format!("`{VERBATIM}` has to be what can stand inside an element"));
            return;
        }
        *value = Some(inside);
    }

    fn namespace(&mut self, _: &'static str, _: bool) {}

    fn at(&self, _: &'static str) -> Origin {
        Origin::Built
    }

    fn report(&mut self, mut diagnostic: Diagnostic) {
        if !self.place.is_empty() {
            diagnostic.message.push_str(&format!(", in `{}`", self.place));
        }
        self.problems.push(diagnostic);
    }
}

/// Whether something can be written where it belongs, so that all of it is XML.
fn is_sound(anchor: Anchor, source: &str) -> bool {
    let text = match anchor {
        Anchor::Attribute => format!("<x {source}/>"),
        Anchor::Lead | Anchor::Before(_) | Anchor::After(_) | Anchor::End | Anchor::Trail => {
            format!("<x>{source}</x>")
        }
    };
    let Ok(document) = Document::parse("", text) else { return false };
    let root = document.root();
    let is_comment = |node: Node<'_>| ["<!--", "<?"].iter().any(|start| node.source().starts_with(start));
    match anchor {
        Anchor::Attribute => root.attributes().count() == 1 && root.children().next().is_none(),
        // Beside the root there is no place for more.
        Anchor::Lead | Anchor::Trail => root.children().count() == 1 && root.children().all(is_comment),
        Anchor::Before(_) | Anchor::After(_) | Anchor::End => true,
    }
}
