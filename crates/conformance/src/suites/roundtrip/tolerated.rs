//! Other spellings of the same value, which reading and writing may change.

use std::collections::BTreeSet;

use crate::tree::Element;

/// When two values that are spelled differently are the same.
type Same = fn(&str, &str) -> bool;

/// Ends of paths to attributes of which other spellings are tolerated; `*` stands for any name.
const SPELLINGS: [(&str, Same); 10] = [
    // libvirt writes the parts of addresses with as many hexadecimal digits as they can have.
    ("address/@*", same_number),
    ("zpci/@*", same_number),
    // It writes MAC addresses in lower case.
    ("mac/@address", str::eq_ignore_ascii_case),
    // It writes sets of numbers in order, and without exceptions.
    ("*/@nodeset", same_set),
    ("*/@cpuset", same_set),
    ("*/@vcpus", same_set),
    ("*/@iothreads", same_set),
    // It writes modes of files in octal with four digits.
    ("filesystem/@fmode", same_octal),
    ("filesystem/@dmode", same_octal),
    // It takes USB versions for decimal fractions, and writes them with two places.
    ("usbdev/@version", same_fraction),
];

/// Values that libvirt leaves out, because nothing means the same.
const LEFT_OUT: [(&str, &str); 5] = [
    ("usbdev/@class", "-1"),
    ("usbdev/@vendor", "-1"),
    ("usbdev/@product", "-1"),
    ("usbdev/@version", "-1"),
    ("frames/@max", "0"),
];

/// Elements that libvirt leaves out if there is nothing in them.
const LEFT_OUT_IF_EMPTY: [&str; 3] = ["interface/coalesce", "coalesce/rx", "rx/frames"];

/// Whether the attribute at `path` means the same in both spellings.
pub fn same_attribute(path: &str, before: &str, after: &str) -> bool {
    before == after || SPELLINGS.iter().any(|(end, same)| ends_with(path, end) && same(before, after))
}

/// Whether the attribute at `path` may be left out.
pub fn attribute_left_out(path: &str, value: &str) -> bool {
    LEFT_OUT.iter().any(|(end, empty)| ends_with(path, end) && *empty == value)
}

/// Whether the element at `path` may be left out.
pub fn element_left_out(path: &str, element: &Element) -> bool {
    LEFT_OUT_IF_EMPTY.iter().any(|end| ends_with(path, end))
        && element.text.is_empty()
        && element
            .attributes
            .iter()
            .all(|(name, value)| attribute_left_out(&format!("{path}/@{name}"), value))
        && element.children.iter().all(|child| element_left_out(&format!("{path}/{}", child.name), child))
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
        names.next().is_some_and(|name| match wanted {
            "*" => true,
            "@*" => name.starts_with('@'),
            _ => name == wanted,
        })
    })
}

fn same_number(before: &str, after: &str) -> bool {
    match (number(before), number(after)) {
        (Some(before), Some(after)) => before == after,
        _ => false,
    }
}

/// Whether both are the same set of numbers, such as `0-2,^1` and `0,2`.
fn same_set(before: &str, after: &str) -> bool {
    matches!((set(before), set(after)), (Some(before), Some(after)) if before == after)
}

fn set(text: &str) -> Option<BTreeSet<u16>> {
    let mut numbers = BTreeSet::new();
    for part in text.split(',').map(str::trim) {
        match (part.strip_prefix('^'), part.split_once('-')) {
            (Some(without), _) => {
                numbers.remove(&without.parse().ok()?);
            }
            (None, Some((first, last))) => numbers.extend(first.parse::<u16>().ok()?..=last.parse().ok()?),
            (None, None) => numbers.extend([part.parse::<u16>().ok()?]),
        }
    }
    Some(numbers)
}

fn same_octal(before: &str, after: &str) -> bool {
    let mode = |text| u32::from_str_radix(text, 8).ok();
    mode(before).is_some() && mode(before) == mode(after)
}

fn same_fraction(before: &str, after: &str) -> bool {
    let trim = |text: &str| text.contains('.').then(|| text.trim_end_matches('0').to_owned());
    trim(before).is_some() && trim(before) == trim(after)
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What an element with a `unit` holds, in bytes: as its text, or as its `size`.
fn size(element: &Element) -> Option<u128> {
    let count = element.attribute("size").unwrap_or(element.text.trim());
    let unit = element.attribute("unit")?.to_ascii_lowercase();
    let (letter, base) = match unit.as_str() {
        "b" | "byte" | "bytes" => return number(count).map(u128::from),
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
    u128::from(number(count)?).checked_mul(base.pow(power))
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
        check("/domain/numatune/memnode/@nodeset", "0-2,^1", "0,2", true);
        check("/domain/numatune/memnode/@nodeset", "0-2", "0,2", false);
        check("/domain/devices/filesystem/@fmode", "644", "0644", true);
        check("/domain/devices/redirfilter/usbdev/@version", "9.4", "9.40", true);
        check("/domain/devices/redirfilter/usbdev/@version", "9.4", "9.04", false);
        check("/domain/@type", "kvm", "kvm", true);
    }

    #[test]
    fn elements_are_left_out_only_if_they_say_nothing() {
        let check = |text: &str, left_out: bool| {
            let element = Element::parse(text).unwrap();
            let path = format!("/domain/devices/interface/{}", element.name);
            assert_eq!(element_left_out(&path, &element), left_out, "{text}");
        };
        check("<coalesce><rx><frames max='0'/></rx></coalesce>", true);
        check("<coalesce><rx/></coalesce>", true);
        check("<coalesce><rx><frames max='7'/></rx></coalesce>", false);
        check("<link/>", false);
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
        check("<page size='5' unit='M'/>", "<page size='5120' unit='KiB'/>", true);
        check("<size>1</size>", "<size>1</size>", false);
        check("<size unit='x'>1</size>", "<size unit='x'>1</size>", false);
    }
}
