//! The part of the XML that QEMU complains about.

use domain_model::{Code, Diagnostic, Origin};

/// An argument as QEMU was given it, and why.
pub struct Given {
    /// The flag and what follows it, with one space between.
    pub text: String,
    /// Why it was given.
    pub origin: Origin,
}

/// The problems in what QEMU said last, as far as it names the argument that it is about.
///
/// QEMU writes `PROGRAM: -FLAG VALUE: MESSAGE`, and sometimes more lines.
pub fn blame(given: &[Given], said: &str) -> Vec<Diagnostic> {
    let mut problems: Vec<Diagnostic> = Vec::new();
    for line in said.lines() {
        let found = given.iter().filter(|argument| argument.text.contains(' ')).find_map(|argument| {
            let (_, message) = line.split_once(&format!(": {}: ", argument.text))?;
            Some(Diagnostic::error(
                Code::OperationFailed,
                argument.origin,
                format!("QEMU refuses: {message}"),
            ))
        });
        match (found, problems.last_mut()) {
            (Some(problem), _) => problems.push(problem),
            (None, Some(last)) if !line.contains("qemu-system-") => {
                last.message.push_str("; ");
                last.message.push_str(line.trim());
            }
            (None, _) => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_says_of_an_argument_is_found() {
        let given = [("-S", "always"), ("-blockdev {\"a\":1}", "disk"), ("-device x,id=y", "device")];
        let given = given.map(|(text, rule)| Given { text: text.to_owned(), origin: Origin::always(rule) });
        let check = |said: &str, expected: &[(&str, &str)]| {
            let problems = blame(&given, said);
            let found: Vec<(&str, &str)> = problems
                .iter()
                .map(|problem| (problem.origin.rule().unwrap_or_default(), problem.message.as_str()))
                .collect();
            assert_eq!(found, expected, "{said}");
        };
        check(
            "qemu-system-x86_64: -blockdev {\"a\":1}: no such file",
            &[("disk", "QEMU refuses: no such file")],
        );
        check(
            "2026-01-01T00:00:00Z qemu-system-x86_64: -device x,id=y: Failed to get lock\nIs another using [z]?\n",
            &[("device", "QEMU refuses: Failed to get lock; Is another using [z]?")],
        );
        check("qemu-system-x86_64: warning: something\nSegmentation fault", &[]);
        check("qemu-system-x86_64: -S: odd", &[]);
        check("", &[]);
    }
}
