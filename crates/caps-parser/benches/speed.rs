//! How fast texts, recordings and snapshots become capabilities.
//!
//! Reference data is taken where its folder is present (`DOMX_CONFORMANCE`), else what the project brings.

#![allow(clippy::unwrap_used, missing_docs)] // A benchmark fails by panicking.

use std::path::PathBuf;

use caps_parser::{Capabilities, device_help, help, qmp};

fn main() {
    divan::main();
}

/// A file of the reference data, or else one of the project's own.
fn text(reference: &str, own: &str) -> Option<String> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = std::env::var_os("DOMX_CONFORMANCE")
        .map_or_else(|| here.join("../../../shared/conformance"), PathBuf::from);
    std::fs::read_to_string(root.join(reference))
        .or_else(|_| std::fs::read_to_string(here.join("../../fixtures").join(own)))
        .ok()
}

/// The longest of the historic texts, 12 KB.
#[divan::bench]
fn help_text_to_capabilities(bencher: divan::Bencher) {
    let Some(help) = text("help/qemu-kvm-0.13.0", "help/qemu-kvm-0.13.0") else { return };
    bencher.bench(|| Capabilities::detect(help::parse(divan::black_box(&help)).unwrap(), "bench"));
}

/// The same with its list of devices.
#[divan::bench]
fn help_and_device_text_to_capabilities(bencher: divan::Bencher) {
    let Some(help) = text("help/qemu-kvm-0.13.0", "help/qemu-kvm-0.13.0") else { return };
    let Some(device) = text("help/qemu-kvm-0.13.0-device", "help/qemu-kvm-0.13.0-device") else { return };
    bencher.bench(|| {
        let mut facts = help::parse(divan::black_box(&help)).unwrap();
        device_help::parse(divan::black_box(&device), &mut facts);
        Capabilities::detect(facts, "bench")
    });
}

#[divan::bench]
fn replies_to_capabilities(bencher: divan::Bencher) {
    let Some(replies) = text("modern/qmp/caps_10.0.0_x86_64.replies", "qmp/qemu-10.0-x86_64.replies") else {
        return;
    };
    bencher.bench(|| Capabilities::detect(qmp::replies::parse(divan::black_box(&replies)).unwrap(), "bench"));
}

#[divan::bench]
fn snapshot_load(bencher: divan::Bencher) {
    let Some(replies) = text("modern/qmp/caps_10.0.0_x86_64.replies", "qmp/qemu-10.0-x86_64.replies") else {
        return;
    };
    let snapshot = Capabilities::detect(qmp::replies::parse(&replies).unwrap(), "bench").to_json();
    bencher.bench(|| Capabilities::from_json(divan::black_box(&snapshot)).unwrap());
}
