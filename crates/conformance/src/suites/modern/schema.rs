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

/// The JSON arguments of a command line: the option, the command that takes the same, and the text.
pub fn json_arguments(argv: &[String]) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
    let values = argv.iter().zip(argv.iter().skip(1)).filter(|(_, value)| value.starts_with('{'));
    values.filter_map(|(option, value)| {
        let (option, command) = COMMANDS.iter().find(|(name, _)| name == option)?;
        Some((*option, *command, value.as_str()))
    })
}

/// Every JSON argument that the QEMU of `caps` would not take, with why not.
///
/// What users set by hand of the devices in `by_hand` is their own affair.
///
/// libvirt checks its command lines in the same way: equal text with, say, a number for a text, would be an accident.
pub fn violations(argv: &[String], caps: &Capabilities, by_hand: &[String]) -> Vec<String> {
    let Some(schema) = &caps.facts.schema else { return Vec::new() };
    let mut found = Vec::new();
    for (option, command, value) in json_arguments(argv) {
        let problem = match serde_json::from_str::<Value>(value) {
            Ok(json) => schema.validate(command, &json).err().map(|error| error.to_string()).or_else(|| {
                (command == "device_add").then(|| unknown_property(&json, caps, by_hand)).flatten()
            }),
            Err(error) => Some(error.to_string()),
        };
        found.extend(problem.map(|problem| format!("QEMU would not take {option} {value}\n  {problem}")));
    }
    found
}

/// A property that a device does not have, where it is known what it has.
fn unknown_property(device: &Value, caps: &Capabilities, by_hand: &[String]) -> Option<String> {
    let id = device.get("id").and_then(Value::as_str);
    if by_hand.iter().any(|changed| Some(changed.as_str()) == id) {
        return None;
    }
    let driver = device.get("driver")?.as_str()?;
    let known = caps.facts.props.get(driver)?;
    let mut given = device.as_object()?.keys().map(String::as_str);
    // These say which device it is and where; they are no properties.
    let unknown = given.find(|key| !["driver", "id", "bus"].contains(key) && !known.contains(key))?;
    Some(format!("`{driver}` has no property `{unknown}`"))
}

#[cfg(test)]
mod tests {
    use super::super::Cases;
    use super::*;
    use crate::Reference;

    /// A check that refuses what libvirt starts would prove nothing about what it accepts.
    #[test]
    fn every_reference_command_line_is_taken() {
        let reference = Reference::open(Reference::default_root());
        let Some(folder) = reference.ok().and_then(|reference| reference.part("modern")) else {
            eprintln!("skipped: no reference data in {}", Reference::default_root().display());
            return;
        };
        let cases = Cases::load(folder).unwrap();
        let argvs = cases.argvs().unwrap();
        for case in cases.all() {
            if let Some(argv) = argvs.get(&case.id) {
                let caps = cases.caps(case).unwrap();
                let by_hand = cases.changed_by_hand(case);
                assert_eq!(violations(argv, &caps, &by_hand), Vec::<String>::new(), "{}", case.id);
            }
        }
    }
}
