//! Our own domains and the command lines they become.
//!
//! `fixtures/golden/QEMU/NAME.xml` is a domain; `NAME.args` is its command line on that QEMU, or `NAME.err`
//! what is wrong with it there. QEMU is the name of a help text in `fixtures/help/` or of a snapshot that is
//! built into `domx`, or anything if `flags.json` lists its capabilities. `config.json` and `host.json` beside
//! the domains have what is not at its default.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use caps_parser::{Capabilities, device_help, help};
use domain_model::domain::has_errors;
use domain_model::{Diagnostic, Document, Domain};
use qemu_argv::{Config, FdRequest, Inputs, RecordedHost, shell};
use serde::de::DeserializeOwned;

/// The files beside the domains that are none.
const SETTINGS: [&str; 3] = ["config.json", "host.json", "flags.json"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn capabilities(qemu: &str, folder: &Path) -> Capabilities {
    if folder.join("flags.json").exists() {
        let flags: Vec<String> = settings(folder.join("flags.json"));
        return Capabilities::from_flags(flags.iter().map(|flag| flag.parse().unwrap()));
    }
    let snapshot = workspace().join("crates/cli/builtin").join(format!("{qemu}.json"));
    if let Ok(text) = std::fs::read_to_string(snapshot) {
        return Capabilities::from_json(&text).unwrap();
    }
    let help_texts = workspace().join("fixtures/help");
    let text = std::fs::read_to_string(help_texts.join(qemu));
    let mut facts = help::parse(&text.unwrap_or_else(|error| panic!("no QEMU `{qemu}`: {error}"))).unwrap();
    if let Ok(devices) = std::fs::read_to_string(help_texts.join(format!("{qemu}-device"))) {
        device_help::parse(&devices, &mut facts);
    }
    Capabilities::detect(facts, qemu)
}

/// A file of settings; where there is none, the defaults.
fn settings<T: DeserializeOwned + Default>(file: PathBuf) -> T {
    let parse =
        |text: String| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    std::fs::read_to_string(&file).map(parse).unwrap_or_default()
}

/// What becomes of a domain: the ending of the file that says so, and its text.
fn outcome(xml: String, inputs: Inputs<'_>) -> (&'static str, String) {
    let errors = |problems: Vec<Diagnostic>| {
        let lines = problems.iter().map(|problem| format!("{}: {}\n", problem.code, problem.message));
        ("err", lines.collect())
    };
    let document = match Document::parse("domain.xml", xml) {
        Ok(document) => document,
        Err(error) => return ("err", format!("{error}\n")),
    };
    let (domain, problems) = Domain::read(&document);
    if has_errors(&problems) {
        return errors(problems);
    }
    match qemu_argv::build(&domain, inputs) {
        Err(problems) => errors(problems),
        Ok((command_line, _)) => {
            let env: Vec<_> =
                command_line.env.iter().map(|var| (var.name.clone(), var.value.clone())).collect();
            let mut requests: Vec<FdRequest> = Vec::new();
            // Numbers in the order of the descriptors, from the first that is free.
            let mut fds = |request: &FdRequest| {
                requests.push(request.clone());
                (requests.len() + 2).to_string()
            };
            let mut argv = vec![command_line.program.clone()];
            argv.extend(command_line.argv(&mut fds));
            ("args", shell::lines(&env, &argv))
        }
    }
}

/// The names of the files in a folder that are no settings.
fn files(folder: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| !SETTINGS.contains(&name.as_str())).collect()
}

#[test]
fn every_domain_becomes_its_command_line() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let golden = workspace().join("fixtures/golden");
    let mut wrong = Vec::new();
    for qemu in files(&golden) {
        let folder = golden.join(&qemu);
        let caps = capabilities(&qemu, &folder);
        let config: Config = settings(folder.join("config.json"));
        let host: RecordedHost = settings(folder.join("host.json"));
        let mut forgotten = files(&folder);
        for xml in files(&folder).iter().filter(|name| name.ends_with(".xml")) {
            let text = std::fs::read_to_string(folder.join(xml)).unwrap();
            let inputs = Inputs { caps: &caps, host: &host, config: &config };
            let (ending, actual) = outcome(text, inputs);
            let file = format!("{}.{ending}", xml.trim_end_matches(".xml"));
            if update {
                std::fs::write(folder.join(&file), &actual).unwrap();
            }
            forgotten.remove(xml);
            forgotten.remove(&file);
            match std::fs::read_to_string(folder.join(&file)) {
                Ok(expected) if expected == actual => {}
                Ok(expected) => wrong.push(format!("{qemu}/{file}: expected\n{expected}got\n{actual}")),
                Err(_) => wrong.push(format!("{qemu}/{file} is missing; it would be\n{actual}")),
            }
        }
        for file in forgotten {
            match update {
                true => std::fs::remove_file(folder.join(&file)).unwrap(),
                false => wrong.push(format!("{qemu}/{file} belongs to no domain")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
