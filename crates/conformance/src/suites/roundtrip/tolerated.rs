//! Other spellings of the same value, which reading and writing may change.

use crate::tree::Element;

/// When two values that are spelled differently are the same.
type Same = fn(&str, &str) -> bool;

/// Ends of paths to attributes of which other spellings are tolerated; `*` stands for any name.
const ATTRIBUTES: [(&str, Same); 3] = [
    // libvirt writes the parts of addresses with as many hexadecimal digits as they can have.
    ("address/@*", same_number),
    ("zpci/@*", same_number),
    // It writes MAC addresses in lower case.
    ("mac/@address", str::eq_ignore_ascii_case),
];

/// Whether the attribute at `path` means the same in both spellings.
pub fn same_attribute(path: &str, before: &str, after: &str) -> bool {
    before == after || ATTRIBUTES.iter().any(|(end, same)| ends_with(path, end) && same(before, after))
}

/// Whether both elements hold the same size; libvirt writes sizes in the unit that it counts them in.
pub fn same_size(before: &Element, after: &Element) -> bool {
    match (size(before), size(after)) {
        (Some(before), Some(after)) => before == after,
        _ => false,
    }
}

fn ends_with(path: &str, end: &str) -> bool {
    let mut names = path.rsplit('/');
    end.rsplit('/').all(|wanted| {
        names.next().is_some_and(|name| name == wanted || wanted == "@*" && name.starts_with('@'))
    })
}

fn same_number(before: &str, after: &str) -> bool {
    match (number(before), number(after)) {
        (Some(before), Some(after)) => before == after,
        _ => false,
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What an element with a `unit` holds, in bytes.
fn size(element: &Element) -> Option<u128> {
    let unit = element.attribute("unit")?.to_ascii_lowercase();
    let (letter, base) = match unit.as_str() {
        "b" | "byte" | "bytes" => return number(element.text.trim()).map(u128::from),
        unit => match (unit.strip_suffix("ib"), unit.strip_suffix('b')) {
            (Some(letter), _) => (letter, 1024u128),
            (None, Some(letter)) => (letter, 1000),
            (None, None) => (unit, 1024),
        },
    };
    let power = match letter {
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return None,
    };
    u128::from(number(element.text.trim())?).checked_mul(base.pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_spellings_of_the_same_value_are_tolerated() {
        let check = |path: &str, before: &str, after: &str, same: bool| {
            assert_eq!(same_attribute(path, before, after), same, "{path} {before} {after}");
        };
        check("/domain/devices/disk/address/@slot", "18", "0x12", true);
        check("/domain/devices/disk/address/@slot", "18", "0x13", false);
        check("/domain/devices/disk/target/@slot", "18", "0x12", false);
        check("/domain/devices/interface/mac/@address", "52:54:00:AA:00:00", "52:54:00:aa:00:00", true);
        check("/domain/devices/interface/mac/@address", "52:54:00:AA:00:00", "52:54:00:ab:00:00", false);
        check("/domain/@type", "kvm", "kvm", true);
    }

    #[test]
    fn sizes_are_compared_by_what_they_hold() {
        let check = |before: &str, after: &str, same: bool| {
            let element = |text: &str| Element::parse(text).unwrap();
            assert_eq!(same_size(&element(before), &element(after)), same, "{before} {after}");
        };
        check("<size unit='K'>16</size>", "<size unit='bytes'>16384</size>", true);
        check("<size unit='GiB'>1</size>", "<size unit='KiB'>1048576</size>", true);
        check("<size unit='GB'>1</size>", "<size unit='KiB'>1048576</size>", false);
        check("<size unit='GB'>1</size>", "<size unit='B'>1000000000</size>", true);
        check("<size>1</size>", "<size>1</size>", false);
        check("<size unit='x'>1</size>", "<size unit='x'>1</size>", false);
    }
}
