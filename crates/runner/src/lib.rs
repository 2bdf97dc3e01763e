//! Starts, probes and supervises QEMU processes; swappable in tests.
#![doc = include_str!("../README.md")]

pub mod command;
pub mod confine;
pub mod console;
pub mod control;
pub mod cpuid;
pub mod detach;
pub mod doorway;
pub mod error;
pub mod fake;
pub mod footprint;
pub mod host;
pub mod local;
pub mod net;
pub mod probe;
pub mod process;
pub mod qmp;
mod ready;
pub mod runtime;
pub mod signals;
mod spawn;
pub mod supervise;
mod tail;
pub mod threads;
pub mod vsock;

pub use command::{Command, FdTable, Input, Limits, Sink};
pub use confine::{Confinement, User};
pub use error::RunError;
pub use fake::FakeRunner;
pub use host::HostRunner;
pub use process::{Output, Process, Runner, Status};
pub use rustix::process::Signal;
