//! Paths of places in a document, such as `/domain/devices/disk[2]/target`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Document, Node, NodeKind};
use crate::{NodeId, Origin};

impl Document {
    /// The path of an origin in the document, such as `/domain/devices/interface[2]/driver/@txmode`.
    pub fn path(&self, origin: Origin) -> Option<String> {
        let (mut node, path) = match origin {
            Origin::Built | Origin::Always { .. } => return None,
            Origin::Text { start, .. } => self.at_offset(start)?,
            Origin::Written { node, path } | Origin::Implied { by: node, path, .. } => {
                (self.node(node)?, Cow::Borrowed(path))
            }
        };
        let mut steps = Vec::new();
        loop {
            let Some(parent) = node.parent() else {
                steps.push(node.name().to_owned());
                break;
            };
            steps.push(match self.number_among_twins(node) {
                Some(number) => format!("{}[{number}]", node.name()),
                None => node.name().to_owned(),
            });
            node = parent;
        }
        let mut out = String::new();
        for step in steps.iter().rev() {
            out.push('/');
            out.push_str(step);
        }
        if !path.is_empty() {
            out.push('/');
            out.push_str(&path);
        }
        Some(out)
    }

    /// The innermost element at a byte offset, and `@name` if it is one of its attributes that is there.
    fn at_offset(&self, offset: u32) -> Option<(Node<'_>, Cow<'static, str>)> {
        // The nodes are in the order in which they begin.
        let behind = self.nodes.partition_point(|node| node.span.start <= offset);
        let mut node = self.node(NodeId(u32::try_from(behind.checked_sub(1)?).ok()?))?;
        while !node.is_element() || node.raw().span.end <= offset {
            node = node.parent()?;
        }
        let attribute = node
            .attribute_indices()
            .find(|index| node.attribute_span_at(*index).contains(&(offset as usize)))
            .map(|index| format!("@{}", node.attribute_name_at(index)));
        Some((node, Cow::Owned(attribute.unwrap_or_default())))
    }

    /// Which of the children of that name the element is, counted from 1, if its parent has several.
    fn number_among_twins(&self, node: Node<'_>) -> Option<u32> {
        let numbers = self.numbers.get_or_init(|| self.count_twins());
        numbers.get(node.id.0 as usize).copied().filter(|number| *number > 0)
    }

    /// The number of each element among those of its name, or 0 if it is alone: for all at once, because a document can
    /// have a million siblings and a thousand problems.
    fn count_twins(&self) -> Vec<u32> {
        let mut numbers = vec![0; self.nodes.len()];
        // The first of each name, and how many there are so far.
        let mut seen: HashMap<(u32, &str), (usize, u32)> = HashMap::new();
        for (id, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.kind == NodeKind::Element) {
            match seen.entry((node.parent, self.slice(&node.inner))) {
                Entry::Vacant(entry) => {
                    entry.insert((id, 1));
                }
                Entry::Occupied(mut entry) => {
                    let (first, count) = entry.get_mut();
                    *count += 1;
                    if let Some(number) = numbers.get_mut(*first) {
                        *number = 1;
                    }
                    if let Some(number) = numbers.get_mut(id) {
                        *number = *count;
                    }
                }
            }
        }
        numbers
    }
}
