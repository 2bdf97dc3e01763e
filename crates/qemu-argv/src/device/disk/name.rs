//! Names of disks, such as `sda`, and their numbers.

/// The number of a disk by its name: `sda` is 0, `vdb` is 1, `hdaa` is 26.
///
/// Digits behind the letters, as of a partition, do not count.
pub(crate) fn index(name: &str) -> Option<u32> {
    let letters =
        ["fd", "hd", "vd", "sd", "xvd", "ubd"].iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let digits = letters.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let has_leading_zero = digits.len() > 1 && digits.starts_with('0');
    if digits.len() == letters.len() || has_leading_zero || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let letters = letters.get(..letters.len() - digits.len())?;
    let number = letters.bytes().try_fold(0u32, |number, letter| {
        number.checked_mul(26)?.checked_add(u32::from(letter.checked_sub(b'a')?) + 1)
    })?;
    number.checked_sub(1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names() {
        let check = |name, expected| assert_eq!(super::index(name), expected, "{name}");
        check("sda", Some(0));
        check("vdz", Some(25));
        check("hdaa", Some(26));
        check("xvdb", Some(1));
        check("sdc3", Some(2));
        check("sdc03", None);
        check("sd", None);
        check("sdA", None);
        check("eda", None);
        check("sdzzzzzzzzzzzzzz", None);
    }
}
