//! `domx explain`: why each argument is there.

use std::fmt::Write;

use caps_parser::Capability;
use domain_model::{Document, Origin};
use qemu_argv::{Arg, CommandLine, Payload, Props, Value, shell};
use serde_json::json;

use super::argv;
use crate::args::{Explain, LayoutName, TextFormat};
use crate::host::ThisHost;
use crate::report::{Report, Status, Stop};
use crate::{input, source};

/// Prints the explanation.
pub fn run(args: &Explain, report: &Report) -> Result<Status, Stop> {
    let input = input::domain(&args.domain, report)?;
    input.settle(report)?;
    let chosen = source::choose(&input.domain, &args.qemu, report)?;
    let config = argv::config(&input, LayoutName::Run);
    let line = argv::build(&input, &chosen, &config, &ThisHost, report)?;
    let wanted: Vec<(&Arg, String)> = line
        .args
        .iter()
        .map(|arg| (arg, spelt(&line, arg)))
        .filter(|(_, text)| args.arg.as_ref().is_none_or(|wanted| text.contains(wanted)))
        .collect();
    if wanted.is_empty()
        && let Some(text) = &args.arg
    {
        let message = format!("no argument contains `{text}`");
        return Err(Stop::new(Status::Usage, message));
    }
    match args.format {
        TextFormat::Json => {
            let document = &input.document;
            let arguments: Vec<_> = wanted.iter().map(|(arg, text)| json_of(arg, text, document)).collect();
            let value = json!({
                "version": 1,
                "qemu": argv::program(&line, &chosen),
                "arguments": arguments,
            });
            crate::print(&format!("{value:#}\n"))
        }
        TextFormat::Text => {
            let mut out = String::new();
            for (arg, text) in &wanted {
                explain(&mut out, arg, text, &input.document, args.arg.is_some());
            }
            crate::print(&out)
        }
    }
}

fn spelt(line: &CommandLine, arg: &Arg) -> String {
    let payload = line.payload(arg, &mut |_| "N".to_owned());
    match payload {
        None => arg.flag.to_owned(),
        Some(payload) if arg.flag.is_empty() => payload,
        Some(payload) => format!("{} {}", arg.flag, shell::quote(&payload)),
    }
}

/// One argument: the argument, then where it is from, then the parts that are from elsewhere.
fn explain(out: &mut String, arg: &Arg, text: &str, document: &Document, full: bool) {
    let _ = writeln!(out, "{text}");
    let _ = writeln!(out, "    {}", because(arg.origin, arg.needs, document));
    if let Payload::Props(props) = &arg.payload {
        explain_props(out, props, arg.origin, "", document, full);
    }
}

fn explain_props(
    out: &mut String,
    props: &Props,
    outer: Origin,
    prefix: &str,
    document: &Document,
    full: bool,
) {
    for prop in props.items() {
        let key = format!("{prefix}{}", prop.key);
        let elsewhere = because(prop.origin, None, document) != because(outer, None, document);
        if full || elsewhere || prop.needs.is_some() {
            let value = brief(&prop.value);
            let _ = writeln!(out, "    {key}={value}  {}", because(prop.origin, prop.needs, document));
        }
        if let Value::Props(inner) = &prop.value {
            explain_props(out, inner, prop.origin, &format!("{key}."), document, full);
        }
    }
}

fn brief(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Bool(value) => (if *value { "on" } else { "off" }).to_owned(),
        Value::Null => "null".to_owned(),
        Value::Flag => "present".to_owned(),
        Value::List(values, _) => format!("[{}]", values.iter().map(brief).collect::<Vec<_>>().join(", ")),
        Value::Props(_) => "{…}".to_owned(),
        Value::Fd(_) => "a descriptor".to_owned(),
    }
}

fn because(origin: Origin, needs: Option<Capability>, document: &Document) -> String {
    let mut out = String::from("← ");
    match (document.position(origin), document.path(origin)) {
        (Some(position), Some(path)) => {
            let _ = write!(out, "{}:{position} {path}", document.name());
            if let Some(rule) = origin.rule() {
                let _ = write!(out, ": {rule}");
            }
        }
        _ => out.push_str(origin.rule().unwrap_or("the domain itself")),
    }
    if let Some(capability) = needs {
        let _ = write!(out, "  [needs {capability}]");
    }
    out
}

fn json_of(arg: &Arg, text: &str, document: &Document) -> serde_json::Value {
    let mut value = origin_json(arg.origin, arg.needs, document);
    value["argument"] = json!(text);
    value["flag"] = json!(arg.flag);
    if let Payload::Props(props) = &arg.payload {
        value["properties"] = props_json(props, document);
    }
    value
}

fn props_json(props: &Props, document: &Document) -> serde_json::Value {
    let properties: Vec<_> = props
        .items()
        .iter()
        .map(|prop| {
            let mut value = origin_json(prop.origin, prop.needs, document);
            value["key"] = json!(prop.key);
            value["value"] = json!(brief(&prop.value));
            if let Value::Props(inner) = &prop.value {
                value["properties"] = props_json(inner, document);
            }
            value
        })
        .collect();
    json!(properties)
}

fn origin_json(origin: Origin, needs: Option<Capability>, document: &Document) -> serde_json::Value {
    let position = document.position(origin);
    json!({
        "file": position.map(|_| document.name()),
        "line": position.map(|position| position.line),
        "column": position.map(|position| position.column),
        "path": document.path(origin),
        "rule": origin.rule(),
        "capability": needs.map(|capability| capability.name()),
    })
}
