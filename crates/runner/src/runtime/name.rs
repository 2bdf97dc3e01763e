//! Guest names as file names.

/// A file name for any guest name: letters, digits and `_-.` stay, the rest is written as `%XX`.
pub fn file_name(name: &str) -> String {
    /// Below the 255 bytes of a file name, with room for what others may append.
    const LONGEST: usize = 200;
    let mut file = String::new();
    for byte in name.bytes() {
        let plain =
            byte.is_ascii_alphanumeric() || b"_-".contains(&byte) || (byte == b'.' && !file.is_empty());
        if plain {
            file.push(char::from(byte));
        } else {
            file.push_str(&format!("%{byte:02x}"));
        }
    }
    if file.len() > LONGEST {
        // FNV-1a: names that long only have to be told apart.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        file.truncate(LONGEST);
        file.push_str(&format!("%~{hash:016x}"));
    }
    if file.is_empty() { "%".into() } else { file }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        assert_eq!(file_name(name), expected);
    }

    #[test]
    fn every_name_is_one_harmless_file_name() {
        check("hello", "hello");
        check("a.b-c_1", "a.b-c_1");
        check("..", "%2e.");
        check("../x", "%2e.%2fx");
        check("", "%");
        check("%", "%25");
        check("ü\n", "%c3%bc%0a");
        check(&"x".repeat(200), &"x".repeat(200));
        let long = |last: char| file_name(&format!("{}{last}", "x".repeat(1000)));
        assert!(long('a') != long('b') && long('a').len() == 218);
    }
}
