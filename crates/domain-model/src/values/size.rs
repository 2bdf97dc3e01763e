//! Sizes and their units.

use crate::xml::{Layout, Text, TextError, Xml};
use crate::{Code, Diagnostic};

/// One KiB in bytes.
pub const KIB: u64 = 1 << 10;
/// One MiB in bytes.
pub const MIB: u64 = 1 << 20;

/// An amount of memory in KiB; written as `<size unit='KiB'>1024</size>`.
///
/// What is read may have any [`Unit`]; a part of a KiB counts as a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Kib(pub u64);

impl Kib {
    /// The size in bytes, unless it is more than 16 EiB.
    pub fn bytes(self) -> Option<u64> {
        self.0.checked_mul(KIB)
    }
}

/// A size in bytes; written as `<size unit='bytes'>1024</size>`. What is read may have any [`Unit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

/// A size in bytes; written as `<size unit='B'>1024</size>`. What is read may have any [`Unit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ShortBytes(pub u64);

/// A size in bytes; written in the largest unit that leaves a whole number, such as `<size unit='MiB'>1</size>`.
///
/// `UNIT` is the number of bytes in the unit that is meant where none is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scaled<const UNIT: u64>(pub u64);

/// A size that is written as a number and a unit.
pub trait Size: Copy {
    /// The number of bytes in the unit that is meant where none is written.
    const UNIT: u64;

    /// The size of so many bytes, rounded up.
    fn from_bytes(bytes: u64) -> Self;

    /// The number and the unit that are written.
    fn parts(self) -> (u64, Unit);
}

impl Size for Kib {
    const UNIT: u64 = KIB;

    fn from_bytes(bytes: u64) -> Self {
        Kib(bytes.div_ceil(KIB))
    }

    fn parts(self) -> (u64, Unit) {
        (self.0, Unit { bytes: KIB, name: "KiB" })
    }
}

impl Size for Bytes {
    const UNIT: u64 = 1;

    fn from_bytes(bytes: u64) -> Self {
        Bytes(bytes)
    }

    fn parts(self) -> (u64, Unit) {
        (self.0, Unit { bytes: 1, name: "bytes" })
    }
}

impl Size for ShortBytes {
    const UNIT: u64 = 1;

    fn from_bytes(bytes: u64) -> Self {
        ShortBytes(bytes)
    }

    fn parts(self) -> (u64, Unit) {
        (self.0, Unit { bytes: 1, name: "B" })
    }
}

impl<const UNIT: u64> Size for Scaled<UNIT> {
    const UNIT: u64 = UNIT;

    fn from_bytes(bytes: u64) -> Self {
        Scaled(bytes)
    }

    fn parts(self) -> (u64, Unit) {
        let mut unit = Unit { bytes: 1, name: "bytes" };
        for (power, name) in (1_u32..).zip(BINARY) {
            let bytes = 1_u64 << (10 * power);
            if self.0 != 0 && self.0.is_multiple_of(bytes) {
                unit = Unit { bytes, name };
            }
        }
        (self.0 / unit.bytes, unit)
    }
}

const BINARY: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const DECIMAL: [&str; 6] = ["KB", "MB", "GB", "TB", "PB", "EB"];

/// A unit of sizes: `bytes`, `KiB`, `MiB` … in powers of 1024, `KB`, `MB` … in powers of 1000.
///
/// A letter alone, such as `M`, is a power of 1024; upper and lower case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unit {
    bytes: u64,
    name: &'static str,
}

impl Unit {
    /// How many bytes the unit has.
    pub fn bytes(self) -> u64 {
        self.bytes
    }
}

impl Text for Unit {
    fn parse(text: &str) -> Result<Self, TextError> {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        if ["b", "byte", "bytes"].into_iter().any(is) {
            return Ok(Unit { bytes: 1, name: "bytes" });
        }
        for (power, (binary, decimal)) in (1_u32..).zip(BINARY.into_iter().zip(DECIMAL)) {
            if is(binary) || binary.strip_suffix("iB").is_some_and(is) {
                return Ok(Unit { bytes: 1 << (10 * power), name: binary });
            }
            if is(decimal) {
                return Ok(Unit { bytes: 1000_u64.saturating_pow(power), name: decimal });
            }
        }
        Err(TextError::expected("a unit, such as `bytes`, `KiB` or `MB`").code(Code::BadNumber))
    }

    fn print(&self, out: &mut String) {
        out.push_str(self.name);
    }
}

/// Describes the inside of an element whose text is a size, such as `<size unit='KiB'>1024</size>`.
///
/// An empty element says nothing, as for libvirt.
pub fn size<X: Xml, S: Size>(xml: &mut X, value: &mut Option<S>) {
    let (mut count, mut unit) = value.map(Size::parts).unzip();
    // Where there was no unit yet, all sizes were in KiB.
    if xml.layout() == Layout::Libvirt2011 {
        unit = unit.filter(|unit| unit.bytes() != 1 << 10);
    }
    xml.optional("unit", &mut unit);
    super::unless_empty(xml, &mut count);
    join(xml, count, unit, value);
}

/// Describes a size that is the attribute `name`, with the attribute `unit` behind it.
pub fn size_attribute<X: Xml, S: Size>(xml: &mut X, name: &'static str, value: &mut Option<S>) {
    let (mut count, mut unit) = value.map(Size::parts).unzip();
    xml.attribute(name, &mut count);
    xml.optional("unit", &mut unit);
    join(xml, count, unit, value);
}

fn join<X: Xml, S: Size>(xml: &mut X, count: Option<u64>, unit: Option<Unit>, value: &mut Option<S>) {
    if let (true, Some(count)) = (X::READS, count) {
        match count.checked_mul(unit.map_or(S::UNIT, Unit::bytes)) {
            Some(bytes) => *value = Some(S::from_bytes(bytes)),
            None => {
                let message = format!("bad size `{count}`: it is more than 16 EiB");
                xml.report(Diagnostic::error(Code::BadValue, xml.at(""), message));
            }
        }
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
    fn scaled_sizes() {
        fn check(bytes: u64, expected: (u64, &str)) {
            let (count, unit) = Scaled::<1>::from_bytes(bytes).parts();
            assert_eq!((count, unit.to_text().as_str()), expected);
        }
        check(0, (0, "bytes"));
        check(1, (1, "bytes"));
        check(1025, (1025, "bytes"));
        check(1536 << 10, (1536, "KiB"));
        check(48 << 20, (48, "MiB"));
        check(1 << 60, (1, "EiB"));
    }
}
