//! Values that several elements share: sizes, sets, UUIDs, network addresses.

mod set;
mod size;

pub(crate) use set::Bits;
pub use set::{CpuSet, pinned_set, required_set, set};
pub use size::{Bytes, KIB, Kib, MIB, Scaled, ShortBytes, Size, Unit, size, size_attribute};

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::xml::{Text, TextError, Xml};
use crate::{Code, Diagnostic};

/// Names a value that is the text of the element and says nothing if that is empty.
pub fn unless_empty<X: Xml, T: Text>(xml: &mut X, value: &mut Option<T>) {
    if X::READS {
        let mut text: Option<String> = None;
        xml.text(&mut text);
        if text.is_none_or(|text| text.trim().is_empty()) {
            return;
        }
    }
    xml.text(value);
}

/// A word, or `default`, which says nothing.
#[derive(Clone)]
struct UnlessDefault<T>(Option<T>);

impl<T: Text> Text for UnlessDefault<T> {
    fn parse(text: &str) -> Result<Self, TextError> {
        if text == "default" {
            Ok(UnlessDefault(None))
        } else {
            T::parse(text).map(|word| UnlessDefault(Some(word)))
        }
    }

    fn print(&self, out: &mut String) {
        if let UnlessDefault(Some(word)) = self {
            word.print(out);
        }
    }
}

/// Names an attribute that is left to libvirt if it is `default`.
pub fn unless_default<X: Xml, T: Text>(xml: &mut X, name: &'static str, value: &mut Option<T>) {
    let mut word = value.clone().map(|word| UnlessDefault(Some(word)));
    xml.attribute(name, &mut word);
    *value = word.and_then(|UnlessDefault(word)| word);
}

/// Reports, while reading, that the element `element` lacks the attribute `name`.
pub fn missing<X: Xml>(xml: &mut X, element: &str, name: &str) {
    let message = format!("`<{element}>` needs the attribute `{name}`");
    xml.report(Diagnostic::error(Code::MissingAttribute, xml.at(""), message));
}

/// Reports, while reading, that the element `parent` lacks the element `name`, if it does.
pub fn need_element<X: Xml>(xml: &mut X, is_there: bool, parent: &str, name: &str) {
    if X::READS && !is_there {
        let message = format!("`<{parent}>` needs the element `<{name}>`");
        xml.report(Diagnostic::error(Code::MissingElement, xml.at(""), message));
    }
}

/// A UUID. Hyphens may be anywhere or missing when it is read, as libvirt has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Text for Uuid {
    fn parse(text: &str) -> Result<Self, TextError> {
        let wrong = || TextError::expected("a UUID, such as `f0e1d2c3-b4a5-4697-8879-6a5b4c3d2e1f`");
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

/// A MAC address; written in lower case, with two digits for each byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Whether the address stands for a group of hosts; no network card can have such a one.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl Text for MacAddress {
    fn parse(text: &str) -> Result<Self, TextError> {
        let wrong = || TextError::expected("a MAC address, such as `52:54:00:12:34:56`");
        let mut parts = text.split(':');
        let mut bytes = [0; 6];
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.starts_with(|c: char| c.is_ascii_hexdigit()));
            *byte = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or_else(wrong)?;
        }
        if parts.next().is_some() { Err(wrong()) } else { Ok(MacAddress(bytes)) }
    }

    fn print(&self, out: &mut String) {
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(':');
            }
            out.extend([byte >> 4, byte & 15].iter().filter_map(|d| char::from_digit(u32::from(*d), 16)));
        }
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// A number of at most `MAX` that is written in decimal, and read in any base that C reads, such as `0x1f`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CNumber<const MAX: u64>(pub u64);

impl<const MAX: u64> Text for CNumber<MAX> {
    const IS_NUMBER: bool = true;

    fn parse(text: &str) -> Result<Self, TextError> {
        crate::xml::text::parse_c_number(text)
            .filter(|number| *number <= MAX)
            .map(CNumber)
            .ok_or_else(|| TextError::expected(format!("a number from 0 to {MAX}, such as `5` or `0x05`")))
    }

    fn print(&self, out: &mut String) {
        self.0.print(out);
    }
}

macro_rules! standard_values {
    ($($type:ty: $expected:literal;)+) => { $(
        impl Text for $type {
            fn parse(text: &str) -> Result<Self, TextError> {
                text.trim().parse().map_err(|_| TextError::expected($expected))
            }

            fn print(&self, out: &mut String) {
                out.push_str(&self.to_string());
            }
        }
    )+ };
}

standard_values! {
    IpAddr: "an IP address, such as `192.0.2.1` or `2001:db8::1`";
    Ipv4Addr: "an IPv4 address, such as `192.0.2.1`";
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn mac_addresses() {
        fn check(input: &str, expected: Option<&str>) {
            assert_eq!(MacAddress::parse(input).ok().map(|mac| mac.to_text()).as_deref(), expected);
        }
        check("52:54:00:AB:cd:ef", Some("52:54:00:ab:cd:ef"));
        check("2:4:0:a:b:c", Some("02:04:00:0a:0b:0c"));
        check("52:54:00:ab:cd", None);
        check("52:54:00:ab:cd:ef:00", None);
        check("52:54:00:ab:cd:+f", None);
        check("52:54:00:ab:cd:100", None);
        check("52-54-00-ab-cd-ef", None);
    }

    #[test]
    fn c_numbers() {
        fn check(input: &str, expected: Option<&str>) {
            assert_eq!(CNumber::<255>::parse(input).ok().map(|number| number.to_text()).as_deref(), expected);
        }
        check("11", Some("11"));
        check("0x1F", Some("31"));
        check("010", Some("8"));
        check("256", None);
        check("-1", None);
    }
}
