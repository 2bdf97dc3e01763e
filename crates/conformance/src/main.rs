//! Measures domx against reference suites and keeps the ratchet.
fn main() {}
