//! libvirt's domain XML as a typed, lossless Rust model with positions.

pub mod diagnostic;
pub mod origin;
pub mod source;
pub mod xml;

pub use diagnostic::{Class, Code, Diagnostic, Severity};
pub use origin::{NodeId, Origin};
pub use source::{Document, Node, Position, SyntaxError};
