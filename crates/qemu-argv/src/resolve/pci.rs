//! PCI: which slot of which bus each device is in.

pub(crate) mod allocator;
mod assign;
pub(crate) mod bus;
mod connect;
mod entry;
mod fixed;
mod pass;
mod target;
mod zpci;

pub(crate) use assign::assign;
pub(crate) use connect::Connect;
pub(crate) use target::targets;
pub(crate) use zpci::zpci;
