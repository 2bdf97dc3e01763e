//! Values that several elements share: sizes and UUIDs.

use std::fmt;

use crate::xml::{Text, TextError, Xml};
use crate::{Code, Diagnostic};

/// An amount of memory in KiB; written as `<size unit='KiB'>1024</size>`.
///
/// What is read may have any [`Unit`]; a part of a KiB counts as a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Kib(pub u64);

/// A size in bytes; written as `<size unit='bytes'>1024</size>`. What is read may have any [`Unit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

/// A size that is written with one unit and read with any.
pub trait Size: Copy {
    /// The unit that is written, and meant where none is.
    const UNIT: Unit;

    /// The size of so many bytes, rounded up.
    fn from_bytes(bytes: u64) -> Self;

    /// The number of units.
    fn count(self) -> u64;
}

impl Size for Kib {
    const UNIT: Unit = Unit(1 << 10);

    fn from_bytes(bytes: u64) -> Self {
        Kib(bytes.div_ceil(1 << 10))
    }

    fn count(self) -> u64 {
        self.0
    }
}

impl Size for Bytes {
    const UNIT: Unit = Unit(1);

    fn from_bytes(bytes: u64) -> Self {
        Bytes(bytes)
    }

    fn count(self) -> u64 {
        self.0
    }
}

impl Kib {
    /// The size in bytes, unless it is more than 16 EiB.
    pub fn bytes(self) -> Option<u64> {
        self.0.checked_mul(1 << 10)
    }
}

/// Describes the inside of an element whose text is a size, such as `<size unit='KiB'>1024</size>`.
pub fn size<X: Xml, S: Size>(xml: &mut X, value: &mut Option<S>) {
    let mut unit = value.map(|_| S::UNIT);
    let mut count = value.map(S::count);
    xml.attribute("unit", &mut unit);
    xml.text(&mut count);
    if let (true, Some(count)) = (X::READS, count) {
        match count.checked_mul(unit.unwrap_or(S::UNIT).bytes()) {
            Some(bytes) => *value = Some(S::from_bytes(bytes)),
            None => {
                let message = format!("bad size `{count}`: it is more than 16 EiB");
                xml.report(Diagnostic::error(Code::BadValue, xml.at(""), message));
            }
        }
    }
}

/// A unit of sizes: `bytes`, `KiB`, `MiB` … in powers of 1024, `KB`, `MB` … in powers of 1000.
///
/// A letter alone, such as `M`, is a power of 1024; upper and lower case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unit(u64);

impl Unit {
    /// How many bytes the unit has.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

const LETTERS: [&str; 6] = ["k", "m", "g", "t", "p", "e"];

impl Text for Unit {
    fn parse(text: &str) -> Result<Self, TextError> {
        let lower = text.to_ascii_lowercase();
        if matches!(lower.as_str(), "b" | "byte" | "bytes") {
            return Ok(Unit(1));
        }
        for (letter, power) in LETTERS.iter().zip(1..) {
            match lower.strip_prefix(letter) {
                Some("" | "ib") => return Ok(Unit(1024_u64.saturating_pow(power))),
                Some("b") => return Ok(Unit(1000_u64.saturating_pow(power))),
                _ => {}
            }
        }
        Err(TextError::expected("a unit, such as `bytes`, `KiB` or `MB`"))
    }

    fn print(&self, out: &mut String) {
        for (letter, power) in LETTERS.iter().zip(1..) {
            let suffix = match self.0 {
                bytes if bytes == 1024_u64.saturating_pow(power) => "iB",
                bytes if bytes == 1000_u64.saturating_pow(power) => "B",
                _ => continue,
            };
            out.push_str(&letter.to_ascii_uppercase());
            out.push_str(suffix);
            return;
        }
        out.push_str("bytes");
    }
}

/// A UUID. Hyphens may be anywhere or missing when it is read, as libvirt has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Text for Uuid {
    fn parse(text: &str) -> Result<Self, TextError> {
        let wrong = || TextError::expected("a UUID, such as `c7a5fdbd-edaf-9455-926a-d65c16db1809`");
        let mut digits = text.chars().filter(|c| *c != '-' && !c.is_ascii_whitespace());
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            let mut digit = || digits.next().and_then(|c| c.to_digit(16)).and_then(|d| u8::try_from(d).ok());
            let (Some(high), Some(low)) = (digit(), digit()) else { return Err(wrong()) };
            *byte = high << 4 | low;
        }
        if digits.next().is_some() { Err(wrong()) } else { Ok(Uuid(bytes)) }
    }

    fn print(&self, out: &mut String) {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            out.extend([byte >> 4, byte & 15].iter().filter_map(|d| char::from_digit(u32::from(*d), 16)));
        }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        fn check(input: &str, expected: Option<(u64, &str)>) {
            let unit = Unit::parse(input).ok();
            assert_eq!(
                unit.map(|unit| (unit.bytes(), unit.to_text())),
                expected.map(|(b, t)| (b, t.to_owned()))
            );
        }
        check("bytes", Some((1, "bytes")));
        check("b", Some((1, "bytes")));
        check("k", Some((1024, "KiB")));
        check("KB", Some((1000, "KB")));
        check("mib", Some((1 << 20, "MiB")));
        check("EiB", Some((1 << 60, "EiB")));
        check("", None);
        check("kibi", None);
    }

    #[test]
    fn uuids() {
        fn check(input: &str, expected: Option<&str>) {
            assert_eq!(Uuid::parse(input).ok().map(|uuid| uuid.to_text()).as_deref(), expected);
        }
        let canonical = "00112233-4455-6677-8899-aabbccddeeff";
        check(canonical, Some(canonical));
        check("00112233445566778899AABBCCDDEEFF", Some(canonical));
        check("00112233-4455-6677-8899-aabbccddeef", None);
        check("00112233-4455-6677-8899-aabbccddeeff0", None);
        check("00112233-4455-6677-8899-aabbccddeefg", None);
    }
}
