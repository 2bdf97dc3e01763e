//! The model's JSON: what was read from it is written as JSON that reads the same, and as XML.
#![no_main]

use domain_model::{Document, Domain, xml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(json) = serde_json::from_str::<xml::Json>(text) else { return };
    let (domain, _) = xml::from_json::<Domain>("domain", json);
    let (again, _) = xml::from_json::<Domain>("domain", xml::to_json("domain", &domain));
    assert_eq!(again, domain);
    Document::parse("written", domain.write()).expect("what is written is XML");
});
