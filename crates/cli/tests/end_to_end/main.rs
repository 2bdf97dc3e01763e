//! Runs the `domx` binary as its users do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod background;
mod bad_input;
mod endings;
mod initramfs;
mod linux;
mod outputs;
mod probe;
mod real_qemu;
mod seed;
mod support;
