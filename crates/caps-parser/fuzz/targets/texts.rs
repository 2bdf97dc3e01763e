//! Every kind of help text.
#![no_main]

use caps_parser::texts::Topic;
use caps_parser::{Capabilities, Facts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str)| {
    let (kind, text) = input;
    let mut facts = Facts::default();
    if let Some(topic) = Topic::ALL.get(usize::from(kind) % Topic::ALL.len())
        && topic.read(text, &mut facts).is_ok()
    {
        let capabilities = Capabilities::detect(facts, "fuzz");
        assert_eq!(Capabilities::from_json(&capabilities.to_json()), Ok(capabilities));
    }
});
