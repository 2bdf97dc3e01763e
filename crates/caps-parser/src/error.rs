//! The one error every parser of this crate returns.

use thiserror::Error;

/// How much of the offending text an error carries, in bytes.
const NEAR: usize = 60;

/// How long an explanation may be, in characters: those of the JSON reader quote the value they do not like, whole.
const WHAT: usize = 200;

/// A text that is not what the parser was promised.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{what} (at byte {offset}, near `{near}`)")]
pub struct ParseError {
    /// What was expected or what is wrong: lower case, no full stop.
    pub what: String,
    /// Where in the text, in bytes from its start.
    pub offset: usize,
    /// The text at that place: one line, shortened.
    pub near: String,
}

impl ParseError {
    /// An error about `text` at byte `offset`.
    pub fn new(what: impl Into<String>, text: &str, offset: usize) -> Self {
        let mut start = offset.min(text.len());
        while !text.is_char_boundary(start) {
            start = start.saturating_sub(1);
        }
        let rest = text.get(start..).unwrap_or_default();
        let near = rest.lines().next().unwrap_or_default();
        let near = near.char_indices().take_while(|(at, _)| *at < NEAR).map(|(_, c)| c).collect();
        let mut what: String = what.into();
        if let Some((end, _)) = what.char_indices().nth(WHAT) {
            what.truncate(end);
            what.push('…');
        }
        Self { what, offset: start, near }
    }

    /// An error of the JSON reader, which counts lines and columns instead of bytes.
    pub(crate) fn json(what: &str, text: &str, error: &serde_json::Error) -> Self {
        let line_start: usize =
            text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let offset = line_start.saturating_add(error.column().saturating_sub(1));
        Self::new(format!("{what}: {error}"), text, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_quote_the_place_and_stay_short() {
        let check = |text: &str, offset: usize, expected: &str| {
            assert_eq!(ParseError::new("wrong", text, offset).to_string(), expected, "{text} {offset}");
        };
        check("one two", 4, "wrong (at byte 4, near `two`)");
        check("aé", 2, "wrong (at byte 1, near `é`)");
        check("one\ntwo", 0, "wrong (at byte 0, near `one`)");
        check("short", 99, "wrong (at byte 5, near ``)");
        let long = "x".repeat(1000);
        let error = ParseError::new(long.clone(), &long, 0);
        assert!(error.to_string().chars().count() < 320, "{error}");
    }
}
