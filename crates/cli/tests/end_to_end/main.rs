//! Runs the `domx` binary as its users do.

mod bad_input;
mod outputs;
mod real_qemu;
mod seed;
mod support;
