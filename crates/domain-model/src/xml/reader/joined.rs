//! Elements that libvirt reads as one, however often they occur.

use super::{Name, Reader};
use crate::xml::Anchor;
use crate::{Code, Diagnostic, Node};

impl<'d> Reader<'d> {
    /// The nodes directly below the element that is being read, and below those that are read with it.
    pub(super) fn child_nodes(&self) -> impl Iterator<Item = Node<'d>> + Clone + use<'d> {
        self.node.children().chain(self.twins.clone().into_iter().flat_map(|twin| twin.children()))
    }

    /// Whether this is a child `name`, and not the first.
    pub(super) fn occurs_again(&self, child: Node<'d>, name: &'static str) -> bool {
        let name = Name::new(name);
        let mut earlier = self.child_nodes().take_while(|other| other.id() != child.id());
        self.is_named(child, name) && earlier.any(|other| self.is_named(other, name))
    }

    /// The number of an attribute of the first of these elements that has it.
    pub(super) fn attribute_index(&self, name: &str) -> Option<usize> {
        let twin = || self.twins.iter().find_map(|twin| twin.attribute_index(name));
        self.node.attribute_index(name).or_else(twin)
    }

    /// Further children `name` behind `first` that are read with it.
    pub(super) fn take_twins(&mut self, name: &'static str, first: Node<'d>) -> Vec<Node<'d>> {
        if !self.joined.contains(&name) {
            return Vec::new();
        }
        let wanted = Name::new(name);
        let twins: Vec<Node<'d>> = self
            .child_nodes()
            .filter(|child| child.id() > first.id() && self.is_named(*child, wanted))
            .collect();
        for twin in &twins {
            self.mark(*twin);
            self.read_children.push((twin.id(), name));
            let message =
                format!("`<{name}>` occurs again; it is read as a part of the first, as by libvirt");
            let origin = super::text_origin(twin.tag_span());
            self.problems.push(Diagnostic::warning(Code::RepeatedElement, origin, message));
        }
        twins
    }

    /// Keeps elements behind the child `name` that has just been read: what is left of its twins.
    pub(super) fn keep_behind(&mut self, name: &'static str, elements: Vec<String>) {
        for element in elements {
            self.keep(Anchor::After(name), element);
        }
    }

    /// What is kept of an attribute that the first element has too: a twin that says nothing else.
    pub(super) fn second_attribute(&mut self, twin: Node<'d>, index: usize) -> String {
        let attribute = twin.attribute_name_at(index);
        let message =
            format!("attribute `{attribute}` of `<{}>` occurs again; this one is ignored", twin.name());
        let origin = super::text_origin(twin.attribute_span_at(index));
        self.problems.push(Diagnostic::warning(Code::RepeatedElement, origin, message));
        format!("<{} {}/>", twin.name(), self.attribute_source(index))
    }
}
