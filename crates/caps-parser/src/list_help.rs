//! `-accel`, `-object`, `-netdev`, `-chardev` and `-tpmdev help`: plain lists.

use crate::names::NameSet;

/// The first words of the lines between the heading that begins with `heading` and the next empty line.
///
/// Nothing if the heading is not there: this QEMU does not have the list. Descriptions behind the words, blanks before them
/// and noise above the heading do not matter.
pub fn parse(text: &str, heading: &str) -> Option<NameSet> {
    let mut lines = text.lines();
    let first = lines.by_ref().find_map(|line| line.trim_start().strip_prefix(heading))?;
    // `Possible accelerators: kvm, xen, tcg` has its list on the same line.
    let (_, same_line) = first.split_once(':')?;
    let words = same_line.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    let below = lines
        .take_while(|line| !line.trim().is_empty())
        .filter_map(|line| line.split_ascii_whitespace().next());
    Some(words.chain(below).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_every_shape() {
        let check = |text: &str, heading: &str, expected: Option<&[&str]>| {
            let names = parse(text, heading);
            let got = names.as_ref().map(|names| names.iter().collect::<Vec<_>>());
            assert_eq!(got.as_deref(), expected, "{text}");
        };
        check(
            "noise\nAccelerators supported in QEMU binary:\ntcg\nkvm\n",
            "Accelerators",
            Some(&["kvm", "tcg"]),
        );
        check("Possible accelerators: kvm, tcg\n", "Possible accelerators", Some(&["kvm", "tcg"]));
        check("List of user creatable objects:\n  a\n  b\n\nmore\n", "List of", Some(&["a", "b"]));
        check(
            "Supported TPM types (choose only one):\n  passthrough   Driver\n",
            "Supported TPM",
            Some(&["passthrough"]),
        );
        check("Available x:\n", "Available", Some(&[]));
        check("qemu: -netdev help: not understood\n", "Available", None);
    }
}
