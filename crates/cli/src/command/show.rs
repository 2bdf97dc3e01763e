//! `domx show`: what a domain means.

use std::fmt::Write;

use domain_model::Node;

use crate::args::{Show, ShowFormat};
use crate::input;
use crate::report::{Report, Status, Stop};

/// Prints the domain as JSON or as a tree.
pub fn run(args: &Show, report: &Report) -> Result<Status, Stop> {
    let input = input::domain(&args.domain, report)?;
    input.settle(report)?;
    match args.format {
        ShowFormat::Json => Err(Stop::new(Status::Unsupported, "JSON of a domain is not supported yet")),
        ShowFormat::Tree => {
            let mut out = String::new();
            tree(&mut out, input.document.root(), 0);
            crate::print(&out)
        }
    }
}

fn tree(out: &mut String, node: Node<'_>, depth: usize) {
    let _ = writeln!(out, "{:indent$}{}", "", node.name(), indent = depth * 2);
    for child in node.children().filter(Node::is_element) {
        tree(out, child, depth + 1);
    }
}
