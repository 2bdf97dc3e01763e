//! The command line of the conformance tool.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use conformance::ratchet::{Breach, Gaps};
use conformance::suites::modern::Cases;
use conformance::{Outcome, Reference, Suite, accept as acceptance, run, suites};

/// Measures domx against reference suites.
#[derive(Parser)]
#[command(name = "conformance")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print how many cases of each suite pass
    Score {
        /// The folder with the reference data
        dir: Option<PathBuf>,
    },
    /// Print how a case comes out, and how that differs from what has to come out
    Show {
        /// The suite, as scores name it
        suite: String,
        /// The case, as `list` names it
        case: String,
        #[command(flatten)]
        folder: Folder,
    },
    /// Print the cases of a suite
    List {
        /// The suite, as scores name it
        suite: String,
        /// Only those that fail
        #[arg(long, conflicts_with = "passing")]
        failing: bool,
        /// Only those that pass
        #[arg(long)]
        passing: bool,
        #[command(flatten)]
        folder: Folder,
    },
    /// Start real QEMU with the command lines of the modern cases, and print how many it takes
    Accept {
        /// The folder with the reference data, or one with `.args` files
        dir: Option<PathBuf>,
        /// The QEMU to start
        #[arg(long, default_value = "/usr/bin/qemu-system-x86_64")]
        qemu: PathBuf,
        /// Only cases whose id contains this
        #[arg(long)]
        case: Option<String>,
    },
    /// Print what libvirt's schema allows and the model does not type
    Schema {
        /// The folder with `domain.rng`
        #[arg(default_value_os_t = conformance::schema::default_folder())]
        schemas: PathBuf,
    },
    /// Validate what the model writes of every domain of the reference data; needs `xmllint`
    Validate {
        /// The folder with `domain.rng`
        #[arg(default_value_os_t = conformance::schema::default_folder())]
        schemas: PathBuf,
        #[command(flatten)]
        folder: Folder,
    },
    /// Compare with the committed lists of known gaps
    Ratchet {
        /// Rewrite the lists, keeping the reasons of cases that still fail
        #[arg(long)]
        update: bool,
        #[command(flatten)]
        folder: Folder,
    },
}

#[derive(Args)]
struct Folder {
    /// The folder with the reference data
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Anything, or whatever went wrong on the way to it.
type Try<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let verdict = match Cli::parse().command {
        Command::Score { dir } => score(dir),
        Command::Show { suite, case, folder } => show(&suite, &case, folder),
        Command::List { suite, failing, passing, folder } => list(&suite, failing, passing, folder),
        Command::Accept { dir, qemu, case } => accept(dir, &qemu, case.as_deref()),
        Command::Schema { schemas } => schema(&schemas),
        Command::Validate { schemas, folder } => validate(&schemas, folder),
        Command::Ratchet { update, folder } => ratchet(update, folder),
    };
    verdict.unwrap_or_else(|error| {
        // Whoever reads the output may have seen enough, as `head` does.
        let enough =
            error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe);
        if enough {
            return ExitCode::SUCCESS;
        }
        eprintln!("conformance: {error}");
        ExitCode::from(2)
    })
}

fn found(dir: Option<PathBuf>) -> Try<Vec<Box<dyn Suite>>> {
    let reference = Reference::open(dir.unwrap_or_else(Reference::default_root))?;
    let suites = suites::found(&reference)?;
    match suites.is_empty() {
        true => Err(format!("no suite in {}", reference.root().display()).into()),
        false => Ok(suites),
    }
}

fn score(dir: Option<PathBuf>) -> Try<ExitCode> {
    let suites = found(dir)?;
    let results = run::all(&suites);
    let mut groups = Vec::new();
    for (suite, outcomes) in suites.iter().zip(&results) {
        let passing = outcomes.iter().filter(|outcome| outcome.passed()).count();
        writeln!(stdout(), "{} {passing}/{}", suite.name(), outcomes.len())?;
        for group in suite.groups() {
            let passed = |index: &&usize| outcomes.get(**index).is_some_and(Outcome::passed);
            let passing = group.members.iter().filter(passed).count();
            groups.push(format!("{} {passing}/{}", group.name, group.members.len()));
        }
    }
    for group in groups {
        writeln!(stdout(), "{group}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn accept(dir: Option<PathBuf>, qemu: &Path, case: Option<&str>) -> Try<ExitCode> {
    let dir = dir.unwrap_or_else(Reference::default_root);
    let modern = Reference::open(&dir)?.part("modern");
    let verdicts = match modern {
        Some(modern) => acceptance::all(&Cases::load(modern)?, qemu, case)?,
        None => acceptance::recorded(&dir, qemu)?,
    };
    write!(stdout(), "{verdicts}")?;
    Ok(if verdicts.refused() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The suite that is called `name`, and which of its cases count.
fn pick(name: &str, folder: Folder) -> Try<(Box<dyn Suite>, Vec<usize>)> {
    let suites = found(folder.dir)?;
    let mut names = Vec::new();
    for suite in suites {
        if suite.name() == name {
            let members = (0..suite.cases().len()).collect();
            return Ok((suite, members));
        }
        names.push(suite.name().to_owned());
        for group in suite.groups() {
            if group.name == name {
                return Ok((suite, group.members));
            }
            names.push(group.name);
        }
    }
    Err(format!("no suite `{name}`; there are: {}", names.join(", ")).into())
}

fn show(suite: &str, case: &str, folder: Folder) -> Try<ExitCode> {
    let (suite, _) = pick(suite, folder)?;
    let index = suite.cases().iter().position(|id| *id == case);
    let index = index.ok_or_else(|| format!("no case `{case}` in {}", suite.name()))?;
    match run::case(suite.as_ref(), index) {
        Outcome::Pass => {
            writeln!(stdout(), "passes")?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Fail(text) => {
            writeln!(stdout(), "{}", text.trim_end())?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn list(suite: &str, failing: bool, passing: bool, folder: Folder) -> Try<ExitCode> {
    let (suite, members) = pick(suite, folder)?;
    let suites = [suite];
    let outcomes = if failing || passing { run::all(&suites).concat() } else { Vec::new() };
    let [suite] = &suites;
    for (index, case) in suite.cases().into_iter().enumerate().filter(|(index, _)| members.contains(index)) {
        let passed = outcomes.get(index).map(Outcome::passed);
        if passed.is_none_or(|passed| passed == passing) {
            writeln!(stdout(), "{case}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn schema(schemas: &Path) -> Try<ExitCode> {
    let explained: BTreeSet<String> = conformance::schema::explained().into_values().flatten().collect();
    let untyped = conformance::schema::untyped(schemas)?;
    for name in untyped.difference(&explained) {
        writeln!(stdout(), "{name}")?;
    }
    let missing = untyped.difference(&explained).count();
    writeln!(stdout(), "{} not typed, {missing} of them without a reason", untyped.len())?;
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn validate(schemas: &Path, folder: Folder) -> Try<ExitCode> {
    let reference = Reference::open(folder.dir.unwrap_or_else(Reference::default_root))?;
    let written = suites::Roundtrip::load(&reference)?.map(|suite| suite.rewritten()).unwrap_or_default();
    let resolved = match reference.part("modern") {
        Some(modern) => Cases::load(modern)?.resolved(),
        None => Vec::new(),
    };
    let mut holds = true;
    for (texts, how) in [(written, "written"), (resolved, "resolved and written")] {
        let validity = conformance::schema::validate(schemas, &texts)?;
        for (name, why) in &validity.spoilt {
            writeln!(stdout(), "{name}\n{why}")?;
        }
        let kept = validity.valid - validity.spoilt.len();
        writeln!(stdout(), "{kept} of {} valid files are valid when {how}", validity.valid)?;
        holds &= validity.spoilt.is_empty();
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ratchet(update: bool, folder: Folder) -> Try<ExitCode> {
    let suites = found(folder.dir)?;
    let results = run::all(&suites);
    let mut holds = true;
    for (suite, outcomes) in suites.iter().zip(&results) {
        let mut gaps = Gaps::load(suite.name())?;
        let covered = gaps.covers(suite.as_ref());
        if !covered {
            writeln!(stdout(), "{}: the list was made for other cases", suite.name())?;
        }
        for (case, outcome) in suite.cases().into_iter().zip(outcomes).filter(|_| covered) {
            let said = match gaps.judge(case, outcome) {
                Some(Breach::Gained) => "passes now",
                Some(Breach::Lost) => "fails, and is no known gap",
                None => continue,
            };
            writeln!(stdout(), "{} {case}: {said}", suite.name())?;
            holds = false;
        }
        if update {
            gaps.update(suite.as_ref(), outcomes);
            gaps.store(suite.name())?;
        }
    }
    Ok(if holds || update { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
