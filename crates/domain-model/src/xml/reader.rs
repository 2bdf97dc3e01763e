//! Fills structs from a document, and reports what nobody asks for.

mod joined;
mod unknown;

use std::borrow::Cow;
use std::ops::Range;

use super::presence::mark_alone;
use super::problems::Problems;
use super::{Anchor, Element, Extra, Meta, Step, Tagged, Text, TextError, Xml, namespace_uri};
use crate::source::NodeKind;
use crate::{Code, Diagnostic, Node, NodeId, Origin};

/// Reads an element, with every problem there is, up to [`MAX_PROBLEMS`](super::MAX_PROBLEMS).
pub fn read<E: Element>(node: Node<'_>) -> (E, Vec<Diagnostic>) {
    let mut reader = Reader::new(node);
    let mut value = E::default();
    let around = unknown::around_root(node);
    reader.element(node, Vec::new(), &mut value, around);
    let problems = reader.problems.into_sorted(|problem| match node.document().span(problem.origin) {
        Some(span) => span.start,
        None => usize::MAX,
    });
    (value, problems)
}

/// An [`Xml`] that reads.
#[derive(Debug)]
pub struct Reader<'d> {
    node: Node<'d>,
    /// Further elements that are read as one with `node`; nearly always none.
    twins: Vec<Node<'d>>,
    /// Names of children of `node` that are read as one if they occur more than once.
    joined: &'static [&'static str],
    /// The element whose [`Meta`] keeps what is found in `node`, and the way from there.
    owner: NodeId,
    path: Vec<Step>,
    extras: Vec<Extra>,
    /// Declarations that are written where the model needs them, and not kept unless something else does.
    declarations: Vec<Declaration<'d>>,
    /// Whether the text of `node` belongs to something.
    reads_text: bool,
    seen_nodes: Vec<bool>,
    seen_attributes: Vec<bool>,
    /// The names that the children of `node` may have.
    names: Names,
    /// Names asked for in `node`, behind those of the elements around it: to suggest one for a misspelt name.
    asked: Vec<Asked>,
    /// Names of children that must not be repeated, stacked in the same way.
    once: Vec<&'static str>,
    /// Children that were read, by the name of each, stacked in the same way; anchors for comments.
    read_children: Vec<(NodeId, &'static str)>,
    /// Whether libvirt refuses children of `node` that it does not know, and which of those that the model does not
    /// know it does.
    closed: Option<&'static [&'static str]>,
    /// What kind of problem bad and missing values are, if not the usual one.
    blame: Option<Code>,
    /// The same for missing values alone.
    missing: Option<Code>,
    problems: Problems,
}

/// A declaration of a namespace that libvirt's XML knows, or of the prefix that is written for one.
#[derive(Debug)]
struct Declaration<'d> {
    attribute: usize,
    prefix: &'d str,
    /// Whether something that is kept as it is has the prefix.
    is_needed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Attribute(&'static str),
    Child(&'static str),
}

/// The name of an element that is asked for; looked at once, not for each child it is compared with.
#[derive(Debug, Clone, Copy)]
struct Name {
    text: &'static str,
    prefixed: Option<(&'static str, &'static str)>,
}

impl Name {
    fn new(text: &'static str) -> Self {
        Name { text, prefixed: text.split_once(':') }
    }
}

/// A set of names as bits: a name may be in it, or certainly is not. Most names asked for are not there.
#[derive(Debug, Clone, Copy, Default)]
struct Names(u128);

impl Names {
    fn of_children<'d>(children: impl Iterator<Item = Node<'d>>) -> Self {
        let elements = children.filter(Node::is_element);
        Names(elements.fold(0, |bits, child| bits | Names::bit(child.name())))
    }

    fn may_have(self, name: &str) -> bool {
        self.0 & Names::bit(name) != 0
    }

    /// The same bit for a name with whatever prefix.
    fn bit(name: &str) -> u128 {
        let mut ends = name.bytes().rev().take_while(|byte| *byte != b':').map(u32::from);
        let (last, second) = (ends.next().unwrap_or(0), ends.next().unwrap_or(0));
        1 << ((last * 31 + second * 7) % 128)
    }
}

impl<'d> Reader<'d> {
    fn new(node: Node<'d>) -> Self {
        Reader {
            node,
            twins: Vec::new(),
            joined: &[],
            owner: node.id(),
            path: Vec::new(),
            extras: Vec::new(),
            declarations: Vec::new(),
            reads_text: false,
            seen_nodes: vec![false; node.document().node_count()],
            seen_attributes: vec![false; node.document().attribute_count()],
            names: Names::default(),
            asked: Vec::new(),
            once: Vec::new(),
            read_children: Vec::new(),
            closed: None,
            blame: None,
            missing: None,
            problems: Problems::default(),
        }
    }

    /// Reads `node`, and `twins` with it, into `value`, which keeps the comments in `lead`. What is given back is for
    /// [`Reader::keep_behind`].
    fn element<E: Element>(
        &mut self,
        node: Node<'d>,
        twins: Vec<Node<'d>>,
        value: &mut E,
        lead: Vec<Extra>,
    ) -> Vec<String> {
        let outer_owner = std::mem::replace(&mut self.owner, node.id());
        let outer_path = std::mem::take(&mut self.path);
        let outer_extras = std::mem::replace(&mut self.extras, lead);
        let (outer_blame, outer_missing) = (self.blame.take(), self.missing.take());
        *value.meta() = Meta::from_origin(Origin::Written { node: node.id(), path: "" });
        let second = self.inside(node, twins, |reader| value.describe(reader));
        let mut extras = std::mem::replace(&mut self.extras, outer_extras);
        mark_alone(value, &mut extras);
        value.meta().push_extras(extras);
        self.owner = outer_owner;
        self.path = outer_path;
        self.blame = outer_blame;
        self.missing = outer_missing;
        second
    }

    /// Reads the first child `name` into a value, and those that libvirt reads as one with it.
    fn element_at<E: Element>(&mut self, name: &'static str, node: Node<'d>, value: &mut E) {
        let lead = self.take_lead(node);
        let twins = self.take_twins(name, node);
        let second = self.element(node, twins, value, lead);
        self.keep_behind(name, second);
    }

    /// Runs `body` on `node` and `twins`, then collects what `body` did not ask for.
    fn inside(&mut self, node: Node<'d>, twins: Vec<Node<'d>>, body: impl FnOnce(&mut Self)) -> Vec<String> {
        let outer_node = std::mem::replace(&mut self.node, node);
        let outer_twins = std::mem::replace(&mut self.twins, twins);
        let outer_joined = std::mem::take(&mut self.joined);
        let names = Names::of_children(self.child_nodes());
        let outer_names = std::mem::replace(&mut self.names, names);
        let outer_closed = self.closed.take();
        let outer_reads_text = std::mem::take(&mut self.reads_text);
        let (asked, read_children, once) = (self.asked.len(), self.read_children.len(), self.once.len());
        body(self);
        let second = self.collect_unknown(asked, read_children, once);
        self.asked.truncate(asked);
        self.once.truncate(once);
        self.read_children.truncate(read_children);
        self.node = outer_node;
        self.twins = outer_twins;
        self.joined = outer_joined;
        self.names = outer_names;
        self.closed = outer_closed;
        self.reads_text = outer_reads_text;
        second
    }

    /// Whether a node is an element of that name; a prefix stands for its namespace.
    fn is_named(&self, node: Node<'d>, name: Name) -> bool {
        let Some((prefix, local)) = name.prefixed else {
            return node.is_called(name.text) && !is_foreign(node);
        };
        let (own_prefix, own_local) = split_name(node.name());
        local == own_local
            && match namespace_uri(prefix) {
                Some(uri) => node.namespace(own_prefix).as_deref() == Some(uri),
                None => own_prefix == prefix,
            }
    }

    fn next_child(&mut self, name: &'static str) -> Option<Node<'d>> {
        self.asked.push(Asked::Child(name));
        if !self.names.may_have(name) {
            return None;
        }
        let wanted = Name::new(name);
        let found =
            self.child_nodes().find(|child| self.is_named(*child, wanted) && !self.is_seen(*child))?;
        self.mark(found);
        self.read_children.push((found.id(), name));
        Some(found)
    }

    fn is_seen(&self, node: Node<'d>) -> bool {
        self.seen_nodes.get(node.id().0 as usize).copied().unwrap_or(true)
    }

    fn mark(&mut self, node: Node<'d>) {
        if let Some(seen) = self.seen_nodes.get_mut(node.id().0 as usize) {
            *seen = true;
        }
    }

    fn take_attribute(&mut self, name: &'static str) -> Option<Cow<'d, str>> {
        self.asked.push(Asked::Attribute(name));
        let index = self.attribute_index(name)?;
        if let Some(seen) = self.seen_attributes.get_mut(index) {
            *seen = true;
        }
        Some(self.node.attribute_value_at(index))
    }

    fn parse_attribute<T: Text>(&mut self, name: &'static str) -> Option<T> {
        let text = self.take_attribute(name)?;
        match T::parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                let place = format!("attribute `{name}` of `<{}>`", self.node.name());
                let origin = self.attribute_origin(name);
                self.report_value(&text, &place, &error, origin);
                None
            }
        }
    }

    fn has_attribute(&self, name: &str) -> bool {
        self.attribute_index(name).is_some()
    }

    fn attribute_origin(&self, name: &'static str) -> Origin {
        text_origin(match self.attribute_index(name) {
            Some(index) => self.node.attribute_span_at(index),
            None => self.node.tag_span(),
        })
    }

    /// An attribute as it was written, with its closing quote.
    fn attribute_source(&self, index: usize) -> String {
        let span = self.node.attribute_span_at(index);
        self.node.document().text().get(span.start..span.end + 1).unwrap_or("").to_owned()
    }

    fn report_value(&mut self, text: &str, place: &str, error: &TextError, origin: Origin) {
        let mut diagnostic = Diagnostic::error(
            self.blame.unwrap_or(error.code),
            origin,
            format!("bad value `{text}` for {place}: {error}"),
        );
        if let Some(word) = nearest(text, error.words.iter().copied()) {
            diagnostic = diagnostic.help(format!("did you mean `{word}`?"));
        }
        self.problems.push(diagnostic);
    }

    fn report_missing_attribute(&mut self, name: &str) {
        let origin = text_origin(self.node.tag_span());
        let message = format!("`<{}>` needs the attribute `{name}`", self.node.name());
        let code = self.missing.or(self.blame).unwrap_or(Code::MissingAttribute);
        self.problems.push(Diagnostic::error(code, origin, message));
    }
}

impl Xml for Reader<'_> {
    const READS: bool = true;

    fn attribute<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        if let Some(parsed) = self.parse_attribute(name) {
            *value = Some(parsed);
        }
    }

    fn optional<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        match self.attribute_index(name) {
            Some(index) if self.node.raw_attribute_value_at(index).is_empty() => {
                self.take_attribute(name);
            }
            _ => self.attribute(name, value),
        }
    }

    fn lenient<T: Text>(&mut self, name: &'static str, value: &mut Option<T>) {
        let Some(text) = self.take_attribute(name) else { return };
        match T::parse(&text) {
            Ok(parsed) => *value = Some(parsed),
            Err(error) => {
                let place = format!("attribute `{name}` of `<{}>`", self.node.name());
                let message = format!("bad value `{text}` for {place}, which is ignored: {error}");
                let origin = self.attribute_origin(name);
                self.problems.push(Diagnostic::warning(Code::BadValue, origin, message));
                if let Some(index) = self.attribute_index(name) {
                    let source = self.attribute_source(index);
                    self.keep(Anchor::Attribute, source);
                }
            }
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
        if !self.has_attribute(name) {
            self.report_missing_attribute(name);
        }
        self.attribute(name, value);
    }

    fn defaulted<T: Text>(&mut self, name: &'static str, value: &mut T) {
        if let Some(parsed) = self.parse_attribute(name) {
            *value = parsed;
        }
    }

    fn tag<T: Tagged>(&mut self, name: &'static str, value: &mut T) {
        let Some(text) = self.take_attribute(name) else { return };
        match T::from_tag(&text) {
            Some(variant) => *value = variant,
            None => {
                let place = format!("attribute `{name}` of `<{}>`", self.node.name());
                let origin = self.attribute_origin(name);
                self.report_value(&text, &place, &TextError::words(T::TAGS).code(T::CODE), origin);
            }
        }
    }

    fn required_tag<T: Tagged>(&mut self, name: &'static str, value: &mut T) {
        if !self.has_attribute(name) {
            self.report_missing_attribute(name);
        }
        self.tag(name, value);
    }

    fn text<T: Text>(&mut self, value: &mut Option<T>) {
        self.reads_text = true;
        let text = self.node.text();
        match T::parse(&text) {
            Ok(parsed) => *value = Some(parsed),
            Err(error) => {
                let place = format!("`<{}>`", self.node.name());
                let origin = text_origin(self.node.tag_span());
                self.report_value(text.trim(), &place, &error, origin);
            }
        }
    }

    fn child<E: Element>(&mut self, name: &'static str, value: &mut Option<E>) {
        if let Some(node) = self.next_child(name) {
            self.element_at(name, node, value.insert(E::default()));
        }
    }

    fn section<E: Element>(&mut self, name: &'static str, value: &mut E) {
        if let Some(node) = self.next_child(name) {
            self.element_at(name, node, value);
        }
    }

    fn required_child<E: Element>(&mut self, name: &'static str, value: &mut E) {
        let Some(node) = self.next_child(name) else {
            let origin = text_origin(self.node.tag_span());
            let message = format!("`<{}>` needs the element `<{name}>`", self.node.name());
            self.problems.push(Diagnostic::error(Code::MissingElement, origin, message));
            return;
        };
        self.element_at(name, node, value);
    }

    fn children<E: Element>(&mut self, name: &'static str, values: &mut Vec<E>) {
        self.asked.push(Asked::Child(name));
        if !self.names.may_have(name) {
            return;
        }
        let wanted = Name::new(name);
        let mut lead = Vec::new();
        let mut children = self.child_nodes();
        while let Some(child) = children.next() {
            match child.kind() {
                NodeKind::Comment if !self.is_seen(child) => lead.push(child),
                NodeKind::Text if lead.is_empty() || child.is_blank() => {}
                NodeKind::Element if self.is_named(child, wanted) && !self.is_seen(child) => {
                    let lead = self.take_comments(std::mem::take(&mut lead));
                    self.mark(child);
                    self.read_children.push((child.id(), name));
                    if values.len() == values.capacity() {
                        // Elements are large; room for more than there are would cost more than counting.
                        let rest = children.clone().filter(|next| self.is_named(*next, wanted)).count();
                        values.reserve_exact(1 + rest);
                    }
                    let mut value = E::default();
                    self.element(child, Vec::new(), &mut value, lead);
                    values.push(value);
                }
                _ => lead.clear(),
            }
        }
    }

    fn nested(&mut self, name: &'static str, body: impl FnOnce(&mut Self)) {
        if let Some(node) = self.next_child(name) {
            let twins = self.take_twins(name, node);
            self.path.push(Step { name, index: 0 });
            let second = self.inside(node, twins, body);
            self.path.pop();
            self.keep_behind(name, second);
        }
    }

    fn present(&mut self, name: &'static str, value: &mut bool) {
        self.nested(name, |_| *value = true);
    }

    fn values<T: Text>(&mut self, name: &'static str, values: &mut Vec<T>) {
        self.asked.push(Asked::Child(name));
        if !self.names.may_have(name) {
            return;
        }
        let wanted = Name::new(name);
        for child in self.child_nodes() {
            if !self.is_named(child, wanted) || self.is_seen(child) {
                continue;
            }
            self.mark(child);
            self.read_children.push((child.id(), name));
            let mut value = None;
            self.path.push(Step { name, index: values.len() });
            self.inside(child, Vec::new(), |xml| xml.text(&mut value));
            self.path.pop();
            values.extend(value);
        }
    }

    fn closed(&mut self, but: &'static [&'static str]) {
        self.closed = Some(but);
    }

    fn verbatim(&mut self, value: &mut Option<String>) {
        let mut span: Option<Range<usize>> = None;
        for child in self.node.children() {
            let own = child.span();
            span = Some(span.map_or(own.clone(), |span| span.start..own.end));
            self.mark(child);
        }
        let inside = span.and_then(|span| self.node.document().text().get(span)).unwrap_or("");
        self.need_prefixes(inside);
        *value = Some(inside.to_owned());
    }

    fn namespace(&mut self, prefix: &'static str, _: bool) {
        let Some(uri) = namespace_uri(prefix) else { return };
        for attribute in self.node.attribute_indices() {
            if let Some(own) = self.node.attribute_name_at(attribute).strip_prefix("xmlns:")
                && (own == prefix || self.node.attribute_value_at(attribute) == uri)
            {
                self.declarations.push(Declaration { attribute, prefix: own, is_needed: false });
            }
        }
    }

    fn joined(&mut self, names: &'static [&'static str]) {
        self.joined = names;
    }

    fn blamed_as(&mut self, code: Code, body: impl FnOnce(&mut Self)) {
        let outer = self.blame.replace(code);
        body(self);
        self.blame = outer;
    }

    fn missing_as(&mut self, code: Code, body: impl FnOnce(&mut Self)) {
        let outer = self.missing.replace(code);
        body(self);
        self.missing = outer;
    }

    fn at_most_one(&mut self, name: &'static str) {
        self.once.push(name);
    }

    fn at(&self, path: &'static str) -> Origin {
        if self.path.is_empty() {
            Origin::Written { node: self.owner, path }
        } else {
            Origin::Written { node: self.node.id(), path }
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }
}

/// Whether an element without a prefix is in a namespace; libvirt's are in none.
pub(crate) fn is_foreign(node: Node<'_>) -> bool {
    node.document().has_default_namespace()
        && !node.name().contains(':')
        && node.namespace("").is_some_and(|uri| !uri.is_empty())
}

fn split_name(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

fn text_origin(span: Range<usize>) -> Origin {
    let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Origin::Text { start: clamp(span.start), end: clamp(span.end) }
}

/// The known word that a typing error would most likely have been.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    known
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len().max(word.len()).max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
