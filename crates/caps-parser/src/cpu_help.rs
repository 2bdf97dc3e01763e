//! `-cpu help` and `-cpu ?` of every architecture.

use crate::facts::{Accel, CpuModel, Facts};
use crate::names::NameSet;

/// The words some architectures put before each model.
const ARCHITECTURES: &[&str] = &["x86", "PowerPC", "Sparc", "s390", "MIPS"];

/// Which part of the text a line stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Before any heading: old texts have none, and begin every line with the architecture.
    Start,
    Models,
    Features,
    Other,
}

/// Adds the CPU models and features that a text lists. They go to TCG; whether a model runs here the text does not say.
pub fn parse(text: &str, facts: &mut Facts) {
    let mut cpus: Vec<CpuModel> = Vec::new();
    let mut features: Vec<&str> = Vec::new();
    let mut part = Part::Start;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(heading) = line.strip_suffix(':') {
            part = match heading {
                _ if heading.ends_with("CPUs") => Part::Models,
                "Recognized CPUID flags" | "Recognized feature flags" => Part::Features,
                _ => Part::Other,
            };
            continue;
        }
        match part {
            Part::Features => features.extend(feature_words(line)),
            Part::Other => {}
            Part::Start | Part::Models => match model(line, part == Part::Models) {
                Some(cpu) => cpus.push(cpu),
                None => facts.skipped = facts.skipped.saturating_add(1),
            },
        }
    }
    if !cpus.is_empty() {
        facts.accelerators.entry(Accel::Tcg).or_default().cpus = cpus;
    }
    if !features.is_empty() {
        facts.cpu_features = Some(features.into_iter().collect::<NameSet>());
    }
}

/// Features stand several to a line; old texts put the name of the register before them: `f_edx: pbe ia64`.
fn feature_words(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split_once(": ").map_or(line, |(_, words)| words);
    words.split_ascii_whitespace()
}

/// A line that names a model: the architecture in some texts, the name, a description or what it stands for.
fn model(line: &str, below_heading: bool) -> Option<CpuModel> {
    let architecture = line.split(' ').next().filter(|word| ARCHITECTURES.contains(word));
    if architecture.is_none() && !below_heading && line.contains([' ', ':', '/']) {
        return None;
    }
    let rest = line.get(architecture.map_or(0, str::len)..)?.trim_start();
    let end = match architecture {
        // Names of SPARC models had blanks in them until QEMU 2.9; the version of the integer unit follows.
        Some("Sparc") => rest.find(" IU ").unwrap_or(rest.len()),
        _ => rest.find(' ').unwrap_or(rest.len()),
    };
    let (name, rest) = rest.split_at_checked(end)?;
    // Brackets mark models that a configuration file defines, quotes are the way of MIPS.
    let name = name.trim().trim_start_matches(['[', '\'']).trim_end_matches([']', '\'']);
    if name.is_empty() {
        return None;
    }
    let mut rest = rest.trim();
    let mut cpu = CpuModel { name: name.to_owned(), ..CpuModel::default() };
    if let Some(before) = rest.strip_suffix("(deprecated)") {
        cpu.deprecated = true;
        rest = before.trim_end();
    }
    let mark = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or_default();
    if let Some(other) = mark.strip_prefix("alias of ").or_else(|| mark.strip_prefix("alias for ")) {
        cpu.alias_of = Some(other.to_owned());
    } else if !mark.starts_with("alias ") && !rest.is_empty() {
        cpu.description = Some(rest.to_owned());
    }
    Some(cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_all_architectures() {
        let check = |text: &str, expected: &[(&str, Option<&str>, Option<&str>, bool)]| {
            let mut facts = Facts::default();
            parse(text, &mut facts);
            let cpus = facts.accelerators.remove(&Accel::Tcg).unwrap_or_default().cpus;
            let got: Vec<_> = cpus
                .iter()
                .map(|it| {
                    (it.name.as_str(), it.alias_of.as_deref(), it.description.as_deref(), it.deprecated)
                })
                .collect();
            assert_eq!(got, expected, "{text}");
        };
        check("x86           qemu64", &[("qemu64", None, None, false)]);
        check("x86           [n270]  Intel(R) Atom", &[("n270", None, Some("Intel(R) Atom"), false)]);
        check("Available CPUs:\nx86 486   (alias configured by machine type)", &[("486", None, None, false)]);
        check(
            "Available CPUs:\n  Icelake-v1   Intel (Icelake) (deprecated)",
            &[("Icelake-v1", None, Some("Intel (Icelake)"), true)],
        );
        check(
            "Available CPUs:\n  EPYC-IBPB  (alias of EPYC-v2)",
            &[("EPYC-IBPB", Some("EPYC-v2"), None, false)],
        );
        check("PowerPC 601  (alias for 601_v2)", &[("601", Some("601_v2"), None, false)]);
        check("PowerPC 601_v2           PVR 00010002", &[("601_v2", None, Some("PVR 00010002"), false)]);
        check(
            "Sparc   Fujitsu MB86904   IU 04000000 FPU 4",
            &[("Fujitsu MB86904", None, Some("IU 04000000 FPU 4"), false)],
        );
        check("MIPS '4Kc'", &[("4Kc", None, None, false)]);
        check(
            "s390 z900-base   IBM zSeries 900 GA1 (static)",
            &[("z900-base", None, Some("IBM zSeries 900 GA1 (static)"), false)],
        );
        check("any\nrv64", &[("any", None, None, false), ("rv64", None, None, false)]);
        check("qemu: could not open this", &[]);
    }

    #[test]
    fn features_follow_the_models() {
        let mut facts = Facts::default();
        parse(
            "Available CPUs:\n  max\n\nRecognized CPUID flags:\n  f_edx: pbe ia64\n  3dnow aes\n\nOther:\n  x\n",
            &mut facts,
        );
        let features = facts.cpu_features.unwrap();
        assert_eq!(features.iter().collect::<Vec<_>>(), ["3dnow", "aes", "ia64", "pbe"]);
    }
}
