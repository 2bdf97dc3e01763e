//! What every suite offers, and what running a case gives.

use crate::diff;

/// Cases of one kind, each with an input and what must come of it.
pub trait Suite: Send + Sync {
    /// The name, as scores print it.
    fn name(&self) -> &str;

    /// The ids of all cases, in the order of the suite; each occurs once.
    fn cases(&self) -> Vec<&str>;

    /// Runs the case at `index` of [`Suite::cases`].
    fn run(&self, index: usize) -> Outcome;

    /// Parts of this suite that get a score of their own.
    fn groups(&self) -> Vec<Group> {
        Vec::new()
    }
}

/// Some cases of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The name, as scores print it.
    pub name: String,
    /// Indices into [`Suite::cases`].
    pub members: Vec<usize>,
}

/// What running a case gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What had to come out came out.
    Pass,
    /// Something else came out; the text shows what.
    Fail(String),
}

impl Outcome {
    /// Passes if both texts are equal, and shows how they differ if not.
    pub fn equal(expected: &str, actual: &str) -> Self {
        match expected == actual {
            true => Self::Pass,
            false => Self::Fail(diff::lines(expected, actual)),
        }
    }

    /// Passes if nothing is wrong, and lists what is if something is.
    pub fn none_of(problems: Vec<String>) -> Self {
        match problems.is_empty() {
            true => Self::Pass,
            false => Self::Fail(problems.join("\n")),
        }
    }

    /// What running a case gives that the suite has not got.
    pub fn no_such_case() -> Self {
        Self::Fail("no such case".to_owned())
    }

    /// Whether the case passed.
    pub fn passed(&self) -> bool {
        *self == Self::Pass
    }
}

impl<E: std::fmt::Display> From<Result<Outcome, E>> for Outcome {
    fn from(result: Result<Outcome, E>) -> Self {
        result.unwrap_or_else(|error| Self::Fail(error.to_string()))
    }
}
