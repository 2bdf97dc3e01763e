//! What every element keeps besides its values.

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
    pub path: Vec<&'static str>,
    /// Where it is written.
    pub anchor: Anchor,
    /// An attribute's `name='value'`, or an element or comment, as written.
    pub source: String,
}

/// Where an [`Extra`] is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// In front of the element that keeps it.
    Lead,
    /// In the start tag, behind the other attributes.
    Attribute,
    /// In front of the first child of this name that is written.
    Before(&'static str),
    /// Behind all other children.
    End,
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

/// The extras of one element, by place. There are as many places as the description has, however many
/// extras there are.
#[derive(Debug)]
pub(super) struct Kept {
    /// How many elements are open where the paths start.
    pub(super) depth: usize,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    path: Vec<&'static str>,
    anchor: Anchor,
    sources: Vec<String>,
}

impl Kept {
    pub(super) fn new(depth: usize, extras: &[Extra]) -> Self {
        let mut places: Vec<Place> = Vec::new();
        for Extra { path, anchor, source } in extras {
            let source = source.clone();
            match places.iter_mut().find(|place| place.anchor == *anchor && place.path == *path) {
                Some(place) => place.sources.push(source),
                None => places.push(Place { path: path.clone(), anchor: *anchor, sources: vec![source] }),
            }
        }
        Kept { depth, places }
    }

    /// Whether all are taken.
    pub(super) fn is_empty(&self) -> bool {
        self.places.iter().all(|place| place.sources.is_empty())
    }

    /// Whether something is left at `path` or below it, apart from what stands in front of the element.
    pub(super) fn has_below(&self, path: impl Iterator<Item = &'static str> + Clone) -> bool {
        self.places.iter().any(|place| {
            place.anchor != Anchor::Lead
                && !place.sources.is_empty()
                && path
                    .clone()
                    .zip(place.path.iter().map(Some).chain(std::iter::repeat(None)))
                    .all(|(step, own)| own == Some(&step))
        })
    }

    /// Takes what is left at `path`.
    pub(super) fn take(
        &mut self,
        path: impl Iterator<Item = &'static str> + Clone,
        wanted: impl Fn(Anchor) -> bool,
    ) -> Vec<(Anchor, String)> {
        let mut taken = Vec::new();
        for place in &mut self.places {
            if wanted(place.anchor) && path.clone().eq(place.path.iter().copied()) {
                taken.extend(place.sources.drain(..).map(|source| (place.anchor, source)));
            }
        }
        taken
    }
}
