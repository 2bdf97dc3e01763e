//! `domx show`: what a domain means.

use std::fmt::Write;

use domain_model::{Domain, Node};

use crate::args::{Show, ShowFormat};
use crate::input;
use crate::report::{Report, Status, Stop};

/// Prints the domain as JSON or as a tree.
pub fn run(args: &Show, report: &Report) -> Result<Status, Stop> {
    let input = input::domain(&args.domain, report)?;
    input.settle(report)?;
    match args.format {
        ShowFormat::Json => crate::print(&format!("{:#}\n", json(&input.domain)?)),
        ShowFormat::Tree => {
            let mut out = String::new();
            tree(&mut out, input.document.root(), 0);
            crate::print(&out)
        }
    }
}

/// The model, as one versioned document.
fn json(domain: &Domain) -> Result<serde_json::Value, Stop> {
    let domain = domain_model::xml::to_json("domain", domain);
    serde_json::to_value(&domain)
        .map(|element| serde_json::json!({ "version": 1, "domain": element["domain"] }))
        .map_err(|error| Stop::new(Status::Failed, format!("cannot print the domain as JSON: {error}")))
}

fn tree(out: &mut String, node: Node<'_>, depth: usize) {
    let _ = writeln!(out, "{:indent$}{}", "", node.name(), indent = depth * 2);
    for child in node.children().filter(Node::is_element) {
        tree(out, child, depth + 1);
    }
}
