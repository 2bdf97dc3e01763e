//! What a line of `-help` is.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::char;
use nom::combinator::recognize;
use nom::multi::{many1_count, separated_list1};
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// The column at which descriptions start, where what is left of it is short enough.
const DESCRIPTION_COLUMN: usize = 16;

/// How many names of one option are kept; QEMU never gave more than two.
const SYNONYMS: usize = 8;

/// A line by its role.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    Blank,
    /// `Standard options:`, without the colon.
    Heading(&'a str),
    /// The program's name in `usage: qemu [options] [disk_image]`.
    Usage(&'a str),
    Option {
        names: Vec<&'a str>,
        argument: String,
        description: &'a str,
    },
    /// Belongs to what is above it.
    Indented(&'a str),
    /// Known not to be about an option.
    Prose,
    Unknown,
}

pub(super) fn classify(line: &str) -> Line<'_> {
    let text = line.trim_end();
    if text.is_empty() {
        return Line::Blank;
    }
    // QEMU 11 forgot to indent a line of grammar.
    if text.starts_with([' ', '\t', '[']) {
        return Line::Indented(text.trim_start());
    }
    if let Ok((rest, mut names)) = names(text) {
        names.truncate(SYNONYMS);
        let (argument, description) = split(text, rest);
        return Line::Option { names, argument: argument.split_ascii_whitespace().collect(), description };
    }
    if let Some(usage) = text.strip_prefix("usage:") {
        return usage.split_ascii_whitespace().next().map_or(Line::Unknown, Line::Usage);
    }
    if PROSE.iter().any(|start| text.starts_with(start)) {
        return Line::Prose;
    }
    match text.strip_suffix(':') {
        Some(heading) if !heading.contains(". ") => Line::Heading(heading),
        _ => Line::Unknown,
    }
}

/// How the lines begin that are neither options nor headings: the key table at the end, the disk image, where to read on.
const PROSE: &[&str] = &[
    "'disk_image'",
    "ctrl-alt",
    "When using -nographic",
    "Copyright",
    "See <",
    "For more information",
    "More information",
    "Note:",
];

/// `-h or -help`, `-fda/-fdb`, `--preconfig`: the names without dashes.
fn names(input: &str) -> IResult<&str, Vec<&str>> {
    let dashes = || (char('-'), nom::combinator::opt(char('-')));
    let name = || preceded(dashes(), recognize(many1_count(take_while1(is_name))));
    separated_list1(alt((tag("/"), tag(" or "))), name()).parse(input)
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}

/// Tells the grammar of the argument from the description; `rest` is the end of `line` behind the names.
fn split<'a>(line: &'a str, rest: &'a str) -> (&'a str, &'a str) {
    let names = line.len().saturating_sub(rest.len());
    // In a column of its own.
    if let Some((left, right)) = line.split_at_checked(DESCRIPTION_COLUMN)
        && left.ends_with([' ', '\t'])
        && let Some(argument) = left.get(names..)
        && !right.starts_with('[')
    {
        return (argument.trim(), right.trim());
    }
    // Set apart by a gap.
    let gap = rest.find("  ").into_iter().chain(rest.find('\t')).min();
    if let Some((argument, description)) = gap.and_then(|at| rest.split_at_checked(at))
        && !description.trim_start().starts_with('[')
    {
        return (argument.trim(), description.trim());
    }
    // Not set apart at all: the words that look like grammar are the argument, and so is a single word.
    let rest = rest.trim();
    if !rest.contains(' ') {
        return (rest, "");
    }
    let grammar =
        |word: &&str| word.trim().is_empty() || word.contains(['[', ']', '|', '=', ',', '<', '>', '%', ':']);
    let end = rest.split_inclusive(' ').take_while(grammar).map(str::len).sum();
    rest.split_at_checked(end).unwrap_or(("", rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let check = |line: &str, expected: Line<'_>| assert_eq!(classify(line), expected, "{line}");
        let option = |names: &[&'static str], argument: &str, description: &'static str| Line::Option {
            names: names.to_vec(),
            argument: argument.to_owned(),
            description,
        };
        check("  ", Line::Blank);
        check("i386 target only:", Line::Heading("i386 target only"));
        check("    -x", Line::Indented("-x"));
        check("usage: qemu [options]", Line::Usage("qemu"));
        check("usage:", Line::Unknown);
        check("-", Line::Unknown);
        check("ctrl-alt-f      toggle", Line::Prose);
        check("-S              wait", option(&["S"], "", "wait"));
        check("-option-rom rom a ROM", option(&["option-rom"], "rom", "a ROM"));
        check("-readconfig <file>", option(&["readconfig"], "<file>", ""));
        check("-bios file", option(&["bios"], "file", ""));
        check("-boot [a=b]     [,c=d]", option(&["boot"], "[a=b][,c=d]", ""));
        check("-vmchannel di:DI,dev  a channel", option(&["vmchannel"], "di:DI,dev", "a channel"));
        check("-très           long", option(&["tr"], "ès", "long"));
    }
}
