//! RELAX NG grammars, as far as libvirt's need it.

use std::collections::HashMap;
use std::path::Path;

use crate::tree::Element;

const RELAX_NG: &str = "{http://relaxng.org/ns/structure/1.0}";

/// What may stand at a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// An element: its namespace, its name, what is in it.
    Element(String, String, Box<Pattern>),
    /// An attribute and its value.
    Attribute(String, Box<Pattern>),
    /// All of these, in any order.
    All(Vec<Pattern>),
    /// One of these.
    Choice(Vec<Pattern>),
    /// This, as often as one likes; also not at all.
    Optional(Box<Pattern>),
    /// What a name stands for.
    Ref(String),
    /// Exactly this text.
    Word(String),
    /// Text of some form.
    Text,
    /// Nothing, or what cannot be told beforehand.
    Empty,
}

/// A grammar with everything it includes.
#[derive(Debug, Default)]
pub struct Grammar {
    start: Option<Pattern>,
    defines: HashMap<String, Pattern>,
}

impl Grammar {
    /// Reads a grammar and the files it includes, which lie beside it.
    pub fn load(file: &Path) -> Result<Self, String> {
        let mut grammar = Self::default();
        grammar.include(file)?;
        Ok(grammar)
    }

    /// What a document is.
    pub fn start(&self) -> &Pattern {
        self.start.as_ref().unwrap_or(&Pattern::Empty)
    }

    /// What a name stands for.
    pub fn define(&self, name: &str) -> &Pattern {
        self.defines.get(name).unwrap_or(&Pattern::Empty)
    }

    fn include(&mut self, file: &Path) -> Result<(), String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let root = Element::parse(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        self.content(&root, file)
    }

    fn content(&mut self, grammar: &Element, file: &Path) -> Result<(), String> {
        for part in &grammar.children {
            match local(part) {
                "include" => {
                    let name = part.attribute("href").unwrap_or_default();
                    self.include(&file.with_file_name(name))?;
                    // What stands inside replaces what was included.
                    self.content(part, file)?;
                }
                "start" => self.start = Some(all(part, "")),
                "define" => {
                    let name = part.attribute("name").unwrap_or_default().to_owned();
                    let mut pattern = all(part, "");
                    if part.attribute("combine") == Some("choice")
                        && let Some(before) = self.defines.remove(&name)
                    {
                        pattern = Pattern::Choice(vec![before, pattern]);
                    }
                    self.defines.insert(name, pattern);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn local(element: &Element) -> &str {
    element.name.strip_prefix(RELAX_NG).unwrap_or_default()
}

fn all(element: &Element, namespace: &str) -> Pattern {
    let mut parts: Vec<Pattern> = element.children.iter().map(|child| pattern(child, namespace)).collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => Pattern::All(parts),
    }
}

fn pattern(element: &Element, namespace: &str) -> Pattern {
    let namespace = element.attribute("ns").unwrap_or(namespace);
    let name = || element.attribute("name").map(str::to_owned);
    match local(element) {
        // Without a name of its own an element or attribute may have any.
        "element" => match name() {
            Some(name) => Pattern::Element(namespace.to_owned(), name, Box::new(all(element, namespace))),
            None => Pattern::Empty,
        },
        "attribute" => match name() {
            Some(name) if element.children.is_empty() => Pattern::Attribute(name, Box::new(Pattern::Text)),
            Some(name) => Pattern::Attribute(name, Box::new(all(element, namespace))),
            None => Pattern::Empty,
        },
        "choice" => Pattern::Choice(element.children.iter().map(|it| pattern(it, namespace)).collect()),
        "optional" | "zeroOrMore" => Pattern::Optional(Box::new(all(element, namespace))),
        "group" | "interleave" | "oneOrMore" | "mixed" => all(element, namespace),
        "ref" => name().map_or(Pattern::Empty, Pattern::Ref),
        "value" => Pattern::Word(element.text.clone()),
        "text" | "data" | "list" => Pattern::Text,
        _ => Pattern::Empty,
    }
}
