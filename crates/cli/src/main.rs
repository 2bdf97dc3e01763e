//! Runs libvirt domain XML on QEMU without libvirt.

mod args;
mod builtin;
mod cache;
mod command;
mod guests;
mod host;
mod input;
mod logs;
mod probe;
mod report;
mod resources;
mod secrets;
mod source;
mod state;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use report::{Report, Status, Stop};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let report = Report::new(&cli);
    let result = match &cli.command {
        Command::Caps(args) => command::caps::run(args, &report),
        Command::Check(args) => command::check::run(args, &report),
        Command::Fmt(args) => command::fmt::run(args, &report),
        Command::Show(args) => command::show::run(args, &report),
        Command::Argv(args) => command::argv::run(args, &report),
        Command::Explain(args) => command::explain::run(args, &report),
        Command::Import(args) => command::import::run(args, &report),
        Command::Run(args) if args.detach && !cli.supervising => command::detach::run(args, &report),
        Command::Run(args) => command::run::run(args, cli.supervising, &report),
        Command::List(args) => command::list::run(args),
        Command::Stop(args) => command::stop::run(args, &report),
        Command::Console { name } => command::console::run(name, &report),
        Command::Logs(args) => command::logs::run(args),
        Command::Qmp(args) => command::qmp::run(args),
        Command::Completions { shell } => command::documents::completions(*shell),
        Command::Man { dir } => command::documents::man(dir),
    };
    let stop = match result {
        Ok(status) => Stop::silent(status),
        Err(stop) => stop,
    };
    if let Some(message) = &stop.message {
        report.error(message);
    }
    ExitCode::from(stop.status.code())
}

/// Writes to standard output; a reader that has gone away is no failure of ours.
fn print(text: &str) -> Result<Status, Stop> {
    use std::io::{ErrorKind, Write};
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Status::Ok),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Status::Ok),
        Err(error) => Err(Stop::new(Status::Failed, format!("cannot write to standard output: {error}"))),
    }
}
