//! Where a value comes from: the XML or a rule.

/// The number of a node in its [`Document`](crate::Document).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The root element of every document.
    pub const ROOT: NodeId = NodeId(0);
}

/// Where a value comes from.
///
/// Origins say nothing about the value itself, so any two of them compare equal: two domains that mean the
/// same are equal wherever they were written.
#[derive(Debug, Clone, Copy, Default)]
pub enum Origin {
    /// A program built the value; there is no document.
    #[default]
    Built,
    /// An element of the document, or with a path such as `driver/@txmode` something below it.
    Written {
        /// The element.
        node: NodeId,
        /// The path from the element: child names and, last, `@attribute`; empty for the element itself.
        path: &'static str,
    },
    /// A stretch of the document's text, for things that have no place in the model.
    Text {
        /// Byte offset of the first byte.
        start: u32,
        /// Byte offset behind the last byte.
        end: u32,
    },
    /// Nobody wrote it: a rule derived it from what was written.
    Implied {
        /// The element the rule started from.
        by: NodeId,
        /// The path from that element, as in [`Origin::Written`].
        path: &'static str,
        /// The rule, as a short sentence.
        rule: &'static str,
    },
    /// Nobody wrote it and nothing written led to it.
    Always {
        /// The rule, as a short sentence.
        rule: &'static str,
    },
}

impl Origin {
    /// A value that every domain gets, with the rule that says so.
    pub const fn always(rule: &'static str) -> Self {
        Origin::Always { rule }
    }

    /// A value that follows from this origin by a rule.
    ///
    /// What is implied by something that was built or is always there has no place to point at; it becomes
    /// [`Origin::Always`].
    pub const fn implies(self, rule: &'static str) -> Self {
        match self {
            Origin::Written { node, path } | Origin::Implied { by: node, path, .. } => {
                Origin::Implied { by: node, path, rule }
            }
            Origin::Built | Origin::Text { .. } | Origin::Always { .. } => Origin::Always { rule },
        }
    }

    /// The rule that led to the value, if no one wrote it.
    pub const fn rule(self) -> Option<&'static str> {
        match self {
            Origin::Implied { rule, .. } | Origin::Always { rule } => Some(rule),
            Origin::Built | Origin::Written { .. } | Origin::Text { .. } => None,
        }
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}
