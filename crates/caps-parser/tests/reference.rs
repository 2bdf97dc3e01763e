//! Reference data, where its folder is present: help texts and QMP recordings.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod support;
#[path = "support/xml.rs"]
mod xml;

use std::collections::BTreeSet;
use std::path::Path;

use caps_parser::facts::{Accel, Accelerator, CpuValue, Facts};
use caps_parser::{Capabilities, Capability, device_help, help, qmp};
use support::reference;
use xml::Element;

fn names(value: &serde_json::Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn flags(capabilities: &Capabilities, among: &BTreeSet<String>) -> BTreeSet<String> {
    capabilities.flags().map(|flag| flag.name().to_owned()).filter(|flag| among.contains(flag)).collect()
}

/// Every row of `help/expected-2011.json`: flags of the rules of 2011, version, fork.
#[test]
fn historic_help() {
    let Some(folder) = reference("help") else { return };
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
    };
    let among: BTreeSet<String> = json("flags.json")
        .as_array()
        .unwrap()
        .iter()
        .filter(|flag| flag["computed_2011"] == true)
        .map(|flag| flag["name"].as_str().unwrap().to_owned())
        .collect();
    for row in json("expected-2011.json").as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let mut facts = help::parse(&text).unwrap();
        if row["uses_device_file"] == true {
            device_help::parse(
                &std::fs::read_to_string(folder.join(format!("{name}-device"))).unwrap(),
                &mut facts,
            );
        }
        let unlisted = unlisted_options(&text, &facts);
        assert!(unlisted.is_empty(), "{name}: options not recognised: {unlisted:?}");
        assert_eq!(facts.version.cooked(), row["version"].as_u64().unwrap(), "{name}");
        assert_eq!(facts.is_kvm, row["is_kvm"].as_bool().unwrap(), "{name}");
        assert_eq!(u64::from(facts.kvm_version), row["kvm_version"].as_u64().unwrap(), "{name}");
        let capabilities = Capabilities::detect(facts, name);
        assert_eq!(flags(&capabilities, &among), names(&row["flags"]), "{name}");
    }
}

/// Words at the start of a line that look like an option but did not become one.
fn unlisted_options(text: &str, facts: &Facts) -> Vec<String> {
    let options = facts.options.as_ref().unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix('-')?.split([' ', '\t', '/']).next())
        .filter(|name| !options.contains(name))
        .map(str::to_owned)
        .collect()
}

/// Every recording of `modern/qmp` against the description of the same name.
#[test]
fn recordings() {
    let Some(folder) = reference("modern/qmp") else { return };
    let live: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("../caps-flags.json")).unwrap()).unwrap();
    let live = names(&live["live"]);
    let mut failures = Vec::new();
    let mut count = 0;
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "replies")) {
        count += 1;
        let differences = compare_recording(file, &live);
        if !differences.is_empty() {
            failures.push(format!("{}:\n  {}", file.display(), differences.join("\n  ")));
        }
    }
    assert!(failures.is_empty(), "{} of {count} differ\n{}", failures.len(), failures.join("\n"));
}

fn compare_recording(file: &Path, live: &BTreeSet<String>) -> Vec<String> {
    let facts = qmp::replies::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
    let expected = Element::parse(&std::fs::read_to_string(file.with_extension("xml")).unwrap());
    let capabilities = Capabilities::detect(facts, "recording");
    let mut out = Vec::new();
    let mut same = |what: &str, got: BTreeSet<String>, wanted: BTreeSet<String>| {
        for extra in got.difference(&wanted).take(8) {
            out.push(format!("{what}: not expected: {extra}"));
        }
        for missing in wanted.difference(&got).take(8) {
            out.push(format!("{what}: missing: {missing}"));
        }
    };
    let one = |text: &str| BTreeSet::from([text.to_owned()]);
    let child_text = |name: &str| expected.child(name).map(|child| child.text.clone()).unwrap_or_default();
    let facts = &capabilities.facts;
    same(
        "flags",
        flags(&capabilities, live),
        expected.children("flag").map(|flag| flag.attribute("name")).collect(),
    );
    let unknown = capabilities.unknown().map(Capability::name).filter(|name| live.contains(*name));
    same("unknown", unknown.map(str::to_owned).collect(), one("chardev.json"));
    same("version", one(&facts.version.cooked().to_string()), one(&child_text("version")));
    same("package", one(&facts.package), one(&child_text("package")));
    same("arch", one(facts.libvirt_arch().unwrap()), one(&child_text("arch")));
    let machine_attributes = [
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
    same(
        "machines",
        machines(facts),
        expected.children("machine").map(|it| it.attributes(&machine_attributes)).collect(),
    );
    same("cpus", cpus(facts), expected.children("cpu").map(|cpu| cpu_line(cpu, facts)).collect());
    same("host cpus", host_cpus(facts), expected.children("hostCPU").map(host_cpu_line).collect());
    let gic = facts.gic.iter().flatten();
    same(
        "gic",
        gic.map(|gic| format!("{} {} {}", gic.version, yes(gic.kernel), yes(gic.emulated))).collect(),
        expected.children("gic").map(|gic| gic.attributes(&["version", "kernel", "emulated"])).collect(),
    );
    same(
        "sev",
        facts
            .sev
            .offered()
            .map(|sev| {
                format!(
                    "{} {} {} {} {}",
                    sev.cbitpos,
                    sev.reduced_phys_bits,
                    sev.pdh,
                    sev.cert_chain,
                    sev.cpu0_id.as_deref().unwrap_or("-")
                )
            })
            .into_iter()
            .collect(),
        expected
            .children("sev")
            .map(|sev| {
                ["cbitpos", "reducedPhysBits", "pdh", "certChain", "cpu0Id"]
                    .map(|name| sev.child(name).map_or("-".to_owned(), |child| child.text.clone()))
                    .join(" ")
            })
            .collect(),
    );
    same(
        "sgx",
        facts.sgx.offered().map(|_| "offered".to_owned()).into_iter().collect(),
        expected.children("sgx").map(|_| "offered".to_owned()).collect(),
    );
    let hyperv =
        facts.hyperv.iter().flatten().map(|prop| prop.name.trim_start_matches("hv-").replace('-', "_"));
    let caps = expected.child("hypervCapabilities").into_iter().flat_map(|all| all.children("cap"));
    same(
        "hyperv",
        hyperv.filter(|name| ENLIGHTENMENTS.contains(&name.as_str())).collect(),
        caps.map(|cap| cap.attribute("name")).collect(),
    );
    out
}

/// The enlightenments libvirt has words for; QEMU reports more.
const ENLIGHTENMENTS: &[&str] = &[
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

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn yes_if(value: bool) -> &'static str {
    if value { "yes" } else { "-" }
}

fn each(facts: &Facts) -> impl Iterator<Item = (&'static str, &Accelerator)> {
    facts.accelerators.iter().map(|(kind, accelerator): (&Accel, _)| (kind.qemu(), accelerator))
}

fn or(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("-")
}

fn machines(facts: &Facts) -> BTreeSet<String> {
    each(facts)
        .flat_map(|(kind, accelerator)| accelerator.machines.iter().map(move |machine| (kind, machine)))
        .map(|(kind, it)| {
            [
                kind,
                &it.name,
                or(&it.alias),
                yes_if(it.hotplug_cpus),
                &it.max_cpus.to_string(),
                yes_if(it.default),
                or(&it.default_cpu),
                yes_if(it.numa_mem),
                or(&it.default_ram_id),
                yes_if(it.deprecated),
                it.acpi.map_or("-", yes),
            ]
            .join(" ")
        })
        .collect()
}

fn cpus(facts: &Facts) -> BTreeSet<String> {
    each(facts)
        .flat_map(|(kind, accelerator)| accelerator.cpus.iter().map(move |cpu| (kind, cpu)))
        .map(|(kind, cpu)| {
            let head = [
                kind,
                &cpu_name(&cpu.name, facts),
                or(&cpu.type_name),
                cpu.usable.map_or("-", yes),
                yes_if(cpu.deprecated),
            ]
            .join(" ");
            format!("{head}: {}", cpu.blockers.iter().collect::<Vec<_>>().join(","))
        })
        .collect()
}

fn cpu_line(cpu: &Element, facts: &Facts) -> String {
    let blockers: Vec<String> = cpu.children("blocker").map(|blocker| blocker.attribute("name")).collect();
    let mut attributes = cpu.attributes(&["type", "name", "typename", "usable", "deprecated"]);
    if facts.arch.as_deref() == Some("ppc64") {
        let name = cpu.attribute("name");
        attributes = attributes.replacen(&format!(" {name} "), &format!(" {} ", name.to_lowercase()), 1);
    }
    format!("{attributes}: {}", blockers.join(","))
}

/// libvirt writes the names of POWER CPUs in its own capitals.
fn cpu_name(name: &str, facts: &Facts) -> String {
    if facts.arch.as_deref() == Some("ppc64") { name.to_lowercase() } else { name.to_owned() }
}

fn host_cpus(facts: &Facts) -> BTreeSet<String> {
    each(facts)
        .filter_map(|(kind, accelerator)| Some((kind, accelerator.host_cpu.as_ref()?)))
        .map(|(kind, host)| {
            let props = host.props.iter().map(|prop| {
                let (kind, value) = match &prop.value {
                    CpuValue::Bool(value) => ("boolean", value.to_string()),
                    CpuValue::Int(value) => ("number", value.to_string()),
                    CpuValue::Text(value) => ("string", value.clone()),
                };
                format!("{} {kind} {value} {}", prop.name, prop.migratable.map_or("-", yes))
            });
            let deprecated = host.deprecated.iter().collect::<Vec<_>>().join(",");
            format!(
                "{kind} {} {} [{}] {deprecated}",
                host.model,
                yes_if(host.migratability),
                props.collect::<Vec<_>>().join("; ")
            )
        })
        .collect()
}

fn host_cpu_line(host: &Element) -> String {
    let attributes = host.attributes(&["type", "model", "migratability"]).replace(" no", " -");
    let props: Vec<String> = host
        .children("property")
        .map(|prop| prop.attributes(&["name", "type", "value", "migratable"]))
        .collect();
    let deprecated: Vec<String> = host
        .child("deprecatedFeatures")
        .into_iter()
        .flat_map(|all| all.children("property"))
        .map(|prop| prop.attribute("name"))
        .collect();
    format!("{attributes} [{}] {}", props.join("; "), deprecated.join(","))
}

/// Every JSON argument of the command lines for x86_64 passes the schema of the QEMU they are for.
#[test]
fn schema_takes_the_json_arguments() {
    let Some(folder) = reference("modern") else { return };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&read("manifest.json")).unwrap();
    let latest = manifest["latest"]["x86_64"].as_str().unwrap();
    let facts = qmp::replies::parse(&read(&format!("qmp/caps_{latest}_x86_64.replies"))).unwrap();
    let schema = facts.schema.unwrap();
    let mut checked = 0;
    let mut refused = Vec::new();
    for line in read("argv.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        let argv: Vec<&str> =
            case["argv"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        if !id.ends_with("x86_64-latest") {
            continue;
        }
        for pair in argv.windows(2).filter(|pair| pair[1].starts_with('{')) {
            let command = match pair[0] {
                "-blockdev" => "blockdev-add",
                "-netdev" => "netdev_add",
                "-object" => "object-add",
                "-device" => "device_add",
                "-chardev" => "chardev-add",
                _ => continue,
            };
            let arguments = serde_json::from_str(pair[1]).unwrap();
            checked += 1;
            if let Err(error) = schema.validate(command, &arguments) {
                refused.push(format!("{id}: {error}"));
            }
        }
    }
    assert!(refused.is_empty(), "{} of {checked} refused:\n{}", refused.len(), refused.join("\n"));
    assert!(checked > 1000, "only {checked} arguments found");
}
