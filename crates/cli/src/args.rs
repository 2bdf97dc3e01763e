//! The command line of `domx`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs libvirt domain XML on QEMU without libvirt.
#[derive(Debug, Parser)]
#[command(name = "domx", version, max_term_width = 100)]
pub struct Cli {
    /// When to colour messages.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Show errors only.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say what is done.
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// This process is one that `domx run --detach` leaves behind.
    #[arg(long, hide = true)]
    pub supervising: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When to colour messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a QEMU binary can do.
    #[command(args_conflicts_with_subcommands = true)]
    Caps(Caps),
    /// Show every problem of a domain, with line and column.
    Check(Check),
    /// Print a domain as canonical XML.
    Fmt(Fmt),
    /// Show what a domain means, as JSON or as a tree.
    Show(Show),
    /// Print the QEMU command line of a domain.
    Argv(Argv),
    /// Show why each argument is there: XML line, rule, capability.
    Explain(Explain),
    /// Turn a QEMU command line into domain XML.
    Import(Import),
    /// Start a domain and stay with it until it ends.
    Run(Run),
    /// List the guests that run.
    List(List),
    /// End a guest: its power button, then QEMU's end, then force.
    Stop(Stop),
    /// Use the first serial port of a guest; Ctrl-] leaves it.
    Console {
        /// The guest's name.
        name: String,
    },
    /// Print what a guest wrote on its first serial port, while it runs and afterwards.
    Logs(Logs),
    /// Send QEMU a QMP command and print what it returns.
    Qmp(Qmp),
    /// Print a script that completes domx's words in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a directory.
    Man {
        /// The directory.
        dir: PathBuf,
    },
}

/// Which QEMU.
#[derive(Debug, Clone, Default, Args)]
pub struct Qemu {
    /// The QEMU binary; default: the domain's `<emulator>`, else the one for its architecture on PATH.
    #[arg(long, value_name = "PATH", conflicts_with = "caps")]
    pub qemu: Option<PathBuf>,
    /// A QEMU binary, snapshot, `.replies` recording, `help:FILE[,device:FILE]`, `flags:NAME,…` or
    /// `builtin:NAME`.
    #[arg(long, value_name = "SOURCE")]
    pub caps: Option<String>,
    /// Pretend that QEMU has a capability.
    #[arg(long, value_name = "FLAG")]
    pub with: Vec<String>,
    /// Pretend that QEMU lacks a capability.
    #[arg(long, value_name = "FLAG")]
    pub without: Vec<String>,
}

/// `domx caps`
#[derive(Debug, Args)]
pub struct Caps {
    /// Compare two QEMUs.
    #[command(subcommand)]
    pub diff: Option<CapsCommand>,
    /// The QEMU binary; default: the one for this machine on PATH.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["from", "builtin"])]
    pub qemu: Option<PathBuf>,
    /// How to ask it.
    #[arg(long, value_enum, default_value_t = Via::Auto)]
    pub via: Via,
    /// A recording instead of a binary.
    #[arg(long, value_name = "SOURCE", conflicts_with = "builtin")]
    pub from: Option<String>,
    /// List the snapshots that are built in.
    #[arg(long)]
    pub builtin: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = CapsFormat::Text)]
    pub format: CapsFormat,
}

/// Below `domx caps`.
#[derive(Debug, Subcommand)]
pub enum CapsCommand {
    /// Show what changed between two QEMUs.
    Diff {
        /// The older one: a SOURCE.
        a: String,
        /// The newer one: a SOURCE.
        b: String,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = TextFormat::Text)]
        format: TextFormat,
    },
}

/// How to ask a QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// QMP if it has it, else the help texts.
    Auto,
    /// QMP.
    Qmp,
    /// The help texts.
    Help,
}

/// How capabilities are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CapsFormat {
    /// For people.
    Text,
    /// A snapshot.
    Json,
    /// The flags, one a line.
    Flags,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `domx check`
#[derive(Debug, Args)]
pub struct Check {
    /// The domain: a file, or `-`.
    pub domain: String,
    /// A QEMU to check against; given several times, a table.
    #[arg(long, value_name = "SOURCE")]
    pub caps: Vec<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,
}

/// `domx fmt`
#[derive(Debug, Args)]
pub struct Fmt {
    /// The domain: a file, or `-`.
    pub domain: String,
    /// Print nothing; exit with 3 if the file is not in canonical form.
    #[arg(long)]
    pub check: bool,
    /// Add defaults, implicit devices and addresses.
    #[arg(long)]
    pub resolved: bool,
    /// Which QEMU fills in the rest, with `--resolved`.
    #[command(flatten)]
    pub qemu: Qemu,
}

/// `domx show`
#[derive(Debug, Args)]
pub struct Show {
    /// The domain: a file, or `-`.
    pub domain: String,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = ShowFormat::Json)]
    pub format: ShowFormat,
    /// Which QEMU fills in the rest, with `--format tree`.
    #[command(flatten)]
    pub qemu: Qemu,
}

/// How a domain is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    /// The model as JSON.
    Json,
    /// Buses and devices as a tree.
    Tree,
}

/// `domx argv`
#[derive(Debug, Args)]
pub struct Argv {
    /// The domain: a file, or `-`.
    pub domain: String,
    /// Which QEMU.
    #[command(flatten)]
    pub qemu: Qemu,
    /// Whose command line.
    #[arg(long, value_enum, default_value_t = LayoutName::Run)]
    pub layout: LayoutName,
    /// Recorded facts about the host instead of this host's.
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = ArgvFormat::Shell)]
    pub format: ArgvFormat,
}

/// Whose command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LayoutName {
    /// One that runs by itself.
    Run,
    /// The one libvirt would start.
    Libvirt,
}

/// How a command line is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArgvFormat {
    /// To paste into a shell.
    Shell,
    /// The layout of libvirt's `.args` files.
    Lines,
    /// `{"env": [...], "argv": [...]}`
    Json,
}

/// `domx explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// The domain: a file, or `-`.
    pub domain: String,
    /// Which QEMU.
    #[command(flatten)]
    pub qemu: Qemu,
    /// Only arguments that contain this text, in full.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub arg: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,
}

/// `domx import`
///
/// Reads the first command of a shell script that starts a QEMU. The script is not run: its own variables are
/// filled in, what is known only when it runs is reported. What has no place in the XML is kept in
/// `<qemu:commandline>`, with a warning.
#[derive(Debug, Args)]
pub struct Import {
    /// A script or a command line: a file, or `-`.
    #[arg(conflicts_with = "command")]
    pub file: Option<String>,
    /// The command line itself, behind `--`.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `domx run`
#[derive(Debug, Args)]
pub struct Run {
    /// The domain: a file, or `-`.
    pub domain: String,
    /// Which QEMU.
    #[command(flatten)]
    pub qemu: Qemu,
    /// End the guest after this time, such as `30s` or `5m`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// What runs the guest; `auto` takes what the domain asks for and falls back from KVM to TCG.
    #[arg(long, value_enum, default_value_t = AccelName::Auto)]
    pub accel: AccelName,
    /// Connect the network cards that need the host's network to something else, for this run: `user` (QEMU's own
    /// network), `passt`, or `bridge=NAME`.
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    pub net: Option<Net>,
    /// Run QEMU and what serves it as this user: a name, or UID:GID. Only root can.
    #[arg(long, value_name = "USER", conflicts_with = "dry_run")]
    pub user: Option<String>,
    /// Leave the guest running in the background.
    #[arg(long, conflicts_with = "dry_run")]
    pub detach: bool,
    /// Type at the guest's first serial port; Ctrl-] leaves it, and the guest goes on.
    #[arg(long, conflicts_with = "dry_run")]
    pub console: bool,
    /// Print the command line instead of starting it.
    #[arg(long)]
    pub dry_run: bool,
}

/// `domx list`
#[derive(Debug, Args)]
pub struct List {
    /// How to print it.
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,
}

/// `domx stop`
#[derive(Debug, Args)]
pub struct Stop {
    /// The guest's name.
    pub name: String,
    /// How long the guest may take after its power button was pressed, before QEMU is told to quit.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub timeout: Duration,
    /// Do not ask the guest: QEMU is told to quit at once.
    #[arg(long)]
    pub force: bool,
}

/// `domx logs`
///
/// Of the first serial port the last 8 to 16 MiB are kept, of messages the last MiB, until a guest of that name starts again.
#[derive(Debug, Args)]
pub struct Logs {
    /// The guest's name.
    pub name: String,
    /// Print what QEMU said, and domx in the background, instead of what the guest wrote.
    #[arg(long)]
    pub messages: bool,
}

/// `domx qmp`
#[derive(Debug, Args)]
pub struct Qmp {
    /// The guest's name.
    pub name: String,
    /// The command, such as `query-status`.
    pub command: String,
    /// Its arguments, a JSON object.
    #[arg(value_name = "JSON")]
    pub arguments: Option<String>,
}

/// What network cards are connected to instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Net {
    /// The network that QEMU has built in.
    User,
    /// passt.
    Passt,
    /// A bridge of the host.
    Bridge(String),
}

fn network(text: &str) -> Result<Net, String> {
    match (text, text.strip_prefix("bridge=")) {
        ("user", _) => Ok(Net::User),
        ("passt", _) => Ok(Net::Passt),
        (_, Some(name)) if !name.is_empty() => Ok(Net::Bridge(name.to_owned())),
        _ => Err("expected `user`, `passt` or `bridge=NAME`".to_owned()),
    }
}

/// What runs the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccelName {
    /// The kernel's virtual machines.
    Kvm,
    /// QEMU's own translation.
    Tcg,
    /// What the domain asks for, or TCG where KVM cannot be opened.
    Auto,
}

/// Reads a time such as `500ms`, `30s`, `5m` or `2h`; a number alone is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let number: u64 = digits.parse().map_err(|_| "expected a time such as `30s`".to_owned())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err("expected one of the units `ms`, `s`, `m`, `h`".to_owned()),
    };
    milliseconds.map(Duration::from_millis).ok_or_else(|| "that is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("5", Some(5_000)),
            ("250ms", Some(250)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("", None),
            ("s", None),
            ("3d", None),
            ("99999999999999999999s", None),
            ("-1s", None),
        ] {
            let parsed = duration(text).ok().map(|time| time.as_millis());
            assert_eq!(parsed, expected, "{text}");
        }
    }
}
