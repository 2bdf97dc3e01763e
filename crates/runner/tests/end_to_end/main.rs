//! Whole processes: the scripted stand-in, and real QEMU where installed.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests speak by their names and fail by panicking"
)]

mod doorway;
mod entries;
mod host;
mod probe;
mod qmp;
mod real;
mod supervise;
mod support;
mod whole;
