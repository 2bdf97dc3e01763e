//! One test per reference case, judged by the lists of known gaps.

use std::process::ExitCode;
use std::sync::Arc;

use conformance::ratchet::{Breach, Gaps};
use conformance::{Outcome, Reference, Suite, run, suites};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Reference::default_root();
    let reference = match Reference::open(&root) {
        Ok(reference) => reference,
        Err(error) => {
            // Listing is read by programs, so the remark is kept out of their way.
            eprintln!("conformance tests skipped: {error}");
            return libtest_mimic::run(&arguments, Vec::new()).exit_code();
        }
    };
    match trials(&reference) {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::FAILURE
        }
    }
}

fn trials(reference: &Reference) -> Result<Vec<Trial>, Box<dyn std::error::Error>> {
    let mut trials = Vec::new();
    for suite in suites::found(reference)? {
        let suite: Arc<dyn Suite> = Arc::from(suite);
        let gaps = Arc::new(Gaps::load(suite.name())?);
        let enforced = gaps.covers(suite.as_ref());
        if !enforced {
            eprintln!(
                "{}: the list of known gaps was made for other cases; failures are only counted",
                suite.name()
            );
        }
        for (index, case) in suite.cases().into_iter().map(str::to_owned).enumerate() {
            let (suite, gaps) = (Arc::clone(&suite), Arc::clone(&gaps));
            let name = format!("{}::{case}", suite.name());
            trials.push(Trial::test(name, move || {
                let outcome = run::case(suite.as_ref(), index);
                match (enforced.then(|| gaps.judge(&case, &outcome)).flatten(), outcome) {
                    (Some(Breach::Gained), _) => Err(Failed::from(
                        "passes, and is listed as a known gap: run `cargo run --release -p conformance -- ratchet --update`",
                    )),
                    (Some(Breach::Lost), Outcome::Fail(text)) => Err(Failed::from(text)),
                    _ => Ok(()),
                }
            }));
        }
    }
    Ok(trials)
}
