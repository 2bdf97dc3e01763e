//! libvirt's domain XML as a typed, lossless Rust model with positions.
#![doc = include_str!("../README.md")]

pub mod address;
pub mod blkiotune;
pub mod chardev;
pub mod clock;
pub mod cpu;
pub mod cputune;
pub mod device;
pub mod diagnostic;
pub mod domain;
pub mod features;
pub mod iothreads;
pub mod launch_security;
pub mod memory;
pub mod numatune;
pub mod origin;
pub mod os;
pub mod pm;
pub mod qemu;
pub mod resource;
pub mod seclabel;
pub mod source;
pub mod storage;
pub mod sysinfo;
pub mod values;
pub mod virtio;
pub mod xml;

pub use device::{Device, DeviceInfo, Devices};
pub use diagnostic::{Class, Code, Diagnostic, Severity};
pub use domain::{Domain, DomainType};
pub use origin::{NodeId, Origin};
pub use source::{Document, Node, Position, SyntaxError};
