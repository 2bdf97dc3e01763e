//! `domx completions` and `domx man`.

use std::path::Path;

use clap::CommandFactory;

use crate::args::Cli;
use crate::report::{Status, Stop};

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell) -> Result<Status, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "domx", &mut script);
    crate::print(&String::from_utf8_lossy(&script))
}

/// Writes a manual page for each command.
pub fn man(directory: &Path) -> Result<Status, Stop> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .map(|()| Status::Ok)
        .map_err(|error| {
            let message = format!("cannot write manual pages to `{}`: {error}", directory.display());
            Stop::new(Status::Usage, message)
        })
}
