//! Every field of the model says since which libvirt it exists, itself or with its struct.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use conformance::ratchet::Gaps;

/// Folders and files of the model that are machinery and no part of libvirt's XML.
const MACHINERY: &[&str] = &["xml", "source", "source.rs", "diagnostic.rs", "origin.rs"];

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain-model/src")
}

/// The sources of the model, by their paths below it.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending = vec![model()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(model()).unwrap().to_string_lossy().into_owned();
            if MACHINERY.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// Whether a text names a version of libvirt.
fn is_dated(doc: &str) -> bool {
    let doc = doc.to_lowercase();
    let mut behind = doc.match_indices("since ").map(|(at, since)| &doc[at + since.len()..]);
    behind.any(|rest| {
        let rest = rest.strip_prefix("libvirt ").unwrap_or(rest);
        rest.starts_with(|first: char| first.is_ascii_digit())
    })
}

/// The public fields of a source that have no date, and neither have their structs, as `Struct.field`; and how many
/// fields there are.
fn undated(source: &str) -> (BTreeSet<String>, usize) {
    let (mut found, mut count) = (BTreeSet::new(), 0);
    let (mut doc, mut owner) = (String::new(), None);
    for line in source.lines() {
        let text = line.trim();
        if let Some(text) = text.strip_prefix("///") {
            doc.push_str(text);
            continue;
        }
        if text.starts_with("#[") {
            continue;
        }
        if let Some(rest) = text.strip_prefix("pub struct ") {
            let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap();
            owner = Some((name, is_dated(&doc)));
        } else if line == "}" {
            owner = None;
        }
        let field = line.strip_prefix("    pub ").and_then(|rest| rest.split_once(": "));
        if let (Some((name, is_old)), Some((field, _))) = (owner, field)
            && field != "meta"
            && !field.contains(['(', ' '])
        {
            count += 1;
            if !is_old && !is_dated(&doc) {
                found.insert(format!("{name}.{field}"));
            }
        }
        doc.clear();
    }
    (found, count)
}

#[test]
fn fields_say_since_when_they_exist() {
    let (mut found, mut total) = (BTreeSet::new(), 0);
    for (path, source) in sources() {
        let (undated, count) = undated(&source);
        found.extend(undated.into_iter().map(|field| format!("{path} {field}")));
        total += count;
    }
    assert!(total > 1000, "only {total} fields were found");
    let listed: BTreeSet<String> =
        Gaps::parse(include_str!("undated.txt")).reasons.into_values().flatten().collect();
    let missing: Vec<_> = found.difference(&listed).cloned().collect();
    let extra: Vec<_> = listed.difference(&found).cloned().collect();
    assert!(missing.is_empty(), "fields without `since libvirt …`:\n{}", missing.join("\n"));
    assert!(extra.is_empty(), "listed in undated.txt, and dated or gone:\n{}", extra.join("\n"));
}

#[test]
fn a_date_is_found_where_there_is_one() {
    assert!(is_dated("the model; since libvirt 1.2") && is_dated("Since 0.9. More"));
    assert!(!is_dated("since the guest runs") && !is_dated("since libvirt does so"));
    let source = "/// A; since libvirt 1.0.\npub struct A {\n    /// Old.\n    pub a: u8,\n}\n\n/// B.\npub struct B {\n    \
                  /// New; since libvirt 2.0.\n    pub b: u8,\n    /// Unknown.\n    pub c: u8,\n}\n";
    assert_eq!(undated(source), (BTreeSet::from(["B.c".to_owned()]), 3));
}
