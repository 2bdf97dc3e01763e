//! `<metadata>` as libvirt keeps it: one element of each namespace.

use std::collections::BTreeSet;

use super::Domain;
use crate::Document;
use crate::source::{Node, NodeKind};

/// Below how many levels of spaces `<metadata>` stands.
const DEPTH: usize = 1;

impl Domain {
    /// Drops from `<metadata>` what libvirt does not keep, and writes the rest as libvirt does.
    ///
    /// Every application has a namespace and one element in it; the first of each stays, and elements
    /// without a namespace go.
    pub fn tidy_metadata(&mut self) {
        let Some(written) = &self.metadata else { return };
        let Ok(document) = Document::parse("metadata", format!("<metadata>{written}</metadata>")) else {
            return;
        };
        let mut namespaces = BTreeSet::new();
        let mut out = String::new();
        for node in document.root().children().filter(Node::is_element) {
            let prefix = node.name().split_once(':').map_or("", |(prefix, _)| prefix);
            if node.namespace(prefix).is_some_and(|uri| namespaces.insert(uri)) {
                line(DEPTH + 1, &mut out);
                print(node, DEPTH + 1, &mut out);
            }
        }
        self.metadata = (!out.is_empty()).then(|| {
            line(DEPTH, &mut out);
            out
        });
    }
}

fn line(depth: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Writes an element; its children are on lines of their own unless there is text between them.
fn print(node: Node<'_>, depth: usize, out: &mut String) {
    if !node.is_element() {
        out.push_str(node.source());
        return;
    }
    out.push('<');
    out.push_str(node.name());
    // Declarations of namespaces come first.
    for declares in [true, false] {
        for index in node.attribute_indices() {
            let name = node.attribute_name_at(index);
            if (name == "xmlns" || name.starts_with("xmlns:")) == declares {
                let value = node.attribute_value_at(index);
                out.push_str(&format!(" {name}=\"{}\"", escape(&value)));
            }
        }
    }
    let is_mixed = node.children().any(|child| is_text(child) && !child.is_blank());
    let is_alone = node.children().count() == 1;
    let mut children = node.children().filter(|child| is_mixed || is_alone || !is_text(*child)).peekable();
    if children.peek().is_none() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    let spreads = children.clone().all(|child| !is_text(child));
    for child in children {
        if spreads {
            line(depth + 1, out);
        }
        print(child, depth + 1, out);
    }
    if spreads {
        line(depth, out);
    }
    out.push_str(&format!("</{}>", node.name()));
}

fn is_text(node: Node<'_>) -> bool {
    matches!(node.kind(), NodeKind::Text | NodeKind::CData)
}

/// A value between double quotes, as libxml2 writes it.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::Domain;

    fn check(written: &str, expected: Option<&str>) {
        let mut domain = Domain { metadata: Some(written.to_owned()), ..Domain::default() };
        domain.tidy_metadata();
        assert_eq!(domain.metadata.as_deref(), expected, "{written}");
    }

    #[test]
    fn metadata_has_one_element_of_each_namespace() {
        check("<a/>", None);
        check("<p:a xmlns:p='u:1'/>", Some("\n    <p:a xmlns:p=\"u:1\"/>\n  "));
        check("<a xmlns='u:1'/><q:b xmlns:q='u:1'/>", Some("\n    <a xmlns=\"u:1\"/>\n  "));
        check(
            "<p:a b='&quot;' xmlns:p='u:1'> <p:c>t &amp;</p:c><!-- d -->\n</p:a>",
            Some(
                "\n    <p:a xmlns:p=\"u:1\" b=\"&quot;\">\n      <p:c>t &amp;</p:c>\n      <!-- d -->\n    </p:a>\n  ",
            ),
        );
        check("<p:a xmlns:p='u:1'>x<b/> </p:a>", Some("\n    <p:a xmlns:p=\"u:1\">x<b/> </p:a>\n  "));
    }
}
