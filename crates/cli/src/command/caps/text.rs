//! Capabilities as a page for people.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

use caps_parser::Capabilities;
use caps_parser::facts::{Accelerator, Machine};

/// How wide lists are made, in characters.
const WIDTH: usize = 100;

/// Which QEMU it is, how much it can do, and its machine types.
pub fn text(capabilities: &Capabilities) -> String {
    let mut out = String::new();
    let facts = &capabilities.facts;
    let _ = write!(out, "QEMU {}", capabilities.version());
    if let Some(arch) = facts.libvirt_arch() {
        let _ = write!(out, " for {arch}");
    }
    if !facts.package.is_empty() {
        let _ = write!(out, " ({})", facts.package);
    }
    out.push('\n');
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:<14}{value}");
    };
    row("from", capabilities.source.clone());
    let accelerators: Vec<&str> = capabilities.accelerators().keys().map(|it| it.qemu()).collect();
    if !accelerators.is_empty() {
        row("accelerators", accelerators.join(", "));
    }
    let unknown = match capabilities.unknown().count() {
        0 => String::new(),
        unknown => format!(", {unknown} cannot be told"),
    };
    row("capabilities", format!("{}{unknown}", capabilities.flags().count()));
    if let Some(devices) = &facts.devices {
        row("devices", devices.len().to_string());
    }
    if let Some((_, accelerator)) = facts.preferred() {
        let counted = |all: usize, deprecated: usize| match deprecated {
            0 => all.to_string(),
            _ => format!("{all}, {deprecated} of them deprecated"),
        };
        let Accelerator { cpus, machines, .. } = accelerator;
        if !cpus.is_empty() {
            row("CPU models", counted(cpus.len(), cpus.iter().filter(|it| it.deprecated).count()));
        }
        if !machines.is_empty() {
            row("machine types", counted(machines.len(), machines.iter().filter(|it| it.deprecated).count()));
            out.push_str(&machine_types(machines));
        }
    }
    out
}

/// One line for each that one would choose today; the deprecated ones by family.
fn machine_types(machines: &[Machine]) -> String {
    let mut out = String::new();
    let (mut deprecated, mut current): (Vec<_>, Vec<_>) = machines.iter().partition(|it| it.deprecated);
    current.sort_by_cached_key(|it| (!it.default, it.alias.is_none(), family(it), Reverse(version(it))));
    deprecated.sort_by_cached_key(|it| (family(it), Reverse(version(it))));
    if !current.is_empty() {
        out.push_str("\nMachine types\n");
    }
    let width = current.iter().map(|it| it.name.len()).max().unwrap_or_default();
    for machine in current {
        let mut line = format!("  {:<width$}", machine.name);
        if machine.max_cpus > 0 {
            let noun = if machine.max_cpus == 1 { "CPU" } else { "CPUs" };
            let _ = write!(line, "  up to {:>4} {noun:<4}", machine.max_cpus);
        }
        let default = machine.default.then(|| "default".to_owned());
        let alias = machine.alias.as_ref().map(|alias| format!("alias {alias}"));
        let marks: Vec<String> = default.into_iter().chain(alias).collect();
        let _ = write!(line, "  {}", marks.join(", "));
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if !deprecated.is_empty() {
        out.push_str("\nDeprecated machine types\n");
    }
    let mut families: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for machine in deprecated {
        families.entry(family(machine)).or_default().push(&machine.name);
    }
    for names in families.values() {
        let mut line = String::from(" ");
        for name in names {
            if line.len().saturating_add(name.len()) >= WIDTH {
                let _ = writeln!(out, "{line}");
                line = String::from("   ");
            }
            let _ = write!(line, " {name}");
        }
        let _ = writeln!(out, "{line}");
    }
    out
}

/// `pc-q35` of `pc-q35-10.0`; a name without a version is a family of its own.
fn family(machine: &Machine) -> &str {
    match machine.name.rsplit_once('-') {
        Some((family, version)) if version.starts_with(|c: char| c.is_ascii_digit()) => family,
        _ => &machine.name,
    }
}

/// The numbers behind the family, so that 10.0 comes after 9.2.
fn version(machine: &Machine) -> Vec<u32> {
    let rest = machine.name.get(family(machine).len()..).unwrap_or_default();
    rest.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_would_choose_comes_first() {
        let machine = |name: &str, alias: &str, default: bool, deprecated: bool, max_cpus: u32| Machine {
            name: name.to_owned(),
            alias: Some(alias.to_owned()).filter(|alias| !alias.is_empty()),
            default,
            deprecated,
            max_cpus,
            ..Machine::default()
        };
        let machines = [
            machine("isapc", "", false, false, 1),
            machine("pc-q35-9.2", "", false, false, 4096),
            machine("pc-q35-10.0", "q35", false, false, 4096),
            machine("pc-i440fx-2.9", "", false, true, 255),
            machine("pc-i440fx-2.12", "", false, true, 255),
            machine("pc-q35-4.0.1", "", false, true, 255),
            machine("pc-i440fx-10.0", "pc", true, false, 255),
            machine("none", "", false, false, 0),
        ];
        let expected = "
Machine types
  pc-i440fx-10.0  up to  255 CPUs  default, alias pc
  pc-q35-10.0     up to 4096 CPUs  alias q35
  isapc           up to    1 CPU
  none
  pc-q35-9.2      up to 4096 CPUs

Deprecated machine types
  pc-i440fx-2.12 pc-i440fx-2.9
  pc-q35-4.0.1
";
        assert_eq!(machine_types(&machines), expected);
    }
}
