//! XML as a plain tree, to look into and to compare.

use std::collections::BTreeMap;

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;

/// An element with its attributes, its child elements and its own text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// The name; that of an element in a namespace is `{namespace}name`, whatever prefix it has.
    pub name: String,
    /// The attributes, by name; those that declare namespaces are left out.
    pub attributes: BTreeMap<String, String>,
    /// The child elements, in order.
    pub children: Vec<Element>,
    /// The text directly inside, all of it in one piece; white space only counts as no text.
    pub text: String,
}

impl Element {
    /// The root element of an XML text, or what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = NsReader::from_str(text);
        let mut open: Vec<Element> = vec![Element::default()];
        loop {
            let event = reader.read_resolved_event().map_err(|error| error.to_string())?;
            match event.1 {
                Event::Start(start) => open.push(Self::start(&event.0, &start)?),
                Event::Empty(start) => {
                    let element = Self::start(&event.0, &start)?;
                    if let Some(parent) = open.last_mut() {
                        parent.children.push(element);
                    }
                }
                Event::End(_) => {
                    if let Some(mut element) = open.pop() {
                        if element.text.trim().is_empty() {
                            element.text.clear();
                        }
                        if let Some(parent) = open.last_mut() {
                            parent.children.push(element);
                        }
                    }
                }
                Event::Text(text) => append(&mut open, &text.xml10_content()),
                Event::CData(text) => append(&mut open, &text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                        Some(character) => character.to_string(),
                        None => quick_xml::escape::resolve_predefined_entity(&reference)
                            .ok_or_else(|| format!("unknown entity `{}`", &*reference))?
                            .to_owned(),
                    };
                    append(&mut open, &character);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let mut document = open.pop().unwrap_or_default();
        match (open.is_empty(), document.children.len()) {
            (true, 1) => document.children.pop().ok_or_else(|| "no root element".to_owned()),
            (true, 0) => Err("no root element".to_owned()),
            (true, _) => Err("more than one root element".to_owned()),
            (false, _) => Err("an element is not closed".to_owned()),
        }
    }

    fn start(namespace: &ResolveResult, start: &BytesStart) -> Result<Self, String> {
        let local = start.local_name();
        let name = match namespace {
            ResolveResult::Unbound => local.as_ref().to_owned(),
            ResolveResult::Bound(namespace) => format!("{{{}}}{}", namespace.as_ref(), local.as_ref()),
            ResolveResult::Unknown(prefix) => return Err(format!("unknown namespace prefix `{prefix}`")),
        };
        let mut element = Element { name, ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                .map_err(|error| error.to_string())?;
            element.attributes.insert(attribute.key.as_ref().to_owned(), value.into_owned());
        }
        Ok(element)
    }

    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// The text of the first child of that name.
    pub fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_elements_attributes_and_text() {
        let root = Element::parse(
            "<?xml version='1.0'?>\n<a x='1 &lt; 2'>\n <b/>t&amp;<![CDATA[<u>]]><b>&#65;</b></a>",
        )
        .unwrap();
        assert_eq!(root.attribute("x"), Some("1 < 2"));
        assert_eq!(root.text, "\n t&<u>");
        assert_eq!(root.all("b").map(|b| b.text.as_str()).collect::<Vec<_>>(), ["", "A"]);
    }

    #[test]
    fn prefixes_do_not_matter() {
        let parse = |text: &str| Element::parse(text).unwrap();
        let root = parse("<a xmlns:x='urn:y'><x:b/></a>");
        assert_eq!(root, parse("<a><b xmlns='urn:y'/></a>"));
        assert_ne!(root, parse("<a><b/></a>"));
    }

    #[test]
    fn refuses_what_is_no_document() {
        for text in ["", "<a>", "<a/><b/>", "text", "<a></b>", "<a>&unknown;</a>", "<a x=1/>", "<x:a/>"] {
            assert!(Element::parse(text).is_err(), "{text}");
        }
    }
}
