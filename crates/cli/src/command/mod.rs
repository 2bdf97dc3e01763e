//! The commands, one file each.

pub mod argv;
pub mod caps;
pub mod check;
pub mod documents;
pub mod explain;
pub mod fmt;
pub mod run;
pub mod show;
