//! Writes changes into a text and leaves the rest as it was.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::{Document, Node, NodeKind};

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
        merge.element(self.root(), before.root(), after.root());
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

    /// Changes `own` as `before` has become `after`.
    fn element(&mut self, own: Node<'_>, before: Node<'_>, after: Node<'_>) {
        if before.source() == after.source() {
            return;
        }
        let is_leaf = |node: Node<'_>| elements(node).next().is_none();
        let has_inside = own.children().next().is_some();
        match (is_leaf(before), is_leaf(after)) {
            (true, true) => {
                self.attributes(own, before, after);
                if before.text() != after.text() {
                    match (has_inside, inside(after)) {
                        (true, Some(inside)) => self.replace_inside(own, inside),
                        _ => self.replace_element(own, after),
                    }
                }
            }
            (false, _) if has_inside => {
                self.attributes(own, before, after);
                self.children(own, before, after);
            }
            _ => self.replace_element(own, after),
        }
    }

    fn replace_element(&mut self, own: Node<'_>, after: Node<'_>) {
        let span = own.span();
        self.edits.retain(|edit| !span.contains(&edit.start));
        self.replace(span.start, span.end, indented(after, self.indent_of(own)));
    }

    fn replace_inside(&mut self, own: Node<'_>, inside: &str) {
        let first = own.children().next();
        let last = own.children().last();
        if let (Some(first), Some(last)) = (first, last) {
            self.replace(first.span().start, last.span().end, inside.to_owned());
        }
    }

    fn attributes(&mut self, own: Node<'_>, before: Node<'_>, after: Node<'_>) {
        let own_index =
            |name: &str| own.attribute_indices().find(|index| own.attribute_name_at(*index) == name);
        let mut new = String::new();
        for index in after.attribute_indices() {
            let name = after.attribute_name_at(index);
            if before.attribute(name) == Some(after.attribute_value_at(index)) {
                continue;
            }
            // The canonical spelling escapes both kinds of quotes, so it fits into either.
            let value = after.raw_attribute_value_at(index);
            match own_index(name) {
                Some(index) => {
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
                && let Some(index) = own_index(name)
            {
                let span = own.attribute_span_at(index);
                let blank = self.text.get(..span.start).map_or(span.start, |text| text.trim_end().len());
                self.replace(blank, span.end + 1, String::new());
            }
        }
        if !new.is_empty() {
            let end = attributes_end(own);
            self.replace(end, end, new);
        }
    }

    fn children(&mut self, own: Node<'_>, before: Node<'_>, after: Node<'_>) {
        let before_children: Vec<Node<'_>> = elements(before).collect();
        let after_children: Vec<Node<'_>> = elements(after).collect();
        let counterparts = counterparts(own, &before_children);
        let indent = match elements(own).next() {
            Some(child) => self.indent_of(child).to_owned(),
            None => format!("{}  ", self.indent_of(own)),
        };
        let mut place = self.inside_start(own);
        for (old, new) in align(&before_children, &after_children) {
            let own = old.and_then(|old| counterparts.get(old).copied().flatten());
            let old = old.and_then(|old| before_children.get(old).copied());
            let new = new.and_then(|new| after_children.get(new).copied());
            match (own, old, new) {
                (Some(own), Some(old), Some(new)) => {
                    self.element(own, old, new);
                    place = own.span().end;
                }
                (Some(own), _, None) => self.remove(own),
                (None, Some(old), Some(new)) if old.source() == new.source() => {}
                (_, _, Some(new)) => {
                    self.replace(place, place, format!("\n{indent}{}", indented(new, &indent)))
                }
                (None, _, None) => {}
            }
        }
    }

    /// Takes an element out, with the blanks in front of it.
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

/// Behind the last attribute's quote, or behind the name.
fn attributes_end(node: Node<'_>) -> usize {
    node.attribute_indices().last().map_or(node.tag_span().end, |last| node.attribute_span_at(last).end + 1)
}

/// What is between the tags.
fn inside<'d>(node: Node<'d>) -> Option<&'d str> {
    let start = node.children().next()?.span().start;
    let end = node.children().last()?.span().end;
    node.document().text().get(start..end)
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

/// For each element of `before` the one in `own` that says the same: the first of its name, the second, and
/// so on.
fn counterparts<'d>(own: Node<'d>, before: &[Node<'_>]) -> Vec<Option<Node<'d>>> {
    let mut rest: HashMap<&str, VecDeque<Node<'d>>> = HashMap::new();
    for node in elements(own) {
        rest.entry(node.name()).or_default().push_back(node);
    }
    before.iter().map(|node| rest.get_mut(node.name()).and_then(VecDeque::pop_front)).collect()
}

/// What an element was and what it has become, by their numbers.
type Pair = (Option<usize>, Option<usize>);

/// A stretch of the old elements and the stretch of the new ones that stands for it.
type Gap = (Range<usize>, Range<usize>);

/// Which element has become which, in the order of `after`; those that are gone are in between.
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

/// The longest run of elements, not necessarily in a row, that stayed the same.
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

/// Elements of one name have become each other in their order.
fn align_by_name(before: &[Node<'_>], after: &[Node<'_>], (old, new): Gap, out: &mut Vec<Pair>) {
    let mut rest: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for index in old {
        if let Some(node) = before.get(index) {
            rest.entry(node.name()).or_default().push_back(index);
        }
    }
    for index in new {
        let name = after.get(index).map_or("", Node::name);
        out.push((rest.get_mut(name).and_then(VecDeque::pop_front), Some(index)));
    }
    let mut gone: Vec<usize> = rest.into_values().flatten().collect();
    gone.sort_unstable();
    out.extend(gone.into_iter().map(|index| (Some(index), None)));
}
