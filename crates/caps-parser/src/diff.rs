//! What changed between two QEMUs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::capabilities::Capabilities;
use crate::capability::Capability;
use crate::facts::{Accelerator, Facts, Props};
use crate::names::NameSet;
use crate::version::Version;

/// How wide the text is made, in characters.
const WIDTH: usize = 100;

/// The differences between two QEMUs. As text it reads like a release note.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CapsDiff {
    /// The QEMU it starts from.
    pub from: Side,
    /// The QEMU it leads to.
    pub to: Side,
    /// Capabilities, of those that both probes could tell about.
    pub flags: Change<Capability>,
    /// Machine types.
    pub machines: MachineChange,
    /// Devices, where both probes listed them, else QOM types; without machines and CPUs, which have lists of their own.
    pub devices: Change<String>,
    /// Properties of devices, objects and machines that both probes asked about; those of an array are one, `gsi[*]`.
    pub properties: BTreeMap<String, Change<String>>,
    /// CPU models.
    pub cpus: CpuChange,
    /// What could not be compared, because one of the probes did not ask.
    pub not_compared: Vec<&'static str>,
}

/// Which QEMU one side of the comparison is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Where the capabilities come from.
    pub source: String,
    /// The release.
    pub version: Version,
    /// What the packager added to the version.
    pub package: String,
    /// The guest architecture in QEMU's spelling.
    pub arch: Option<String>,
}

/// What came and what went, sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change<T> {
    /// There now, not before.
    pub new: Vec<T>,
    /// There before, not now.
    pub gone: Vec<T>,
}

impl<T> Default for Change<T> {
    fn default() -> Self {
        Self { new: Vec::new(), gone: Vec::new() }
    }
}

impl<T> Change<T> {
    /// Whether nothing came or went.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty()
    }
}

impl<T: Ord> Change<T> {
    fn between(mut from: BTreeSet<T>, to: BTreeSet<T>) -> Self {
        let new = to.into_iter().filter(|name| !from.remove(name)).collect();
        Self { new, gone: from.into_iter().collect() }
    }
}

impl Change<String> {
    fn of_names<'a>(from: impl Iterator<Item = &'a str>, to: impl Iterator<Item = &'a str>) -> Self {
        Self::between(from.map(str::to_owned).collect(), to.map(str::to_owned).collect())
    }
}

/// Changes of machine types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MachineChange {
    /// New and gone ones, by the name that is not an alias.
    #[serde(flatten)]
    pub names: Change<String>,
    /// There before and now, and deprecated only now.
    pub newly_deprecated: Vec<String>,
    /// Aliases that stand for something else now, or that came or went.
    pub aliases: BTreeMap<String, Renamed>,
    /// What QEMU takes without `-machine`, where that changed.
    pub default: Option<Renamed>,
}

/// What a word stood for, and stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// Before; nothing if the word was not there.
    pub from: Option<String>,
    /// Now; nothing if the word is gone.
    pub to: Option<String>,
}

/// Changes of CPU models.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CpuChange {
    /// New and gone ones.
    #[serde(flatten)]
    pub names: Change<String>,
    /// There before and now, and deprecated only now.
    pub newly_deprecated: Vec<String>,
}

impl CapsDiff {
    /// Compares two QEMUs.
    pub fn between(from: &Capabilities, to: &Capabilities) -> Self {
        let mut not_compared = Vec::new();
        let both = |known: bool, what: &'static str, not_compared: &mut Vec<&'static str>| {
            if !known {
                not_compared.push(what);
            }
            known
        };
        let mut diff = Self {
            from: Side::of(from),
            to: Side::of(to),
            flags: flags(from, to),
            machines: MachineChange::default(),
            devices: Change::default(),
            properties: properties(&from.facts.props, &to.facts.props),
            cpus: CpuChange::default(),
            not_compared: Vec::new(),
        };
        let (a, b) = (&from.facts, &to.facts);
        let lists = |facts: &Facts, list: fn(&Accelerator) -> bool| facts.accelerators.values().any(list);
        let machines: fn(&Accelerator) -> bool = |accelerator| !accelerator.machines.is_empty();
        if both(lists(a, machines) && lists(b, machines), "machine types", &mut not_compared) {
            diff.machines = MachineChange::between(a, b);
        }
        let cpus: fn(&Accelerator) -> bool = |accelerator| !accelerator.cpus.is_empty();
        if both(lists(a, cpus) && lists(b, cpus), "CPU models", &mut not_compared) {
            diff.cpus = CpuChange::between(a, b);
        }
        match (&a.devices, &b.devices, &a.types, &b.types) {
            (_, _, Some(a), Some(b)) if from.facts.devices.is_none() || to.facts.devices.is_none() => {
                diff.devices = Change::of_names(plain_types(a), plain_types(b));
            }
            (Some(a), Some(b), ..) => diff.devices = Change::of_names(plain_types(a), plain_types(b)),
            _ => not_compared.push("devices"),
        }
        diff.not_compared = not_compared;
        diff
    }

    /// Whether nothing that was compared differs; the version may.
    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
            && self.machines == MachineChange::default()
            && self.devices.is_empty()
            && self.properties.is_empty()
            && self.cpus == CpuChange::default()
    }
}

impl Side {
    fn of(capabilities: &Capabilities) -> Self {
        let facts = &capabilities.facts;
        Self {
            source: capabilities.source.clone(),
            version: facts.version,
            package: facts.package.clone(),
            arch: facts.arch.clone(),
        }
    }
}

fn flags(from: &Capabilities, to: &Capabilities) -> Change<Capability> {
    let of = |side: &Capabilities| side.flags().filter(|it| from.knows(*it) && to.knows(*it)).collect();
    Change::between(of(from), of(to))
}

/// QOM types without those that have a list of their own.
fn plain_types(types: &NameSet) -> impl Iterator<Item = &str> {
    types.iter().filter(|name| !name.ends_with("-machine") && !name.ends_with("-cpu"))
}

fn properties(
    from: &BTreeMap<String, Props>,
    to: &BTreeMap<String, Props>,
) -> BTreeMap<String, Change<String>> {
    let name = |name: &str| match name.split_once('[') {
        Some((array, _)) => format!("{array}[*]"),
        None => name.to_owned(),
    };
    let names = |props: &Props| props.iter().map(|prop| name(prop.name)).collect::<BTreeSet<_>>();
    from.iter()
        .filter_map(|(kind, before)| Some((kind, before, to.get(kind)?)))
        .map(|(kind, before, after)| (kind.clone(), Change::between(names(before), names(after))))
        .filter(|(_, change)| !change.is_empty())
        .collect()
}

/// Machine types of all accelerators by name, with whether they are deprecated.
fn machine_names(facts: &Facts) -> BTreeMap<&str, bool> {
    facts
        .accelerators
        .values()
        .flat_map(|it| &it.machines)
        .map(|it| (it.name.as_str(), it.deprecated))
        .collect()
}

impl MachineChange {
    fn between(from: &Facts, to: &Facts) -> Self {
        let (before, after) = (machine_names(from), machine_names(to));
        let aliases = |facts: &Facts| -> BTreeMap<String, String> {
            let machines = facts.accelerators.values().flat_map(|it| &it.machines);
            machines.filter_map(|it| Some((it.alias.clone()?, it.name.clone()))).collect()
        };
        let default = |facts: &Facts| {
            let mut machines = facts.accelerators.values().flat_map(|it| &it.machines);
            machines.find(|it| it.default).map(|it| it.name.clone())
        };
        let (was, is) = (aliases(from), aliases(to));
        let words: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        let renamed = Renamed { from: default(from), to: default(to) };
        Self {
            names: Change::of_names(before.keys().copied(), after.keys().copied()),
            newly_deprecated: newly(&before, &after),
            aliases: words
                .into_iter()
                .map(|word| {
                    (word.clone(), Renamed { from: was.get(word).cloned(), to: is.get(word).cloned() })
                })
                .filter(|(_, renamed)| renamed.from != renamed.to)
                .collect(),
            default: Some(renamed).filter(|renamed| renamed.from != renamed.to),
        }
    }
}

impl CpuChange {
    fn between(from: &Facts, to: &Facts) -> Self {
        let names = |facts: &Facts| -> BTreeMap<String, bool> {
            let cpus = facts.accelerators.values().flat_map(|it| &it.cpus);
            cpus.map(|it| (it.name.clone(), it.deprecated)).collect()
        };
        let (before, after) = (names(from), names(to));
        Self {
            names: Change::of_names(before.keys().map(String::as_str), after.keys().map(String::as_str)),
            newly_deprecated: newly(&before, &after),
        }
    }
}

/// What is marked now and was there before without the mark.
fn newly<N: Ord + AsRef<str>>(before: &BTreeMap<N, bool>, after: &BTreeMap<N, bool>) -> Vec<String> {
    let marked = after.iter().filter(|(name, marked)| **marked && before.get(*name) == Some(&false));
    marked.map(|(name, _)| name.as_ref().to_owned()).collect()
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QEMU {}", self.version)?;
        if !self.package.is_empty() {
            write!(f, " ({})", self.package)?;
        }
        if let Some(arch) = &self.arch {
            write!(f, " for {arch}")?;
        }
        write!(f, ", {}", self.source)
    }
}

impl fmt::Display for CapsDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "from  {}\nto    {}", self.from, self.to)?;
        section(f, "Machine types", |f| {
            list(f, "new", self.machines.names.new.iter())?;
            list(f, "gone", self.machines.names.gone.iter())?;
            list(f, "newly deprecated", self.machines.newly_deprecated.iter())?;
            for (alias, renamed) in &self.machines.aliases {
                stands_for(f, &format!("`{alias}`"), renamed)?;
            }
            self.machines.default.iter().try_for_each(|renamed| stands_for(f, "the default", renamed))
        })?;
        section(f, "CPU models", |f| {
            list(f, "new", self.cpus.names.new.iter())?;
            list(f, "gone", self.cpus.names.gone.iter())?;
            list(f, "newly deprecated", self.cpus.newly_deprecated.iter())
        })?;
        section(f, "Devices", |f| {
            list(f, "new", self.devices.new.iter())?;
            list(f, "gone", self.devices.gone.iter())
        })?;
        section(f, "Properties", |f| {
            changes(f, "new in", &self.properties, |change| &change.new)?;
            changes(f, "gone from", &self.properties, |change| &change.gone)
        })?;
        section(f, "Capabilities", |f| {
            list(f, "gained", self.flags.new.iter())?;
            list(f, "lost", self.flags.gone.iter())
        })?;
        if self.is_empty() {
            writeln!(f, "\nNothing that was compared differs.")?;
        }
        if !self.not_compared.is_empty() {
            writeln!(f, "\nNot compared, for one of the two did not say: {}", self.not_compared.join(", "))?;
        }
        Ok(())
    }
}

/// Writes a heading and what belongs below it, or nothing where there is nothing.
fn section(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    body: impl FnOnce(&mut String) -> fmt::Result,
) -> fmt::Result {
    let mut text = String::new();
    body(&mut text)?;
    if text.is_empty() { Ok(()) } else { write!(f, "\n{heading}\n{text}") }
}

/// Writes what came or went, the widest change first: what came to every PCI device is said once.
fn changes(
    out: &mut String,
    label: &str,
    properties: &BTreeMap<String, Change<String>>,
    side: fn(&Change<String>) -> &Vec<String>,
) -> fmt::Result {
    let mut kinds_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, change) in properties {
        for name in side(change) {
            kinds_of.entry(name).or_default().push(kind);
        }
    }
    let mut names_of: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for (name, kinds) in kinds_of {
        names_of.entry(kinds).or_default().push(name);
    }
    let mut groups: Vec<_> = names_of.into_iter().collect();
    groups.sort_by_key(|(kinds, _)| Reverse(kinds.len()));
    for (kinds, names) in groups {
        match kinds.as_slice() {
            [kind] => list(out, &format!("{label} {kind}"), names.iter())?,
            _ => {
                words(out, &format!("  {label}"), kinds.iter())?;
                out.truncate(out.trim_end().len());
                out.push_str(":\n");
                words(out, "     ", names.iter())?;
            }
        }
    }
    Ok(())
}

/// Writes `  label: a, b, c`, or nothing for no names.
fn list<N: fmt::Display>(out: &mut String, label: &str, names: impl Iterator<Item = N>) -> fmt::Result {
    words(out, &format!("  {label}:"), names)
}

/// Writes names behind a beginning, in the order of a person, broken into lines.
fn words<N: fmt::Display>(out: &mut String, start: &str, names: impl Iterator<Item = N>) -> fmt::Result {
    let mut names: Vec<String> = names.map(|name| name.to_string()).collect();
    names.sort_by_cached_key(|name| natural(name));
    let mut line = start.to_owned();
    for (index, name) in names.iter().enumerate() {
        let word = if index > 0 { format!(", {name}") } else { format!(" {name}") };
        if index > 0 && line.chars().count().saturating_add(word.chars().count()) > WIDTH {
            writeln!(out, "{line},")?;
            line = format!("      {name}");
        } else {
            line.push_str(&word);
        }
    }
    if names.is_empty() { Ok(()) } else { writeln!(out, "{line}") }
}

/// A key to sort by in which 2.9 comes before 2.10: the text and the numbers in turn.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, numbers) = rest.split_at(digits);
        let end = numbers.find(|c: char| !c.is_ascii_digit()).unwrap_or(numbers.len());
        let (number, next) = numbers.split_at(end);
        key.push((text.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = next;
    }
    key
}

fn stands_for(out: &mut impl fmt::Write, word: &str, renamed: &Renamed) -> fmt::Result {
    match (&renamed.from, &renamed.to) {
        (Some(from), Some(to)) => writeln!(out, "  {word} is {to} now, was {from}"),
        (None, Some(to)) => writeln!(out, "  {word} is {to}, was nothing"),
        (Some(from), None) => writeln!(out, "  {word} is nothing now, was {from}"),
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Topic;

    fn qemu(version: &str, machines: &str, cpus: &str, devices: &str) -> Capabilities {
        let mut facts = Facts::default();
        let help = format!("QEMU emulator version {version}\nOptions:\n-device d\n");
        Topic::Help.read(&help, &mut facts).unwrap();
        Topic::Machine.read(&format!("Supported machines are:\n{machines}"), &mut facts).unwrap();
        Topic::Cpu.read(&format!("Available CPUs:\n{cpus}"), &mut facts).unwrap();
        Topic::Device.read(devices, &mut facts).unwrap();
        Capabilities::detect(facts, "a test")
    }

    #[test]
    fn reads_like_a_release_note() {
        let old = qemu(
            "7.2.0",
            "pc A (alias of pc-1)\npc-1 A (default)\npc-0 A\nold B\n",
            "x86 Denverton\nx86 Gone\n",
            "name \"usb-hub\"\nname \"sga\"\nname \"virtio-net-pci\"\nvirtio-net-pci.a=int\n",
        );
        let new = qemu(
            "10.0.0",
            "pc A (alias of pc-2)\npc-2 A (default)\npc-1 A\npc-0 A (deprecated)\n",
            "Denverton  Atom (deprecated)\nNew\n",
            "name \"usb-hub\"\nname \"virtio-net-pci\"\nvirtio-net-pci.tx=str\n",
        );
        let diff = CapsDiff::between(&old, &new);
        let expected = "from  QEMU 7.2.0, a test\nto    QEMU 10.0.0, a test\n\nMachine types\n  new: pc-2\n  gone: old\n  \
            newly deprecated: pc-0\n  `pc` is pc-2 now, was pc-1\n  the default is pc-2 now, was pc-1\n\nCPU models\n  \
            new: New\n  gone: Gone\n  newly deprecated: Denverton\n\nDevices\n  gone: sga\n\nProperties\n  \
            new in virtio-net-pci: tx\n  gone from virtio-net-pci: a\n\nCapabilities\n  gained: virtio-tx-alg\n  lost: sga\n";
        assert_eq!(diff.to_string(), expected);
        let json = serde_json::to_value(&diff).unwrap();
        assert_eq!(json["machines"]["newly_deprecated"][0], "pc-0");
        assert_eq!(json["machines"]["new"][0], "pc-2");
        assert!(CapsDiff::between(&old, &old).is_empty());
    }

    #[test]
    fn what_came_to_many_is_said_once_and_in_order() {
        let qemu =
            |props: &str| qemu("8.0.0", "", "", &format!("name \"a\"\nname \"b\"\nname \"c\"\n{props}"));
        let old = qemu("a.x=int\nb.x=int\nc.x=int\n");
        let new =
            qemu("a.x=int\nb.x=int\nc.x=int\na.p10=int\nb.p10=int\na.p9=int\nb.p9=int\nc.g[0]=i\nc.g[1]=i\n");
        let text = CapsDiff::between(&old, &new).to_string();
        assert!(text.contains("\nProperties\n  new in a, b:\n      p9, p10\n  new in c: g[*]\n"), "{text}");
    }

    #[test]
    fn says_what_it_could_not_compare() {
        let old = Capabilities::from_flags([Capability::Drive, Capability::Uuid]);
        let new = Capabilities::from_flags([Capability::Drive, Capability::Name]);
        let diff = CapsDiff::between(&old, &new);
        assert_eq!((diff.flags.new, diff.flags.gone), (vec![Capability::Name], vec![Capability::Uuid]));
        assert_eq!(diff.not_compared, ["machine types", "CPU models", "devices"]);
    }

    #[test]
    fn long_lists_are_broken() {
        let mut text = String::new();
        list(&mut text, "new", (0..30).map(|number| format!("machine-{number}"))).unwrap();
        assert!(
            text.lines().count() > 2 && text.lines().all(|line| line.chars().count() <= WIDTH + 1),
            "{text}"
        );
    }
}
