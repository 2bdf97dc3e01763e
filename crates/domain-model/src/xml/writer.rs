//! Prints structs as libvirt does: two blanks a level, single quotes.

use super::meta::{Kept, Step};
use super::{Anchor, Element, Layout, Tagged, Text, Xml, namespace_uri};
use crate::{Diagnostic, Origin};

/// Writes an element and everything in it.
pub fn write<E: Element>(name: &'static str, value: &E) -> String {
    write_mut(name, &mut value.clone())
}

/// Writes an element and everything in it, without the copy that [`write()`] makes of it; it stays what it is.
pub fn write_mut<E: Element>(name: &'static str, value: &mut E) -> String {
    Writer::default().write(name, value)
}

/// Writes an element and everything in it that the model knows, in one of libvirt's layouts: no comments,
/// nothing that was unknown.
pub fn write_known<E: Element>(layout: Layout, name: &'static str, value: &E) -> String {
    Writer { layout, known_only: true, ..Writer::default() }.write(name, &mut value.clone())
}

/// An [`Xml`] that prints.
#[derive(Debug, Default)]
pub struct Writer {
    layout: Layout,
    out: String,
    /// Whether what the elements keep beyond the model is left out.
    known_only: bool,
    /// The elements that are open, innermost last.
    open: Vec<Open>,
    /// What the enclosing elements keep beyond the model, innermost last; empty while none of them keeps anything.
    extras: Vec<Kept>,
}

#[derive(Debug)]
struct Open {
    name: &'static str,
    /// Which of a list of values it is.
    index: usize,
    /// Where the name ends in the output.
    name_end: usize,
    /// Where further attributes go.
    attributes_end: usize,
    content: Content,
    /// A child that goes to a place further up, and the place.
    moved: Option<(&'static str, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    None,
    Text,
    Children,
}

impl Writer {
    fn write<E: Element>(mut self, name: &'static str, value: &mut E) -> String {
        self.element(name, value);
        self.out
    }

    fn element<E: Element>(&mut self, name: &'static str, value: &mut E) {
        let extras = if self.known_only { Vec::new() } else { value.meta().extras().to_vec() };
        self.child_starts(name);
        for extra in extras.iter().filter(|extra| extra.anchor == Anchor::Lead) {
            self.write_extra(&extra.source);
        }
        self.open_tag(name, 0);
        let keeps = !extras.is_empty() || !self.extras.is_empty();
        if keeps {
            self.extras.push(Kept::new(self.open.len(), &extras));
        }
        value.describe(self);
        self.close_tag();
        if keeps {
            self.extras.pop();
        }
        for extra in extras.iter().filter(|extra| extra.anchor == Anchor::Trail) {
            self.write_extra(&extra.source);
        }
        self.child_ends(name);
    }

    /// Makes room for a child of the innermost element, which is `name` unless it is beyond the model.
    fn child_starts(&mut self, name: &'static str) {
        self.open_content();
        self.write_extras(Anchor::Before(name));
    }

    /// What stands where a child of the innermost element would be that is not written.
    fn child_is_absent(&mut self, name: &'static str) {
        self.write_extras(Anchor::Before(name));
    }

    /// What repeats the child that has just been written.
    fn child_ends(&mut self, name: &'static str) {
        self.write_extras(Anchor::After(name));
    }

    fn open_content(&mut self) {
        if let Some(open) = self.open.last_mut()
            && open.content == Content::None
        {
            open.content = Content::Children;
            self.out.push_str(">\n");
        }
    }

    fn open_tag(&mut self, name: &'static str, index: usize) {
        self.indent();
        self.out.push('<');
        self.out.push_str(name);
        let name_end = self.out.len();
        self.open.push(Open {
            name,
            index,
            name_end,
            attributes_end: name_end,
            content: Content::None,
            moved: None,
        });
    }

    fn close_tag(&mut self) {
        if self.has_extras() {
            self.close_extras();
        }
        let Some(open) = self.open.pop() else { return };
        match open.content {
            Content::None => self.out.push_str("/>\n"),
            Content::Text => {
                self.out.push_str("</");
                self.out.push_str(open.name);
                self.out.push_str(">\n");
            }
            Content::Children => {
                self.indent();
                self.out.push_str("</");
                self.out.push_str(open.name);
                self.out.push_str(">\n");
            }
        }
    }

    /// Writes what is left of the extras of the innermost element.
    fn close_extras(&mut self) {
        // A child that the description passes over as long as nothing in it is set.
        while let Some(step) = self.extras.last().and_then(|kept| kept.step_below(&self.path(kept))) {
            self.nested_at(step.name, step.index, |_| {});
        }
        let path = self.extras.last().map(|kept| self.path(kept)).unwrap_or_default();
        let rest = self.extras.last_mut().map(|kept| kept.take_all(&path)).unwrap_or_default();
        self.write_extra_attributes(rest.iter().filter(|(anchor, _)| *anchor == Anchor::Attribute));
        for (anchor, source) in rest {
            match anchor {
                // Anchors that were not reached are as good as the end.
                Anchor::Before(_) | Anchor::End => {
                    self.open_content();
                    // White space beside a text would become a part of it.
                    match self.open.last().map(|open| open.content) {
                        Some(Content::Text) => self.out.push_str(&source),
                        _ => self.write_extra(&source),
                    }
                }
                Anchor::Attribute | Anchor::After(_) | Anchor::Lead | Anchor::Trail => {}
            }
        }
    }

    /// Writes attributes behind the others, apart from those whose names are there already.
    fn write_extra_attributes<'e>(&mut self, extras: impl Iterator<Item = &'e (Anchor, String)>) {
        let Some(open) = self.open.last_mut() else { return };
        let written = self.out.get(open.name_end..open.attributes_end).unwrap_or("");
        // Values hold no single quotes, so every other piece is a name.
        let mut names: Vec<&str> = written.split('\'').step_by(2).map(attribute_name).collect();
        let mut text = String::new();
        for (_, source) in extras {
            let name = attribute_name(source);
            if !names.contains(&name) {
                names.push(name);
                text.push(' ');
                text.push_str(source);
            }
        }
        self.out.insert_str(open.attributes_end, &text);
        open.attributes_end += text.len();
    }

    fn indent(&mut self) {
        for _ in 0..self.open.len() {
            self.out.push_str("  ");
        }
    }

    fn write_attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("='");
        escape_into(&mut self.out, value, true);
        self.out.push('\'');
        if let Some(open) = self.open.last_mut() {
            open.attributes_end = self.out.len();
        }
    }

    fn write_extra(&mut self, source: &str) {
        self.indent();
        self.out.push_str(source);
        self.out.push('\n');
    }

    fn has_extras(&self) -> bool {
        self.extras.last().is_some_and(|kept| !kept.is_empty())
    }

    /// The way from the element that keeps the extras to the innermost open one.
    fn path(&self, kept: &Kept) -> Vec<Step> {
        let open = self.open.get(kept.depth..).unwrap_or_default();
        open.iter().map(|open| Step { name: open.name, index: open.index }).collect()
    }

    /// Writes those extras of the innermost open element that belong to a place.
    fn write_extras(&mut self, anchor: Anchor) {
        if !self.has_extras() {
            return;
        }
        let path = self.extras.last().map(|kept| self.path(kept)).unwrap_or_default();
        for source in self.extras.last_mut().map(|kept| kept.take(path, anchor)).unwrap_or_default() {
            self.open_content();
            self.write_extra(&source);
        }
    }

    /// Whether the innermost element keeps something beyond the model.
    fn keeps_something(&self) -> bool {
        self.has_extras() && self.extras.last().is_some_and(|kept| kept.has_below(&self.path(kept)))
    }

    fn nested_at(&mut self, name: &'static str, index: usize, body: impl FnOnce(&mut Self)) {
        self.write_extras(Anchor::Before(name));
        let start = self.out.len();
        let parent_content = self.open.last().map(|open| open.content);
        self.open_content();
        self.open_tag(name, index);
        body(self);
        let empty = self
            .open
            .last()
            .is_some_and(|open| open.content == Content::None && open.attributes_end == open.name_end);
        if empty && !self.keeps_something() {
            self.open.pop();
            self.out.truncate(start);
            if let (Some(open), Some(content)) = (self.open.last_mut(), parent_content) {
                open.content = content;
            }
            return;
        }
        self.close_tag();
        self.child_ends(name);
    }
}

impl Xml for Writer {
    const READS: bool = false;

    fn attribute<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        if let Some(value) = value {
            self.write_attribute(name, &value.to_text());
        }
    }

    fn required<T: Text>(&mut self, name: &'static str, value: &mut T) {
        self.write_attribute(name, &value.to_text());
    }

    fn needed<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        self.attribute(name, value);
    }

    fn defaulted<T: Text>(&mut self, name: &'static str, value: &mut T) {
        self.write_attribute(name, &value.to_text());
    }

    fn tag<T: Tagged>(&mut self, name: &'static str, value: &mut T) {
        self.write_attribute(name, value.tag());
    }

    fn required_tag<T: Tagged>(&mut self, name: &'static str, value: &mut T) {
        self.tag(name, value);
    }

    fn text<T: Text>(&mut self, value: &mut Option<T>) {
        let (Some(value), Some(open)) = (value, self.open.last_mut()) else { return };
        if std::mem::replace(&mut open.content, Content::Text) == Content::None {
            self.out.push('>');
        }
        escape_into(&mut self.out, &value.to_text(), false);
    }

    fn child<E: Element>(&mut self, name: &'static str, value: &mut Option<E>) {
        let Some(value) = value else { return self.child_is_absent(name) };
        let place = self.open.last().and_then(|open| open.moved).filter(|(moved, _)| *moved == name);
        if place.is_some() {
            self.open_content();
        }
        let start = self.out.len();
        self.element(name, value);
        if let Some((_, place)) = place {
            let element = self.out.split_off(start);
            self.out.insert_str(place, &element);
        }
    }

    fn section<E: Element>(&mut self, name: &'static str, value: &mut E) {
        self.element(name, value);
    }

    fn required_child<E: Element>(&mut self, name: &'static str, value: &mut E) {
        self.element(name, value);
    }

    fn children<E: Element>(&mut self, name: &'static str, values: &mut Vec<E>) {
        if values.is_empty() {
            self.child_is_absent(name);
        }
        for value in values {
            self.element(name, value);
        }
    }

    fn nested(&mut self, name: &'static str, body: impl FnOnce(&mut Self)) {
        self.nested_at(name, 0, body);
    }

    fn present(&mut self, name: &'static str, value: &mut bool) {
        if *value {
            self.child_starts(name);
            self.open_tag(name, 0);
            self.close_tag();
            self.child_ends(name);
        } else {
            self.child_is_absent(name);
        }
    }

    fn values<T: Text>(&mut self, name: &'static str, values: &mut Vec<T>) {
        if values.is_empty() {
            self.child_is_absent(name);
        }
        for (index, value) in values.iter().enumerate() {
            let mut value = Some(value.clone());
            self.nested_at(name, index, |xml| xml.text(&mut value));
        }
    }

    fn container(&mut self) {
        self.open_content();
    }

    fn verbatim(&mut self, value: &mut Option<String>) {
        let (Some(value), Some(open)) = (value, self.open.last_mut()) else { return };
        if value.is_empty() {
            return;
        }
        if std::mem::replace(&mut open.content, Content::Text) == Content::None {
            self.out.push('>');
        }
        self.out.push_str(value);
    }

    fn namespace(&mut self, prefix: &'static str, used: bool) {
        if let (true, Some(uri)) = (used, namespace_uri(prefix)) {
            self.write_attribute(&format!("xmlns:{prefix}"), uri);
        }
    }

    fn layout(&self) -> Layout {
        self.layout
    }

    fn moved_here_in_2011(&mut self, name: &'static str) {
        if self.layout == Layout::Libvirt2011 {
            self.open_content();
            let place = self.out.len();
            if let Some(open) = self.open.last_mut() {
                open.moved = Some((name, place));
            }
        }
    }

    fn at(&self, _: &'static str) -> Origin {
        Origin::Built
    }

    fn report(&mut self, _: Diagnostic) {}
}

/// The name in `name='value'`.
fn attribute_name(source: &str) -> &str {
    source.split('=').next().unwrap_or("").trim()
}

/// Escapes a value; white space that a reader would not give back as it is becomes a reference.
///
/// Characters that XML cannot hold in any way are left out, as libvirt does.
fn escape_into(out: &mut String, value: &str, attribute: bool) {
    for character in value.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {}
            other => out.push(other),
        }
    }
}
