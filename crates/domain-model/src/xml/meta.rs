//! What every element keeps besides its values.

use std::collections::{BTreeMap, BTreeSet};

use crate::{NodeId, Origin};

/// Where an element was written, and what in it the model does not know.
///
/// Two of them are equal if they hold the same extras; places do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Where the element is from.
    pub origin: Origin,
    /// Boxed, because nearly every element has none.
    #[expect(clippy::box_collection)]
    extras: Option<Box<Vec<Extra>>>,
}

/// A part of an element that the model does not know: kept as it was, and written back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// The children to follow from the element that keeps it to the one that holds it; often empty.
    pub path: Vec<Step>,
    /// Where it is written.
    pub anchor: Anchor,
    /// An attribute's `name='value'`, or an element, comment or text, as written.
    pub source: String,
    /// Whether nothing is known of the child that holds it, which is then written for its sake.
    pub is_alone: bool,
}

/// A step to a child that has no struct of its own, and so keeps nothing itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// The child's name.
    pub name: &'static str,
    /// Which of a list of values it is, counted from 0.
    pub index: usize,
}

/// Where an [`Extra`] is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// In front of the element that keeps it.
    Lead,
    /// In the start tag, behind the other attributes.
    Attribute,
    /// In front of the first child of this name, or where it would be.
    Before(&'static str),
    /// Behind the child of this name, which it repeats. Without that child it is not written, because it would be
    /// read in its place.
    After(&'static str),
    /// Behind all other children.
    End,
    /// Behind the element that keeps it, which is the root.
    Trail,
}

impl Meta {
    /// The origin of something in this element: a path such as `driver/@txmode`.
    pub fn at(&self, path: &'static str) -> Origin {
        match self.origin {
            Origin::Written { node, path: "" } => Origin::Written { node, path },
            origin => origin,
        }
    }

    /// The element's number in its document, if it was written.
    pub fn node(&self) -> Option<NodeId> {
        match self.origin {
            Origin::Written { node, .. } | Origin::Implied { by: node, .. } => Some(node),
            Origin::Built | Origin::Text { .. } | Origin::Always { .. } => None,
        }
    }

    /// A `Meta` for an element that nobody wrote.
    pub fn from_origin(origin: Origin) -> Self {
        Meta { origin, extras: None }
    }

    /// What the model does not know of the element.
    pub fn extras(&self) -> &[Extra] {
        self.extras.as_deref().map_or(&[], Vec::as_slice)
    }

    pub(super) fn push_extras(&mut self, extras: Vec<Extra>) {
        if !extras.is_empty() {
            self.extras.get_or_insert_default().extend(extras);
        }
    }
}

/// The extras of one element, by place, in the order in which they were kept.
#[derive(Debug)]
pub(super) struct Kept {
    /// How many elements are open where the paths start.
    pub(super) depth: usize,
    places: BTreeMap<(Vec<Step>, Anchor), Vec<String>>,
    /// Paths that are written even if nothing is known there.
    alone: BTreeSet<Vec<Step>>,
}

impl Kept {
    pub(super) fn new(depth: usize, extras: &[Extra]) -> Self {
        let mut places: BTreeMap<_, Vec<String>> = BTreeMap::new();
        let mut alone = BTreeSet::new();
        for Extra { path, anchor, source, is_alone } in extras {
            places.entry((path.clone(), *anchor)).or_default().push(source.clone());
            if *is_alone {
                alone.insert(path.clone());
            }
        }
        Kept { depth, places, alone }
    }

    /// Whether all are taken.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Takes what is left at a place.
    pub(super) fn take(&mut self, path: Vec<Step>, anchor: Anchor) -> Vec<String> {
        self.places.remove(&(path, anchor)).unwrap_or_default()
    }

    /// Takes what is left at `path`, wherever it belongs there.
    pub(super) fn take_all(&mut self, path: &[Step]) -> Vec<(Anchor, String)> {
        self.alone.remove(path);
        let from = (path.to_vec(), Anchor::Lead);
        let own = self.places.range(from..).map(|(place, _)| place);
        let places: Vec<_> = own.take_while(|(own, _)| own == path).cloned().collect();
        let mut taken = Vec::new();
        for place in places {
            let sources = self.places.remove(&place).unwrap_or_default();
            taken.extend(sources.into_iter().map(|source| (place.1, source)));
        }
        taken
    }

    /// Whether something is left at `path` or below it that is written even if nothing is known there.
    pub(super) fn has_below(&self, path: &[Step]) -> bool {
        self.alone.range(path.to_vec()..).next().is_some_and(|own| own.starts_with(path))
    }

    /// The next step from `path` to such a thing further below.
    pub(super) fn step_below(&self, path: &[Step]) -> Option<Step> {
        let below = self.alone.range(path.to_vec()..).take_while(|own| own.starts_with(path));
        below.into_iter().find_map(|own| own.get(path.len()).copied())
    }
}
