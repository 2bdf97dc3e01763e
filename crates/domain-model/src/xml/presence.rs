//! Which children without a struct are written, and what for.

use std::collections::BTreeSet;

use super::{Element, Extra, Step, Tagged, Text, Xml};
use crate::{Diagnostic, Origin};

/// Notes for each extra whether its place is there for the sake of extras alone.
///
/// Such a place is written as long as there are extras for it. Others come and go with what is known, so that what a
/// program removes does not come back because of a comment in it.
pub(super) fn mark_alone<E: Element>(value: &mut E, extras: &mut [Extra]) {
    if extras.iter().all(|extra| extra.path.is_empty()) {
        return;
    }
    let mut presence = Presence::default();
    value.describe(&mut presence);
    for extra in extras {
        extra.is_alone = !extra.path.is_empty() && !presence.written.contains(&extra.path);
    }
}

/// An [`Xml`] that goes where the writer goes, but into no child with a struct of its own.
#[derive(Debug, Default)]
struct Presence {
    path: Vec<Step>,
    written: BTreeSet<Vec<Step>>,
}

impl Presence {
    /// Something is written in the innermost element, and so are the elements around it.
    fn mark(&mut self) {
        for length in (1..=self.path.len()).rev() {
            if !self.written.insert(self.path.get(..length).unwrap_or_default().to_vec()) {
                break;
            }
        }
    }

    fn mark_if(&mut self, is_written: bool) {
        if is_written {
            self.mark();
        }
    }

    fn mark_child(&mut self, name: &'static str, index: usize) {
        self.path.push(Step { name, index });
        self.mark();
        self.path.pop();
    }
}

impl Xml for Presence {
    const READS: bool = false;

    fn attribute<T: Text>(&mut self, _: &'static str, value: &mut Option<T>) {
        self.mark_if(value.is_some());
    }

    fn required<T: Text>(&mut self, _: &'static str, _: &mut T) {
        self.mark();
    }

    fn needed<T: Text>(&mut self, _: &'static str, value: &mut Option<T>) {
        self.mark_if(value.is_some());
    }

    fn defaulted<T: Text>(&mut self, _: &'static str, _: &mut T) {
        self.mark();
    }

    fn tag<T: Tagged>(&mut self, _: &'static str, _: &mut T) {
        self.mark();
    }

    fn required_tag<T: Tagged>(&mut self, _: &'static str, _: &mut T) {
        self.mark();
    }

    fn text<T: Text>(&mut self, value: &mut Option<T>) {
        self.mark_if(value.is_some());
    }

    fn child<E: Element>(&mut self, _: &'static str, value: &mut Option<E>) {
        self.mark_if(value.is_some());
    }

    fn section<E: Element>(&mut self, _: &'static str, _: &mut E) {
        self.mark();
    }

    fn required_child<E: Element>(&mut self, _: &'static str, _: &mut E) {
        self.mark();
    }

    fn children<E: Element>(&mut self, _: &'static str, values: &mut Vec<E>) {
        self.mark_if(!values.is_empty());
    }

    fn nested(&mut self, name: &'static str, body: impl FnOnce(&mut Self)) {
        self.path.push(Step { name, index: 0 });
        body(self);
        self.path.pop();
    }

    fn present(&mut self, name: &'static str, value: &mut bool) {
        if *value {
            self.mark_child(name, 0);
        }
    }

    fn values<T: Text>(&mut self, name: &'static str, values: &mut Vec<T>) {
        for index in 0..values.len() {
            self.mark_child(name, index);
        }
    }

    fn container(&mut self) {
        self.mark();
    }

    fn verbatim(&mut self, value: &mut Option<String>) {
        self.mark_if(value.as_ref().is_some_and(|value| !value.is_empty()));
    }

    fn namespace(&mut self, _: &'static str, _: bool) {}

    fn at(&self, _: &'static str) -> Origin {
        Origin::Built
    }

    fn report(&mut self, _: Diagnostic) {}
}
