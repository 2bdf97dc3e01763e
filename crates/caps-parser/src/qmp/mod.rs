//! QMP: recorded replies, the probe of a live QEMU, the QAPI schema.

pub mod probe;
mod reader;
pub mod replies;
mod reply;
pub mod schema;
