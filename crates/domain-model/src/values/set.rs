//! Sets of small numbers, such as CPUs.

use std::fmt;

use crate::xml::{Text, TextError, Xml};
use crate::{Code, Diagnostic};

/// A set of small numbers, such as CPUs or NUMA nodes: `0-3,^2,8`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CpuSet {
    /// First and last number of each run, ascending, with gaps between them.
    runs: Vec<(u32, u32)>,
}

impl CpuSet {
    /// The largest number that may be in a set.
    pub const MAX: u32 = 16383;

    /// Whether there is no number in the set.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether a number is in the set.
    pub fn contains(&self, number: u32) -> bool {
        self.runs.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.runs.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// First and last number of each run of numbers, ascending.
    pub fn runs(&self) -> &[(u32, u32)] {
        &self.runs
    }

    /// The smallest number.
    pub fn first(&self) -> Option<u32> {
        self.runs.first().map(|(first, _)| *first)
    }

    /// The largest number.
    pub fn last(&self) -> Option<u32> {
        self.runs.last().map(|(_, last)| *last)
    }

    /// Whether a number is in both sets.
    pub fn overlaps(&self, other: &CpuSet) -> bool {
        self.runs.iter().any(|(first, last)| other.runs.iter().any(|(from, to)| first <= to && from <= last))
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut numbers: Vec<u32> = numbers.into_iter().collect();
        numbers.sort_unstable();
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for number in numbers {
            match runs.last_mut() {
                Some((_, last)) if number <= last.saturating_add(1) => *last = number,
                _ => runs.push((number, number)),
            }
        }
        CpuSet { runs }
    }
}

impl Text for CpuSet {
    fn parse(text: &str) -> Result<Self, TextError> {
        let error = || TextError::expected(format!("numbers up to {}, such as `0-3,^2,8`", CpuSet::MAX));
        let number = |text: &str| match text.trim().parse::<u32>() {
            Ok(number) if number <= CpuSet::MAX => Ok(number),
            _ => Err(error()),
        };
        let mut members = vec![false; CpuSet::MAX as usize + 1];
        for part in text.split(',') {
            let part = part.trim();
            let (first, last, member) = match (part.strip_prefix('^'), part.split_once('-')) {
                (Some(single), _) => (number(single)?, number(single)?, false),
                (None, Some((first, last))) => (number(first)?, number(last)?, true),
                (None, None) => (number(part)?, number(part)?, true),
            };
            match members.get_mut(first as usize..=last as usize) {
                Some(run) => run.fill(member),
                None => return Err(error()),
            }
        }
        Ok((0..).zip(members).filter(|(_, member)| *member).map(|(number, _)| number).collect())
    }

    fn print(&self, out: &mut String) {
        for (index, (first, last)) in self.runs.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            first.print(out);
            if last > first {
                out.push('-');
                last.print(out);
            }
        }
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// Names a set of numbers that is an attribute.
///
/// libvirt has its own classes of error for sets: a set that cannot be read is an invalid argument, an empty
/// one is unsupported.
pub fn set<X: Xml>(xml: &mut X, name: &'static str, value: &mut Option<CpuSet>) {
    if !X::READS {
        xml.attribute(name, value);
        return;
    }
    let mut text: Option<String> = None;
    xml.attribute(name, &mut text);
    let Some(text) = text else { return };
    let (code, message) = match CpuSet::parse(&text) {
        Ok(set) if set.is_empty() => (Code::Unsupported, format!("`{text}` for `{name}` leaves no number")),
        Ok(set) => {
            *value = Some(set);
            return;
        }
        Err(error) => (Code::InvalidArgument, format!("bad value `{text}` for `{name}`: {error}")),
    };
    let origin = xml.at("");
    xml.report(Diagnostic::error(code, origin, message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_sets() {
        fn check(input: &str, expected: Option<&str>) {
            assert_eq!(CpuSet::parse(input).ok().map(|set| set.to_text()).as_deref(), expected);
        }
        check("0", Some("0"));
        check("3,1,2,8", Some("1-3,8"));
        check(" 0-7 , ^3 ", Some("0-2,4-7"));
        check("^3,0-7", Some("0-7"));
        check("0,^0", Some(""));
        check("16383", Some("16383"));
        check("16384", None);
        check("7-3", None);
        check("^1-2", None);
        check("1,", None);
        check("", None);
        check("a", None);
    }

    #[test]
    fn members() {
        let set: CpuSet = [5, 1, 2, 2].into_iter().collect();
        assert_eq!(set.runs(), [(1, 2), (5, 5)]);
        assert_eq!((set.len(), set.first(), set.last()), (3, Some(1), Some(5)));
        assert!(set.contains(5) && !set.contains(3));
        assert!(set.overlaps(&[5].into_iter().collect()) && !set.overlaps(&[0, 3].into_iter().collect()));
    }
}
