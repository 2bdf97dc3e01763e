//! Domain XML: what is written is a fixed point, and an unchanged domain leaves its text alone.
#![no_main]

use domain_model::{Document, Domain};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = Document::from_bytes("fuzz", bytes) else { return };
    let (domain, problems) = Domain::read(&document);
    for problem in &problems {
        problem.render(&document);
        document.path(problem.origin);
    }
    let written = domain.write();
    let again = Document::parse("written", written.as_str()).expect("what is written is XML");
    let (again, _) = Domain::read(&again);
    assert_eq!(again.write(), written);
    if !problems.iter().any(|problem| problem.is_error()) {
        assert_eq!(domain.write_into(&document), document.text());
    }
});
