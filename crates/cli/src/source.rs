//! Where capabilities come from: binaries, snapshots, recordings, help texts, lists of flags.

use std::path::{Path, PathBuf};

use caps_parser::{Capabilities, Capability, device_help, help, qmp};
use domain_model::Domain;
use domain_model::os::Arch;

use crate::args::{Qemu, Via};
use crate::report::{Report, Status, Stop};
use crate::{builtin, cache, host, input, probe};

/// The capabilities of a `SOURCE`, as `cli.md` lists them.
pub fn load(source: &str, report: &Report) -> Result<Capabilities, Stop> {
    if let Some(name) = source.strip_prefix("builtin:") {
        return builtin::load(name);
    }
    if let Some(names) = source.strip_prefix("flags:") {
        let mut capabilities = Vec::new();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            capabilities.push(flag(name)?);
        }
        let mut capabilities = Capabilities::from_flags(capabilities);
        capabilities.source = source.to_owned();
        return Ok(capabilities);
    }
    if source.starts_with("help:") {
        return help_texts(source);
    }
    let path = Path::new(source);
    if source.ends_with(".replies") {
        let text = input::text(path)?;
        let facts = qmp::replies::parse(&text).map_err(|error| broken(source, &error))?;
        return Ok(Capabilities::detect(facts, source));
    }
    if host::is_executable(path) {
        return binary(path, report);
    }
    let text = input::text(path)?;
    Capabilities::from_json(&text).map_err(|error| broken(source, &error))
}

/// What a binary can do, from the cache if it has been asked before.
pub fn binary(path: &Path, report: &Report) -> Result<Capabilities, Stop> {
    let entry = cache::Entry::of(path);
    if let Some(capabilities) = entry.as_ref().and_then(|entry| entry.load(report)) {
        return Ok(capabilities);
    }
    report.detail(&format!("asking `{}` what it can do", path.display()));
    let answer = probe::probe(path, Via::Auto, report)?;
    if let Some(entry) = entry.filter(|_| answer.complete) {
        entry.store(&answer.capabilities, report);
    }
    Ok(answer.capabilities)
}

fn broken(source: &str, error: &dyn std::fmt::Display) -> Stop {
    Stop::new(Status::Usage, format!("cannot read capabilities from `{source}`: {error}"))
}

/// `help:FILE[,device:FILE]`
fn help_texts(source: &str) -> Result<Capabilities, Stop> {
    let mut facts = None;
    for part in source.split(',') {
        match part.split_once(':') {
            Some(("help", file)) => {
                let text = input::text(Path::new(file))?;
                facts = Some(help::parse(&text).map_err(|error| broken(file, &error))?);
            }
            Some(("device", file)) => {
                let text = input::text(Path::new(file))?;
                let facts = facts.as_mut().ok_or_else(|| {
                    Stop::new(Status::Usage, "`help:FILE` has to come before `device:FILE`")
                })?;
                device_help::parse(&text, facts);
            }
            _ => {
                let message = format!("`{part}` is neither `help:FILE` nor `device:FILE`");
                return Err(Stop::new(Status::Usage, message));
            }
        }
    }
    let facts = facts.ok_or_else(|| Stop::new(Status::Usage, "`help:` needs a file"))?;
    Ok(Capabilities::detect(facts, source))
}

fn flag(name: &str) -> Result<Capability, Stop> {
    name.parse::<Capability>().map_err(|error| Stop::new(Status::Usage, error.to_string()))
}

/// Applies `--with` and `--without`.
fn adjust(capabilities: &mut Capabilities, qemu: &Qemu) -> Result<(), Stop> {
    for (names, present) in [(&qemu.with, true), (&qemu.without, false)] {
        for name in names.iter().flat_map(|names| names.split(',')) {
            capabilities.set(flag(name)?, present);
        }
    }
    Ok(())
}

/// The QEMU of a domain, and the binary if there is one.
#[derive(Debug)]
pub struct Chosen {
    /// What it can do.
    pub capabilities: Capabilities,
    /// The binary to start.
    pub program: Option<PathBuf>,
}

/// Finds the QEMU for a domain: what the command line names, else its `<emulator>`, else the one for its
/// architecture on PATH, else a snapshot that is built in.
pub fn choose(domain: &Domain, qemu: &Qemu, report: &Report) -> Result<Chosen, Stop> {
    let mut chosen = if let Some(source) = &qemu.caps {
        Chosen { capabilities: load(source, report)?, program: None }
    } else if let Some(program) = &qemu.qemu {
        Chosen { capabilities: binary(program, report)?, program: Some(program.clone()) }
    } else {
        by_domain(domain, report)?
    };
    adjust(&mut chosen.capabilities, qemu)?;
    Ok(chosen)
}

fn by_domain(domain: &Domain, report: &Report) -> Result<Chosen, Stop> {
    let arch = domain.os.arch.map_or(std::env::consts::ARCH, Arch::as_str);
    let arch = caps_parser::facts::qemu_arch(arch);
    let name = format!("qemu-system-{arch}");
    let emulator = domain.devices.emulator.as_deref().map(PathBuf::from);
    let program = emulator.clone().filter(|path| host::is_executable(path)).or_else(|| host::on_path(&name));
    if let Some(program) = program {
        if let Some(emulator) = emulator.filter(|emulator| *emulator != program) {
            let (emulator, program) = (emulator.display(), program.display());
            report.warning(&format!("the emulator `{emulator}` is not there; `{program}` is used"));
        }
        return Ok(Chosen { capabilities: binary(&program, report)?, program: Some(program) });
    }
    match builtin::newest(arch) {
        Some(name) => {
            report.note(&format!("no `{arch}` QEMU is installed; what is known of `builtin:{name}` is used"));
            Ok(Chosen { capabilities: builtin::load(name)?, program: None })
        }
        None => {
            let message = format!("there is no `{name}` on PATH; name one with --qemu or --caps");
            Err(Stop::new(Status::Failed, message))
        }
    }
}
