//! How long the whole process takes, from start to exit.

#![expect(clippy::unwrap_used, reason = "a bench may panic")]

use std::process::{Command, Stdio};

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn argv_of_hello() {
    let status = Command::new(env!("CARGO_BIN_EXE_domx"))
        .args(["argv", concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/domains/hello.xml")])
        .args(["--caps", "builtin:qemu-10.0-x86_64"])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}
