//! `qmp`: what recorded QMP sessions of QEMU tell.

use std::collections::BTreeSet;

use caps_parser::facts::{CpuProp, CpuValue, Facts, HostCpu, Machine, Sev, Sgx};
use caps_parser::{Capabilities, qmp};
use serde::Deserialize;

use crate::reference::{LoadError, Reference};
use crate::suite::{Outcome, Suite};
use crate::tree::Element;

/// libvirt's words for what QEMU can do for Windows guests; the project keeps whatever QEMU reports.
const HYPERV: [&str; 17] = [
    "relaxed",
    "vapic",
    "spinlocks",
    "vpindex",
    "runtime",
    "synic",
    "stimer",
    "reset",
    "vendor_id",
    "frequencies",
    "reenlightenment",
    "tlbflush",
    "ipi",
    "evmcs",
    "avic",
    "emsr_bitmap",
    "xmm_input",
];

/// Recordings (`.replies`), each beside the capabilities that libvirt reads from it (`.xml`).
pub struct Qmp {
    folder: Reference,
    names: Vec<String>,
    /// Only these flags are compared; the project may know more.
    live: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Flags {
    live: BTreeSet<String>,
}

impl Qmp {
    /// Lists the recordings of the folder.
    pub fn load(folder: Reference) -> Result<Self, LoadError> {
        let mut names = folder.files("", ".replies")?;
        for name in &mut names {
            name.truncate(name.len() - ".replies".len());
        }
        let flags: Flags = folder.json("../caps-flags.json")?;
        Ok(Self { folder, names, live: flags.live })
    }

    fn compare(&self, name: &str) -> Result<Outcome, String> {
        let text =
            |ending: &str| self.folder.text(&format!("{name}{ending}")).map_err(|error| error.to_string());
        let facts = qmp::replies::parse(&text(".replies")?).map_err(|error| error.to_string())?;
        let capabilities = Capabilities::detect(facts, name);
        let flags = capabilities.flags().map(|flag| flag.name()).filter(|flag| self.live.contains(*flag));
        let actual = actual(&capabilities.facts, flags.collect());
        Ok(Outcome::equal(&expected(&Element::parse(&text(".xml")?)?), &actual))
    }
}

impl Suite for Qmp {
    fn name(&self) -> &str {
        "qmp"
    }

    fn cases(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    fn run(&self, index: usize) -> Outcome {
        match self.names.get(index) {
            Some(name) => self.compare(name).into(),
            None => Outcome::no_such_case(),
        }
    }
}

/// A fact per line, so that a difference shows as the facts that differ: its kind and what is said of it.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, kind: &str, attributes: &[(&str, &str)]) {
        self.0.push_str(kind);
        for (key, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
            self.0.push_str(&format!(" {key}={value}"));
        }
        self.0.push('\n');
    }
}

/// The attributes of a machine that are compared.
const MACHINE: [&str; 11] = [
    "type",
    "name",
    "alias",
    "hotplugCpus",
    "maxCpus",
    "default",
    "defaultCPU",
    "numaMemSupported",
    "defaultRAMid",
    "deprecated",
    "acpi",
];

fn expected(root: &Element) -> String {
    let mut lines = Lines::default();
    let flags: BTreeSet<&str> = root.all("flag").filter_map(|flag| flag.attribute("name")).collect();
    for flag in flags {
        lines.add("flag", &[("name", flag)]);
    }
    for name in ["version", "package", "arch"] {
        lines.add(name, &[("is", root.child_text(name).unwrap_or_default())]);
    }
    let power = root.child_text("arch") == Some("ppc64");
    let attributes = |element: &Element, names: &[&'static str]| -> Vec<(&'static str, String)> {
        names.iter().map(|name| (*name, element.attribute(name).unwrap_or_default().to_owned())).collect()
    };
    for host in root.all("hostCPU") {
        add_owned(&mut lines, "host-cpu", attributes(host, &["type", "model", "migratability"]));
        for property in host.all("property") {
            add_owned(
                &mut lines,
                "host-property",
                attributes(property, &["name", "type", "value", "migratable"]),
            );
        }
        for property in host.all("deprecatedFeatures").flat_map(|features| features.all("property")) {
            add_owned(&mut lines, "host-deprecated", attributes(property, &["name"]));
        }
    }
    for cpu in root.all("cpu") {
        let mut said = attributes(cpu, &["type", "name", "typename", "usable", "deprecated"]);
        // libvirt writes the names of POWER CPUs in capitals of its own.
        for (_, value) in said.iter_mut().filter(|(key, _)| power && *key == "name") {
            *value = value.to_lowercase();
        }
        let blockers: Vec<&str> =
            cpu.all("blocker").filter_map(|blocker| blocker.attribute("name")).collect();
        said.push(("blockers", blockers.join(",")));
        add_owned(&mut lines, "cpu", said);
    }
    // libvirt moves the machine that it prefers to the front; which one that is, is not for QEMU to say.
    let mut machines: Vec<_> = root.all("machine").map(|machine| attributes(machine, &MACHINE)).collect();
    machines.sort();
    for machine in machines {
        add_owned(&mut lines, "machine", machine);
    }
    for gic in root.all("gic") {
        add_owned(&mut lines, "gic", attributes(gic, &["version", "kernel", "emulated"]));
    }
    for sev in root.all("sev") {
        for field in &sev.children {
            lines.add(&format!("sev-{}", field.name), &[("is", &field.text)]);
        }
    }
    for sgx in root.all("sgx").filter(|sgx| sgx.attribute("supported") == Some("yes")) {
        for name in ["flc", "sgx1", "sgx2", "section_size"] {
            lines.add(&format!("sgx-{name}"), &[("is", sgx.child_text(name).unwrap_or_default())]);
        }
        for section in sgx.all("sections").flat_map(|sections| sections.all("section")) {
            add_owned(&mut lines, "sgx-section", attributes(section, &["node", "size"]));
        }
    }
    let hyperv: BTreeSet<&str> = root
        .all("hypervCapabilities")
        .flat_map(|capabilities| capabilities.all("cap"))
        .filter_map(|capability| capability.attribute("name"))
        .collect();
    for name in hyperv {
        lines.add("hyperv", &[("name", name)]);
    }
    lines.0
}

fn add_owned(lines: &mut Lines, kind: &str, attributes: Vec<(&'static str, String)>) {
    let attributes: Vec<(&str, &str)> =
        attributes.iter().map(|(key, value)| (*key, value.as_str())).collect();
    lines.add(kind, &attributes);
}

fn actual(facts: &Facts, flags: BTreeSet<&str>) -> String {
    let mut lines = Lines::default();
    for flag in flags {
        lines.add("flag", &[("name", flag)]);
    }
    lines.add("version", &[("is", &facts.version.cooked().to_string())]);
    lines.add("package", &[("is", &facts.package)]);
    lines.add("arch", &[("is", facts.libvirt_arch().unwrap_or_default())]);
    let power = facts.libvirt_arch() == Some("ppc64");
    for (accel, accelerator) in &facts.accelerators {
        if let Some(host) = &accelerator.host_cpu {
            add_host_cpu(&mut lines, accel.qemu(), host);
        }
    }
    for (accel, cpu) in
        facts.accelerators.iter().flat_map(|(accel, of)| of.cpus.iter().map(move |cpu| (accel, cpu)))
    {
        let name = if power { cpu.name.to_lowercase() } else { cpu.name.clone() };
        let blockers: Vec<&str> = cpu.blockers.iter().collect();
        lines.add(
            "cpu",
            &[
                ("type", accel.qemu()),
                ("name", &name),
                ("typename", cpu.type_name.as_deref().unwrap_or_default()),
                ("usable", cpu.usable.map_or("", yes_or_no)),
                ("deprecated", yes_if(cpu.deprecated)),
                ("blockers", &blockers.join(",")),
            ],
        );
    }
    let mut machines: Vec<_> = facts
        .accelerators
        .iter()
        .flat_map(|(accel, of)| of.machines.iter().map(|machine| machine_attributes(accel.qemu(), machine)))
        .collect();
    machines.sort();
    for machine in machines {
        add_owned(&mut lines, "machine", machine);
    }
    for gic in facts.gic.iter().flatten() {
        let (kernel, emulated) = (yes_or_no(gic.kernel), yes_or_no(gic.emulated));
        lines
            .add("gic", &[("version", &gic.version.to_string()), ("kernel", kernel), ("emulated", emulated)]);
    }
    if let Some(sev) = facts.sev.offered() {
        add_sev(&mut lines, sev);
    }
    if let Some(sgx) = facts.sgx.offered() {
        add_sgx(&mut lines, sgx);
    }
    let hyperv: BTreeSet<String> = facts
        .hyperv
        .iter()
        .flatten()
        .filter_map(|prop| prop.name.strip_prefix("hv-"))
        .map(|name| name.replace('-', "_"))
        .filter(|name| HYPERV.contains(&name.as_str()))
        .collect();
    for name in &hyperv {
        lines.add("hyperv", &[("name", name)]);
    }
    lines.0
}

fn add_host_cpu(lines: &mut Lines, accel: &str, host: &HostCpu) {
    let migratability = yes_or_no(host.migratability);
    lines.add("host-cpu", &[("type", accel), ("model", &host.model), ("migratability", migratability)]);
    for CpuProp { name, value, migratable } in &host.props {
        let (kind, value) = match value {
            CpuValue::Bool(value) => ("boolean", value.to_string()),
            CpuValue::Int(value) => ("number", value.to_string()),
            CpuValue::Text(value) => ("string", value.clone()),
        };
        let migratable = migratable.map_or("", yes_or_no);
        lines.add(
            "host-property",
            &[("name", name), ("type", kind), ("value", &value), ("migratable", migratable)],
        );
    }
    for name in host.deprecated.iter() {
        lines.add("host-deprecated", &[("name", name)]);
    }
}

fn machine_attributes(accel: &str, machine: &Machine) -> Vec<(&'static str, String)> {
    let max_cpus = machine.max_cpus.to_string();
    let values = [
        accel,
        &machine.name,
        machine.alias.as_deref().unwrap_or_default(),
        yes_if(machine.hotplug_cpus),
        &max_cpus,
        yes_if(machine.default),
        machine.default_cpu.as_deref().unwrap_or_default(),
        yes_if(machine.numa_mem),
        machine.default_ram_id.as_deref().unwrap_or_default(),
        yes_if(machine.deprecated),
        machine.acpi.map_or("", yes_or_no),
    ];
    MACHINE.into_iter().zip(values.map(str::to_owned)).collect()
}

fn add_sev(lines: &mut Lines, sev: &Sev) {
    lines.add("sev-cbitpos", &[("is", &sev.cbitpos.to_string())]);
    lines.add("sev-reducedPhysBits", &[("is", &sev.reduced_phys_bits.to_string())]);
    lines.add("sev-pdh", &[("is", &sev.pdh)]);
    lines.add("sev-certChain", &[("is", &sev.cert_chain)]);
    if let Some(id) = &sev.cpu0_id {
        lines.add("sev-cpu0Id", &[("is", id)]);
    }
}

fn add_sgx(lines: &mut Lines, sgx: &Sgx) {
    for (name, value) in [("flc", sgx.flc), ("sgx1", sgx.sgx1), ("sgx2", sgx.sgx2)] {
        lines.add(&format!("sgx-{name}"), &[("is", yes_or_no(value))]);
    }
    // libvirt counts in KiB.
    let size = sgx.section_size.map(|bytes| (bytes / 1024).to_string()).unwrap_or_default();
    lines.add("sgx-section_size", &[("is", &size)]);
    for section in &sgx.sections {
        let (node, size) = (section.node.to_string(), (section.size / 1024).to_string());
        lines.add("sgx-section", &[("node", &node), ("size", &size)]);
    }
}

fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn yes_if(value: bool) -> &'static str {
    if value { "yes" } else { "" }
}
