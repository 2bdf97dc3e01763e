//! `domx caps`: what a QEMU can do.

use std::fmt::Write;
use std::path::PathBuf;

use caps_parser::facts::Machine;
use caps_parser::{Capabilities, CapsDiff};
use serde_json::json;

use crate::args::{Caps, CapsCommand, CapsFormat, TextFormat, Via};
use crate::report::{Report, Status, Stop};
use crate::{builtin, host, probe, source};

/// Prints the capabilities, or what changed between two QEMUs.
pub fn run(args: &Caps, report: &Report) -> Result<Status, Stop> {
    if let Some(CapsCommand::Diff { a, b, format }) = &args.diff {
        let diff = CapsDiff::between(&source::load(a, report)?, &source::load(b, report)?);
        return match format {
            TextFormat::Text => crate::print(&diff.to_string()),
            TextFormat::Json => crate::print(&format!("{:#}\n", json!({ "version": 1, "diff": diff }))),
        };
    }
    if args.builtin {
        let names: String = builtin::names().map(|name| format!("builtin:{name}\n")).collect();
        return crate::print(&names);
    }
    let capabilities = match &args.from {
        Some(name) => source::load(name, report)?,
        None => {
            let program = args.qemu.clone().map_or_else(default_program, Ok)?;
            match args.via {
                Via::Auto => source::binary(&program, report)?,
                via => probe::probe(&program, via, report)?,
            }
        }
    };
    match args.format {
        CapsFormat::Json => crate::print(&format!("{}\n", capabilities.to_json())),
        CapsFormat::Flags => {
            let flags: String = capabilities.flags().map(|flag| format!("{flag}\n")).collect();
            crate::print(&flags)
        }
        CapsFormat::Text => crate::print(&text(&capabilities)),
    }
}

fn default_program() -> Result<PathBuf, Stop> {
    let name = format!("qemu-system-{}", std::env::consts::ARCH);
    host::on_path(&name).ok_or_else(|| {
        let message =
            format!("there is no `{name}` on PATH; name one with --qemu, or a recording with --from");
        Stop::new(Status::Failed, message)
    })
}

fn text(capabilities: &Capabilities) -> String {
    let mut out = String::new();
    let facts = &capabilities.facts;
    let _ = writeln!(out, "{}", capabilities.source);
    let package = if facts.package.is_empty() { String::new() } else { format!(" ({})", facts.package) };
    let _ = writeln!(out, "version       {}{package}", capabilities.version());
    if let Some(arch) = facts.libvirt_arch() {
        let _ = writeln!(out, "architecture  {arch}");
    }
    let accelerators: Vec<&str> =
        capabilities.accelerators().keys().map(|accelerator| accelerator.qemu()).collect();
    if !accelerators.is_empty() {
        let _ = writeln!(out, "accelerators  {}", accelerators.join(", "));
    }
    let unknown = capabilities.unknown().count();
    let _ = write!(out, "capabilities  {}", capabilities.flags().count());
    let _ = if unknown > 0 { writeln!(out, " ({unknown} cannot be told)") } else { writeln!(out) };
    if let Some(devices) = &facts.devices {
        let _ = writeln!(out, "devices       {}", devices.len());
    }
    if let Some((_, accelerator)) = facts.preferred() {
        if !accelerator.cpus.is_empty() {
            let _ = writeln!(out, "CPU models    {}", accelerator.cpus.len());
        }
        if !accelerator.machines.is_empty() {
            let _ = writeln!(out, "machine types {}", accelerator.machines.len());
            for machine in &accelerator.machines {
                let _ = writeln!(out, "  {}", machine_line(machine));
            }
        }
    }
    out
}

fn machine_line(machine: &Machine) -> String {
    let mut out = match &machine.alias {
        Some(alias) => format!("{} = {alias}", machine.name),
        None => machine.name.clone(),
    };
    let mut marks = Vec::new();
    if machine.default {
        marks.push("default".to_owned());
    }
    if machine.deprecated {
        marks.push("deprecated".to_owned());
    }
    if machine.max_cpus > 0 {
        marks.push(format!("up to {} CPUs", machine.max_cpus));
    }
    if !marks.is_empty() {
        out = format!("{out:<28} {}", marks.join(", "));
    }
    out
}
