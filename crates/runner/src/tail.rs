//! The last lines a process said.

/// Bytes kept. QEMU's longest complaints are a few hundred.
const KEPT: usize = 8 << 10;
/// Lines shown.
const LINES: usize = 20;

/// Keeps the end of an endless stream.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    /// The tail of a text that is complete.
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut tail = Self::default();
        tail.push(text);
        tail
    }

    /// Adds what came next and forgets what is too long ago.
    pub(crate) fn push(&mut self, text: &[u8]) {
        let text = text.get(text.len().saturating_sub(KEPT)..).unwrap_or_default();
        self.bytes.extend_from_slice(text);
        let excess = self.bytes.len().saturating_sub(KEPT);
        self.bytes.drain(..excess);
    }

    /// The last lines, control characters made harmless for a terminal.
    pub(crate) fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
        let clean = |c: char| if c.is_control() && c != '\t' && c != '\n' { '\u{fffd}' } else { c };
        last.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n").chars().map(clean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: &str) {
        assert_eq!(Tail::of(input).text(), expected);
    }

    #[test]
    fn keeps_the_end_and_cleans_it() {
        check(b"", "");
        check(b"one\ntwo\r\n", "one\ntwo");
        check(b"a\x1b[2Jb\n", "a\u{fffd}[2Jb");
        check(b"\xff", "\u{fffd}");
        let many: String = (0..100).map(|n| format!("{n}\n")).collect();
        check(many.as_bytes(), &(80..100).map(|n| n.to_string()).collect::<Vec<_>>().join("\n"));
        check(&[b'x'; 3 * KEPT], &"x".repeat(KEPT));
    }
}
