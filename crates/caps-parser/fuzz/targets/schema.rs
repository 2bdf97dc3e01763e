//! A QAPI schema, a path into it, and JSON to hold against it.
#![no_main]

use caps_parser::qmp::schema::Schema;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let (Some(schema), Some(path), Some(arguments)) = (lines.next(), lines.next(), lines.next()) else { return };
    if let Ok(schema) = Schema::from_json(schema) {
        let _ = schema.has_path(path);
        if let Ok(arguments) = serde_json::from_str(arguments) {
            let _ = schema.validate(path, &arguments);
        }
    }
});
