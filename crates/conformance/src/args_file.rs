//! Reading the layout of `.args` files.

/// Joins the lines of an `.args` file: a backslash at the end of a line is cut with the line's end, even inside a word.
///
/// ```
/// assert_eq!(conformance::args_file::join_lines("a \\\n-b c\\\nd\n"), "a -b cd\n");
/// ```
pub fn join_lines(text: &str) -> String {
    text.replace("\\\n", "")
}
