//! Turns structs into JSON.

use super::{EXTRAS, Json, TEXT, VERBATIM};
use crate::xml::meta::{Kept, Step};
use crate::xml::{Anchor, Element, Tagged, Text, Xml};
use crate::{Diagnostic, Origin};

/// The element as an object with one member, `name`.
pub fn to_json<E: Element>(name: &'static str, value: &E) -> Json {
    let mut writer = JsonWriter { open: vec![Open::new("", 0)], extras: Vec::new() };
    writer.element(name, &mut value.clone());
    Json::Object(writer.open.pop().map(|root| root.members).unwrap_or_default())
}

/// An [`Xml`] that makes [`Json`].
#[derive(Debug)]
pub struct JsonWriter {
    /// The elements that are open, innermost last, under one for the document.
    open: Vec<Open>,
    /// What the enclosing elements keep beyond the model, innermost last; empty while none of them keeps anything.
    extras: Vec<Kept>,
}

#[derive(Debug)]
struct Open {
    step: Step,
    members: Vec<(String, Json)>,
}

impl Open {
    fn new(name: &'static str, index: usize) -> Self {
        Open { step: Step { name, index }, members: Vec::new() }
    }
}

impl JsonWriter {
    fn element<E: Element>(&mut self, name: &'static str, value: &mut E) {
        let object = self.object(name, value);
        self.add(name, object);
    }

    fn object<E: Element>(&mut self, name: &'static str, value: &mut E) -> Json {
        let keeps = !value.meta().extras().is_empty() || !self.extras.is_empty();
        self.open.push(Open::new(name, 0));
        if keeps {
            self.extras.push(Kept::new(self.open.len(), value.meta().extras()));
        }
        value.describe(self);
        let object = self.close();
        if keeps {
            self.extras.pop();
        }
        object
    }

    /// The way from the element that keeps the extras to the innermost one.
    fn path(&self, kept: &Kept) -> Vec<Step> {
        self.open.get(kept.depth..).unwrap_or_default().iter().map(|open| open.step).collect()
    }

    /// Whether the innermost element keeps something beyond the model.
    fn keeps_something(&self) -> bool {
        self.extras.last().is_some_and(|kept| !kept.is_empty() && kept.has_below(&self.path(kept)))
    }

    /// Ends the innermost element.
    fn close(&mut self) -> Json {
        let mut extras = Vec::new();
        if self.extras.last().is_some_and(|kept| !kept.is_empty()) {
            // A child that the description passes over as long as nothing in it is set.
            while let Some(step) = self.extras.last().and_then(|kept| kept.step_below(&self.path(kept))) {
                self.nested_at(step.name, step.index, |_| {});
            }
            let path = self.extras.last().map(|kept| self.path(kept)).unwrap_or_default();
            extras = self.extras.last_mut().map(|kept| kept.take_all(&path)).unwrap_or_default();
        }
        let mut members = self.open.pop().map(|open| open.members).unwrap_or_default();
        if !extras.is_empty() {
            members.push((EXTRAS.to_owned(), Json::Array(extras.into_iter().map(extra).collect())));
        }
        if members.len() == 1
            && let Some((_, text)) = members.pop_if(|(name, _)| name == TEXT)
        {
            return text;
        }
        Json::Object(members)
    }

    /// Adds a member to the innermost element; what is there already becomes an array.
    fn add(&mut self, name: &str, value: Json) {
        let Some(open) = self.open.last_mut() else { return };
        if open.members.iter().any(|(own, _)| own == name) {
            self.add_array(name, vec![value]);
        } else {
            open.members.push((name.to_owned(), value));
        }
    }

    /// Adds several values of one name, as an array even if it is one.
    fn add_array(&mut self, name: &str, values: Vec<Json>) {
        let Some(open) = self.open.last_mut() else { return };
        match open.members.iter_mut().find(|(own, _)| own == name) {
            Some((_, Json::Array(own))) => own.extend(values),
            Some((_, first)) => {
                let first_value = std::mem::replace(first, Json::Bool(true));
                *first = Json::Array(std::iter::once(first_value).chain(values).collect());
            }
            None => open.members.push((name.to_owned(), Json::Array(values))),
        }
    }

    fn nested_at(&mut self, name: &'static str, index: usize, body: impl FnOnce(&mut Self)) {
        self.open.push(Open::new(name, index));
        body(self);
        let is_there =
            self.keeps_something() || self.open.last().is_some_and(|open| !open.members.is_empty());
        let object = self.close();
        if is_there {
            self.add(name, object);
        }
    }

    fn add_value<T: Text>(&mut self, name: &str, value: &T) {
        self.add(name, leaf(value));
    }
}

/// A value that is text in XML.
fn leaf<T: Text>(value: &T) -> Json {
    let text = value.to_text();
    if T::IS_NUMBER {
        if let Ok(number) = text.parse() {
            return Json::Unsigned(number);
        }
        if let Ok(number) = text.parse() {
            return Json::Signed(number);
        }
    }
    Json::String(text)
}

fn extra((anchor, source): (Anchor, String)) -> Json {
    let at = match anchor {
        Anchor::Lead => "lead".to_owned(),
        Anchor::Attribute => "attribute".to_owned(),
        Anchor::Before(name) => format!("before {name}"),
        Anchor::After(name) => format!("after {name}"),
        Anchor::End => "end".to_owned(),
        Anchor::Trail => "trail".to_owned(),
    };
    Json::Object(vec![("at".to_owned(), Json::String(at)), ("source".to_owned(), Json::String(source))])
}

impl Xml for JsonWriter {
    const READS: bool = false;

    fn attribute<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        if let Some(value) = value {
            self.add_value(&format!("@{name}"), value);
        }
    }

    fn required<T: Text>(&mut self, name: &'static str, value: &mut T) {
        self.add_value(&format!("@{name}"), value);
    }

    fn needed<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        self.attribute(name, value);
    }

    fn defaulted<T: Text>(&mut self, name: &'static str, value: &mut T) {
        self.required(name, value);
    }

    fn tag<T: Tagged>(&mut self, name: &'static str, value: &mut T) {
        self.add(&format!("@{name}"), Json::String(value.tag().to_owned()));
    }

    fn required_tag<T: Tagged>(&mut self, name: &'static str, value: &mut T) {
        self.tag(name, value);
    }

    fn text<T: Text>(&mut self, value: &mut Option<T>) {
        if let Some(value) = value {
            self.add_value(TEXT, value);
        }
    }

    fn child<E: Element>(&mut self, name: &'static str, value: &mut Option<E>) {
        if let Some(value) = value {
            self.element(name, value);
        }
    }

    fn section<E: Element>(&mut self, name: &'static str, value: &mut E) {
        self.element(name, value);
    }

    fn required_child<E: Element>(&mut self, name: &'static str, value: &mut E) {
        self.element(name, value);
    }

    fn children<E: Element>(&mut self, name: &'static str, values: &mut Vec<E>) {
        if !values.is_empty() {
            let values: Vec<Json> = values.iter_mut().map(|value| self.object(name, value)).collect();
            self.add_array(name, values);
        }
    }

    fn nested(&mut self, name: &'static str, body: impl FnOnce(&mut Self)) {
        self.nested_at(name, 0, body);
    }

    fn present(&mut self, name: &'static str, value: &mut bool) {
        if *value {
            self.open.push(Open::new(name, 0));
            let object = self.close();
            self.add(name, if object == Json::Object(Vec::new()) { Json::Bool(true) } else { object });
        }
    }

    fn values<T: Text>(&mut self, name: &'static str, values: &mut Vec<T>) {
        let mut array = Vec::new();
        for (index, value) in values.iter().enumerate() {
            self.open.push(Open::new(name, index));
            self.add_value(TEXT, value);
            array.push(self.close());
        }
        if !array.is_empty() {
            self.add_array(name, array);
        }
    }

    fn verbatim(&mut self, value: &mut Option<String>) {
        if let Some(value) = value {
            self.add_value(VERBATIM, value);
        }
    }

    fn namespace(&mut self, _: &'static str, _: bool) {}

    fn at(&self, _: &'static str) -> Origin {
        Origin::Built
    }

    fn report(&mut self, _: Diagnostic) {}
}
