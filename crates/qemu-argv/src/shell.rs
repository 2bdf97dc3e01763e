//! Command lines as text for a POSIX shell.

/// Quotes a word for a POSIX shell; words without special characters stay as they are.
pub fn quote(word: &str) -> String {
    const SPECIAL: &str = "\r\t\n !\"#$&'()*;<>?[\\]^`{|}~";
    if !word.is_empty() && !word.contains(|character| SPECIAL.contains(character)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A command line in the layout of libvirt's `.args` files: a variable or an option on each line.
pub fn lines(env: &[(String, String)], argv: &[String]) -> String {
    let mut out = String::new();
    for (name, value) in env {
        out.push_str(&format!("{name}={} \\\n", quote(value)));
    }
    let first_option = argv.iter().position(|word| word.starts_with('-')).unwrap_or(argv.len());
    let last_option = argv.iter().rposition(|word| word.starts_with('-')).unwrap_or(0);
    for (index, word) in argv.iter().enumerate() {
        if index > 0 {
            out.push(' ');
            // The value of an option stays on its line; words behind the last option's have lines of their own.
            let is_value = !word.starts_with('-') && index > first_option && last_option + 1 >= index;
            if !is_value {
                out.push_str("\\\n");
            }
        }
        out.push_str(&quote(word));
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::{lines, quote};

    #[test]
    fn quoting() {
        for (word, expected) in [
            ("plain", "plain"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
            ("a,b=c:d/e", "a,b=c:d/e"),
            ("{\"a\":1}", "'{\"a\":1}'"),
            ("new\nline", "'new\nline'"),
        ] {
            assert_eq!(quote(word), expected);
        }
    }

    #[test]
    fn layout() {
        let check = |env: &[(&str, &str)], argv: &[&str], expected: &str| {
            let env: Vec<(String, String)> =
                env.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(lines(&env, &argv), expected);
        };
        check(&[], &["qemu"], "qemu\n");
        check(&[("A", "b c"), ("D", "")], &["qemu", "-S"], "A='b c' \\\nD='' \\\nqemu \\\n-S\n");
        check(&[], &["qemu", "-m", "1", "-S", "-x", "{}"], "qemu \\\n-m 1 \\\n-S \\\n-x '{}'\n");
        check(&[], &["qemu", "early", "-m", "1"], "qemu \\\nearly \\\n-m 1\n");
        check(&[], &["qemu", "-m", "1", "2", "3"], "qemu \\\n-m 1 \\\n2 \\\n3\n");
    }
}
