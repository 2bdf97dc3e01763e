//! Puts into XML what no model knows, and makes the rest look as nobody would write it.

use std::fmt::Write;

use domain_model::Node;

use crate::generator::Random;

/// What has been put in; each has a mark that occurs nowhere else.
pub struct Mess<'r> {
    random: &'r mut Random,
    /// The marks.
    pub marks: Vec<String>,
}

impl<'r> Mess<'r> {
    pub fn new(random: &'r mut Random) -> Self {
        Mess { random, marks: Vec::new() }
    }

    /// The whole document, with more beside its root.
    pub fn document(&mut self, root: Node<'_>) -> String {
        let mut out = if self.random.below(2) == 0 { "<?xml version='1.0'?>\n" } else { "" }.to_owned();
        for _ in 0..self.random.below(3) {
            out += &self.remark();
        }
        out += &self.element(root, None);
        for _ in 0..self.random.below(3) {
            out += &self.remark();
        }
        out
    }

    /// An element with another order of its children, repeated children, and things in between.
    fn element(&mut self, node: Node<'_>, mark: Option<&str>) -> String {
        let mut out = format!("<{}", node.name());
        let mut attributes: Vec<String> =
            node.attributes().map(|(name, value)| self.attribute(name, &value)).collect();
        if let Some(mark) = mark {
            attributes.push(format!("{mark}=''"));
        }
        if self.random.below(6) == 0 {
            let mark = self.mark();
            attributes.push(match self.random.below(3) {
                0 => format!("xmlns:{mark}='urn:x'"),
                1 => format!("qemu:{mark}=\"it's\""),
                _ => format!("{mark} = '&lt;'"),
            });
        }
        self.shuffle(&mut attributes);
        for attribute in attributes {
            let _ = write!(out, "{}{attribute}", [" ", "\n\t", "  "][self.random.below(3)]);
        }
        let children: Vec<Node<'_>> = node.children().filter(Node::is_element).collect();
        let text = if children.is_empty() { node.text() } else { "".into() };
        // Below `<metadata>` everything is kept as it is, so nothing there is unknown.
        let is_verbatim = node.name() == "metadata";
        let mut parts = Vec::new();
        for child in children {
            if is_verbatim {
                parts.push(child.source().to_owned());
                continue;
            }
            parts.push(self.element(child, None));
            if self.random.below(8) == 0 {
                let mark = self.mark();
                parts.push(self.element(child, Some(&mark)));
            }
        }
        let knows_text = !text.is_empty();
        while self.random.below(4) == 0 {
            let part = match self.random.below(5) {
                0 => self.unknown(),
                1 if !knows_text && !is_verbatim => self.stray_text(),
                _ => self.remark(),
            };
            parts.push(part);
        }
        self.shuffle(&mut parts);
        if knows_text {
            parts.insert(self.random.below(parts.len() + 1), self.text(&text));
        }
        if parts.is_empty() && self.random.below(2) == 0 {
            return out + "/>";
        }
        out.push('>');
        for part in parts {
            out += if knows_text { "" } else { ["", "\n  ", " "][self.random.below(3)] };
            out += &part;
        }
        write!(out, "</{}>", node.name()).unwrap();
        out
    }

    fn mark(&mut self) -> String {
        let mark = format!("zz{}z", self.marks.len());
        self.marks.push(mark.clone());
        mark
    }

    fn remark(&mut self) -> String {
        let mark = self.mark();
        match self.random.below(3) {
            0 => format!("<?{mark} <b>?>"),
            1 => format!("<!--{mark}\n\tline-->"),
            _ => format!("<!-- {mark} 'qemu' -->"),
        }
    }

    fn unknown(&mut self) -> String {
        let mark = self.mark();
        match self.random.below(4) {
            0 => format!("<unknown m='{mark}'>\n a<b/>&amp;\n</unknown>"),
            1 => format!("<v:e xmlns:v='urn:v' v:a='{mark}'/>"),
            2 => format!("<name xmlns='urn:v'>{mark}</name>"),
            _ => format!("<qemu:{mark}/>"),
        }
    }

    fn stray_text(&mut self) -> String {
        let mark = self.mark();
        match self.random.below(3) {
            0 => format!("{mark} &lt;&#32;"),
            1 => format!("<![CDATA[<{mark}>]]>"),
            _ => format!(" {mark}\n\n  <![CDATA[ ]]>"),
        }
    }

    fn attribute(&mut self, name: &str, value: &str) -> String {
        let value = escape(value).replace('\n', "&#10;").replace('\t', "&#9;");
        match self.random.below(2) {
            0 => format!("{name}='{}'", value.replace('\'', "&#39;")),
            _ => format!("{name} = \"{}\"", value.replace('"', "&quot;")),
        }
    }

    fn text(&mut self, text: &str) -> String {
        match text.split_at_checked(self.random.below(text.len())) {
            Some((start, end)) if !text.contains('\r') => format!("{}<![CDATA[{end}]]>", escape(start)),
            _ => escape(text),
        }
    }

    fn shuffle(&mut self, parts: &mut [String]) {
        for index in 1..parts.len() {
            if self.random.below(3) == 0 {
                parts.swap(index, self.random.below(index + 1));
            }
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}
