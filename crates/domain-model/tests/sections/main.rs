//! Everything outside devices: what is read, written back, refused.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod cpu;
mod domain;
mod features;
mod memory;
mod os;
mod security;
mod sysinfo;
mod time;
mod tuning;

use domain_model::xml::{self, Element};
use domain_model::{Code, Document};

/// Reads an element, with the code of every problem.
fn read<E: Element>(text: &str) -> (E, Vec<(Code, String)>) {
    let document = Document::parse("test", text).unwrap();
    let (element, problems) = xml::read::<E>(document.root());
    (element, problems.into_iter().map(|problem| (problem.code, problem.message)).collect())
}

/// What is read without a problem is written as `expected`.
fn check<E: Element>(name: &'static str, text: &str, expected: &str) {
    let (element, problems) = read::<E>(text);
    assert_eq!(problems, [], "{text}");
    assert_eq!(xml::write(name, &element).trim_end(), expected.trim_end());
}

/// What is read already is as libvirt writes it.
fn check_same<E: Element>(name: &'static str, text: &str) {
    check::<E>(name, text, text);
}

/// What is read has these problems.
fn check_problems<E: Element>(text: &str, expected: &[Code]) {
    let (_, problems) = read::<E>(text);
    let codes: Vec<Code> = problems.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, expected, "{text}: {problems:?}");
}
