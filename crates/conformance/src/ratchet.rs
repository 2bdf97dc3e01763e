//! The list of known gaps: it only ever gets shorter.
//!
//! A file per suite in `gaps/` names the cases that fail, under the reason why. A failure that is not listed is an error,
//! and so is a listed case that passes, so the list always says what the project can do. The head of the file says which
//! cases the list was made for: of a folder with other cases nobody has judged what fails, so there nothing is enforced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::suite::{Outcome, Suite};

/// The reason under which [`Gaps::update`] puts failures that nobody has looked at.
pub const UNSORTED: &str = "not looked at yet";

/// The known gaps of one suite.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Which cases the list was made for, as [`fingerprint`] tells; `None` if there is no list yet.
    pub made_for: Option<String>,
    /// Failing cases by the reason why they fail.
    pub reasons: BTreeMap<String, BTreeSet<String>>,
}

/// What is wrong between the list and what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// A case fails that is not listed.
    Lost,
    /// A case passes that is listed.
    Gained,
}

impl Gaps {
    /// Where the list of a suite is kept.
    pub fn path(suite: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("gaps")
            .join(format!("{}.txt", suite.replace('/', "-")))
    }

    /// The list of a suite; an empty one if it has none.
    pub fn load(suite: &str) -> std::io::Result<Self> {
        match std::fs::read_to_string(Self::path(suite)) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes the list of a suite.
    pub fn store(&self, suite: &str) -> std::io::Result<()> {
        std::fs::write(Self::path(suite), self.to_text())
    }

    /// Reads a list: `# reason` lines, each followed by the cases it is the reason for; `cases` says what it was made for.
    pub fn parse(text: &str) -> Self {
        let mut gaps = Self::default();
        let mut reason = UNSORTED.to_owned();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(heading) = line.strip_prefix('#') {
                reason = heading.trim().to_owned();
            } else if let Some(cases) = line.strip_prefix("cases ") {
                gaps.made_for = Some(cases.to_owned());
            } else {
                gaps.reasons.entry(reason.clone()).or_default().insert(line.to_owned());
            }
        }
        gaps
    }

    fn to_text(&self) -> String {
        let mut text = format!("cases {}\n", self.made_for.as_deref().unwrap_or_default());
        for (reason, cases) in &self.reasons {
            text.push_str(&format!("\n# {reason}\n"));
            for case in cases {
                text.push_str(case);
                text.push('\n');
            }
        }
        text
    }

    /// Whether this list was made for exactly the cases of `suite`.
    pub fn covers(&self, suite: &dyn Suite) -> bool {
        self.made_for.as_ref() == Some(&fingerprint(suite))
    }

    /// What is wrong with how `case` came out, if anything.
    pub fn judge(&self, case: &str, outcome: &Outcome) -> Option<Breach> {
        let listed = self.reasons.values().any(|cases| cases.contains(case));
        match (outcome.passed(), listed) {
            (true, true) => Some(Breach::Gained),
            (false, false) => Some(Breach::Lost),
            _ => None,
        }
    }

    /// Makes the list agree with how the cases of `suite` came out; reasons stay with their cases.
    pub fn update(&mut self, suite: &dyn Suite, outcomes: &[Outcome]) {
        let before = std::mem::take(&mut self.reasons);
        for (case, _) in suite.cases().into_iter().zip(outcomes).filter(|(_, outcome)| !outcome.passed()) {
            let known =
                before.iter().find(|(_, cases)| cases.contains(case)).map(|(reason, _)| reason.as_str());
            self.reasons.entry(known.unwrap_or(UNSORTED).to_owned()).or_default().insert(case.to_owned());
        }
        self.made_for = Some(fingerprint(suite));
    }
}

/// Tells sets of cases apart: their number, and a hash of their ids.
pub fn fingerprint(suite: &dyn Suite) -> String {
    let cases: BTreeSet<&str> = suite.cases().into_iter().collect();
    // FNV-1a, because the hash is committed and has to stay the same in every release of Rust.
    let hash = cases
        .iter()
        .flat_map(|case| case.bytes().chain([b'\n']))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{} {hash:016x}", cases.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sample(&'static [&'static str]);

    impl Suite for Sample {
        fn name(&self) -> &str {
            "sample"
        }

        fn cases(&self) -> Vec<&str> {
            self.0.to_vec()
        }

        fn run(&self, _: usize) -> Outcome {
            Outcome::Pass
        }
    }

    fn failed() -> Outcome {
        Outcome::Fail("differs".to_owned())
    }

    #[test]
    fn an_update_keeps_reasons_and_drops_what_passes() {
        let suite = Sample(&["a", "b", "c"]);
        let mut gaps = Gaps::parse("cases 1 0\n# needs tape\na\nb\n");
        gaps.update(&suite, &[failed(), Outcome::Pass, failed()]);
        assert!(gaps.covers(&suite));
        assert!(!gaps.covers(&Sample(&["a", "b", "d"])));
        let text = gaps.to_text();
        assert_eq!(text.split_once('\n').unwrap().1, "\n# needs tape\na\n\n# not looked at yet\nc\n");
        assert_eq!(Gaps::parse(&text), gaps);
    }

    #[test]
    fn both_ways_of_disagreeing_are_breaches() {
        let gaps = Gaps::parse("# why\na\n");
        let check = |case: &str, outcome: Outcome, breach: Option<Breach>| {
            assert_eq!(gaps.judge(case, &outcome), breach)
        };
        check("a", failed(), None);
        check("a", Outcome::Pass, Some(Breach::Gained));
        check("b", failed(), Some(Breach::Lost));
        check("b", Outcome::Pass, None);
    }
}
