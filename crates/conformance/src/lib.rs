//! Measures domx against reference suites and keeps the ratchet.
//!
//! A reference folder holds inputs and what libvirt makes of them. Each suite reads its part of the folder, runs the
//! project's crates on the inputs and compares. What a case is called decides nothing but how it is printed.

pub mod accept;
pub mod args_file;
pub mod diff;
pub mod provenance;
pub mod ratchet;
pub mod reference;
pub mod run;
pub mod schema;
pub mod suite;
pub mod suites;
pub mod tree;

pub use reference::{LoadError, Reference};
pub use suite::{Group, Outcome, Suite};
