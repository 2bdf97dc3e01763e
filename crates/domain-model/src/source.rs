//! The XML text as a small tree that knows its positions.

mod lines;
mod merge;
mod parse;
mod path;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use crate::{NodeId, Origin};

pub use lines::Lines;
pub use parse::SyntaxError;

/// The largest text that is read, in bytes. libvirt's own limit is of the same order.
pub const MAX_BYTES: usize = 32 << 20;
/// The deepest nesting of elements that is read; libxml2 draws the same line.
pub const MAX_DEPTH: usize = 256;
/// The largest number of attributes that one element may have.
///
/// Twice as many as [`MAX_UNKNOWN_ATTRIBUTES`], so that all that is kept can be written beside those that the model
/// knows, of which no element has nearly as many.
pub const MAX_ATTRIBUTES: usize = 512;
/// The largest number of attributes that one element may have beyond the model.
pub const MAX_UNKNOWN_ATTRIBUTES: usize = 256;

/// An XML text and its tree.
///
/// The tree keeps byte ranges into the text and nothing else, so it is small, and every value can be traced
/// back to its line and column.
///
/// ```
/// let document = domain_model::Document::parse("guest.xml", "<domain type='kvm'>\n  <name>a</name>\n</domain>")?;
/// assert_eq!(document.root().name(), "domain");
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Document {
    name: String,
    text: String,
    nodes: Vec<RawNode>,
    attributes: Vec<RawAttribute>,
    /// Comments and processing instructions in front of the root and behind it.
    outside: Vec<Span>,
    has_comments: bool,
    /// Whether some element declares a namespace for names without a prefix.
    has_default_namespace: bool,
    /// Made when somebody asks for a line.
    lines: OnceLock<Lines>,
    /// What [`Document::path`] needs, made when somebody asks for a path.
    numbers: OnceLock<Vec<u32>>,
}

type Span = Range<u32>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Element,
    Text,
    CData,
    Comment,
    Instruction,
}

/// Nodes lie in document order; a node's subtree ends where `end` points, so siblings need no links.
#[derive(Debug, Clone)]
struct RawNode {
    kind: NodeKind,
    /// Elements: the whole element; others: their text with its markup.
    span: Span,
    /// Elements: the name; others: the text without markup.
    inner: Span,
    attributes: Span,
    parent: u32,
    end: u32,
}

#[derive(Debug, Clone)]
struct RawAttribute {
    name: Span,
    value: Span,
}

/// A line and column, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Document {
    /// Reads a text; `name` is what messages call it, usually the file name.
    ///
    /// # Errors
    /// The text is not well-formed, has a `DOCTYPE`, or is larger or deeper than the limits of this module.
    pub fn parse(name: impl Into<String>, text: impl Into<String>) -> Result<Self, SyntaxError> {
        parse::parse(name.into(), text.into())
    }

    /// The same for bytes that may not be text.
    ///
    /// # Errors
    /// The bytes are not UTF-8, or [`Document::parse`] refuses the text.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Result<Self, SyntaxError> {
        parse::parse_bytes(name.into(), bytes)
    }

    /// What messages call the document.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The root element.
    pub fn root(&self) -> Node<'_> {
        Node { document: self, id: NodeId::ROOT }
    }

    /// The node of an origin's number.
    pub fn node(&self, id: NodeId) -> Option<Node<'_>> {
        ((id.0 as usize) < self.nodes.len()).then_some(Node { document: self, id })
    }

    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn attribute_count(&self) -> usize {
        self.attributes.len()
    }

    fn slice(&self, span: &Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Whether a range of the text is this; mostly the length says no.
    fn holds(&self, span: &Span, wanted: &str) -> bool {
        span.len() == wanted.len()
            && self.text.as_bytes().get(span.start as usize..span.end as usize) == Some(wanted.as_bytes())
    }

    /// The byte ranges of the comments and processing instructions that are in no element.
    pub(crate) fn outside(&self) -> impl Iterator<Item = Range<usize>> {
        self.outside.iter().map(|span| span.start as usize..span.end as usize)
    }

    pub(crate) fn has_default_namespace(&self) -> bool {
        self.has_default_namespace
    }

    pub(crate) fn has_comments(&self) -> bool {
        self.has_comments
    }

    /// The byte range of an origin, as far as it has one.
    ///
    /// A path is followed as far as it exists: an attribute that was not written is at its element.
    pub fn span(&self, origin: Origin) -> Option<Range<usize>> {
        self.find(origin).map(|(span, _)| span)
    }

    /// Whether all that an origin names is in the text; `false` for an attribute or element that was left out, so
    /// that its default holds. `None` for an origin without a place.
    pub fn is_written(&self, origin: Origin) -> Option<bool> {
        self.find(origin).map(|(_, written)| written)
    }

    fn find(&self, origin: Origin) -> Option<(Range<usize>, bool)> {
        let (node, path) = match origin {
            Origin::Built | Origin::Always { .. } => return None,
            Origin::Text { start, end } => return Some((start as usize..end as usize, true)),
            Origin::Written { node, path } | Origin::Implied { by: node, path, .. } => (node, path),
        };
        let mut node = self.node(node)?;
        for step in path.split('/').filter(|step| !step.is_empty()) {
            if let Some(name) = step.strip_prefix('@') {
                let attribute = node.attribute_span(name);
                let written = attribute.is_some();
                return Some((attribute.unwrap_or_else(|| node.tag_span()), written));
            }
            match node.children().find(|child| child.is_called(step)) {
                Some(child) => node = child,
                None => return Some((node.tag_span(), false)),
            }
        }
        Some((node.tag_span(), true))
    }

    /// Line and column of an origin, as far as it has one.
    pub fn position(&self, origin: Origin) -> Option<Position> {
        self.span(origin).map(|span| self.position_at(span.start))
    }

    /// Line and column of a byte offset.
    pub fn position_at(&self, offset: usize) -> Position {
        self.lines().position(&self.text, offset)
    }

    /// The index of the text's lines.
    pub fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| Lines::of(&self.text))
    }
}

/// A node of a [`Document`].
#[derive(Debug, Clone, Copy)]
pub struct Node<'d> {
    document: &'d Document,
    id: NodeId,
}

impl<'d> Node<'d> {
    fn raw(&self) -> &'d RawNode {
        // Ids come from the document alone, so they are in range; the root is what is left to say otherwise.
        self.document.nodes.get(self.id.0 as usize).unwrap_or(&self.document.nodes[0])
    }

    /// The node's number.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The document the node belongs to.
    pub fn document(&self) -> &'d Document {
        self.document
    }

    pub(crate) fn kind(&self) -> NodeKind {
        self.raw().kind
    }

    /// Whether the node is an element.
    pub fn is_element(&self) -> bool {
        self.kind() == NodeKind::Element
    }

    /// Whether the node is text that is nothing but white space.
    pub(crate) fn is_blank(&self) -> bool {
        self.source().bytes().all(|byte| byte.is_ascii_whitespace())
    }

    /// Whether the node is an element of this name, prefix included.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        let raw = self.raw();
        raw.kind == NodeKind::Element && self.document.holds(&raw.inner, name)
    }

    /// The element's name as written, with its prefix.
    pub fn name(&self) -> &'d str {
        let raw = self.raw();
        if raw.kind == NodeKind::Element { self.document.slice(&raw.inner) } else { "" }
    }

    /// The node's text as written, markup included.
    pub fn source(&self) -> &'d str {
        self.document.slice(&self.raw().span)
    }

    /// The element that holds the node.
    pub fn parent(&self) -> Option<Node<'d>> {
        let raw = self.raw();
        (self.id != NodeId::ROOT).then_some(Node { document: self.document, id: NodeId(raw.parent) })
    }

    /// The nodes directly below this one, in order.
    pub fn children(&self) -> impl Iterator<Item = Node<'d>> + Clone + use<'d> {
        let document = self.document;
        let end = self.raw().end;
        let mut next = self.id.0 + 1;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let node = Node { document, id: NodeId(next) };
            next = node.raw().end;
            Some(node)
        })
    }

    /// The byte range of the start tag's `<name`, which is where messages point.
    pub fn tag_span(&self) -> Range<usize> {
        let raw = self.raw();
        match raw.kind {
            NodeKind::Element => raw.span.start as usize..raw.inner.end as usize,
            _ => raw.span.start as usize..raw.span.end as usize,
        }
    }

    /// The byte range of the whole node.
    pub fn span(&self) -> Range<usize> {
        let raw = self.raw();
        raw.span.start as usize..raw.span.end as usize
    }

    pub(crate) fn attribute_indices(&self) -> Range<usize> {
        let raw = self.raw();
        raw.attributes.start as usize..raw.attributes.end as usize
    }

    pub(crate) fn attribute_index(&self, name: &str) -> Option<usize> {
        let range = self.attribute_indices();
        let own = self.document.attributes.get(range.clone())?;
        Some(range.start + own.iter().position(|attribute| self.document.holds(&attribute.name, name))?)
    }

    pub(crate) fn attribute_name_at(&self, index: usize) -> &'d str {
        self.document.attributes.get(index).map_or("", |attribute| self.document.slice(&attribute.name))
    }

    pub(crate) fn attribute_value_at(&self, index: usize) -> Cow<'d, str> {
        self.document
            .attributes
            .get(index)
            .map_or(Cow::Borrowed(""), |attribute| unescape(self.document.slice(&attribute.value)))
    }

    /// The value of an attribute as written, without its quotes.
    pub(crate) fn raw_attribute_value_at(&self, index: usize) -> &'d str {
        self.document.attributes.get(index).map_or("", |attribute| self.document.slice(&attribute.value))
    }

    /// The byte range of an attribute, from its name to its value.
    pub(crate) fn attribute_span_at(&self, index: usize) -> Range<usize> {
        self.document
            .attributes
            .get(index)
            .map_or(0..0, |attribute| attribute.name.start as usize..attribute.value.end as usize)
    }

    fn attribute_span(&self, name: &str) -> Option<Range<usize>> {
        self.attribute_index(name).map(|index| self.attribute_span_at(index))
    }

    /// The names and values of the element's attributes, in order, entities resolved.
    pub fn attributes(&self) -> impl Iterator<Item = (&'d str, Cow<'d, str>)> + use<'d> {
        let node = *self;
        node.attribute_indices()
            .map(move |index| (node.attribute_name_at(index), node.attribute_value_at(index)))
    }

    /// The value of an attribute, entities resolved.
    pub fn attribute(&self, name: &str) -> Option<Cow<'d, str>> {
        self.attribute_index(name).map(|index| self.attribute_value_at(index))
    }

    /// The text directly inside the element, entities resolved, comments left out.
    pub fn text(&self) -> Cow<'d, str> {
        let mut out = Cow::Borrowed("");
        for child in self.children() {
            let piece = match child.kind() {
                NodeKind::Text => unescape(self.document.slice(&child.raw().inner)),
                NodeKind::CData => Cow::Borrowed(self.document.slice(&child.raw().inner)),
                NodeKind::Element | NodeKind::Comment | NodeKind::Instruction => continue,
            };
            if out.is_empty() {
                out = piece;
            } else {
                out.to_mut().push_str(&piece);
            }
        }
        out
    }

    /// The namespace URI that a prefix stands for at this element.
    pub fn namespace(&self, prefix: &str) -> Option<Cow<'d, str>> {
        let mut node = Some(*self);
        while let Some(current) = node {
            let found = current.attribute_indices().find(|index| {
                let name = current.attribute_name_at(*index);
                match name.strip_prefix("xmlns") {
                    Some("") => prefix.is_empty(),
                    Some(rest) => rest.strip_prefix(':') == Some(prefix),
                    None => false,
                }
            });
            if let Some(index) = found {
                return Some(current.attribute_value_at(index));
            }
            node = current.parent();
        }
        None
    }
}

/// Resolves entities; the parser has checked them all, so what cannot be resolved stays as it is.
fn unescape(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&b'&') {
        quick_xml::escape::unescape(text).unwrap_or(Cow::Borrowed(text))
    } else {
        Cow::Borrowed(text)
    }
}
