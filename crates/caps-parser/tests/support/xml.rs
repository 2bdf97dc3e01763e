//! Just enough XML to read the reference data.

/// An XML element. The reference data has no comments, namespaces or CDATA, and no text beside elements.
#[derive(Default)]
pub struct Element {
    pub name: String,
    pub text: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
}

impl Element {
    pub fn parse(text: &str) -> Self {
        let mut stack = vec![Self::default()];
        for piece in text.split('<').skip(1) {
            let (tag, after) = piece.split_once('>').unwrap();
            if tag.starts_with('/') {
                let done = stack.pop().unwrap();
                stack.last_mut().unwrap().children.push(done);
                continue;
            }
            let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
            let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
            let mut element = Self { name: name.to_owned(), text: plain(after.trim()), ..Self::default() };
            while let Some((name, value)) = rest.split_once("='") {
                let (value, after) = value.split_once('\'').unwrap();
                element.attributes.push((name.trim().to_owned(), plain(value)));
                rest = after;
            }
            if closed {
                stack.last_mut().unwrap().children.push(element);
            } else {
                stack.push(element);
            }
        }
        stack.pop().unwrap().children.pop().unwrap()
    }

    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn attribute(&self, name: &str) -> String {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map_or("-".to_owned(), |(_, value)| value.clone())
    }

    /// Several attributes with blanks between; `-` for one that is not there.
    pub fn attributes(&self, names: &[&str]) -> String {
        names.iter().map(|name| self.attribute(name)).collect::<Vec<_>>().join(" ")
    }
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&apos;", "'")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}
