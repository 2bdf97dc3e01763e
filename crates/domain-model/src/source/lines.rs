//! Lines and columns of places in a text.

use super::Position;

/// How far marks are apart, in bytes.
const STEP: usize = 1024;

/// An index of a text: tells the line and column of any place in time that does not grow with the text, however long
/// its lines are.
///
/// ```
/// use domain_model::source::{Lines, Position};
///
/// let text = "one\ntwo";
/// let lines = Lines::of(text);
/// assert_eq!(lines.position(text, 5), Position { line: 2, column: 2 });
/// assert_eq!(lines.line_start(text, 5), 4);
/// ```
#[derive(Debug, Clone)]
pub struct Lines {
    /// What is known of every so many bytes, from the start of the text.
    marks: Vec<Mark>,
}

/// A place, where its line starts, and which line and column it is.
#[derive(Debug, Clone, Copy)]
struct Mark {
    offset: usize,
    line_start: usize,
    position: Position,
}

impl Mark {
    const START: Mark = Mark { offset: 0, line_start: 0, position: Position { line: 1, column: 1 } };

    /// The mark of a place further on; `between` is the text up to there.
    fn forward(self, between: &str) -> Mark {
        let offset = self.offset + between.len();
        let Some(last) = between.rfind('\n') else {
            let column = self.position.column + between.chars().count();
            return Mark { offset, position: Position { column, ..self.position }, ..self };
        };
        let lines = between.bytes().filter(|byte| *byte == b'\n').count();
        let column = between.get(last + 1..).unwrap_or_default().chars().count() + 1;
        let position = Position { line: self.position.line + lines, column };
        Mark { offset, line_start: self.offset + last + 1, position }
    }
}

impl Lines {
    /// Reads the text once.
    pub fn of(text: &str) -> Self {
        let mut marks = vec![Mark::START];
        let mut mark = Mark::START;
        while mark.offset + STEP < text.len() {
            let next = floor(text, mark.offset + STEP);
            mark = mark.forward(text.get(mark.offset..next).unwrap_or_default());
            marks.push(mark);
        }
        Lines { marks }
    }

    /// Line and column of a byte offset in the text that was read.
    pub fn position(&self, text: &str, offset: usize) -> Position {
        self.find(text, offset).position
    }

    /// The byte offset at which the line begins that has this byte offset.
    pub fn line_start(&self, text: &str, offset: usize) -> usize {
        self.find(text, offset).line_start
    }

    fn find(&self, text: &str, offset: usize) -> Mark {
        let offset = floor(text, offset);
        let behind = self.marks.partition_point(|mark| mark.offset <= offset);
        let mark = behind.checked_sub(1).and_then(|index| self.marks.get(index)).unwrap_or(&Mark::START);
        mark.forward(text.get(mark.offset..offset).unwrap_or_default())
    }
}

/// The start of the character at an offset.
fn floor(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_what_counting_says() {
        let long = "ü".repeat(3000);
        for text in
            ["", "a", "\n", "a\nb\n", &long, &format!("{long}\n{long}\n\n{long}"), &"ab\n".repeat(2000)]
        {
            let lines = Lines::of(text);
            for (offset, _) in text.char_indices().chain([(text.len(), ' ')]).step_by(7) {
                let before = &text[..offset];
                let start = before.rfind('\n').map_or(0, |newline| newline + 1);
                let expected = Position {
                    line: before.matches('\n').count() + 1,
                    column: before[start..].chars().count() + 1,
                };
                assert_eq!(lines.position(text, offset), expected, "{offset}");
                assert_eq!(lines.line_start(text, offset), start, "{offset}");
            }
            assert_eq!(lines.position(text, usize::MAX), lines.position(text, text.len()));
        }
    }
}
