//! The command line options a `-help` text lists.

use serde::{Deserialize, Serialize};

/// All options of a `-help` text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// The headings in order, without the colon: `Standard options`.
    headings: Vec<String>,
    /// Sorted by name; forms of one option keep their order.
    forms: Vec<OptionForm>,
}

/// One way to write an option. `-net nic…` and `-net user…` are two forms of `net`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionForm {
    /// Without the leading dash: `drive`.
    pub name: String,
    /// The grammar of its argument, lines joined and without the blanks between them: `[file=file][,if=type]`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub argument: String,
    /// The description, lines joined by newlines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Which heading it stands under: an index, or none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading: Option<u16>,
}

impl Options {
    /// Puts forms in order.
    pub(crate) fn new(headings: Vec<String>, mut forms: Vec<OptionForm>) -> Self {
        forms.sort_by(|a, b| a.name.cmp(&b.name));
        Self { headings, forms }
    }

    /// Whether the option is listed; the name is without the dash.
    pub fn contains(&self, name: &str) -> bool {
        !self.forms(name).is_empty()
    }

    /// The forms of one option, in the text's order.
    pub fn forms(&self, name: &str) -> &[OptionForm] {
        let start = self.forms.partition_point(|form| form.name.as_str() < name);
        let rest = self.forms.get(start..).unwrap_or_default();
        let count = rest.partition_point(|form| form.name == name);
        rest.get(..count).unwrap_or_default()
    }

    /// Whether some form of the option has this piece in the grammar of its argument.
    pub fn argument_contains(&self, name: &str, piece: &str) -> bool {
        self.forms(name).iter().any(|form| form.argument.contains(piece))
    }

    /// All forms, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &OptionForm> {
        self.forms.iter()
    }

    /// The heading a form stands under.
    pub fn heading(&self, form: &OptionForm) -> Option<&str> {
        self.headings.get(usize::from(form.heading?)).map(String::as_str)
    }

    /// How many different options there are.
    pub fn len(&self) -> usize {
        self.forms.chunk_by(|a, b| a.name == b.name).count()
    }

    /// Whether no option was found.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }
}
