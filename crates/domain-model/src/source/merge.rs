//! Writes changes into a text and leaves the rest as it was.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::{Document, Node, NodeKind};
use crate::xml::is_foreign;

/// How many comparisons are spent on finding out which elements stayed the same.
const MAX_COMPARISONS: usize = 1 << 20;

impl Document {
    /// This text with the changes that lead from `before` to `after`. What is the same in both stays as it is
    /// here, with its quotes, comments and blanks.
    ///
    /// `before` is what this document says in another spelling: the same elements, in any order as long as
    /// those of one name keep theirs. What is in `before` and not here is left out until it changes.
    pub(crate) fn merge(&self, before: &Document, after: &Document) -> String {
        let mut merge = Merge { text: &self.text, edits: Vec::new() };
        merge.element(&[self.root()], before.root(), after.root());
        merge.apply()
    }
}

/// Replacements of stretches of the text, none of which overlap.
struct Merge<'t> {
    text: &'t str,
    edits: Vec<Edit>,
}

struct Edit {
    start: usize,
    end: usize,
    text: String,
}

impl Merge<'_> {
    fn replace(&mut self, start: usize, end: usize, text: String) {
        self.edits.push(Edit { start, end, text });
    }

    fn apply(mut self) -> String {
        // Insertions at one place keep their order, because the sort is stable.
        self.edits.sort_by_key(|edit| edit.start);
        let mut out = String::with_capacity(self.text.len());
        let mut done = 0;
        for edit in self.edits {
            out.push_str(self.text.get(done..edit.start).unwrap_or(""));
            out.push_str(&edit.text);
            done = done.max(edit.end);
        }
        out.push_str(self.text.get(done..).unwrap_or(""));
        out
    }

    /// Changes `own`, elements that are read as one, as `before` has become `after`.
    fn element(&mut self, own: &[Node<'_>], before: Node<'_>, after: Node<'_>) {
        if before.source() == after.source() {
            return;
        }
        let is_empty = |node: &Node<'_>| node.children().next().is_none();
        let Some(main) = own.iter().find(|own| !is_empty(own)).or(own.first()).copied() else { return };
        match (is_structured(before), is_structured(after)) {
            (false, false) if !is_empty(&main) || is_empty(&after) => {
                self.attributes(own, before, after);
                if before.text() != after.text() {
                    self.replace_text(main, after);
                }
                self.children(main, own, before, after);
            }
            (true, _) if !is_empty(&main) => {
                self.attributes(own, before, after);
                self.children(main, own, before, after);
            }
            _ => {
                self.replace_element(main, after);
                for twin in own.iter().filter(|own| own.id() != main.id()) {
                    self.remove(*twin);
                }
            }
        }
    }

    fn replace_element(&mut self, own: Node<'_>, after: Node<'_>) {
        let span = own.span();
        self.edits.retain(|edit| !span.contains(&edit.start));
        self.replace(span.start, span.end, indented(after, self.indent_of(own)));
    }

    /// Gives an element the text of `after`; what else is in it stays.
    fn replace_text(&mut self, own: Node<'_>, after: Node<'_>) {
        let mut new: String = texts(after).map(|text| text.source()).collect();
        for text in texts(own) {
            self.replace(text.span().start, text.span().end, std::mem::take(&mut new));
        }
        if !new.is_empty() {
            let start = self.inside_start(own);
            self.replace(start, start, new);
        }
    }

    fn attributes(&mut self, own: &[Node<'_>], before: Node<'_>, after: Node<'_>) {
        let own_index = |name: &str| own.iter().find_map(|own| Some((own, own.attribute_index(name)?)));
        let mut new = String::new();
        for index in after.attribute_indices() {
            let name = after.attribute_name_at(index);
            if before.attribute(name) == Some(after.attribute_value_at(index)) {
                continue;
            }
            // The canonical spelling escapes both kinds of quotes, so it fits into either.
            let value = after.raw_attribute_value_at(index);
            match own_index(name) {
                Some((own, index)) => {
                    let end = own.attribute_span_at(index).end;
                    let start = end.saturating_sub(own.raw_attribute_value_at(index).len());
                    self.replace(start, end, value.to_owned());
                }
                None => new.push_str(&format!(" {name}='{value}'")),
            }
        }
        for index in before.attribute_indices() {
            let name = before.attribute_name_at(index);
            if after.attribute(name).is_none()
                && let Some((own, index)) = own_index(name)
            {
                let span = own.attribute_span_at(index);
                let blank = self.text.get(..span.start).map_or(span.start, |text| text.trim_end().len());
                self.replace(blank, span.end + 1, String::new());
            }
        }
        if let Some(own) = own.first().filter(|_| !new.is_empty()) {
            let end = attributes_end(*own);
            self.replace(end, end, new);
        }
    }

    /// Changes the children of all of `own`; what is new in front of them all goes into `main`.
    fn children(&mut self, main: Node<'_>, own: &[Node<'_>], before: Node<'_>, after: Node<'_>) {
        let before_children: Vec<Node<'_>> = parts(before).collect();
        let after_children: Vec<Node<'_>> = parts(after).collect();
        let counterparts = counterparts(own, &before_children);
        let indent = match elements(main).next() {
            Some(child) => self.indent_of(child).to_owned(),
            None => format!("{}  ", self.indent_of(main)),
        };
        let mut place = self.inside_start(main);
        for (old, new) in align(&before_children, &after_children) {
            let own = old.and_then(|old| counterparts.get(old)).map_or(&[][..], Vec::as_slice);
            let old = old.and_then(|old| before_children.get(old).copied());
            let new = new.and_then(|new| after_children.get(new).copied());
            match (own.first(), old, new) {
                (Some(first), Some(old), Some(new)) => {
                    self.element(own, old, new);
                    place = first.span().end;
                }
                (Some(_), _, None) => own.iter().for_each(|own| self.remove(*own)),
                (None, Some(old), Some(new)) if old.source() == new.source() => {}
                (_, _, Some(new)) => {
                    self.replace(place, place, format!("\n{indent}{}", indented(new, &indent)))
                }
                (None, _, None) => {}
            }
        }
    }

    /// Takes an element or comment out, with the blanks in front of it.
    fn remove(&mut self, own: Node<'_>) {
        let span = own.span();
        let start = self.text.get(..span.start).map_or(span.start, |before| before.trim_end().len());
        self.replace(start, span.end, String::new());
    }

    /// The blanks between the start of the line and the element.
    fn indent_of(&self, node: Node<'_>) -> &str {
        let before = self.text.get(..node.span().start).unwrap_or("");
        let line = before.rfind('\n').and_then(|newline| before.get(newline + 1..)).unwrap_or("");
        if line.bytes().all(|byte| matches!(byte, b' ' | b'\t')) { line } else { "" }
    }

    /// Where the start tag ends.
    fn inside_start(&self, node: Node<'_>) -> usize {
        let end = attributes_end(node);
        let bracket = self.text.get(end..).and_then(|rest| rest.find('>'));
        bracket.map_or(end, |bracket| end + bracket + 1)
    }
}

fn elements<'d>(node: Node<'d>) -> impl Iterator<Item = Node<'d>> {
    node.children().filter(Node::is_element)
}

/// The elements in a node, and what stands between them apart from text.
fn parts<'d>(node: Node<'d>) -> impl Iterator<Item = Node<'d>> {
    node.children().filter(|child| !matches!(child.kind(), NodeKind::Text | NodeKind::CData))
}

/// By what a part is told from others: its name, or all of it if that is none of libvirt's.
fn name<'d>(part: Node<'d>) -> &'d str {
    if part.is_element() && !is_foreign(part) { part.name() } else { part.source() }
}

/// Behind the last attribute's quote, or behind the name.
fn attributes_end(node: Node<'_>) -> usize {
    node.attribute_indices().last().map_or(node.tag_span().end, |last| node.attribute_span_at(last).end + 1)
}

/// The pieces of an element's text.
fn texts<'d>(node: Node<'d>) -> impl Iterator<Item = Node<'d>> {
    node.children().filter(|child| matches!(child.kind(), NodeKind::Text | NodeKind::CData))
}

/// Whether an element of the canonical text has its children on lines of their own.
fn is_structured(node: Node<'_>) -> bool {
    node.children().last().is_some_and(|last| {
        let text = last.source();
        last.kind() == NodeKind::Text
            && text.rsplit_once('\n').is_some_and(|(_, line)| line.bytes().all(|byte| byte == b' '))
    })
}

/// An element as written, its lines moved to another indentation unless that would change a text.
fn indented(node: Node<'_>, indent: &str) -> String {
    let source = node.source();
    if has_lines(node) {
        return source.to_owned();
    }
    let before = node.document().text().get(..node.span().start).unwrap_or("");
    let old = before.rfind('\n').and_then(|newline| before.get(newline + 1..)).unwrap_or("");
    let mut lines = source.lines();
    let mut out = lines.next().unwrap_or("").to_owned();
    for line in lines {
        out.push('\n');
        out.push_str(indent);
        out.push_str(line.strip_prefix(old).unwrap_or(line));
    }
    out
}

/// Whether there is a text of several lines in the element.
fn has_lines(node: Node<'_>) -> bool {
    node.children().any(|child| match child.kind() {
        NodeKind::Element => has_lines(child),
        NodeKind::Text => !child.is_blank() && child.source().contains('\n'),
        NodeKind::CData | NodeKind::Comment | NodeKind::Instruction => child.source().contains('\n'),
    })
}

/// For each part of `before` the one in `own` that says the same: the first of its name, the second, and so on.
///
/// With the first of a name go those for which `before` has none: they are read as one with it.
fn counterparts<'d>(own: &[Node<'d>], before: &[Node<'_>]) -> Vec<Vec<Node<'d>>> {
    let mut rest: HashMap<&str, VecDeque<Node<'d>>> = HashMap::new();
    for node in own.iter().flat_map(|own| parts(*own)) {
        rest.entry(name(node)).or_default().push_back(node);
    }
    let mut found: Vec<Vec<Node<'d>>> = before
        .iter()
        .map(|node| rest.get_mut(name(*node)).and_then(VecDeque::pop_front).into_iter().collect())
        .collect();
    for (node, own) in before.iter().zip(&mut found) {
        if node.is_element() {
            own.extend(rest.remove(name(*node)).unwrap_or_default());
        }
    }
    found
}

/// What a part was and what it has become, by their numbers.
type Pair = (Option<usize>, Option<usize>);

/// A stretch of the old parts and the stretch of the new ones that stands for it.
type Gap = (Range<usize>, Range<usize>);

/// Which part has become which, in the order of `after`; those that are gone are in between.
fn align(before: &[Node<'_>], after: &[Node<'_>]) -> Vec<Pair> {
    let is_same = |(old, new): (&Node<'_>, &Node<'_>)| old.source() == new.source();
    let head = before.iter().zip(after).take_while(|pair| is_same(*pair)).count();
    let (old_rest, new_rest) =
        (before.get(head..).unwrap_or_default(), after.get(head..).unwrap_or_default());
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|pair| is_same(*pair)).count();
    let (old_end, new_end) = (before.len() - tail, after.len() - tail);

    let mut pairs: Vec<Pair> = (0..head).map(|index| (Some(index), Some(index))).collect();
    let (mut old, mut new) = (head, head);
    for (same_old, same_new) in unchanged(before, after, (head..old_end, head..new_end)) {
        align_by_name(before, after, (old..same_old, new..same_new), &mut pairs);
        pairs.push((Some(same_old), Some(same_new)));
        (old, new) = (same_old + 1, same_new + 1);
    }
    align_by_name(before, after, (old..old_end, new..new_end), &mut pairs);
    pairs.extend((0..tail).map(|index| (Some(old_end + index), Some(new_end + index))));
    pairs
}

/// The longest run of parts, not necessarily in a row, that stayed the same.
fn unchanged(before: &[Node<'_>], after: &[Node<'_>], (old, new): Gap) -> Vec<(usize, usize)> {
    let (rows, columns) = (old.len(), new.len());
    if rows.saturating_mul(columns) > MAX_COMPARISONS {
        return Vec::new();
    }
    let is_same =
        |row: usize, column: usize| match (before.get(old.start + row), after.get(new.start + column)) {
            (Some(old), Some(new)) => old.source() == new.source(),
            _ => false,
        };
    let width = columns + 1;
    let mut lengths = vec![0_u32; (rows + 1) * width];
    let at =
        |lengths: &[u32], row: usize, column: usize| lengths.get(row * width + column).copied().unwrap_or(0);
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let length = if is_same(row, column) {
                at(&lengths, row + 1, column + 1) + 1
            } else {
                at(&lengths, row + 1, column).max(at(&lengths, row, column + 1))
            };
            if let Some(cell) = lengths.get_mut(row * width + column) {
                *cell = length;
            }
        }
    }
    let mut found = Vec::new();
    let (mut row, mut column) = (0, 0);
    while row < rows && column < columns {
        if is_same(row, column) {
            found.push((old.start + row, new.start + column));
            row += 1;
            column += 1;
        } else if at(&lengths, row + 1, column) >= at(&lengths, row, column + 1) {
            row += 1;
        } else {
            column += 1;
        }
    }
    found
}

/// Parts of one name have become each other in their order.
fn align_by_name(before: &[Node<'_>], after: &[Node<'_>], (old, new): Gap, out: &mut Vec<Pair>) {
    let mut rest: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for index in old {
        if let Some(node) = before.get(index) {
            rest.entry(name(*node)).or_default().push_back(index);
        }
    }
    for index in new {
        let name = after.get(index).map_or("", |node| name(*node));
        out.push((rest.get_mut(name).and_then(VecDeque::pop_front), Some(index)));
    }
    let mut gone: Vec<usize> = rest.into_values().flatten().collect();
    gone.sort_unstable();
    out.extend(gone.into_iter().map(|index| (Some(index), None)));
}
