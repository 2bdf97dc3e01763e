//! What nobody asks for: reported, and kept.

use std::ops::Range;

use super::{Asked, Name, Reader, is_foreign, nearest, split_name, text_origin};
use crate::source::{MAX_UNKNOWN_ATTRIBUTES, NodeKind};
use crate::xml::{Anchor, Extra, namespace_uri};
use crate::{Code, Diagnostic, Node, NodeId};

impl<'d> Reader<'d> {
    /// Keeps and reports what is left of the node; its names and children stand behind these many others.
    ///
    /// What is given back are twins of the node with nothing but attributes that it has too.
    pub(super) fn collect_unknown(&mut self, asked: usize, read_children: usize, once: usize) -> Vec<String> {
        self.collect_unknown_children(asked, read_children, once);
        let (mut kept, mut second) = (0, Vec::new());
        self.collect_unknown_attributes(self.node, asked, &mut kept, &mut second);
        for twin in self.twins.clone() {
            self.collect_unknown_attributes(twin, asked, &mut kept, &mut second);
        }
        second
    }

    fn collect_unknown_attributes(
        &mut self,
        node: Node<'d>,
        asked: usize,
        kept: &mut usize,
        second: &mut Vec<String>,
    ) {
        for index in node.attribute_indices() {
            if self.seen_attributes.get(index).copied().unwrap_or(true) {
                continue;
            }
            if self.declarations.iter().any(|own| own.attribute == index && !own.is_needed) {
                continue;
            }
            let name = node.attribute_name_at(index);
            let span = node.attribute_span_at(index);
            if self.attribute_index(name) != Some(index) {
                second.push(self.second_attribute(node, index));
                continue;
            }
            if *kept == MAX_UNKNOWN_ATTRIBUTES {
                let message =
                    format!("`<{}>` has more than {kept} attributes that are not known", node.name());
                self.problems.push(Diagnostic::error(Code::TooMany, text_origin(span), message));
                return;
            }
            *kept += 1;
            let source = self.attribute_source(index);
            self.keep(Anchor::Attribute, source);
            if name == "xmlns" || name.starts_with("xmlns:") || name.contains(':') {
                continue;
            }
            if self.problems.is_full() {
                self.problems.count_warning();
                continue;
            }
            let mut diagnostic = Diagnostic::warning(
                Code::UnknownAttribute,
                text_origin(span),
                format!("unknown attribute `{name}` of `<{}>`", node.name()),
            );
            let known = self.asked.iter().skip(asked).filter_map(|asked| match asked {
                Asked::Attribute(name) => Some(*name),
                Asked::Child(_) => None,
            });
            if let Some(word) = nearest(name, known) {
                diagnostic = diagnostic.help(format!("did you mean `{word}`?"));
            }
            self.problems.push(diagnostic);
        }
    }

    fn collect_unknown_children(&mut self, asked: usize, read_children: usize, once: usize) {
        let node = self.node;
        // What is unknown is written in front of the next known child, or where that one would be. What repeats
        // a child must come behind it; comments right in front go with it.
        let mut waiting: Vec<String> = Vec::new();
        let mut comments = 0;
        let mut text: Option<Range<usize>> = None;
        let mut unasked: Vec<&'static str> = Vec::new();
        let mut read_children = self.read_children.split_off(read_children);
        read_children.sort_unstable_by_key(|(id, _)| *id);
        let mut read_children = read_children.into_iter().peekable();
        for child in self.child_nodes() {
            let is_text = matches!(child.kind(), NodeKind::Text | NodeKind::CData);
            if is_text && !self.reads_text && !self.is_seen(child) {
                let span = child.span();
                // Text does not go on from one of the elements that are read as one to the next.
                let before =
                    text.take_if(|text| text.end != span.start).and_then(|text| self.stray_text(text));
                if let Some(before) = before {
                    waiting.push(before);
                    comments = 0;
                }
                text = Some(text.map_or(span.start, |text| text.start)..span.end);
                continue;
            }
            if let Some(text) = text.take().and_then(|text| self.stray_text(text)) {
                waiting.push(text);
                comments = 0;
            }
            if let Some((_, name)) = read_children.next_if(|(id, _)| *id == child.id()) {
                for source in waiting.drain(..) {
                    self.keep(Anchor::Before(name), source);
                }
                comments = 0;
                continue;
            }
            if is_text || self.is_seen(child) {
                continue;
            }
            if !child.is_element() {
                waiting.push(child.source().to_owned());
                comments += 1;
                continue;
            }
            let repeated = self.asked_children(asked).find(|name| self.is_named(child, Name::new(name)));
            let single =
                self.once.iter().skip(once).find(|name| self.is_named(child, Name::new(name))).copied();
            // One that nobody asked for may be there once; it is as unknown as any other.
            let again = single.filter(|name| repeated.is_some() || unasked.contains(name));
            unasked.extend(single);
            if let Some(name) = again {
                let message = format!("`<{}>` must not have more than one `<{name}>`", node.name());
                let origin = text_origin(child.tag_span());
                self.problems.push(Diagnostic::error(Code::RepeatedElement, origin, message));
            } else {
                self.report_unknown_child(child, asked, repeated.is_some());
            }
            if let Some(name) = repeated {
                for source in waiting.split_off(waiting.len() - comments) {
                    self.keep(Anchor::After(name), source);
                }
                self.keep(Anchor::After(name), child.source().to_owned());
            } else {
                waiting.push(child.source().to_owned());
            }
            comments = 0;
        }
        waiting.extend(text.and_then(|text| self.stray_text(text)));
        for source in waiting {
            self.keep(Anchor::End, source);
        }
    }

    /// The names of children that were asked for in the node.
    fn asked_children(&self, asked: usize) -> impl Iterator<Item = &'static str> + Clone {
        self.asked.iter().skip(asked).filter_map(|asked| match asked {
            Asked::Child(name) => Some(*name),
            Asked::Attribute(_) => None,
        })
    }

    /// Reports text that belongs to nothing, unless it is blank, and gives it without the blanks around it.
    fn stray_text(&mut self, span: Range<usize>) -> Option<String> {
        let blanks = [' ', '\t', '\r', '\n'];
        let text = self.node.document().text().get(span.clone()).unwrap_or("");
        let rest = text.trim_start_matches(blanks);
        let start = span.start + text.len() - rest.len();
        let rest = rest.trim_end_matches(blanks);
        if rest.is_empty() {
            return None;
        }
        let message = format!("text in `<{}>`, which has none; it is ignored", self.node.name());
        let origin = text_origin(start..start + rest.len());
        self.problems.push(Diagnostic::warning(Code::StrayText, origin, message));
        Some(rest.to_owned())
    }

    fn report_unknown_child(&mut self, child: Node<'d>, asked: usize, is_repeated: bool) {
        let (prefix, _) = split_name(child.name());
        if is_foreign(child) || (!prefix.is_empty() && namespace_uri(prefix).is_none()) {
            return;
        }
        if self.problems.is_full() {
            self.problems.count_warning();
            return;
        }
        let (child_name, parent) = (child.name(), self.node.name());
        let origin = text_origin(child.tag_span());
        let diagnostic = if is_repeated {
            let message = format!("`<{child_name}>` occurs again in `<{parent}>`; this one is ignored");
            Diagnostic::warning(Code::RepeatedElement, origin, message)
        } else {
            let message = format!("unknown element `<{child_name}>` in `<{parent}>`");
            let diagnostic = match self.closed {
                Some(but) if !but.contains(&child_name) => {
                    Diagnostic::error(Code::UnknownFeature, origin, message)
                }
                _ => Diagnostic::warning(Code::UnknownElement, origin, message),
            };
            match nearest(child_name, self.asked_children(asked)) {
                Some(word) => diagnostic.help(format!("did you mean `<{word}>`?")),
                None => diagnostic,
            }
        };
        self.problems.push(diagnostic);
    }

    pub(super) fn keep(&mut self, anchor: Anchor, source: String) {
        self.need_prefixes(&source);
        self.extras.push(Extra { path: self.path.clone(), anchor, source, is_alone: false });
    }

    /// Notes which prefixes occur in something that is kept as it is.
    pub(super) fn need_prefixes(&mut self, source: &str) {
        for declaration in &mut self.declarations {
            let mut uses = source.match_indices(declaration.prefix);
            declaration.is_needed |=
                uses.any(|(at, prefix)| source.as_bytes().get(at + prefix.len()) == Some(&b':'));
        }
    }

    /// The comments directly in front of a node, which go with it.
    pub(super) fn take_lead(&mut self, node: Node<'d>) -> Vec<Extra> {
        let mut lead: Vec<Node<'d>> = Vec::new();
        if !node.document().has_comments() {
            return Vec::new();
        }
        for child in self.child_nodes() {
            if child.id() == node.id() {
                break;
            }
            match child.kind() {
                NodeKind::Comment if !self.is_seen(child) => lead.push(child),
                NodeKind::Text if child.is_blank() => {}
                _ => lead.clear(),
            }
        }
        self.take_comments(lead)
    }

    pub(super) fn take_comments(&mut self, comments: Vec<Node<'d>>) -> Vec<Extra> {
        comments
            .into_iter()
            .map(|comment| {
                self.mark(comment);
                let source = comment.source().to_owned();
                Extra { path: Vec::new(), anchor: Anchor::Lead, source, is_alone: false }
            })
            .collect()
    }
}

/// What stands beside the root, if `node` is that.
pub(super) fn around_root(node: Node<'_>) -> Vec<Extra> {
    let root = node.span().start;
    let extra = |span: Range<usize>| Extra {
        path: Vec::new(),
        anchor: if span.start < root { Anchor::Lead } else { Anchor::Trail },
        source: node.document().text().get(span).unwrap_or("").to_owned(),
        is_alone: false,
    };
    if node.id() == NodeId::ROOT { node.document().outside().map(extra).collect() } else { Vec::new() }
}
