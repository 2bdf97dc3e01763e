//! Devices: what is read is written as libvirt does, and refused as libvirt does.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod chardev;
mod controller;
mod disk;
mod filesystem;
mod hostdev;
mod interface;
mod memory;
mod small;

use domain_model::{Code, Document, Domain};

fn read(device: &str) -> (Domain, Vec<(Code, String)>) {
    let text = format!("<domain type='kvm'><memory>1</memory><devices>{device}</devices></domain>");
    let document = Document::parse("test", text).unwrap();
    let (domain, problems) = Domain::read(&document);
    (domain, problems.into_iter().map(|problem| (problem.code, problem.message)).collect())
}

/// A device that is read without a problem.
fn read_well(device: &str) -> Domain {
    let (domain, problems) = read(device);
    assert_eq!(problems, [], "{device}");
    domain
}

/// What is read is written as `expected`, and reads back equal.
fn check(device: &str, expected: &str) {
    let domain = read_well(device);
    let written = domain.write();
    let devices = written.split_once("<devices>\n").unwrap().1.split_once("  </devices>").unwrap().0;
    let devices: Vec<&str> = devices.lines().map(|line| line.strip_prefix("    ").unwrap()).collect();
    assert_eq!(devices.join("\n"), expected.trim_end());
    assert_eq!(read_well(expected), domain);
}

/// What is read is written as it was.
fn check_same(device: &str) {
    check(device, device);
}

/// What is read has one problem.
fn check_problem(device: &str, code: Code, part: &str) {
    let (_, problems) = read(device);
    assert!(
        matches!(problems.as_slice(), [(found, message)] if *found == code && message.contains(part)),
        "{device}: {problems:?}"
    );
}
