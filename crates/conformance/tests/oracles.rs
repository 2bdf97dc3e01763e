//! What holds for every command line, whatever libvirt's looks like.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::collections::BTreeMap;

use conformance::suites::modern::schema::{json_arguments, violations};
use conformance::suites::modern::{Case, Cases};
use conformance::{Reference, provenance};
use domain_model::{Document, Domain};
use qemu_argv::{CommandLine, Config, Helper, Inputs};

/// Where a guest of our own has its files in these tests.
const GUEST_DIR: &str = "/run/user/1000/domx/guest";

fn cases() -> Option<Cases> {
    let modern = Reference::open(Reference::default_root()).ok().and_then(|root| root.part("modern"));
    if modern.is_none() {
        eprintln!("skipped: no reference data in {}", Reference::default_root().display());
    }
    modern.map(|folder| Cases::load(folder).unwrap())
}

/// The command line of a case, with what it is made of, unless it is refused.
fn build(cases: &Cases, case: &Case, config: &Config) -> Option<(CommandLine, String)> {
    let text = cases.text(case).ok()?;
    let document = Document::parse("domain.xml", text.as_str()).ok()?;
    let (domain, problems) = Domain::read(&document);
    if domain_model::domain::has_errors(&problems) {
        return None;
    }
    let (caps, host) = (cases.caps(case).unwrap(), cases.host(case));
    let inputs = Inputs { caps: &caps, host: &host, config };
    qemu_argv::build(&domain, inputs).ok().map(|(line, _)| (line, text))
}

fn words(line: &CommandLine) -> Vec<String> {
    line.argv(&mut |_| "3".to_owned())
}

/// How a guest of our own is started.
fn of_our_own(supervised: bool) -> Config {
    Config { supervised, ..Config::of_our_own(GUEST_DIR, "/home/user/.local/state/domx") }
}

#[test]
fn every_json_argument_is_valid_for_the_schema_of_its_qemu() {
    let Some(cases) = cases() else { return };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in cases.all() {
        let caps = cases.caps(case).unwrap();
        for config in [cases.config(case), of_our_own(true)] {
            let Some((line, _)) = build(&cases, case, &config) else { continue };
            let words = words(&line);
            for (option, ..) in json_arguments(&words) {
                *counts.entry(option).or_default() += 1;
            }
            let by_hand = cases.changed_by_hand(case);
            wrong.extend(
                violations(&words, &caps, &by_hand).iter().map(|problem| format!("{}: {problem}", case.id)),
            );
        }
    }
    println!("JSON arguments that are valid, by option: {counts:?}");
    assert!(counts.values().sum::<usize>() > 0, "no argument was looked at");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_guest_of_our_own_has_nothing_of_libvirts_and_no_secret_in_the_open() {
    let Some(cases) = cases() else { return };
    let (mut looked_at, mut secrets, mut helpers) = (0, 0, 0);
    let mut wrong = Vec::new();
    for case in cases.all() {
        for supervised in [true, false] {
            let config = of_our_own(supervised);
            let Some((line, text)) = build(&cases, case, &config) else { continue };
            looked_at += 1;
            secrets += line.needs.secrets.len();
            helpers += line.needs.helpers.len();
            let mut words = words(&line);
            words.extend(line.env.iter().map(|variable| variable.value.clone()));
            words.extend(line.needs.helpers.iter().map(Helper::describe));
            for word in &words {
                // Paths that the domain names are its author's.
                let foreign = word.split(['"', ',', '=', ' ', ':']).filter(|path| path.contains("/libvirt"));
                let foreign = foreign.filter(|path| !text.contains(*path) && !path.starts_with(GUEST_DIR));
                wrong.extend(foreign.map(|path| format!("{}: `{path}` in `{word}`", case.id)));
                let shown = line.needs.secrets.iter().filter(|secret| {
                    let value = String::from_utf8_lossy(&secret.value);
                    value.len() > 3 && word.contains(&*value)
                });
                wrong.extend(shown.map(|secret| format!("{}: {secret:?} is in `{word}`", case.id)));
            }
            for secret in &line.needs.secrets {
                if !secret.path.starts_with(GUEST_DIR) {
                    wrong.push(format!("{}: {secret:?} is not in the guest's own folder", case.id));
                }
            }
        }
    }
    println!("{looked_at} command lines with {secrets} secrets and {helpers} helpers");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_an_argument_comes_from_decides_it() {
    let Some(cases) = cases() else { return };
    let findings = provenance::all(&cases);
    println!(
        "{} properties cite an attribute, in {} ways; {} were seen to hold",
        findings.properties, findings.claims, findings.held
    );
    let doubtful = findings
        .doubtful
        .iter()
        .map(|(claim, case)| format!("{} is said to come from {} ({case})", claim.property, claim.attribute));
    let doubtful: Vec<String> = doubtful.collect();
    assert!(doubtful.is_empty(), "{} claims:\n{}", doubtful.len(), doubtful.join("\n"));
}
