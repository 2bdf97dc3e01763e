//! Reading the layout of `.args` files.

/// Joins the lines of an `.args` file: a backslash at the end of a line is cut with the line's end, even inside a word.
///
/// ```
/// assert_eq!(conformance::args_file::join_lines("a \\\n-b c\\\nd\n"), "a -b cd\n");
/// ```
pub fn join_lines(text: &str) -> String {
    text.replace("\\\n", "")
}

/// The words of an `.args` file, as a shell would read them.
///
/// ```
/// assert_eq!(conformance::args_file::words("a \\\n-b 'c d'\\''e'\n"), ["a", "-b", "c d'e"]);
/// ```
pub fn words(text: &str) -> Vec<String> {
    let text = join_lines(text);
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if !quoted => word.get_or_insert_default().extend(characters.next()),
            ' ' | '\n' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}
