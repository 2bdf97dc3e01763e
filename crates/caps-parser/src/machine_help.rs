//! `-machine help`, `-M ?` and `-machine X,help`.

use std::collections::HashMap;

use crate::device_help;
use crate::facts::{Accel, Facts, Machine};

/// Adds the machine types that a text lists: `NAME  description (alias of OTHER) (default) (deprecated)`, a name per line.
///
/// They go to TCG, which can run them all; the text does not tell accelerators apart. `none` is left out.
pub fn parse(text: &str, facts: &mut Facts) {
    let mut machines: Vec<Machine> = Vec::new();
    let mut aliases: Vec<(&str, &str)> = Vec::new();
    let mut lines = text.lines();
    if !lines.by_ref().any(|line| line.trim_end() == "Supported machines are:") {
        return;
    }
    for line in lines.map(str::trim_end).filter(|line| !line.is_empty()) {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        if name.is_empty() || name.ends_with(':') {
            facts.skipped = facts.skipped.saturating_add(1);
            continue;
        }
        let (description, marks) = marks(rest.trim());
        let alias_of = marks.iter().find_map(|mark| mark.strip_prefix("alias of "));
        match alias_of {
            Some(target) => aliases.push((name, target)),
            None if name == "none" => {}
            None => machines.push(Machine {
                name: name.to_owned(),
                default: marks.contains(&"default"),
                deprecated: marks.contains(&"deprecated"),
                description: Some(description.to_owned()).filter(|text| !text.is_empty()),
                ..Machine::default()
            }),
        }
    }
    let mut aliases: HashMap<&str, &str> =
        aliases.into_iter().map(|(alias, target)| (target, alias)).collect();
    for machine in &mut machines {
        machine.alias = aliases.remove(machine.name.as_str()).map(str::to_owned);
    }
    facts.accelerators.entry(Accel::Tcg).or_default().machines = machines;
}

/// Takes the known words in brackets off the end. What is in brackets otherwise belongs to the description.
fn marks(mut text: &str) -> (&str, Vec<&str>) {
    let mut marks = Vec::new();
    while let Some((before, mark)) = text.strip_suffix(')').and_then(|text| text.rsplit_once('(')) {
        let known = mark == "default" || mark.starts_with("deprecated") || mark.starts_with("alias of ");
        if !known {
            break;
        }
        marks.push(if mark.starts_with("deprecated") { "deprecated" } else { mark });
        text = before.trim_end();
    }
    (text, marks)
}

/// Adds the properties that `-machine X,help` lists. Until 5.2 QEMU wrote `X.prop=type`, since then as for devices.
pub fn parse_props(text: &str, facts: &mut Facts) {
    let mut found = Facts::default();
    device_help::parse(text, &mut found);
    facts.skipped = facts.skipped.saturating_add(found.skipped);
    for (name, props) in found.props {
        let kind = if name.ends_with("-machine") { name } else { format!("{name}-machine") };
        facts.props.insert(kind, props);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, alias, default, deprecated, description.
    type Row<'a> = (&'a str, Option<&'a str>, bool, bool, Option<&'a str>);

    #[test]
    fn names_aliases_and_marks() {
        let check = |line: &str, expected: &[Row<'_>]| {
            let mut facts = Facts::default();
            parse(&format!("qemu: noise\nSupported machines are:\n{line}\n"), &mut facts);
            let machines = &facts.accelerators[&Accel::Tcg].machines;
            let got: Vec<_> = machines
                .iter()
                .map(|it| {
                    (
                        it.name.as_str(),
                        it.alias.as_deref(),
                        it.default,
                        it.deprecated,
                        it.description.as_deref(),
                    )
                })
                .collect();
            assert_eq!(got, expected, "{line}");
        };
        check("pc         Standard PC (default)", &[("pc", None, true, false, Some("Standard PC"))]);
        check("isapc", &[("isapc", None, false, false, None)]);
        check("none                 empty machine", &[]);
        check(
            "a-name-that-is-wider-than-the-column Wide",
            &[("a-name-that-is-wider-than-the-column", None, false, false, Some("Wide"))],
        );
        check(
            "virt  A (B) (alias of virt-2)\nvirt-2  A (B) (default) (deprecated)",
            &[("virt-2", Some("virt"), true, true, Some("A (B)"))],
        );
        check(
            "virt-2  A\nvirt  A (alias of virt-2)\nold  B (alias of gone)",
            &[("virt-2", Some("virt"), false, false, Some("A"))],
        );
        check("x  Y (deprecated: use z)", &[("x", None, false, true, Some("Y"))]);
    }

    #[test]
    fn properties_of_a_machine() {
        let check = |text: &str| {
            let mut facts = Facts::default();
            parse_props(text, &mut facts);
            assert!(facts.props["none-machine"].contains("firmware"), "{text}");
        };
        check("none.firmware=string (a file)");
        check("none-machine options:\n  firmware=<string>");
    }
}
