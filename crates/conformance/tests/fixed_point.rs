//! Command lines of 2011, read back and built again.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use conformance::suites::Xml2Argv;
use conformance::{Reference, Suite, diff};

#[test]
fn what_is_understood_comes_back_as_it_was() {
    let root = Reference::default_root();
    let Some(folder) = Reference::open(&root).ok().and_then(|root| root.part("legacy/xml2argv")) else {
        eprintln!("skipped: no reference data in {}", root.display());
        return;
    };
    let suite = Xml2Argv::load(folder).unwrap();
    let mut understood = 0;
    let mut wrong = Vec::new();
    for (index, case) in suite.cases().into_iter().enumerate() {
        if let Some((first, second)) = suite.there_and_back(index).unwrap() {
            understood += 1;
            if first != second {
                wrong.push(format!("{case}:\n{}", diff::lines(&first, &second)));
            }
        }
    }
    let all = suite.cases().len();
    println!("{understood} of {all} command lines are understood in full");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The others have `-device` and its kin, which libvirt of 2011 did not read back.
    assert!(understood * 2 >= all, "only {understood} of {all} are understood");
}
