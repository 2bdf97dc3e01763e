//! Readable differences of two texts.

/// Lines that are shown unchanged around a difference.
const CONTEXT: usize = 2;

/// Beyond this many pairs of differing lines a shortest difference is not looked for.
const MAX_PAIRS: usize = 4_000_000;

/// One line of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Missing(&'a str),
    Extra(&'a str),
}

/// Shows how `actual` differs from `expected`, by lines: `-` is expected and missing, `+` is there and not expected.
///
/// ```
/// assert_eq!(conformance::diff::lines("a\nb\n", "a\nc\n"), "  a\n- b\n+ c\n");
/// ```
pub fn lines(expected: &str, actual: &str) -> String {
    let old: Vec<&str> = expected.lines().collect();
    let new: Vec<&str> = actual.lines().collect();
    let edits = compare(&old, &new);
    let changed: Vec<usize> = edits
        .iter()
        .enumerate()
        .filter(|(_, line)| !matches!(line, Line::Same(_)))
        .map(|(index, _)| index)
        .collect();
    if changed.is_empty() {
        return "the texts differ only in how their lines end\n".to_owned();
    }

    let mut text = String::new();
    let mut shown_until = 0;
    let mut next_change = 0;
    for (index, line) in edits.iter().enumerate() {
        while changed.get(next_change).is_some_and(|&change| change < index) {
            next_change += 1;
        }
        let before = next_change.checked_sub(1).and_then(|previous| changed.get(previous));
        let near = before.is_some_and(|&change| index - change <= CONTEXT)
            || changed.get(next_change).is_some_and(|&change| change - index <= CONTEXT);
        if !near {
            continue;
        }
        if shown_until < index {
            text.push_str("  ...\n");
        }
        shown_until = index + 1;
        let (mark, line) = match line {
            Line::Same(line) => (' ', line),
            Line::Missing(line) => ('-', line),
            Line::Extra(line) => ('+', line),
        };
        text.push(mark);
        text.push(' ');
        text.push_str(line);
        text.push('\n');
    }
    if shown_until < edits.len() {
        text.push_str("  ...\n");
    }
    text
}

/// The shortest way from `old` to `new`, by their longest common subsequence.
fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (common, old) = old.split_at(start);
    let (_, new) = new.split_at(start);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, tail) = old.split_at(old.len() - end);
    let (new, _) = new.split_at(new.len() - end);

    let mut edits: Vec<Line> = common.iter().map(|line| Line::Same(line)).collect();
    if old.len().saturating_mul(new.len()) > MAX_PAIRS {
        edits.extend(old.iter().map(|line| Line::Missing(line)));
        edits.extend(new.iter().map(|line| Line::Extra(line)));
    } else {
        shortest(old, new, &mut edits);
    }
    edits.extend(tail.iter().map(|line| Line::Same(line)));
    edits
}

fn shortest<'a>(old: &[&'a str], new: &[&'a str], edits: &mut Vec<Line<'a>>) {
    // `rest` at (i, j): how many lines old[i..] and new[j..] have in common at most.
    let width = new.len() + 1;
    let mut rest = vec![0u32; (old.len() + 1) * width];
    let at = |rest: &[u32], i: usize, j: usize| rest.get(i * width + j).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let best = match a == b {
                true => at(&rest, i + 1, j + 1) + 1,
                false => at(&rest, i + 1, j).max(at(&rest, i, j + 1)),
            };
            if let Some(cell) = rest.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                edits.push(Line::Same(a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || at(&rest, i + 1, j) >= at(&rest, i, j + 1) => {
                edits.push(Line::Missing(a));
                i += 1;
            }
            (_, Some(b)) => {
                edits.push(Line::Extra(b));
                j += 1;
            }
            (_, None) => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_is_missing_and_what_is_extra() {
        let check = |expected: &str, actual: &str, shown: &str| assert_eq!(lines(expected, actual), shown);
        check("a\nb\nc\n", "a\nc\n", "  a\n- b\n  c\n");
        check("a\nc\n", "a\nb\nc\n", "  a\n+ b\n  c\n");
        check("", "x", "+ x\n");
        check("x", "", "- x\n");
        check("a\nb\nc\nd", "b\nc\nd\na", "- a\n  b\n  c\n  ...\n  d\n+ a\n".replace("  ...\n", "").as_str());
        check(
            "x\n1\n2\n3\n4\n5\ny",
            "X\n1\n2\n3\n4\n5\nY",
            "- x\n+ X\n  1\n  2\n  ...\n  4\n  5\n- y\n+ Y\n",
        );
        check("a\n", "a", "the texts differ only in how their lines end\n");
    }
}
