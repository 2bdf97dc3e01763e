//! Whether QEMU's own schema takes the JSON of a command line.

use caps_parser::Capabilities;
use serde_json::Value;

/// Options that take JSON, and the command that takes the same.
const COMMANDS: [(&str, &str); 5] = [
    ("-blockdev", "blockdev-add"),
    ("-netdev", "netdev_add"),
    ("-object", "object-add"),
    ("-chardev", "chardev-add"),
    ("-device", "device_add"),
];

/// Every JSON argument that the QEMU of `caps` would not take, with why not.
///
/// libvirt checks its command lines in the same way: equal text with, say, a number for a text, would be an accident.
pub fn violations(argv: &[String], caps: &Capabilities) -> Vec<String> {
    let Some(schema) = &caps.facts.schema else { return Vec::new() };
    let values = argv.iter().zip(argv.iter().skip(1)).filter(|(_, value)| value.starts_with('{'));
    let mut found = Vec::new();
    for (option, value) in values {
        let Some((_, command)) = COMMANDS.iter().find(|(name, _)| name == option) else { continue };
        let problem = match serde_json::from_str::<Value>(value) {
            Ok(json) => schema.validate(command, &json).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        found.extend(problem.map(|problem| format!("QEMU would not take {option} {value}\n  {problem}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::super::{Manifest, caps::Qemus};
    use super::*;
    use crate::Reference;

    #[derive(Deserialize)]
    struct Line {
        id: String,
        argv: Vec<String>,
    }

    /// A check that refuses what libvirt starts would prove nothing about what it accepts.
    #[test]
    fn every_reference_command_line_is_taken() {
        let reference = Reference::open(Reference::default_root());
        let Some(folder) = reference.ok().and_then(|reference| reference.part("modern")) else {
            eprintln!("skipped: no reference data in {}", Reference::default_root().display());
            return;
        };
        let manifest: Manifest = folder.json("manifest.json").unwrap();
        let cases: HashMap<&str, _> = manifest.cases.iter().map(|case| (case.id.as_str(), case)).collect();
        let qemus = Qemus::default();
        for line in folder.text("argv.jsonl").unwrap().lines() {
            let line: Line = serde_json::from_str(line).unwrap();
            if let Some(case) = cases.get(line.id.as_str()) {
                let caps = qemus.of(&folder, case).unwrap();
                assert_eq!(violations(&line.argv, &caps), Vec::<String>::new(), "{}", line.id);
            }
        }
    }
}
