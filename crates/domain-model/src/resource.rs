//! `<resource>`, `<idmap>` and `<perf>`: the guest's process on the host.

use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

/// `<resource>`: what the guest's process counts as on the host; since libvirt 1.0.5.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resource {
    /// The control group that holds the guest's; since libvirt 1.0.5.
    pub partition: Option<String>,
    /// The name under which a fibre channel fabric knows the guest, up to 128 characters; since libvirt 7.7.
    pub appid: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Resource {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.value("partition", &mut self.partition);
        xml.nested("fibrechannel", |xml| xml.attribute("appid", &mut self.appid));
        let is_name = |name: &String| {
            (1..=128).contains(&name.len()) && name.bytes().all(|b| (0x20..0x7f).contains(&b))
        };
        if X::READS && !self.appid.as_ref().is_none_or(is_name) {
            let message = "`appid` is 1 to 128 printable characters";
            xml.report(Diagnostic::error(Code::InvalidArgument, xml.at("fibrechannel/@appid"), message));
        }
    }
}

/// `<idmap>`: users and groups of a container, and the host's that stand for them; since libvirt 1.1.1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Idmap {
    /// Users.
    pub uids: Vec<IdRange>,
    /// Groups.
    pub gids: Vec<IdRange>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Idmap {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.children("uid", &mut self.uids);
        xml.children("gid", &mut self.gids);
        if !X::READS {
            return;
        }
        if self.uids.is_empty() != self.gids.is_empty() {
            let message = "an `<idmap>` has users as well as groups";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at(""), message));
        }
        // libvirt takes the ranges in the order of their starts.
        for ranges in [&self.uids, &self.gids] {
            if !ranges.is_empty() && ranges.iter().all(|range| range.start != 0) {
                let message = "an `<idmap>` starts with number 0";
                xml.report(Diagnostic::error(Code::Unsupported, xml.at(""), message));
            }
        }
    }
}

/// `<uid>` and `<gid>` of an `<idmap>`, of the domain or of a file system: numbers that follow each other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IdRange {
    /// The first number in the container or guest.
    pub start: u32,
    /// The first number on the host.
    pub target: u32,
    /// How many there are.
    pub count: u32,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for IdRange {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("start", &mut self.start);
        xml.required("target", &mut self.target);
        xml.required("count", &mut self.count);
    }
}

words! {
    /// `name` of `<event>`: what the host counts while the guest runs.
    #[derive(Default)]
    pub enum PerfEventName {
        /// Use of the last cache, in bytes.
        #[default]
        Cmt = "cmt",
        /// Memory bandwidth of the whole host.
        Mbmt = "mbmt",
        /// Memory bandwidth of the guest's memory controller.
        Mbml = "mbml",
        /// Cycles of the CPU.
        CpuCycles = "cpu_cycles",
        /// Instructions.
        Instructions = "instructions",
        /// Accesses to caches.
        CacheReferences = "cache_references",
        /// Accesses that missed the cache.
        CacheMisses = "cache_misses",
        /// Branches.
        BranchInstructions = "branch_instructions",
        /// Branches that were predicted wrong.
        BranchMisses = "branch_misses",
        /// Cycles of the bus.
        BusCycles = "bus_cycles",
        /// Cycles in which no instructions were fetched.
        StalledCyclesFrontend = "stalled_cycles_frontend",
        /// Cycles in which no instructions were finished.
        StalledCyclesBackend = "stalled_cycles_backend",
        /// Cycles at the nominal frequency.
        RefCpuCycles = "ref_cpu_cycles",
        /// Time on the CPU.
        CpuClock = "cpu_clock",
        /// Time of the task.
        TaskClock = "task_clock",
        /// Page faults.
        PageFaults = "page_faults",
        /// Changes from one task to another.
        ContextSwitches = "context_switches",
        /// Moves to another CPU.
        CpuMigrations = "cpu_migrations",
        /// Page faults without input or output.
        PageFaultsMin = "page_faults_min",
        /// Page faults with input or output.
        PageFaultsMaj = "page_faults_maj",
        /// Accesses that were not aligned.
        AlignmentFaults = "alignment_faults",
        /// Instructions that the kernel emulated.
        EmulationFaults = "emulation_faults",
    }
}

/// `<event>` of `<perf>`: something that the host counts while the guest runs; since libvirt 1.3.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PerfEvent {
    /// What is counted.
    pub name: PerfEventName,
    /// Whether it is counted.
    pub enabled: Option<YesNo>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for PerfEvent {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.attribute("enabled", &mut self.enabled);
        if X::READS && self.enabled.is_none() {
            crate::values::missing(xml, "event", "enabled");
        }
    }
}
