//! The layout of `.args` files: reading and writing.

/// Characters that make libvirt put an argument in single quotes.
const QUOTED: &str = "\r\t\n !\"#$&'()*;<>?[\\]^`{|}~";

/// Writes a command line in the layout of libvirt's `.args` files: an option and its value share a line.
///
/// Each entry of `env` is `KEY=value`, of which only the value is ever quoted.
pub fn write(env: &[String], argv: &[String]) -> String {
    let mut text = String::new();
    for entry in env {
        match entry.split_once('=') {
            Some((key, value)) => {
                text.push_str(key);
                text.push('=');
                quote(value, &mut text);
            }
            None => quote(entry, &mut text),
        }
        text.push_str(" \\\n");
    }
    let is_option = |argument: &String| argument.starts_with('-');
    let first_option = argv.iter().position(is_option);
    let last_option = argv.iter().rposition(is_option);
    for (index, argument) in argv.iter().enumerate() {
        if index > 0 {
            text.push(' ');
            // A value stays on the line of its option; once no option is left, nothing is a value any more.
            let is_value = !is_option(argument)
                && first_option.is_some_and(|first| first < index)
                && last_option.is_some_and(|last| last + 1 >= index);
            if !is_value {
                text.push_str("\\\n");
            }
        }
        quote(argument, &mut text);
    }
    text.push('\n');
    text
}

fn quote(argument: &str, text: &mut String) {
    if !argument.is_empty() && !argument.contains(|c| QUOTED.contains(c)) {
        text.push_str(argument);
        return;
    }
    text.push('\'');
    text.push_str(&argument.replace('\'', r"'\''"));
    text.push('\'');
}

/// Joins the lines of an `.args` file: a backslash at the end of a line is cut with the line's end, even inside a word.
pub fn join_lines(text: &str) -> String {
    text.replace("\\\n", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn an_option_starts_a_line_and_keeps_its_value() {
        let check =
            |env: &[&str], argv: &[&str], text: &str| assert_eq!(write(&words(env), &words(argv)), text);
        check(&[], &["qemu"], "qemu\n");
        check(&["A=b c", "D="], &["qemu", "-S"], "A='b c' \\\nD='' \\\nqemu \\\n-S\n");
        check(&[], &["qemu", "-m", "1", "-S", "-x", "{}"], "qemu \\\n-m 1 \\\n-S \\\n-x '{}'\n");
        check(&[], &["qemu", "early", "-m", "1"], "qemu \\\nearly \\\n-m 1\n");
        check(&[], &["qemu", "-m", "1", "2", "3"], "qemu \\\n-m 1 \\\n2 \\\n3\n");
        check(&[], &["qemu", "-a", "it's"], "qemu \\\n-a 'it'\\''s'\n");
    }

    #[test]
    fn a_backslash_joins_lines() {
        assert_eq!(join_lines("a \\\n-b c\\\nd\n"), "a -b cd\n");
    }
}
