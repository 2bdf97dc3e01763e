//! `domx explain`: why each argument is there.

use std::fmt::Write;

use caps_parser::{Capabilities, Capability};
use domain_model::{Document, Origin};
use qemu_argv::{Arg, CommandLine, Inputs, Payload, Props, Value, shell};
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
    let caps = &chosen.capabilities;
    let inputs = Inputs { caps, host: &ThisHost, config: &config };
    // What this QEMU cannot do is explained too, so what is wrong is said first and the rest follows.
    let (resolved, mut problems) = qemu_argv::resolve(&input.domain, inputs);
    if Status::of(&problems) != Status::Ok {
        report.problems(&input.document, &problems);
        return Err(Stop::silent(Status::of(&problems)));
    }
    let (line, more) = qemu_argv::lower(&resolved, inputs);
    problems.extend(more);
    report.problems(&input.document, &problems);
    let about = About { document: &input.document, caps, full: args.arg.is_some() };
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
            let arguments: Vec<_> = wanted.iter().map(|(arg, text)| about.json(arg, text)).collect();
            let value = json!({
                "version": 1,
                "qemu": argv::program(&line, &chosen),
                "arguments": arguments,
            });
            crate::print(&format!("{value:#}\n"))?;
        }
        TextFormat::Text => {
            let mut out = String::new();
            for (arg, text) in &wanted {
                about.explain(&mut out, arg, text);
            }
            crate::print(&out)?;
        }
    }
    Ok(Status::of(&problems))
}

fn spelt(line: &CommandLine, arg: &Arg) -> String {
    let payload = line.payload(arg, &mut |_| "N".to_owned());
    match payload {
        None => arg.flag.to_owned(),
        Some(payload) if arg.flag.is_empty() => payload,
        Some(payload) => format!("{} {}", arg.flag, shell::quote(&payload)),
    }
}

/// What explanations refer to.
struct About<'a> {
    document: &'a Document,
    caps: &'a Capabilities,
    /// Whether everything is told of an argument, and not only what is not obvious.
    full: bool,
}

impl About<'_> {
    /// One argument: the argument, then where it is from, then the parts that are from elsewhere.
    fn explain(&self, out: &mut String, arg: &Arg, text: &str) {
        let _ = writeln!(out, "{text}");
        let _ = writeln!(out, "    {}", self.because(arg.origin, arg.needs));
        self.needs(out, arg.needs);
        if let Payload::Props(props) = &arg.payload {
            self.explain_props(out, props, arg.origin, "");
        }
    }

    fn explain_props(&self, out: &mut String, props: &Props, outer: Origin, prefix: &str) {
        for prop in props.items() {
            let key = format!("{prefix}{}", prop.key);
            let elsewhere = self.because(prop.origin, None) != self.because(outer, None);
            if self.full || elsewhere || prop.needs.is_some() {
                let value = brief(&prop.value);
                let _ = writeln!(out, "    {key}={value}  {}", self.because(prop.origin, prop.needs));
                self.needs(out, prop.needs);
            }
            if let Value::Props(inner) = &prop.value {
                self.explain_props(out, inner, prop.origin, &format!("{key}."));
            }
        }
    }

    fn because(&self, origin: Origin, needs: Option<Capability>) -> String {
        let document = self.document;
        let mut out = String::from("← ");
        match (document.position(origin), document.path(origin)) {
            (Some(position), Some(path)) => {
                let _ = write!(out, "{}:{position} {path}", document.name());
                if document.is_written(origin) == Some(false) {
                    out.push_str(", which is not written");
                }
                if let Some(rule) = origin.rule() {
                    let _ = write!(out, ": {rule}");
                }
            }
            _ => out.push_str(origin.rule().unwrap_or("the domain itself")),
        }
        if let Some(capability) = needs {
            let word = if self.caps.has(capability) { "needs" } else { "lacks" };
            let _ = write!(out, "  [{word} {capability}]");
        }
        out
    }

    /// What decides whether a QEMU has a capability, where it lacks it or everything is told.
    fn needs(&self, out: &mut String, needs: Option<Capability>) {
        let Some(capability) = needs else { return };
        let is_there = self.caps.has(capability);
        if self.full || !is_there {
            let has = match (is_there, self.caps.knows(capability)) {
                (true, _) => "has",
                (false, true) => "lacks",
                (false, false) => "is not known to have",
            };
            let (version, rule) = (self.caps.version(), capability.rule());
            let _ = writeln!(out, "        QEMU {version} {has} `{capability}`; a QEMU has it if {rule}");
        }
    }

    fn json(&self, arg: &Arg, text: &str) -> serde_json::Value {
        let mut value = self.origin_json(arg.origin, arg.needs);
        value["argument"] = json!(text);
        value["flag"] = json!(arg.flag);
        if let Payload::Props(props) = &arg.payload {
            value["properties"] = self.props_json(props);
        }
        value
    }

    fn props_json(&self, props: &Props) -> serde_json::Value {
        let properties = props.items().iter().map(|prop| {
            let mut value = self.origin_json(prop.origin, prop.needs);
            value["key"] = json!(prop.key);
            value["value"] = json!(brief(&prop.value));
            if let Value::Props(inner) = &prop.value {
                value["properties"] = self.props_json(inner);
            }
            value
        });
        properties.collect()
    }

    fn origin_json(&self, origin: Origin, needs: Option<Capability>) -> serde_json::Value {
        let document = self.document;
        let position = document.position(origin);
        json!({
            "file": position.map(|_| document.name()),
            "line": position.map(|position| position.line),
            "column": position.map(|position| position.column),
            "path": document.path(origin),
            "written": document.is_written(origin),
            "rule": origin.rule(),
            "capability": needs.map(|capability| capability.name()),
            "capability-present": needs.map(|capability| self.caps.has(capability)),
            "capability-rule": needs.map(|capability| capability.rule().to_string()),
        })
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
