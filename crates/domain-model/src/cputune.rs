//! `<cputune>`: where the guest's threads run, and how much.

mod resctrl;

pub use resctrl::{
    CacheAllocation, CacheMonitor, CacheUse, Cachetune, Memorytune, MemorytuneMonitor, MemorytuneNode,
};

use std::collections::BTreeSet;

use crate::values::{self, Bits, CpuSet};
use crate::words;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

/// `<cputune>`: where the guest's threads run, and how much; since libvirt 0.9.
///
/// A thread runs for its quota in each period; both are in µs, a period from 1000 to 1000000, a quota from 1000
/// on, or negative for no limit.
///
/// ```
/// use domain_model::cputune::Cputune;
/// use domain_model::{Document, xml};
///
/// let document = Document::parse("", "<cputune><vcpupin vcpu='0' cpuset='0-3,^2'/></cputune>")?;
/// let (cputune, problems) = xml::read::<Cputune>(document.root());
/// assert!(problems.is_empty());
/// assert_eq!(cputune.vcpu_pins[0].cpuset.as_ref().map(ToString::to_string), Some("0-1,3".to_owned()));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cputune {
    /// The share of CPU time against other guests.
    pub shares: Option<u64>,
    /// The period of each virtual CPU; since libvirt 0.9.4.
    pub period: Option<u64>,
    /// The quota of each virtual CPU; since libvirt 0.9.4.
    pub quota: Option<i64>,
    /// The period of the whole guest; since libvirt 1.3.3.
    pub global_period: Option<u64>,
    /// The quota of the whole guest; since libvirt 1.3.3.
    pub global_quota: Option<i64>,
    /// The period of QEMU's own threads; since libvirt 0.10.
    pub emulator_period: Option<u64>,
    /// The quota of QEMU's own threads; since libvirt 0.10.
    pub emulator_quota: Option<i64>,
    /// The period of each I/O thread; since libvirt 2.1.
    pub iothread_period: Option<u64>,
    /// The quota of each I/O thread; since libvirt 2.1.
    pub iothread_quota: Option<i64>,
    /// `<vcpupin>`: the host CPUs of virtual CPUs.
    pub vcpu_pins: Vec<VcpuPin>,
    /// `<emulatorpin>`: the host CPUs of QEMU's own threads; since libvirt 0.10.
    pub emulator_pin: Option<CpuSet>,
    /// `<iothreadpin>`: the host CPUs of I/O threads; since libvirt 1.2.9.
    pub iothread_pins: Vec<IothreadPin>,
    /// `<emulatorsched>`: how QEMU's own threads are scheduled; since libvirt 5.3.
    pub emulator_sched: Option<EmulatorSched>,
    /// `<vcpusched>`: how virtual CPUs are scheduled; since libvirt 1.2.13.
    pub vcpu_scheds: Vec<VcpuSched>,
    /// `<iothreadsched>`: how I/O threads are scheduled; since libvirt 1.2.13.
    pub iothread_scheds: Vec<IothreadSched>,
    /// `<cachetune>`: parts of the host's caches; since libvirt 4.1.
    pub cachetunes: Vec<Cachetune>,
    /// `<memorytune>`: parts of the host's memory bandwidth; since libvirt 4.7.
    pub memorytunes: Vec<Memorytune>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Cputune {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.optional_value("shares", &mut self.shares);
        period(xml, "period", &mut self.period);
        quota(xml, "quota", &mut self.quota);
        period(xml, "global_period", &mut self.global_period);
        quota(xml, "global_quota", &mut self.global_quota);
        period(xml, "emulator_period", &mut self.emulator_period);
        quota(xml, "emulator_quota", &mut self.emulator_quota);
        period(xml, "iothread_period", &mut self.iothread_period);
        quota(xml, "iothread_quota", &mut self.iothread_quota);
        xml.children("vcpupin", &mut self.vcpu_pins);
        xml.at_most_one("emulatorpin");
        xml.nested("emulatorpin", |xml| {
            values::pinned_set(xml, "emulatorpin", "cpuset", &mut self.emulator_pin);
        });
        xml.children("iothreadpin", &mut self.iothread_pins);
        xml.child("emulatorsched", &mut self.emulator_sched);
        xml.children("vcpusched", &mut self.vcpu_scheds);
        xml.children("iothreadsched", &mut self.iothread_scheds);
        xml.children("cachetune", &mut self.cachetunes);
        xml.children("memorytune", &mut self.memorytunes);
        if X::READS {
            self.check_pins(xml);
            resctrl::check(&self.cachetunes, &self.memorytunes, xml);
            let vcpus = self.vcpu_scheds.iter().map(|sched| (sched.vcpus.as_ref(), &sched.meta));
            check_overlap(xml, "@vcpus", vcpus);
            let iothreads = self.iothread_scheds.iter().map(|sched| (sched.iothreads.as_ref(), &sched.meta));
            check_overlap(xml, "@iothreads", iothreads);
        }
    }
}

impl Cputune {
    /// A thread is pinned once.
    fn check_pins<X: Xml>(&self, xml: &mut X) {
        let vcpus = self.vcpu_pins.iter().map(|pin| ("CPU", pin.vcpu, &pin.meta));
        let iothreads = self.iothread_pins.iter().map(|pin| ("I/O thread", pin.iothread, &pin.meta));
        let mut seen = BTreeSet::new();
        for (what, id, meta) in vcpus.chain(iothreads) {
            if !seen.insert((what, id)) {
                let message = format!("the {what} {id} is pinned twice");
                xml.report(Diagnostic::error(Code::Malformed, meta.at(""), message));
            }
        }
    }
}

fn period<X: Xml>(xml: &mut X, name: &'static str, value: &mut Option<u64>) {
    xml.optional_value(name, value);
    if X::READS && value.is_some_and(|value| value != 0 && !(1_000..=1_000_000).contains(&value)) {
        let message = "a period is from 1000 to 1000000 µs";
        xml.report(Diagnostic::error(Code::Unsupported, xml.at(name), message));
    }
}

fn quota<X: Xml>(xml: &mut X, name: &'static str, value: &mut Option<i64>) {
    xml.optional_value(name, value);
    if X::READS && value.is_some_and(|value| value > 0 && !(1_000..=17_592_186_044_415).contains(&value)) {
        let message = "a quota is from 1000 to 17592186044415 µs, or negative for no limit";
        xml.report(Diagnostic::error(Code::Unsupported, xml.at(name), message));
    }
}

/// Reports threads that are in two of the elements.
fn check_overlap<'a, X: Xml>(
    xml: &mut X,
    path: &'static str,
    elements: impl Iterator<Item = (Option<&'a CpuSet>, &'a Meta)>,
) {
    let mut claimed = Bits::new();
    for (set, meta) in elements {
        if set.is_some_and(|set| !claimed.claim(set)) {
            let message = "a thread is scheduled in one way only";
            xml.report(Diagnostic::error(Code::Conflict, meta.at(path), message));
        }
    }
}

/// `<vcpupin>`: the host CPUs of a virtual CPU; since libvirt 0.9.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VcpuPin {
    /// The number of the virtual CPU.
    pub vcpu: u32,
    /// The host CPUs.
    pub cpuset: Option<CpuSet>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for VcpuPin {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("vcpu", &mut self.vcpu);
        values::pinned_set(xml, "vcpupin", "cpuset", &mut self.cpuset);
    }
}

/// `<iothreadpin>`: the host CPUs of an I/O thread; since libvirt 1.2.9.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IothreadPin {
    /// The number of the thread.
    pub iothread: u32,
    /// The host CPUs.
    pub cpuset: Option<CpuSet>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for IothreadPin {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("iothread", &mut self.iothread);
        values::pinned_set(xml, "iothreadpin", "cpuset", &mut self.cpuset);
        if X::READS && self.iothread == 0 {
            xml.report(Diagnostic::error(Code::BadValue, xml.at("@iothread"), "threads are numbered from 1"));
        }
    }
}

words! {
    /// `scheduler`: how the host schedules a thread.
    #[derive(Default)]
    pub enum Scheduler {
        /// As work that can wait.
        #[default]
        Batch = "batch",
        /// When there is nothing else to do.
        Idle = "idle",
        /// In real time, until it waits.
        Fifo = "fifo",
        /// In real time, in turns.
        Rr = "rr",
    }
}

/// How the host schedules a thread; since libvirt 1.2.13.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// The kind of scheduling.
    pub scheduler: Scheduler,
    /// The priority in real time, 1 to 99; for `fifo` and `rr`.
    pub priority: Option<i32>,
}

impl Scheduling {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("scheduler", &mut self.scheduler);
        xml.attribute("priority", &mut self.priority);
        if X::READS && matches!(self.scheduler, Scheduler::Fifo | Scheduler::Rr) && self.priority.is_none() {
            let message = format!("the scheduler `{}` needs the attribute `priority`", self.scheduler);
            xml.report(Diagnostic::error(Code::MissingAttribute, xml.at(""), message));
        }
    }
}

/// `<emulatorsched>`: how QEMU's own threads are scheduled; since libvirt 5.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmulatorSched {
    /// How.
    pub scheduling: Scheduling,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for EmulatorSched {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        self.scheduling.describe(xml);
    }
}

/// `<vcpusched>`: how some virtual CPUs are scheduled; since libvirt 1.2.13.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VcpuSched {
    /// The numbers of the virtual CPUs.
    pub vcpus: Option<CpuSet>,
    /// How.
    pub scheduling: Scheduling,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for VcpuSched {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        values::required_set(xml, "vcpusched", "vcpus", &mut self.vcpus);
        self.scheduling.describe(xml);
    }
}

/// `<iothreadsched>`: how some I/O threads are scheduled; since libvirt 1.2.13.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IothreadSched {
    /// The numbers of the threads.
    pub iothreads: Option<CpuSet>,
    /// How.
    pub scheduling: Scheduling,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for IothreadSched {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        values::required_set(xml, "iothreadsched", "iothreads", &mut self.iothreads);
        self.scheduling.describe(xml);
    }
}
