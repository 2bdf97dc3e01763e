//! What to ask a live QEMU over QMP, as data.
//!
//! Whoever has the socket drives it.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;

use super::reader::Reader;
use super::reply::Document;
use crate::capability::Capability;
use crate::error::ParseError;
use crate::facts::{Accel, Facts};
use crate::rule::Rule;

/// A probe in progress.
///
/// ```
/// use caps_parser::qmp::probe::{Probe, Step};
///
/// let mut probe = Probe::new();
/// let first = probe.start(); // write this to the socket of `qemu -machine none,accel=kvm:tcg -S -qmp …`
/// assert!(first.starts_with(r#"{"execute":"qmp_capabilities""#));
/// // then hand over every line that comes back
/// assert_eq!(probe.feed(r#"{"QMP": {"version": {}, "capabilities": []}}"#)?, Step::Wait);
/// # Ok::<(), caps_parser::ParseError>(())
/// ```
#[derive(Default)]
pub struct Probe {
    reader: Reader,
    /// Commands without a reply, by id.
    waiting: HashMap<String, Sent>,
    stage: Stage,
    sent: u32,
}

struct Sent {
    command: &'static str,
    arguments: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    New,
    /// What every QEMU is asked.
    General,
    /// What follows from the answers.
    Details,
    /// The second process.
    Tcg,
    Done,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Replies are outstanding: feed the next line.
    Wait,
    /// Write this text, then feed the lines that come.
    Send(String),
    /// This process has said all; let it quit, start one with this accelerator only, and write [`Probe::start`] to it.
    Restart(Accel),
    /// Nothing is left to ask.
    Done,
}

impl Probe {
    /// A probe that has asked nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What to write to a QEMU process that was just started: all commands at once, one per line. Its greeting need not be
    /// waited for.
    pub fn start(&mut self) -> String {
        let mut out = String::new();
        match self.stage {
            Stage::New => {
                self.stage = Stage::General;
                for command in GENERAL {
                    self.send(&mut out, command, None);
                }
                for root in ["device", "user-creatable"] {
                    self.send(&mut out, "qom-list-types", Some(json!({ "implements": root })));
                }
            }
            _ => {
                self.stage = Stage::Tcg;
                for command in ["qmp_capabilities", "query-cpu-definitions", "query-machines"] {
                    self.send(&mut out, command, None);
                }
                self.expand(&mut out, "max");
            }
        }
        out
    }

    /// Takes a line QEMU wrote: a greeting, an event or a reply.
    pub fn feed(&mut self, line: &str) -> Result<Step, ParseError> {
        let document: Document<'_> = serde_json::from_str(line)
            .map_err(|error| ParseError::json("not what QEMU says over QMP", line, &error))?;
        let reply = match (document.returned, document.error) {
            (Some(returned), _) => Some(returned.get()),
            (None, Some(_)) => None,
            (None, None) => return Ok(Step::Wait),
        };
        let Some(sent) = document.id.and_then(|id| self.waiting.remove(id.as_ref())) else {
            return Err(ParseError::new("a reply to a command that was not sent", line, 0));
        };
        self.reader.note(sent.command, sent.arguments.as_deref(), reply);
        if self.waiting.is_empty() { Ok(self.advance()) } else { Ok(Step::Wait) }
    }

    /// The facts so far; an error if QEMU never told its version.
    pub fn finish(self) -> Result<Facts, ParseError> {
        self.reader.finish("")
    }

    fn advance(&mut self) -> Step {
        match self.stage {
            Stage::General => {
                self.stage = Stage::Details;
                let details = self.details();
                if details.is_empty() { self.advance() } else { Step::Send(details) }
            }
            Stage::Details if self.reader.wants_tcg() => Step::Restart(Accel::Tcg),
            _ => {
                self.stage = Stage::Done;
                Step::Done
            }
        }
    }

    /// The questions that depend on the general answers.
    fn details(&mut self) -> String {
        let mut out = String::new();
        let facts = &self.reader.facts;
        if facts.schema.is_none() {
            self.send(&mut out, "query-commands", None);
            self.send(&mut out, "query-events", None);
        }
        let (devices, types) = self.kinds();
        for (command, kinds) in [("device-list-properties", devices), ("qom-list-properties", types)] {
            for kind in kinds {
                self.send(&mut out, command, Some(json!({ "typename": kind })));
            }
        }
        let exists = |facts: &Facts, command: &str| {
            facts.commands.as_ref().is_some_and(|known| known.contains(command))
        };
        for command in ["query-gic-capabilities", "query-sev-capabilities", "query-sgx-capabilities"] {
            if exists(&self.reader.facts, command) {
                self.send(&mut out, command, None);
            }
        }
        if exists(&self.reader.facts, "query-cpu-model-expansion") {
            let model = if self.reader.has_hardware_help() { "host" } else { "max" };
            self.expand(&mut out, model);
        }
        out
    }

    /// The types whose properties some rule asks about and that this QEMU has: devices, then others.
    fn kinds(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let facts = &self.reader.facts;
        let (mut devices, mut types) = (BTreeSet::new(), BTreeSet::new());
        for capability in Capability::ALL {
            capability.rule().visit(&mut |rule| match *rule {
                Rule::DeviceProp(kind, _) | Rule::DeviceDefault(kind, ..) | Rule::TypeProp(kind, _)
                    if facts.has_type(kind) != Some(false) =>
                {
                    devices.insert(kind.to_owned());
                }
                // Abstract machine types have properties, and are not listed among the types.
                Rule::ObjectProp(kind, _)
                    if facts.has_type(kind) != Some(false)
                        || facts.is_x86() && kind == "generic-pc-machine" =>
                {
                    types.insert(kind.to_owned());
                }
                Rule::MachineProp(name, _) => {
                    let machine = self.reader.machine(name).map_or(name, |machine| machine.name.as_str());
                    let kind = format!("{machine}-machine");
                    if facts.has_type(&kind) != Some(false) {
                        types.insert(kind);
                    }
                }
                _ => {}
            });
        }
        (devices, types)
    }

    /// Asks what a CPU model stands for, in the way each architecture understands.
    fn expand(&mut self, out: &mut String, model: &str) {
        let facts = &self.reader.facts;
        let arm = matches!(facts.arch.as_deref(), Some("aarch64" | "arm"));
        let x86 = facts.is_x86();
        let deprecated = facts
            .schema
            .as_ref()
            .is_some_and(|schema| schema.has_path("query-cpu-model-expansion/ret-type/deprecated-props"));
        let hyperv = (x86 || arm) && self.reader.has_hardware_help();
        let command = "query-cpu-model-expansion";
        let kind = if arm { "full" } else { "static" };
        let unmigratable = json!({ "name": model, "props": { "migratable": false } });
        let passthrough = json!({ "name": model, "props": { "migratable": false, "hv-passthrough": true } });
        self.send(out, command, Some(json!({ "type": kind, "model": { "name": model } })));
        if x86 {
            self.send(out, command, Some(json!({ "type": "static", "model": unmigratable })));
        }
        if deprecated {
            self.send(out, command, Some(json!({ "type": "full", "model": { "name": model } })));
        }
        if hyperv {
            self.send(out, command, Some(json!({ "type": "full", "model": passthrough })));
        }
    }

    fn send(&mut self, out: &mut String, command: &'static str, arguments: Option<serde_json::Value>) {
        self.sent = self.sent.saturating_add(1);
        let id = self.sent.to_string();
        let line = match &arguments {
            Some(arguments) => format!(r#"{{"execute":"{command}","arguments":{arguments},"id":"{id}"}}"#),
            None => format!(r#"{{"execute":"{command}","id":"{id}"}}"#),
        };
        out.push_str(&line);
        out.push('\n');
        self.waiting
            .insert(id, Sent { command, arguments: arguments.map(|arguments| arguments.to_string()) });
    }
}

/// What every QEMU is asked at once. Those that do not know a command say so, and that is an answer too.
const GENERAL: &[&str] = &[
    "qmp_capabilities",
    "query-version",
    "query-target",
    "query-kvm",
    "query-qmp-schema",
    "qom-list-types",
    "query-machines",
    "query-cpu-definitions",
    "query-tpm-models",
    "query-tpm-types",
    "query-command-line-options",
    "query-migrate-capabilities",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every command of a batch: with what the table says, else with a refusal.
    fn answer(probe: &mut Probe, batch: &str, table: &[(&str, &str)]) -> (Vec<String>, Step) {
        let mut asked = Vec::new();
        let mut step = Step::Wait;
        for line in batch.lines() {
            let command: serde_json::Value = serde_json::from_str(line).unwrap();
            let (id, name) = (&command["id"], command["execute"].as_str().unwrap());
            asked.push(format!("{name} {}", command["arguments"]));
            assert_eq!(step, Step::Wait, "more was asked for before all was answered");
            let found = table.iter().find(|(known, _)| *known == name);
            let reply = found.map_or(format!(r#"{{"error":{{}},"id":{id}}}"#), |(_, it)| {
                format!(r#"{{"return":{it},"id":{id}}}"#)
            });
            step = probe.feed(&reply).unwrap();
        }
        (asked, step)
    }

    #[test]
    fn asks_everything_once_and_tcg_apart() {
        let table = [
            ("query-version", r#"{"qemu":{"major":9,"minor":0,"micro":1},"package":" (x)"}"#),
            ("query-target", r#"{"arch":"x86_64"}"#),
            ("query-kvm", r#"{"present":true,"enabled":true}"#),
            ("qom-list-types", r#"[{"name":"tcg-accel"},{"name":"virtio-net-pci"},{"name":"none-machine"}]"#),
            ("query-qmp-schema", r#"[{"name":"query-cpu-model-expansion","meta-type":"command"}]"#),
            ("query-cpu-definitions", r#"[{"name":"max"}]"#),
        ];
        let mut probe = Probe::new();
        let first = probe.start();
        let (mut asked, step) = answer(&mut probe, &first, &table);
        let Step::Send(second) = step else { panic!("{step:?}") };
        let (more, step) = answer(&mut probe, &second, &table);
        asked.extend(more);
        assert_eq!(step, Step::Restart(Accel::Tcg));
        assert!(asked.contains(&r#"device-list-properties {"typename":"virtio-net-pci"}"#.to_owned()));
        assert!(asked.contains(&r#"qom-list-properties {"typename":"none-machine"}"#.to_owned()));
        assert!(!asked.iter().any(|it| it.contains("usb-redir")), "asks about what is not there");
        let different: BTreeSet<&String> = asked.iter().collect();
        assert_eq!(different.len(), asked.len(), "asks twice: {asked:?}");
        let third = probe.start();
        let (asked, step) = answer(&mut probe, &third, &table);
        assert_eq!(step, Step::Done);
        assert!(asked.iter().any(|it| it.contains(r#""name":"max""#)), "{asked:?}");
        let facts = probe.finish().unwrap();
        assert_eq!((facts.package.as_str(), facts.libvirt_arch()), ("x", Some("x86_64")));
        assert_eq!(facts.accelerators.keys().collect::<Vec<_>>(), [&Accel::Kvm, &Accel::Tcg]);
    }

    #[test]
    fn refuses_what_is_not_qmp() {
        let check = |line: &str, expected: &str| {
            let mut probe = Probe::new();
            probe.start();
            let error = probe.feed(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        };
        check("hello", "not what QEMU says over QMP");
        check("", "not what QEMU says over QMP");
        check(r#"{"return":{},"id":"999"}"#, "not sent");
        check(r#"{"return":{}}"#, "not sent");
        assert!(Probe::new().finish().unwrap_err().to_string().contains("query-version"));
    }
}
