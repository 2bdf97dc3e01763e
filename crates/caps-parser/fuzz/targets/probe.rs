//! A live QMP session, a line at a time.
#![no_main]

use caps_parser::qmp::probe::{Probe, Step};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut probe = Probe::new();
    probe.start();
    for line in text.lines() {
        if let Ok(Step::Restart(_)) = probe.feed(line) {
            probe.start();
        }
    }
    let _ = probe.finish();
});
