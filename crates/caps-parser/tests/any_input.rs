//! No input makes a parser panic, and what was read survives a snapshot.

use caps_parser::qmp::probe::{Probe, Step};
use caps_parser::qmp::schema::Schema;
use caps_parser::texts::{TextProbe, Topic};
use caps_parser::{Capabilities, CapsDiff, Facts, help, qmp};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Text made of pieces that mean something to some parser, in any order, with any letters between them.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(PIECES).prop_map(str::to_owned),
        2 => "[ -~\t\n]{0,12}",
        1 => any::<String>(),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

const PIECES: &[&str] = &[
    "QEMU emulator version ",
    "QEMU PC emulator version ",
    "0.12.1",
    "10.0",
    "4294967296.0.0",
    " (qemu-kvm-",
    " (kvm-83",
    ")",
    "\n",
    "\n\n",
    "usage: qemu-system-x86_64 [options]\n",
    "Standard options:\n",
    "-drive [file=f]",
    "[,cache=none]",
    "\n       ",
    "\n                ",
    "-fda/-fdb file  ",
    "-h or -help",
    "--preconfig",
    "\t",
    "  ",
    "name \"",
    "\", bus PCI",
    ", alias \"x\"",
    ", desc \"",
    "\"",
    ", no-user",
    "virtio-net-pci.tx=",
    "virtio-net-pci options:\n",
    "  tx=<str>",
    "<link<",
    ">",
    " - (default: ",
    "on)",
    " devices:\n",
    "Supported machines are:\n",
    "pc  Standard PC",
    " (alias of pc-1.0)",
    " (default)",
    " (deprecated)",
    "Available CPUs:\n",
    "x86 ",
    "Sparc ",
    " IU ",
    "[n270]",
    "'4Kc'",
    "Recognized CPUID flags:\n",
    "f_edx: ",
    "Accelerators supported in QEMU binary:\n",
    "List of user creatable objects:\n",
    "Device 'mch' not found",
    "é",
    "\u{0}",
    "\r\n",
    "\u{2028}",
];

/// Small JSON of any shape, with the names QMP uses.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((prop::sample::select(WORDS), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

const WORDS: &[&str] = &[
    "name",
    "type",
    "1",
    "[1]",
    "members",
    "variants",
    "tag",
    "case",
    "features",
    "values",
    "default",
    "meta-type",
    "command",
    "object",
    "enum",
    "array",
    "alternate",
    "builtin",
    "element-type",
    "arg-type",
    "ret-type",
    "json-type",
    "string",
    "int",
    "qemu",
    "major",
    "minor",
    "micro",
    "package",
    "arch",
    "model",
    "props",
    "static",
    "full",
    "max",
    "host",
    "alias",
    "cpu-max",
    "unavailable-features",
    "typename",
    "option",
    "parameters",
    "capability",
    "default-value",
    "hv-passthrough",
    "migratable",
    "",
    "a b",
    "%;:$",
];

const COMMANDS: &[&str] = &[
    "qmp_capabilities",
    "query-version",
    "query-target",
    "query-kvm",
    "query-qmp-schema",
    "query-commands",
    "query-events",
    "qom-list-types",
    "device-list-properties",
    "qom-list-properties",
    "query-machines",
    "query-cpu-definitions",
    "query-cpu-model-expansion",
    "query-tpm-models",
    "query-tpm-types",
    "query-command-line-options",
    "query-migrate-capabilities",
    "query-gic-capabilities",
    "query-sev-capabilities",
    "query-sgx-capabilities",
    "quit",
];

/// One entry of a schema, mostly well formed, referring to entries that may not exist or may be itself.
fn schema_entry() -> impl Strategy<Value = Value> {
    let name = || prop::sample::select(&["0", "1", "2", "[1]", "str", "add"][..]);
    let member = (name(), name(), any::<bool>()).prop_map(|(name, kind, optional)| {
        if optional {
            json!({"name": name, "type": kind, "default": null})
        } else {
            json!({"name": name, "type": kind})
        }
    });
    (name(), name(), vec(member, 0..4), 0..7).prop_map(|(name, other, members, kind)| match kind {
        0 => json!({"name": name, "meta-type": "command", "arg-type": other, "ret-type": other}),
        1 => json!({"name": name, "meta-type": "object", "members": members}),
        2 => json!({"name": name, "meta-type": "object", "members": members, "tag": "1",
                    "variants": [{"case": "0", "type": other}, {"case": "1", "type": name}]}),
        3 => json!({"name": name, "meta-type": "enum", "values": ["0", "1", other]}),
        4 => json!({"name": name, "meta-type": "array", "element-type": other}),
        5 => json!({"name": name, "meta-type": "alternate", "members": members}),
        _ => json!({"name": name, "meta-type": "builtin", "json-type": "string"}),
    })
}

/// Everything that can be done with facts, done.
fn use_facts(facts: Facts) {
    let capabilities = Capabilities::detect(facts, "any");
    let json = capabilities.to_json();
    let again = Capabilities::from_json(&json);
    assert_eq!(again.as_ref().map_err(ToString::to_string), Ok(&capabilities), "{json}");
    assert!(CapsDiff::between(&capabilities, &capabilities).is_empty());
    assert!(!CapsDiff::between(&capabilities, &capabilities).to_string().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn help_texts(text in soup()) {
        let _ = help::parse(&text);
        if let Ok(facts) = help::parse(&format!("QEMU emulator version 7.2\n{text}")) {
            use_facts(facts);
        }
    }

    #[test]
    fn every_topic(texts in vec((prop::sample::select(Topic::ALL), soup()), 0..6)) {
        let mut facts = Facts::default();
        for (topic, text) in texts {
            let _ = topic.read(&text, &mut facts);
        }
        use_facts(facts);
    }

    #[test]
    fn text_probe(first in soup(), answers in vec((soup(), soup()), 0..20)) {
        let mut probe = TextProbe::new();
        let questions = probe.questions();
        let _ = probe.answer(&questions[0], &format!("QEMU emulator version 7.2\n-device x\n{first}"), "");
        for _ in 0..3 {
            for (question, (stdout, stderr)) in probe.questions().iter().zip(&answers) {
                let _ = probe.answer(question, stdout, stderr);
            }
        }
        prop_assert!(probe.questions().is_empty());
        if let Ok(facts) = probe.finish() {
            use_facts(facts);
        }
    }

    #[test]
    fn recordings(text in soup(), replies in vec((prop::sample::select(COMMANDS), json_value(), json_value()), 0..12)) {
        let _ = qmp::replies::parse(&text);
        let version = json!({"return": {"qemu": {"major": 9, "minor": 1, "micro": 0}, "package": "x"}, "id": "v"});
        let mut recording = format!("{}\n{version}\n", json!({"execute": "query-version", "id": "v"}));
        for (command, arguments, reply) in replies {
            let sent = json!({"execute": command, "arguments": arguments, "id": "1"});
            recording += &format!("{sent}\n{}\n", json!({"return": reply, "id": "1"}));
        }
        if let Ok(facts) = qmp::replies::parse(&recording) {
            use_facts(facts);
        }
    }

    #[test]
    fn live_sessions(noise in soup(), replies in vec(json_value(), 1..40)) {
        let mut probe = Probe::new();
        let _ = probe.feed(&noise);
        let mut replies = replies.iter().cycle();
        let mut text = probe.start();
        for _ in 0..4 {
            let mut next = Step::Wait;
            for line in text.lines() {
                let command: Value = serde_json::from_str(line).unwrap_or_default();
                let reply = json!({"return": replies.next(), "id": command["id"]});
                next = probe.feed(&reply.to_string()).unwrap_or(Step::Wait);
            }
            text = match next {
                Step::Send(text) => text,
                Step::Restart(_) => probe.start(),
                Step::Wait | Step::Done => break,
            };
        }
        if let Ok(facts) = probe.finish() {
            use_facts(facts);
        }
    }

    #[test]
    fn schemas(entries in vec(schema_entry(), 0..8), any in json_value(), arguments in json_value()) {
        let _ = Schema::from_json(&any.to_string());
        let text = Value::from(entries).to_string();
        if let Ok(schema) = Schema::from_json(&text) {
            for path in ["add", "add/arg-type/1/0/+1/^0", "add/arg-type/+0/+1/1", "add/ret-type/1/!string", "add/arg-type/$1", "///"] {
                let _ = schema.has_path(path);
            }
            let _ = schema.validate("add", &arguments);
            let _ = schema.validate("add", &json!({"0": arguments, "1": "1", "2": [[]]}));
        }
    }

    #[test]
    fn snapshots(text in soup(), any in json_value()) {
        let _ = Capabilities::from_json(&text);
        let _ = Capabilities::from_json(&any.to_string());
        let _ = Capabilities::from_json(&json!({"domx-capabilities": 1, "facts": any}).to_string());
    }
}
