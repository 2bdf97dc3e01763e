//! Snapshots.
#![no_main]

use caps_parser::Capabilities;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(capabilities) = Capabilities::from_json(text) {
        assert_eq!(Capabilities::from_json(&capabilities.to_json()), Ok(capabilities));
    }
});
