//! The first line of `-help`: version, package, KVM fork.

use nom::bytes::complete::{tag, take_till};
use nom::character::complete::{char, space0, space1, u32};
use nom::combinator::opt;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use crate::error::ParseError;
use crate::facts::Facts;
use crate::version::Version;

/// Finds the version line, notes what it says and returns what comes behind it.
pub(super) fn find<'a>(text: &'a str, facts: &mut Facts) -> Result<&'a str, ParseError> {
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if let Ok((_, banner)) = banner(line) {
            facts.version = banner.version;
            (facts.is_kvm, facts.kvm_version) = kvm_fork(banner.tail);
            facts.package = banner.package.unwrap_or_default().trim().to_owned();
            return Ok(after);
        }
        if after.is_empty() {
            return Err(ParseError::new("no line `QEMU emulator version …`", text, 0));
        }
        rest = after;
    }
}

struct Banner<'a> {
    version: Version,
    package: Option<&'a str>,
    /// What comes behind the numbers.
    tail: &'a str,
}

/// `QEMU PC emulator version 0.9.1 (kvm-83), Copyright …`. Two parts make a version (`1.0`); some packagers put no blank
/// before the bracket (`2.5.0(Debian …)`), release candidates have a suffix (`10.0.0-rc1`).
fn banner(line: &str) -> IResult<&str, Banner<'_>> {
    let (rest, _) = (tag("QEMU "), opt(tag("PC ")), tag("emulator version"), space1).parse(line)?;
    let (rest, (major, minor, micro)) =
        (u32, preceded(char('.'), u32), opt(preceded(char('.'), u32))).parse(rest)?;
    let tail = rest;
    let (rest, _) = take_till(|letter| matches!(letter, ' ' | '\t' | '(' | ',')).parse(rest)?;
    let (rest, package) =
        opt(preceded(space0, delimited(char('('), take_till(|letter| letter == ')'), char(')'))))
            .parse(rest)?;
    Ok((rest, Banner { version: Version::new(major, minor, micro.unwrap_or_default()), package, tail }))
}

/// `(kvm-NN…` is release NN of the fork; `(qemu-kvm-…` is the fork without such a number, and so is `(kvm-devel`. libvirt
/// looks for either right behind the version, so that a release candidate (`0.14.0-rc1 (qemu-kvm-…)`) is none of the fork.
fn kvm_fork(tail: &str) -> (bool, u32) {
    let tail = tail.trim_start_matches([' ', '\t']);
    match tail.strip_prefix("(kvm-") {
        Some(release) => (true, u32::<_, nom::error::Error<&str>>(release).map_or(0, |(_, number)| number)),
        None => (tail.starts_with("(qemu-kvm-"), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_line_is_understood() {
        let check = |line: &str, expected: Option<(u64, &str, bool, u32)>| {
            let mut facts = Facts::default();
            let found = find(line, &mut facts).is_ok();
            let got = (facts.version.cooked(), facts.package.as_str(), facts.is_kvm, facts.kvm_version);
            assert_eq!(found.then_some(got), expected, "{line}");
        };
        check("QEMU PC emulator version 0.9.1, Copyright", Some((9001, "", false, 0)));
        check("QEMU PC emulator version 0.9.1 (kvm-74), C", Some((9001, "kvm-74", true, 74)));
        check("QEMU PC emulator version 0.9.1 (kvm-83-maint-1), C", Some((9001, "kvm-83-maint-1", true, 83)));
        check("QEMU PC emulator version 0.9.1 (kvm-devel), C", Some((9001, "kvm-devel", true, 0)));
        check(
            "QEMU emulator version 0.10.50 (qemu-kvm-devel-86)",
            Some((10050, "qemu-kvm-devel-86", true, 0)),
        );
        check("QEMU emulator version 0.12.50(qemu-kvm-devel)", Some((12050, "qemu-kvm-devel", true, 0)));
        check("QEMU emulator version 0.13.0\t (qemu-kvm-0.13", Some((13000, "", true, 0)));
        check("QEMU emulator version 0.14.0-rc1 (qemu-kvm-0.14)", Some((14000, "qemu-kvm-0.14", false, 0)));
        check("QEMU emulator version 0.13.0 ( qemu-kvm-0.13)", Some((13000, "qemu-kvm-0.13", false, 0)));
        check("QEMU emulator version 0.13.0 (Debian), (kvm-83)", Some((13000, "Debian", false, 0)));
        check("QEMU emulator version 1.0 (qemu-kvm-1.0), C", Some((1_000_000, "qemu-kvm-1.0", true, 0)));
        check("QEMU emulator version 1.0,1, C", Some((1_000_000, "", false, 0)));
        check("QEMU emulator version 2.5.0(Debian 1:2.5)", Some((2_005_000, "Debian 1:2.5", false, 0)));
        check("QEMU emulator version 10.0.0-rc1 (v10)", Some((10_000_000, "v10", false, 0)));
        check("warning: kvm\n\nQEMU emulator version\t7.2.1\n", Some((7_002_001, "", false, 0)));
        check("QEMU emulator version 7.2.1 (unfinished", Some((7_002_001, "", false, 0)));
        check("QEMU emulator version 7", None);
        check("QEMU emulator version 99999999999.1", None);
        check("emulator version 7.2.1", None);
        check("", None);
    }
}
