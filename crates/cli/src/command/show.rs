//! `domx show`: what a domain means.

mod tree;

use domain_model::Domain;
use qemu_argv::Inputs;

use super::argv;
use crate::args::{LayoutName, Show, ShowFormat};
use crate::host::ThisHost;
use crate::report::{Report, Status, Stop};
use crate::{input, source};

/// Prints the domain as JSON, or its buses and devices as a tree.
pub fn run(args: &Show, report: &Report) -> Result<Status, Stop> {
    let input = input::domain(&args.domain, report)?;
    input.settle(report)?;
    if args.format == ShowFormat::Json {
        return crate::print(&format!("{:#}\n", json(&input.domain)?));
    }
    let chosen = source::choose(&input.domain, &args.qemu, report)?;
    let config = argv::config(&input, LayoutName::Run);
    let inputs = Inputs { caps: &chosen.capabilities, host: &ThisHost, config: &config };
    let (resolved, problems) = qemu_argv::resolve(&input.domain, inputs);
    report.problems(&input.document, &problems);
    if Status::of(&problems) != Status::Ok {
        return Ok(Status::of(&problems));
    }
    crate::print(&tree::tree(&json(&resolved)?["domain"]))
}

/// The model, as one versioned document.
fn json(domain: &Domain) -> Result<serde_json::Value, Stop> {
    let domain = domain_model::xml::to_json("domain", domain);
    serde_json::to_value(&domain)
        .map(|element| serde_json::json!({ "version": 1, "domain": element["domain"] }))
        .map_err(|error| Stop::new(Status::Failed, format!("cannot print the domain as JSON: {error}")))
}
