//! `domx caps`: what a QEMU can do.

mod text;

use std::path::PathBuf;

use caps_parser::CapsDiff;
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
                via => probe::probe(&program, via, report)?.capabilities,
            }
        }
    };
    match args.format {
        CapsFormat::Json => crate::print(&format!("{}\n", capabilities.to_json())),
        CapsFormat::Flags => {
            let flags: String = capabilities.flags().map(|flag| format!("{flag}\n")).collect();
            crate::print(&flags)
        }
        CapsFormat::Text => crate::print(&text::text(&capabilities)),
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
