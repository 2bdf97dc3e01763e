//! The commands, one file each.

pub mod argv;
pub mod caps;
pub mod check;
pub mod console;
pub mod detach;
pub mod documents;
pub mod explain;
pub mod fmt;
pub mod import;
pub mod list;
pub mod logs;
pub mod qmp;
pub mod run;
pub mod show;
pub mod stop;
