//! Recorded QMP sessions.
#![no_main]

use caps_parser::{Capabilities, qmp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(facts) = qmp::replies::parse(text) {
        let capabilities = Capabilities::detect(facts, "fuzz");
        assert_eq!(Capabilities::from_json(&capabilities.to_json()), Ok(capabilities));
    }
});
