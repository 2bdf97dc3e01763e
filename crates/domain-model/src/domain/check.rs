//! What a whole domain needs, and what in it contradicts each other.

mod devices;

use std::collections::BTreeSet;

use super::Domain;
use crate::os::AcpiTableType;
use crate::sysinfo::{SysinfoKind, SystemField};
use crate::values::{Bits, CpuSet, Kib, Uuid};
use crate::xml::text::YesNo;
use crate::xml::{Meta, Text};
use crate::{Code, Diagnostic};

impl Domain {
    /// What libvirt refuses in the domain although every element is fine by itself.
    ///
    /// Reading leaves this out, so that parts of domains can be read; it holds for domains built in code too.
    /// What depends on QEMU, the host or the addresses of devices is not looked at.
    ///
    /// ```
    /// use domain_model::{Code, Domain};
    ///
    /// let problems = Domain::default().check();
    /// assert!(problems.iter().any(|problem| problem.code == Code::MissingElement));
    /// ```
    pub fn check(&self) -> Vec<Diagnostic> {
        let mut problems = Problems(Vec::new());
        self.check_essentials(&mut problems);
        self.check_memory(&mut problems);
        self.check_vcpus(&mut problems);
        self.check_cells(&mut problems);
        self.check_iothreads(&mut problems);
        self.check_uuids(&mut problems);
        self.check_perf(&mut problems);
        self.check_acpi_tables(&mut problems);
        self.check_keywrap(&mut problems);
        self.check_seclabels(&mut problems);
        self.check_thread_pools(&mut problems);
        devices::aliases(self, &mut problems);
        devices::single(self, &mut problems);
        devices::boot_order(self, &mut problems);
        devices::audio(self, &mut problems);
        devices::filesystems(self, &mut problems);
        devices::disks(self, &mut problems);
        problems.0
    }

    /// How many NUMA cells the guest has.
    fn cells(&self) -> usize {
        self.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref()).map_or(0, |numa| numa.cells.len())
    }

    fn check_essentials(&self, out: &mut Problems) {
        match self.name.as_deref() {
            None | Some("") => out.add(Code::MissingElement, &self.meta, "name", "a domain needs a `<name>`"),
            Some(name) if name.contains(['/', '\n']) => {
                out.add(Code::BadValue, &self.meta, "name", "a name has no slash and no line break");
            }
            Some(_) => {}
        }
        if self.title.as_ref().is_some_and(|title| title.contains('\n')) {
            out.add(Code::BadValue, &self.meta, "title", "a title has no line break");
        }
        if self.os.kind.is_none() && self.bootloader.is_none() {
            out.add(Code::MissingElement, &self.meta, "os", "`<os>` needs a `<type>`");
        }
    }

    fn check_memory(&self, out: &mut Problems) {
        let sum =
            |sizes: &mut dyn Iterator<Item = Kib>| sizes.fold(0_u64, |sum, size| sum.saturating_add(size.0));
        let written = self.memory.as_ref().and_then(|memory| memory.size).map_or(0, |size| size.0);
        let numa = self.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
        let cells = sum(&mut numa.iter().flat_map(|numa| &numa.cells).filter_map(|cell| cell.memory));
        let modules = sum(&mut self.devices.memories.iter().filter_map(|module| module.spec.size));
        // What is written counts the modules in; what the cells have does not.
        let (initial, total) = match written {
            0 => (cells, cells.saturating_add(modules)),
            _ => (written.saturating_sub(modules), written),
        };
        if modules > total {
            let message = "the memory modules are larger than all of `<memory>`";
            out.add(Code::Conflict, &self.meta, "memory", message);
        } else if initial == 0 {
            let message = "a domain needs `<memory>`, or `<cell>`s of `<numa>`";
            out.add(Code::MissingElement, &self.meta, "memory", message);
        }
        if let Some(max) = &self.max_memory
            && max.size.is_some_and(|size| size.0 > 0 && size.0 < total)
        {
            out.add(Code::Conflict, &max.meta, "", "`<maxMemory>` is less than the memory that there is");
        }
    }

    fn check_vcpus(&self, out: &mut Problems) {
        let count = self.vcpu.as_ref().and_then(|vcpu| vcpu.count).unwrap_or(1);
        let scheds = self.cputune.iter().flat_map(|cputune| &cputune.vcpu_scheds);
        for sched in scheds
            .filter(|sched| sched.vcpus.as_ref().and_then(CpuSet::last).is_some_and(|last| last >= count))
        {
            let message = format!("the guest has {count} CPUs, from 0");
            out.add(Code::Unsupported, &sched.meta, "@vcpus", message);
        }
        let orders = self
            .vcpus
            .iter()
            .filter(|vcpu| vcpu.enabled != Some(YesNo::No))
            .map(|vcpu| vcpu.order.unwrap_or(0));
        let (set, open): (Vec<u32>, Vec<u32>) = orders.partition(|order| *order > 0);
        if let Some(first) = self.vcpus.first().filter(|_| !set.is_empty() && !open.is_empty()) {
            out.add(Code::Unsupported, &first.meta, "@order", "each CPU has an `order`, or none has");
        }
        let mut ids = BTreeSet::new();
        for vcpu in &self.vcpus {
            if vcpu.id >= count || !ids.insert(vcpu.id) {
                let message =
                    format!("the CPUs have the numbers from 0 to {}, each once", count.saturating_sub(1));
                out.add(Code::Conflict, &vcpu.meta, "@id", message);
            }
            if vcpu.id == 0 && vcpu.enabled == Some(YesNo::No) {
                out.add(Code::Unsupported, &vcpu.meta, "@enabled", "the guest cannot start without CPU 0");
            }
        }
    }

    fn check_cells(&self, out: &mut Problems) {
        let cells = self.cells();
        let exists = |cell: u32| (cell as usize) < cells;
        for memnode in self.numatune.iter().flat_map(|numatune| &numatune.memnodes) {
            if !exists(memnode.cellid) {
                let message = format!("the guest has no NUMA cell {}", memnode.cellid);
                out.add(Code::Conflict, &memnode.meta, "@cellid", message);
            }
        }
        let hugepages = self.memory_backing.as_ref().and_then(|backing| backing.hugepages.as_ref());
        for page in hugepages.iter().flat_map(|hugepages| &hugepages.pages) {
            // A guest without cells counts as one cell.
            let last = page.nodeset.as_ref().and_then(CpuSet::last);
            if let Some(cell) = last.filter(|cell| *cell != 0 && !exists(*cell)) {
                let message = format!("the guest has no NUMA cell {cell}");
                out.add(Code::Conflict, &page.meta, "@nodeset", message);
            }
        }
    }

    fn check_iothreads(&self, out: &mut Problems) {
        let mut ids = BTreeSet::new();
        for iothread in &self.iothread_ids {
            if !ids.insert(iothread.id) {
                let message = format!("the I/O thread {} occurs twice", iothread.id);
                out.add(Code::Conflict, &iothread.meta, "@id", message);
            }
        }
        // `<iothreads>` counts those of `<iothreadids>` in; the rest get the smallest numbers that are free.
        let unnumbered = (self.iothreads.unwrap_or(0) as usize).saturating_sub(self.iothread_ids.len());
        let numbered: Vec<u32> = ids.into_iter().collect();
        let exists = |id: u32| match numbered.binary_search(&id) {
            Ok(_) => true,
            Err(taken_below) => id > 0 && (id as usize - 1).saturating_sub(taken_below) < unnumbered,
        };
        let Some(cputune) = &self.cputune else { return };
        let mut scheduled = Bits::new();
        for sched in &cputune.iothread_scheds {
            if let Some(set) = &sched.iothreads
                && scheduled.claim(set)
                && let Some(id) = set.iter().find(|id| !exists(*id))
            {
                let message = format!("there is no I/O thread {id}");
                out.add(Code::Unsupported, &sched.meta, "@iothreads", message);
            }
        }
        for pin in cputune.iothread_pins.iter().filter(|pin| !exists(pin.iothread)) {
            let message = format!("there is no I/O thread {}", pin.iothread);
            out.add(Code::Unsupported, &pin.meta, "@iothread", message);
        }
    }

    fn check_thread_pools(&self, out: &mut Problems) {
        let numbered = self.iothread_ids.iter();
        let numbered = numbered.map(|thread| (&thread.meta, thread.thread_pool_min, thread.thread_pool_max));
        let main = self.default_iothread.iter();
        let main = main.map(|thread| (&thread.meta, thread.thread_pool_min, thread.thread_pool_max));
        for (meta, min, max) in numbered.chain(main) {
            if max == Some(0) {
                let message = "a pool has room for at least one thread";
                out.add(Code::Unsupported, meta, "@thread_pool_max", message);
            }
            let message = match (min, max) {
                (Some(min), Some(max)) if min > max => {
                    format!("a pool of {max} threads at most cannot keep {min}")
                }
                (Some(_), None) => "`thread_pool_min` needs `thread_pool_max`".to_owned(),
                _ => continue,
            };
            out.add(Code::Unsupported, meta, "@thread_pool_min", message);
        }
    }

    fn check_uuids(&self, out: &mut Problems) {
        let Some(own) = self.uuid else { return };
        for sysinfo in &self.sysinfos {
            let SysinfoKind::Smbios(smbios) = &sysinfo.kind else { continue };
            for entry in smbios.system.iter().filter(|entry| entry.name == SystemField::Uuid) {
                if Uuid::parse(&entry.value).is_ok_and(|uuid| uuid != own) {
                    let message = format!("the UUID of the machine has to be the domain's, `{own}`");
                    out.add(Code::Conflict, &entry.meta, "", message);
                }
            }
        }
    }

    fn check_perf(&self, out: &mut Problems) {
        let mut names = BTreeSet::new();
        for event in &self.perf {
            if !names.insert(event.name) {
                let message = format!("the event `{}` occurs twice", event.name);
                out.add(Code::Conflict, &event.meta, "@name", message);
            }
        }
    }

    fn check_acpi_tables(&self, out: &mut Problems) {
        let mut kinds = BTreeSet::new();
        // Raw tables say themselves what they are.
        for table in self.os.acpi_tables.iter().filter(|table| table.kind != Some(AcpiTableType::Raw)) {
            if !kinds.insert(table.kind)
                && let Some(kind) = table.kind
            {
                let message = format!("there is one ACPI table of the type `{kind}` at most");
                out.add(Code::Conflict, &table.meta, "@type", message);
            }
        }
    }

    fn check_keywrap(&self, out: &mut Problems) {
        let mut names = BTreeSet::new();
        for cipher in &self.keywrap {
            if !names.insert(cipher.name) {
                let message = format!("the cipher `{}` occurs twice", cipher.name);
                out.add(Code::Malformed, &cipher.meta, "@name", message);
            }
        }
    }

    fn check_seclabels(&self, out: &mut Problems) {
        let mut models = BTreeSet::new();
        for seclabel in &self.seclabels {
            if seclabel.model.is_none() && (seclabel.kind.is_none() || self.seclabels.len() > 1) {
                let message =
                    "a label needs the attribute `model`, unless it is the only one and has a `type`";
                out.add(Code::MissingAttribute, &seclabel.meta, "", message);
            } else if !models.insert(&seclabel.model) {
                out.add(Code::Conflict, &seclabel.meta, "@model", "a security driver has one label");
            }
        }
    }
}

struct Problems(Vec<Diagnostic>);

impl Problems {
    fn add(&mut self, code: Code, meta: &Meta, path: &'static str, message: impl Into<String>) {
        self.0.push(Diagnostic::error(code, meta.at(path), message));
    }
}
