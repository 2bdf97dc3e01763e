//! `<numa>`: the guest's NUMA cells, their distances and caches.

use std::collections::{BTreeMap, BTreeSet};

use crate::memory::MemoryAccess;
use crate::values::{self, Bits, CpuSet, Kib, ShortBytes};
use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

/// `<numa>`: the guest's NUMA cells; since libvirt 0.9.8.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Numa {
    /// The cells.
    pub cells: Vec<Cell>,
    /// `<interconnects>`: how fast memory is from where; since libvirt 6.6.
    pub interconnects: Option<Interconnects>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Numa {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.children("cell", &mut self.cells);
        xml.child("interconnects", &mut self.interconnects);
        if X::READS {
            self.check(xml);
        }
    }
}

impl Numa {
    /// The number of each cell, which is its place where none is written.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(&self.cells).map(|(place, cell)| cell.id.unwrap_or(place))
    }

    /// Reports cells that are missing or there twice, and numbers that are no cell's.
    fn check<X: Xml>(&self, xml: &mut X) {
        if self.cells.is_empty() {
            xml.report(Diagnostic::error(Code::MissingElement, xml.at(""), "`<numa>` needs a `<cell>`"));
        }
        let count = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
        let mut ids = BTreeSet::new();
        for (id, cell) in self.ids().zip(&self.cells) {
            if id >= count || !ids.insert(id) {
                let message = format!("the cells have the numbers from 0 to {}, each once", count - 1);
                xml.report(Diagnostic::error(Code::Conflict, cell.meta.at("@id"), message));
            }
            for sibling in &cell.distances {
                if sibling.id >= count {
                    let message = format!("there is no cell {}", sibling.id);
                    xml.report(Diagnostic::error(Code::BadValue, sibling.meta.at("@id"), message));
                }
                if !(10..=255).contains(&sibling.value) || ((sibling.id == id) != (sibling.value == 10)) {
                    let message = "a distance is from 11 to 255, or 10 to the cell itself";
                    xml.report(Diagnostic::error(Code::BadValue, sibling.meta.at("@value"), message));
                }
            }
        }
        self.check_caches(xml);
        let mut claimed = Bits::new();
        for cell in &self.cells {
            if cell.cpus.as_ref().is_some_and(|cpus| !claimed.claim(cpus)) {
                let message = "a CPU is in one cell only";
                xml.report(Diagnostic::error(Code::Unsupported, cell.meta.at("@cpus"), message));
            }
        }
    }
}

impl Numa {
    /// Reports caches that are there twice, and paths from or to what is not there.
    fn check_caches<X: Xml>(&self, xml: &mut X) {
        let mut report = |code, meta: &Meta, path, message: &str| {
            xml.report(Diagnostic::error(code, meta.at(path), message));
        };
        let cells: BTreeMap<u32, &Cell> = self.ids().zip(&self.cells).collect();
        let mut caches = BTreeSet::new();
        for (id, cell) in &cells {
            for cache in &cell.caches {
                if !(1..=3).contains(&cache.level) {
                    report(Code::BadValue, &cache.meta, "@level", "caches have the levels 1 to 3");
                }
                if cache.size.is_none() || cache.line.is_none() {
                    report(Code::MissingElement, &cache.meta, "", "a `<cache>` needs `<size>` and `<line>`");
                }
                if !caches.insert((*id, cache.level)) {
                    report(Code::Conflict, &cache.meta, "@level", "a cell has one cache of each level");
                }
            }
        }
        let Some(interconnects) = &self.interconnects else { return };
        let latencies = interconnects.latencies.iter().map(|path| (path.path, &path.meta, "latency"));
        let bandwidths = interconnects.bandwidths.iter().map(|path| (path.path, &path.meta, "bandwidth"));
        let mut seen = BTreeSet::new();
        for (path, meta, element) in latencies.chain(bandwidths) {
            match cells.get(&path.initiator) {
                None => report(Code::BadValue, meta, "@initiator", "there is no such cell"),
                Some(cell) if cell.cpus.is_none() => {
                    report(Code::Conflict, meta, "@initiator", "a cell without CPUs accesses no memory");
                }
                Some(_) => {}
            }
            if !cells.contains_key(&path.target) {
                report(Code::BadValue, meta, "@target", "there is no such cell");
            }
            if path.cache.is_some_and(|level| level > 0 && !caches.contains(&(path.target, level))) {
                report(Code::BadValue, meta, "@cache", "the target has no such cache");
            }
            if !seen.insert((element, path)) {
                report(Code::Conflict, meta, "", "the same path is described twice");
            }
        }
    }
}

/// `<cell>`: a NUMA cell; since libvirt 0.9.8.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// The number; the cell's place if absent. Since libvirt 1.2.7.
    pub id: Option<u32>,
    /// The CPUs in the cell; it may have none. Since libvirt 6.6.
    pub cpus: Option<CpuSet>,
    /// The memory in the cell.
    pub memory: Option<Kib>,
    /// Who sees what the guest writes to it; since libvirt 1.2.9.
    pub mem_access: Option<MemoryAccess>,
    /// Whether the content is given up when the guest ends; since libvirt 4.4.
    pub discard: Option<YesNo>,
    /// `<distances>`: how far it is to other cells; since libvirt 3.10.
    pub distances: Vec<Sibling>,
    /// `<cache>`: caches in front of the memory; since libvirt 6.6.
    pub caches: Vec<CellCache>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Cell {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("id", &mut self.id);
        values::set(xml, "cpus", &mut self.cpus);
        values::size_attribute(xml, "memory", &mut self.memory);
        xml.attribute("memAccess", &mut self.mem_access);
        xml.attribute("discard", &mut self.discard);
        xml.nested("distances", |xml| {
            xml.children("sibling", &mut self.distances);
            values::need_element(xml, !self.distances.is_empty(), "distances", "sibling");
        });
        xml.children("cache", &mut self.caches);
        if X::READS && self.memory.is_none() {
            values::missing(xml, "cell", "memory");
        }
    }
}

/// `<sibling>`: how far it is to a cell; since libvirt 3.10.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sibling {
    /// The number of the cell.
    pub id: u32,
    /// The distance: 10 within a cell, up to 254; 255 is out of reach.
    pub value: u32,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Sibling {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("id", &mut self.id);
        xml.required("value", &mut self.value);
    }
}

words! {
    /// `associativity` of a cell's `<cache>`.
    #[derive(Default)]
    pub enum CacheAssociativity {
        /// Nothing is said.
        #[default]
        None = "none",
        /// Each address has one place.
        Direct = "direct",
        /// Each address has several places.
        Full = "full",
    }

    /// `policy` of a cell's `<cache>`: what happens on a write.
    #[derive(Default)]
    pub enum CachePolicy {
        /// Nothing is said.
        #[default]
        None = "none",
        /// Memory follows later.
        Writeback = "writeback",
        /// Memory follows at once.
        Writethrough = "writethrough",
    }
}

/// `<cache>` of a cell: a cache in front of its memory; since libvirt 6.6.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CellCache {
    /// The level, from 1 for the one next to the memory.
    pub level: u32,
    /// How many places an address has.
    pub associativity: CacheAssociativity,
    /// What happens on a write.
    pub policy: CachePolicy,
    /// The size.
    pub size: Option<Kib>,
    /// The size of a line.
    pub line: Option<ShortBytes>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for CellCache {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("level", &mut self.level);
        xml.required("associativity", &mut self.associativity);
        xml.required("policy", &mut self.policy);
        xml.nested("size", |xml| values::size_attribute(xml, "value", &mut self.size));
        xml.nested("line", |xml| values::size_attribute(xml, "value", &mut self.line));
    }
}

/// `<interconnects>`: how fast memory is from where; since libvirt 6.6.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interconnects {
    /// How long an access takes, in ns.
    pub latencies: Vec<Interconnect<u64>>,
    /// How much goes through, in KiB each second.
    pub bandwidths: Vec<Interconnect<Kib>>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Interconnects {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.children("latency", &mut self.latencies);
        xml.children("bandwidth", &mut self.bandwidths);
    }
}

words! {
    /// `type` of `<latency>` and `<bandwidth>`: what kind of access.
    #[derive(Default)]
    pub enum InterconnectKind {
        /// Reading and writing.
        #[default]
        Access = "access",
        /// Reading.
        Read = "read",
        /// Writing.
        Write = "write",
    }
}

/// From where to where memory is accessed; since libvirt 6.6.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The cell whose CPUs access memory.
    pub initiator: u32,
    /// The cell whose memory it is.
    pub target: u32,
    /// The level of the target's cache that is meant; the memory if absent.
    pub cache: Option<u32>,
    /// What kind of access.
    pub kind: InterconnectKind,
}

/// `<latency>` and `<bandwidth>`: how fast one cell's memory is from another; since libvirt 6.6.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interconnect<T> {
    /// From where to where.
    pub path: Path,
    /// How fast.
    pub value: T,
    /// Where it was written.
    pub meta: Meta,
}

impl Path {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("initiator", &mut self.initiator);
        xml.required("target", &mut self.target);
        xml.attribute("cache", &mut self.cache);
        xml.required("type", &mut self.kind);
    }
}

impl Element for Interconnect<u64> {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        self.path.describe(xml);
        xml.required("value", &mut self.value);
    }
}

impl Element for Interconnect<Kib> {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        self.path.describe(xml);
        let mut value = Some(self.value).filter(|_| !X::READS);
        values::size_attribute(xml, "value", &mut value);
        match value {
            Some(value) => self.value = value,
            None => values::missing(xml, "bandwidth", "value"),
        }
    }
}
