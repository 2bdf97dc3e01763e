//! Giving back memory that only the start needed.

use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Lets go of the program code that is in memory. What is still needed comes back page by page when it runs.
///
/// Reading a domain and asking a QEMU takes most of a program's code, and watching a guest for days a small part of
/// it: this is some megabytes for each guest.
pub fn release_code() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for range in maps.lines().filter_map(code) {
        let start = std::ptr::with_exposed_provenance_mut(range.start);
        #[allow(unsafe_code, reason = "a range of addresses is all there is to a mapping")]
        // SAFETY: the mapping is a file's, private, executable and not writable, so that its pages are unchanged
        // copies of the file; the kernel reads them again when they are used.
        let advised = unsafe { madvise(start, range.len(), Advice::LinuxDontNeed) };
        // A mapping that stays costs memory and nothing else.
        let _ = advised;
    }
}

/// The addresses of a mapping of `/proc/PID/maps` that is code of a file: `START-END r-xp OFFSET DEVICE INODE PATH`.
fn code(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let is_code = words.next()? == "r-xp";
    let is_file = words.nth(3)?.starts_with('/');
    let address = |text| usize::from_str_radix(text, 16).ok();
    (is_code && is_file).then_some(address(start)?..address(end)?).filter(|range| range.start < range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<Range<usize>>) {
        assert_eq!(code(line), expected, "{line}");
    }

    #[test]
    fn only_code_of_files_is_released() {
        check("1000-3000 r-xp 00001000 08:01 12 /usr/bin/a b", Some(0x1000..0x3000));
        check("1000-3000 r--p 00001000 08:01 12 /usr/bin/a", None);
        check("1000-3000 rwxp 00001000 08:01 12 /usr/bin/a", None);
        check("1000-3000 r-xp 00000000 00:00 0", None);
        check("1000-3000 r-xp 00000000 00:00 0 [vdso]", None);
        check("3000-1000 r-xp 00000000 00:00 0 /usr/bin/a", None);
        check("x-y r-xp 00000000 00:00 0 /usr/bin/a", None);
        check("", None);
    }

    #[test]
    fn a_program_goes_on_without_its_code_in_memory() {
        release_code();
        check("1000-3000 r-xp 00001000 08:01 12 /usr/bin/a", Some(0x1000..0x3000));
    }
}
