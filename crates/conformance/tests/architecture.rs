//! The invariants of ARCHITECTURE.md, checked from the sources.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A source file of a crate: its path from the workspace, and its code without tests and comments.
struct Source {
    path: String,
    text: String,
    code: Vec<(usize, String)>,
}

/// The sources below a folder of the workspace.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut pending = vec![workspace().join(folder)];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(workspace()).unwrap().to_string_lossy().into_owned();
                found.push(Source { path, code: code(&text), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

/// The lines before the tests of a file that are no comments, with their numbers.
fn code(text: &str) -> Vec<(usize, String)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line.to_owned()))
        .collect()
}

/// Every line of code below `folder` that has one of `words`, except in files that end in one of `allowed`.
fn uses(folder: &str, words: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in
        sources(folder).iter().filter(|source| !allowed.iter().any(|end| source.path.ends_with(end)))
    {
        for (number, line) in &source.code {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    found
}

fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// The crates of this workspace that `krate` depends on outside its tests.
fn depends_on(krate: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(workspace().join("crates").join(krate).join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let ours = ["caps-parser", "domain-model", "qemu-argv", "runner", "conformance", "domx"];
    let named = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    named.filter(|name| ours.contains(name)).map(str::to_owned).collect()
}

#[test]
fn data_flows_down_only() {
    let check = |krate: &str, wanted: &[&str]| {
        assert_eq!(depends_on(krate), wanted.iter().map(|name| (*name).to_owned()).collect(), "{krate}");
    };
    check("caps-parser", &[]);
    check("domain-model", &[]);
    check("qemu-argv", &["caps-parser", "domain-model"]);
    check("runner", &[]);
    check("cli", &["caps-parser", "domain-model", "qemu-argv", "runner"]);
}

#[test]
fn only_the_edges_touch_the_system() {
    let words = ["std::fs", "std::env", "std::process", "std::os", "SystemTime", "TcpStream", "UdpSocket"];
    for krate in ["caps-parser", "domain-model", "qemu-argv"] {
        none(krate, &uses(&format!("crates/{krate}/src"), &words, &[]));
    }
}

#[test]
fn the_model_does_not_spell_like_qemu() {
    // Words of `-device` and `-drive` that libvirt spells in another way.
    let words = [
        "virtio-net-pci",
        "virtio-blk-pci",
        "virtio-balloon-pci",
        "\"bh\"",
        "\"-device\"",
        "\"-netdev\"",
        "\"-drive\"",
        "\"if\"",
        "hostnet",
        "blockdev-add",
    ];
    none("domain-model", &uses("crates/domain-model/src", &words, &[]));
}

#[test]
fn only_the_gate_refuses_for_a_missing_capability() {
    none(
        "a capability is missed",
        &uses("crates/qemu-argv/src", &["Code::MissingCapability"], &["/gate.rs"]),
    );
}

#[test]
fn only_spelling_escapes() {
    none("a comma is doubled", &uses("crates/qemu-argv/src", &["\",,\""], &["/spell.rs"]));
}

#[test]
fn families_have_the_same_name_on_both_sides() {
    let names = |krate: &str| -> BTreeSet<String> {
        let folder = workspace().join("crates").join(krate).join("src/device");
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.is_file());
        files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    // What devices of the model have in common is no family.
    let shared = ["info", "iothread_map", "seclabel"];
    let model: BTreeSet<String> =
        names("domain-model").into_iter().filter(|name| !shared.contains(&name.as_str())).collect();
    let without_a_twin: Vec<String> = model.difference(&names("qemu-argv")).cloned().collect();
    none("families that are modelled and never become arguments", &without_a_twin);
}

#[test]
fn every_file_says_in_one_line_what_it_is() {
    let mut wordy = Vec::new();
    for krate in ["caps-parser", "domain-model", "qemu-argv", "runner", "cli", "conformance"] {
        for Source { path, text, .. } in sources(&format!("crates/{krate}/src")) {
            let first = text.lines().next().unwrap_or_default();
            let words = first.split_whitespace().count().saturating_sub(1);
            // The front page of a library may be its README.
            let said = first.starts_with("//! ") && words <= 12 || first.contains("include_str!");
            wordy.extend((!said).then(|| format!("{path}: {first}")));
        }
    }
    none("files that do not say what they are, or need more than 12 words for it", &wordy);
}

#[test]
fn nothing_looks_at_the_name_of_a_case() {
    // What the reference suites call their guests and their cases.
    let words = ["QEMUGuest", "c7a5fdbd", "-latest\"", "case.name"];
    for krate in ["caps-parser", "domain-model", "qemu-argv", "runner", "cli"] {
        none(krate, &uses(&format!("crates/{krate}/src"), &words, &[]));
    }
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let page = fs::read_to_string(workspace().join("SECURITY.md")).unwrap();
    let named: Vec<&str> =
        page.split('`').filter_map(|word| word.split_once("::")).map(|(_, name)| name).collect();
    assert!(named.len() > 15, "the page names tests: {named:?}");
    let all = sources("crates");
    let is_there = |name: &&str| all.iter().any(|source| source.text.contains(&format!("fn {name}(")));
    // The heading of the page explains how tests are named.
    let missing: Vec<String> =
        named.into_iter().filter(|name| *name != "TEST" && !is_there(name)).map(str::to_owned).collect();
    none("tests that do not exist", &missing);
}
