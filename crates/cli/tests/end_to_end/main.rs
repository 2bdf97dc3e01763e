//! Runs the `domx` binary as its users do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod background;
mod bad_input;
mod boot_sector;
mod dump;
mod endings;
mod files;
mod helpers;
mod host_devices;
mod import;
mod isolation;
mod lifecycle;
mod macvtap;
mod messages;
mod moments;
mod namespace;
mod network;
mod outputs;
mod passt;
mod probe;
mod real_qemu;
mod running;
mod seed;
mod support;
mod tuning;
