//! The problems of one reading, bounded in number.

use crate::{Code, Diagnostic, Origin};

/// How many problems are listed; what follows is counted in one more.
///
/// A file can hold a million of them, and each costs a search through the text when it is printed.
pub const MAX_PROBLEMS: usize = 1000;

/// The problems of one reading.
#[derive(Debug, Default)]
pub(super) struct Problems {
    listed: Vec<Diagnostic>,
    unlisted_errors: usize,
    unlisted_warnings: usize,
}

impl Problems {
    /// Whether a further problem is counted only, so that it need not be worked out.
    pub(super) fn is_full(&self) -> bool {
        self.listed.len() >= MAX_PROBLEMS
    }

    /// Counts a warning that is not worked out.
    pub(super) fn count_warning(&mut self) {
        self.unlisted_warnings += 1;
    }

    pub(super) fn push(&mut self, problem: Diagnostic) {
        if !self.is_full() {
            self.listed.push(problem);
        } else if problem.is_error() {
            self.unlisted_errors += 1;
        } else {
            self.count_warning();
        }
    }

    /// All problems, in the order of `key`.
    pub(super) fn into_sorted<K: Ord>(mut self, key: impl FnMut(&Diagnostic) -> K) -> Vec<Diagnostic> {
        self.listed.sort_by_cached_key(key);
        let unlisted = self.unlisted_errors.saturating_add(self.unlisted_warnings);
        if unlisted > 0 {
            let new = if self.unlisted_errors > 0 { Diagnostic::error } else { Diagnostic::warning };
            self.listed.push(new(
                Code::TooMany,
                Origin::Built,
                format!("{unlisted} further problems are not listed"),
            ));
        }
        self.listed
    }
}
