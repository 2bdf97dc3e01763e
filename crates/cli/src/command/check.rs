//! `domx check`: every problem of a domain.

use std::fmt::Write;

use domain_model::{Diagnostic, Severity};
use qemu_argv::Inputs;
use serde_json::json;

use super::argv;
use crate::args::{Check, LayoutName, Qemu, TextFormat};
use crate::host::ThisHost;
use crate::input::{self, Input};
use crate::report::{Report, Status, Stop, problem_json};
use crate::source::{self, Chosen};

/// Shows the problems, against one QEMU or several.
pub fn run(args: &Check, report: &Report) -> Result<Status, Stop> {
    let input = input::domain(&args.domain, report)?;
    let mut results = Vec::new();
    if Status::of(&input.problems) == Status::Ok {
        if args.caps.is_empty() {
            let chosen = source::choose(&input.domain, &Qemu::default(), report)?;
            results.push((chosen.capabilities.source.clone(), problems(&input, &chosen)));
        }
        for source in &args.caps {
            let capabilities = source::load(source, report)?;
            results.push((source.clone(), problems(&input, &Chosen { capabilities, program: None })));
        }
    }
    let status =
        results.iter().map(|(_, problems)| Status::of(problems)).find(|status| *status != Status::Ok);
    let status = match Status::of(&input.problems) {
        Status::Ok => status.unwrap_or(Status::Ok),
        status => status,
    };
    match args.format {
        TextFormat::Json => {
            let list = |problems: &[Diagnostic]| -> Vec<_> {
                problems.iter().map(|problem| problem_json(&input.document, problem)).collect()
            };
            let qemus: Vec<_> = results
                .iter()
                .map(|(source, problems)| json!({ "source": source, "problems": list(problems) }))
                .collect();
            let value = json!({ "version": 1, "problems": list(&input.problems), "qemus": qemus });
            crate::print(&format!("{value:#}\n"))?;
        }
        TextFormat::Text => {
            report.problems(&input.document, &input.problems);
            match results.as_slice() {
                [] => {}
                [(_, problems)] => report.problems(&input.document, problems),
                several => {
                    crate::print(&table(&input, several))?;
                }
            }
        }
    }
    Ok(status)
}

fn problems(input: &Input, chosen: &Chosen) -> Vec<Diagnostic> {
    let config = argv::config(input, LayoutName::Run);
    let inputs = Inputs { caps: &chosen.capabilities, host: &ThisHost, config: &config };
    match qemu_argv::build(&input.domain, inputs) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    }
}

/// A row for each QEMU and each of its problems.
fn table(input: &Input, results: &[(String, Vec<Diagnostic>)]) -> String {
    let width = results.iter().map(|(source, _)| source.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (source, problems) in results {
        if problems.is_empty() {
            let _ = writeln!(out, "{source:width$}  ok");
        }
        for (index, problem) in problems.iter().enumerate() {
            let source = if index == 0 { source.as_str() } else { "" };
            let word = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let place = match input.document.position(problem.origin) {
                Some(position) => position.to_string(),
                None => "-".to_owned(),
            };
            let _ = writeln!(out, "{source:width$}  {word:7}  {place:>8}  {}", problem.message);
        }
    }
    out
}
