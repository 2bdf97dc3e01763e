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
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut numbers: Vec<u32> = numbers.into_iter().collect();
        numbers.sort_unstable();
        let mut set = CpuSet::default();
        for number in numbers {
            set.append(number, number);
        }
        set
    }
}

impl CpuSet {
    /// Appends a run that does not start in front of the last one.
    fn append(&mut self, first: u32, last: u32) {
        match self.runs.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => self.runs.push((first, last)),
        }
    }
}

/// One bit for each number; what takes long with runs is quick with it.
pub(crate) struct Bits([u64; Bits::WORDS]);

impl Bits {
    const WORDS: usize = (CpuSet::MAX as usize + 1) / 64;

    pub(crate) fn new() -> Self {
        Bits([0; Bits::WORDS])
    }

    fn masks(first: u32, last: u32) -> impl Iterator<Item = (usize, u64)> {
        (first / 64..=last / 64).map(move |word| {
            let low = if word == first / 64 { first % 64 } else { 0 };
            let high = if word == last / 64 { last % 64 } else { 63 };
            (word as usize, (u64::MAX << low) & (u64::MAX >> (63 - high)))
        })
    }

    fn set(&mut self, first: u32, last: u32, member: bool) {
        for (word, mask) in Bits::masks(first, last.min(CpuSet::MAX)) {
            if let Some(bits) = self.0.get_mut(word) {
                *bits = if member { *bits | mask } else { *bits & !mask };
            }
        }
    }

    /// Adds the numbers of a set, and says whether none of them was there.
    pub(crate) fn claim(&mut self, set: &CpuSet) -> bool {
        let is_free = set.runs.iter().all(|(first, last)| {
            Bits::masks(*first, (*last).min(CpuSet::MAX))
                .all(|(word, mask)| self.0.get(word).is_none_or(|bits| bits & mask == 0))
        });
        for (first, last) in &set.runs {
            self.set(*first, *last, true);
        }
        is_free
    }

    /// The numbers as a set.
    pub(crate) fn to_set(&self) -> CpuSet {
        let mut set = CpuSet::default();
        for (base, word) in (0_u32..).step_by(64).zip(self.0) {
            if word == u64::MAX {
                set.append(base, base + 63);
            } else if word != 0 {
                for bit in (0..64).filter(|bit| word >> bit & 1 == 1) {
                    set.append(base + bit, base + bit);
                }
            }
        }
        set
    }
}

impl Text for CpuSet {
    fn parse(text: &str) -> Result<Self, TextError> {
        let error = || {
            TextError::expected(format!("numbers up to {}, such as `0-3,^2,8`", CpuSet::MAX))
                .code(Code::BadNumber)
        };
        let number = |text: &str| match text.trim().parse::<u32>() {
            Ok(number) if number <= CpuSet::MAX => Ok(number),
            _ => Err(error()),
        };
        let mut members = Bits::new();
        for part in text.split(',') {
            let part = part.trim();
            match (part.strip_prefix('^'), part.split_once('-')) {
                (Some(single), _) => {
                    let single = number(single)?;
                    members.set(single, single, false);
                }
                (None, Some((first, last))) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        return Err(error());
                    }
                    members.set(first, last, true);
                }
                (None, None) => {
                    let single = number(part)?;
                    members.set(single, single, true);
                }
            }
        }
        Ok(members.to_set())
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
    set_is_written(xml, name, value);
}

pub(crate) fn set_is_written<X: Xml>(xml: &mut X, name: &'static str, value: &mut Option<CpuSet>) -> bool {
    if !X::READS {
        xml.attribute(name, value);
        return value.is_some();
    }
    let mut text: Option<String> = None;
    xml.attribute(name, &mut text);
    let Some(text) = text else { return false };
    let (code, message) = match CpuSet::parse(&text) {
        Ok(set) if set.is_empty() => (Code::Unsupported, format!("`{text}` for `{name}` leaves no number")),
        Ok(set) => {
            *value = Some(set);
            return true;
        }
        Err(error) => (Code::InvalidArgument, format!("bad value `{text}` for `{name}`: {error}")),
    };
    xml.report(Diagnostic::error(code, xml.at(""), message));
    true
}

/// Names a set of numbers that is an attribute of `element` and has to be there.
pub fn required_set<X: Xml>(xml: &mut X, element: &str, name: &'static str, value: &mut Option<CpuSet>) {
    if !set_is_written(xml, name, value) && X::READS {
        super::missing(xml, element, name);
    }
}

/// Names a set that a pinned thread needs: libvirt calls it an internal error that it is missing.
pub fn pinned_set<X: Xml>(xml: &mut X, element: &str, name: &'static str, value: &mut Option<CpuSet>) {
    if !set_is_written(xml, name, value) && X::READS {
        let message = format!("`<{element}>` needs the attribute `{name}`");
        xml.report(Diagnostic::error(Code::Malformed, xml.at(""), message));
    }
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
    }

    #[test]
    fn claims() {
        fn check(sets: &[&str], expected: &[bool], union: &str) {
            let mut bits = Bits::new();
            let claimed: Vec<bool> =
                sets.iter().map(|set| bits.claim(&CpuSet::parse(set).unwrap())).collect();
            assert_eq!((claimed.as_slice(), bits.to_set().to_text().as_str()), (expected, union));
        }
        check(&["0-3", "4", "3-5"], &[true, true, false], "0-5");
        check(&["63-64", "60-70", "127,129"], &[true, false, true], "60-70,127,129");
        check(&["0-16383", "16383"], &[true, false], "0-16383");
    }
}
