//! `domx check`: every problem of a domain.

mod table;

use std::collections::HashSet;

use domain_model::Diagnostic;
use qemu_argv::{Inputs, review};
use serde_json::json;

use super::argv;
use crate::args::{Check, LayoutName, Qemu, TextFormat};
use crate::host::ThisHost;
use crate::input::{self, Input};
use crate::report::{Report, Status, Stop, problem_json};
use crate::source;
use caps_parser::{Capabilities, Version};

/// What is wrong with a domain on one QEMU.
struct Checked {
    /// The QEMU, as the user named it.
    source: String,
    version: Version,
    problems: Vec<Diagnostic>,
    /// Whether everything was looked at; an error early on may hide others.
    is_complete: bool,
}

/// Shows the problems, against one QEMU or several.
pub fn run(args: &Check, report: &Report) -> Result<Status, Stop> {
    let input = input::domain(&args.domain, report)?;
    let mut results = Vec::new();
    if Status::of(&input.problems) == Status::Ok {
        if args.caps.is_empty() {
            let chosen = source::choose(&input.domain, &Qemu::default(), report)?;
            results.push(check(&input, chosen.capabilities.source.clone(), &chosen.capabilities));
        }
        for source in &args.caps {
            results.push(check(&input, source.clone(), &source::load(source, report)?));
        }
    }
    let statuses = results.iter().map(|checked| Status::of(&checked.problems));
    let status = [Status::of(&input.problems)].into_iter().chain(statuses);
    let status = status.into_iter().find(|status| *status != Status::Ok).unwrap_or(Status::Ok);
    match args.format {
        TextFormat::Json => {
            let list = |problems: &[Diagnostic]| -> Vec<_> {
                problems.iter().map(|problem| problem_json(&input.document, problem)).collect()
            };
            let qemus: Vec<_> = results
                .iter()
                .map(|checked| json!({ "source": checked.source, "problems": list(&checked.problems) }))
                .collect();
            let value = json!({
                "version": 1,
                "problems": list(&input.problems),
                "qemus": qemus,
                "table": table::json(&input.document, &results),
            });
            crate::print(&format!("{value:#}\n"))?;
        }
        TextFormat::Text => {
            report.problems(&input.document, &input.problems);
            match results.as_slice() {
                [] => {}
                [checked] => report.problems(&input.document, &checked.problems),
                several => {
                    crate::print(&table::text(&input.document, several))?;
                }
            }
        }
    }
    Ok(status)
}

/// Builds the command line for a QEMU, and asks what that QEMU would say of it.
fn check(input: &Input, source: String, caps: &Capabilities) -> Checked {
    let config = argv::config(input, LayoutName::Run);
    let inputs = Inputs { caps, host: &ThisHost, config: &config };
    let (resolved, mut problems) = qemu_argv::resolve(&input.domain, inputs);
    let is_complete = Status::of(&problems) == Status::Ok;
    if is_complete {
        let (line, more) = qemu_argv::lower(&resolved, inputs);
        problems.extend(more);
        // What is missed by its capability need not be missed by its name too.
        let span = |problem: &Diagnostic| input.document.span(problem.origin);
        let missed: HashSet<_> = problems.iter().map(span).collect();
        let mut unknown = review::unknown(&line, caps);
        unknown.retain(|problem| !missed.contains(&span(problem)));
        problems.extend(unknown);
        problems.extend(review::deprecated(&line, &resolved, inputs));
    }
    Checked { source, version: caps.version(), problems, is_complete }
}
