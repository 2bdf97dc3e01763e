//! The third oracle: whether real QEMU takes our command lines.

mod images;
mod qemu;
mod stand_in;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use caps_parser::{Capabilities, Capability};
use domain_model::cpu::CpuMode;
use domain_model::{Document, Domain, DomainType, Severity};
use qemu_argv::{CommandLine, Config, FdRequest, Inputs};

use crate::args_file;
use crate::suites::modern::{Case, Cases};
use images::Images;
use qemu::Guest;
use stand_in::{Arg, Place};

/// How many QEMUs are started at a time.
const WORKERS: usize = 2;

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// QEMU came up and has every device, object, node and channel that was named.
    Accepted,
    /// QEMU was started and did not, and why.
    Refused(String),
    /// The same, and it says the same of libvirt's own command line: it is the domain that it does not take.
    RefusedAlike(String),
    /// We refuse it for this QEMU, and why.
    Unbuilt(String),
    /// It needs something that nothing can stand in for.
    NotTried(String),
}

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Verdicts(Vec<(String, Verdict)>);

impl Verdicts {
    /// How many have been refused by QEMU.
    pub fn refused(&self) -> usize {
        self.0.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Refused(_))).count()
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepted = self.0.iter().filter(|(_, verdict)| *verdict == Verdict::Accepted).count();
        let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for (case, verdict) in &self.0 {
            let group = match verdict {
                Verdict::Accepted => continue,
                Verdict::Refused(why) => ("refused", why.as_str()),
                Verdict::RefusedAlike(why) => ("refused as libvirt's own command line is", why.as_str()),
                Verdict::Unbuilt(why) => ("not built", why.as_str()),
                Verdict::NotTried(why) => ("not tried: needs", why.as_str()),
            };
            groups.entry(group).or_default().push(case);
        }
        let alike = self.0.iter().filter(|(_, verdict)| matches!(verdict, Verdict::RefusedAlike(_))).count();
        let (refused, all) = (self.refused(), self.0.len());
        let started = accepted + alike + refused;
        writeln!(
            f,
            "started {started} of {all}: accepted {accepted}, refused {refused}, and {alike} as libvirt's"
        )?;
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|((kind, _), cases)| (*kind, std::cmp::Reverse(cases.len())));
        for ((kind, why), cases) in groups {
            writeln!(f, "{kind} {why}: {} ({})", cases.len(), cases.join(" "))?;
        }
        Ok(())
    }
}

/// Builds a command line of every case for a real QEMU, and starts it where that can be done.
///
/// # Errors
/// When there is no such QEMU, or no room for stand-ins.
pub fn all(cases: &Cases, qemu: &Path, wanted: Option<&str>) -> Result<Verdicts, String> {
    let passphrase = cases.all().first().and_then(|case| cases.host(case).secret).unwrap_or_default();
    let bench = Bench::new(qemu, &passphrase)?;
    let argvs = cases.argvs().map_err(|error| error.to_string())?;
    let arch = bench.caps.facts.arch.clone().unwrap_or_default();
    let of_this_qemu = |case: &&Case| case.arch == arch && case.args.is_some();
    let is_wanted = |case: &&Case| wanted.is_none_or(|wanted| case.id.contains(wanted));
    let chosen: Vec<&Case> = cases.all().iter().filter(of_this_qemu).filter(is_wanted).collect();
    Ok(bench.each(
        &chosen,
        |case| case.id.clone(),
        |case, folder| {
            let line = match bench.build(cases, case, folder) {
                Err(why) => return Verdict::Unbuilt(why),
                Ok(line) => line,
            };
            if line.args.iter().any(|arg| arg.flag.is_empty()) {
                return Verdict::NotTried("what its author wrote by hand".to_owned());
            }
            let libvirts = || bench.start(pairs(argvs.get(&case.id)?.iter().skip(1)), folder).ok().flatten();
            match bench.start(spelt(&line), folder) {
                Ok(None) => Verdict::Accepted,
                Ok(Some(why)) if libvirts().is_some_and(|theirs| complaint(&theirs) == complaint(&why)) => {
                    Verdict::RefusedAlike(why)
                }
                Ok(Some(why)) => Verdict::Refused(why),
                Err(why) => Verdict::NotTried(why),
            }
        },
    ))
}

/// Starts every command line that a folder has (`*.args`).
///
/// # Errors
/// When there is no such QEMU or folder, or no room for stand-ins.
pub fn recorded(folder: &Path, qemu: &Path) -> Result<Verdicts, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "args"));
    files.sort();
    let bench = Bench::new(qemu, "a passphrase")?;
    let name = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(bench.each(&files, name, |path, folder| match std::fs::read_to_string(path) {
        Err(error) => Verdict::Unbuilt(error.to_string()),
        Ok(text) => match bench.start(pairs(args_file::words(&text).iter().skip(1)), folder) {
            Ok(None) => Verdict::Accepted,
            Ok(Some(why)) => Verdict::Refused(why),
            Err(why) => Verdict::NotTried(why),
        },
    }))
}

/// The QEMU that everything is tried with, and what stands in for the rest of the world.
struct Bench<'a> {
    caps: Capabilities,
    qemu: &'a Path,
    images: Images,
    folder: tempfile::TempDir,
}

impl<'a> Bench<'a> {
    fn new(qemu: &'a Path, passphrase: &str) -> Result<Self, String> {
        let caps = qemu::capabilities(qemu)?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let beside = qemu.parent().map(|folder| folder.join("qemu-img")).filter(|path| path.exists());
        let qemu_img = beside.unwrap_or_else(|| PathBuf::from("/usr/bin/qemu-img"));
        let images = Images::make(folder.path(), &qemu_img, passphrase)?;
        Ok(Bench { caps, qemu, images, folder })
    }

    /// Tries each of several things, some at a time, each with a folder of its own.
    fn each<T: Sync>(
        &self,
        things: &[T],
        name: impl Fn(&T) -> String + Sync,
        judge: impl Fn(&T, &str) -> Verdict + Sync,
    ) -> Verdicts {
        let next = AtomicUsize::new(0);
        let worker = || {
            let mut verdicts = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(thing) = things.get(index) else { return verdicts };
                let folder = self.folder.path().join(index.to_string());
                let verdict = match std::fs::create_dir(&folder) {
                    Ok(()) => judge(thing, &folder.display().to_string()),
                    Err(error) => Verdict::NotTried(error.to_string()),
                };
                // Nothing is kept, or memory that lies in files would fill the disk.
                let _ = std::fs::remove_dir_all(&folder);
                verdicts.push((index, name(thing), verdict));
            }
        };
        let mut verdicts: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
        });
        verdicts.sort_by_key(|(index, ..)| *index);
        Verdicts(verdicts.into_iter().map(|(_, name, verdict)| (name, verdict)).collect())
    }

    /// Builds the command line of a case for the QEMU in use, without KVM.
    fn build(&self, cases: &Cases, case: &Case, folder: &str) -> Result<CommandLine, String> {
        let text = cases.text(case).map_err(|error| error.to_string())?;
        let document = Document::parse("domain.xml", text).map_err(|error| error.to_string())?;
        let (mut domain, _) = Domain::read(&document);
        domain.kind = DomainType::Qemu;
        if let Some(cpu) = &mut domain.cpu
            && matches!(cpu.mode, Some(CpuMode::HostPassthrough | CpuMode::HostModel))
        {
            cpu.mode = Some(CpuMode::Maximum);
            cpu.migratable = None;
            cpu.model = None;
        }
        let host = cases.host(case);
        let config = Config { supervised: true, ..Config::of_our_own(folder, folder) };
        let inputs = Inputs { caps: &self.caps, host: &host, config: &config };
        let line = qemu_argv::build(&domain, inputs).map(|(line, _)| line);
        line.map_err(|problems| {
            let error = problems.iter().find(|problem| problem.severity == Severity::Error);
            error.map_or_else(String::new, |error| format!("{}: {}", error.code, error.message))
        })
    }

    /// Starts a command line with stand-ins; what QEMU says against it.
    fn start(&self, args: Vec<Arg>, folder: &str) -> Result<Option<String>, String> {
        let guest = Guest::new(self.qemu).map_err(|error| error.to_string())?;
        let has_spice = self.caps.has(Capability::Spice);
        let place = Place { folder, images: &self.images, monitor: guest.monitor(), has_spice };
        let args = stand_in::replace(args, &place)?;
        Ok(guest.comes_up(&args).err().map(|said| brief(&said, folder)))
    }
}

/// The arguments in pairs; no descriptor is left once the stand-ins are in their places.
fn spelt(line: &CommandLine) -> Vec<Arg> {
    let mut fds = |_: &FdRequest| "-1".to_owned();
    line.args.iter().map(|arg| (arg.flag.to_owned(), line.payload(arg, &mut fds))).collect()
}

/// Words in pairs: what does not begin like a flag belongs to the flag before it.
fn pairs<'a>(words: impl Iterator<Item = &'a String>) -> Vec<Arg> {
    let mut words = words.cloned().peekable();
    let mut args = Vec::new();
    while let Some(flag) = words.next() {
        args.push((flag, words.next_if(|word| !word.starts_with('-'))));
    }
    args
}

/// What is wrong, without the argument that it is wrong with: nodes have other names in other command lines.
fn complaint(said: &str) -> &str {
    said.rsplit_once("}: ").map_or(said, |(_, complaint)| complaint)
}

/// What QEMU said last that is no mere warning, without what differs from case to case.
fn brief(said: &str, folder: &str) -> String {
    let mut lines = said.lines().filter(|line| !line.contains("warning:"));
    let line = lines.next_back().unwrap_or_default().replace(folder, "");
    match line.split_once("qemu-system-") {
        Some((_, rest)) => rest.split_once(": ").map_or(rest, |(_, rest)| rest).to_owned(),
        None => line,
    }
}
