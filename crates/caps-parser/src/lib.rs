//! Capabilities of any QEMU, read from help texts and QMP replies.
#![doc = include_str!("../README.md")]

mod capabilities;
mod capability;
pub mod cpu_help;
pub mod device_help;
pub mod diff;
mod error;
pub mod facts;
pub mod help;
pub mod list_help;
pub mod machine_help;
mod names;
pub mod qmp;
mod rule;
mod snapshot;
pub mod texts;
mod version;

pub use capabilities::Capabilities;
pub use capability::{Capability, UnknownCapability};
pub use diff::CapsDiff;
pub use error::ParseError;
pub use facts::Facts;
pub use names::{NameList, NameSet};
pub use rule::Rule;
pub use snapshot::{SNAPSHOT_FORMAT, SnapshotError};
pub use version::Version;
