//! `<numatune>`: from which NUMA nodes of the host the memory comes.

use std::collections::BTreeSet;

use crate::memory::Placement;
use crate::values::{self, CpuSet};
use crate::words;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `mode` in `<numatune>`: how closely the nodes are kept to.
    #[derive(Default)]
    pub enum NumatuneMode: UnknownWord {
        /// There is no memory from other nodes.
        #[default]
        Strict = "strict",
        /// Memory comes from other nodes if need be.
        Preferred = "preferred",
        /// Memory comes from each node in turn.
        Interleave = "interleave",
        /// As with `strict`, kept to by the host's control groups alone; since libvirt 7.3.
        Restrictive = "restrictive",
    }
}

/// `<numatune>`: from which NUMA nodes of the host the memory comes; since libvirt 0.9.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Numatune {
    /// `<memory>`: where all memory comes from.
    pub memory: Option<NumatuneMemory>,
    /// `<memnode>`: where the memory of single cells comes from; since libvirt 1.2.7.
    pub memnodes: Vec<Memnode>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Numatune {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.child("memory", &mut self.memory);
        xml.children("memnode", &mut self.memnodes);
        if X::READS {
            self.check(xml);
        }
    }
}

impl Numatune {
    /// Reports what cannot be said of single cells next to what is said of all memory.
    fn check<X: Xml>(&self, xml: &mut X) {
        let is_restrictive = |mode| mode == NumatuneMode::Restrictive;
        let mut cells = BTreeSet::new();
        for memnode in &self.memnodes {
            if !cells.insert(memnode.cellid) {
                let message = format!("the cell {} occurs twice", memnode.cellid);
                xml.report(Diagnostic::error(Code::Conflict, memnode.meta.at("@cellid"), message));
            }
            let Some(memory) = &self.memory else { continue };
            if memory.placement == Some(Placement::Auto) {
                let message =
                    "the nodes of single cells cannot be set if those of all memory are chosen by `auto`";
                xml.report(Diagnostic::error(Code::Unsupported, memnode.meta.at(""), message));
            }
            if is_restrictive(memory.mode.unwrap_or_default()) != is_restrictive(memnode.mode) {
                let message = "the mode `restrictive` is for all of `<memory>` and `<memnode>`, or for none";
                xml.report(Diagnostic::error(Code::Conflict, memnode.meta.at("@mode"), message));
            }
        }
    }
}

/// `<memory>` of `<numatune>`: where all memory comes from; since libvirt 0.9.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NumatuneMemory {
    /// How closely the nodes are kept to; `strict` if absent.
    pub mode: Option<NumatuneMode>,
    /// Who chooses the nodes; since libvirt 0.9.12.
    pub placement: Option<Placement>,
    /// The nodes of the host.
    pub nodeset: Option<CpuSet>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for NumatuneMemory {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("mode", &mut self.mode);
        xml.blamed_as(Code::UnknownWord, |xml| values::unless_default(xml, "placement", &mut self.placement));
        values::set(xml, "nodeset", &mut self.nodeset);
        if X::READS && self.placement == Some(Placement::Static) && self.nodeset.is_none() {
            let message = "`placement='static'` needs the attribute `nodeset`";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at(""), message));
        }
    }
}

/// `<memnode>`: where the memory of a cell comes from; since libvirt 1.2.7.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memnode {
    /// The number of the guest's cell.
    pub cellid: u32,
    /// How closely the nodes are kept to.
    pub mode: NumatuneMode,
    /// The nodes of the host.
    pub nodeset: Option<CpuSet>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Memnode {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("cellid", &mut self.cellid);
        xml.blamed_as(Code::BadValue, |xml| xml.defaulted("mode", &mut self.mode));
        values::required_set(xml, "memnode", "nodeset", &mut self.nodeset);
    }
}
