//! The part of the XML that QEMU complains about.

use domain_model::{Code, Diagnostic, Origin};

/// An argument as QEMU was given it, and why.
pub struct Given {
    /// The flag and what follows it, with one space between.
    pub text: String,
    /// Why it was given.
    pub origin: Origin,
}

/// What QEMU says without naming an argument, and how the arguments begin that it may be about, the likeliest first.
const PHRASES: &[(&str, &[&str])] = &[
    ("guest memory", MEMORY),
    ("guest RAM", MEMORY),
    ("Display '", DISPLAY),
    ("egl: ", DISPLAY),
    ("gtk ", DISPLAY),
    ("SDL", DISPLAY),
    ("KVM", &["-accel kvm", "-machine "]),
    ("kvm", &["-accel kvm", "-machine "]),
];
const MEMORY: &[&str] =
    &["-mem-path ", "-object {\"qom-type\":\"memory-backend", "-object memory-backend", "-m "];
const DISPLAY: &[&str] = &["-display ", "-sdl"];

/// What QEMU said last, sorted.
#[derive(Debug, Default)]
pub struct Blame {
    /// What is about an argument, with the place that it comes from.
    pub problems: Vec<Diagnostic>,
    /// The lines that are about nothing we know.
    pub rest: Vec<String>,
}

/// Finds the arguments that QEMU's last words are about.
///
/// QEMU writes `PROGRAM: -FLAG VALUE: MESSAGE`, and sometimes more lines; or `PROGRAM: MESSAGE`.
pub fn blame(given: &[Given], said: &str) -> Blame {
    let mut blame = Blame::default();
    // What the line before was about.
    let mut about: Option<&Given> = None;
    for line in said.lines() {
        let named = given
            .iter()
            .filter(|argument| argument.text.contains(' '))
            .find_map(|argument| Some((argument, line.split_once(&format!(": {}: ", argument.text))?.1)));
        let found = named.or_else(|| {
            let (_, message) = line.split_once("qemu-system-")?.1.split_once(": ")?;
            Some((meant(given, message)?, message))
        });
        let more = match found {
            Some((argument, message)) => {
                about.is_some_and(|it| std::ptr::eq(it, argument)).then_some(message)
            }
            None => about.filter(|_| !line.contains("qemu-system-")).map(|_| line.trim()),
        };
        match (found, more, blame.problems.last_mut()) {
            (_, Some(more), Some(last)) => last.message.push_str(&format!("; {more}")),
            (Some((argument, message)), ..) => {
                let message = format!("QEMU refuses: {message}");
                blame.problems.push(Diagnostic::error(Code::OperationFailed, argument.origin, message));
                about = Some(argument);
            }
            (None, ..) => {
                blame.rest.push(line.to_owned());
                about = None;
            }
        }
    }
    blame
}

/// The argument that a message means: by its words, or because it quotes what only one argument says.
fn meant<'a>(given: &'a [Given], message: &str) -> Option<&'a Given> {
    if message.starts_with("warning: ") || message.starts_with("info: ") {
        return None;
    }
    let phrases = PHRASES.iter().filter(|(words, _)| message.contains(words));
    let mut starts = phrases.flat_map(|(_, starts)| starts.iter());
    let by_words = starts.find_map(|start| given.iter().find(|argument| argument.text.starts_with(start)));
    by_words.or_else(|| {
        // Every other part stands between quotes.
        message.split('\'').skip(1).step_by(2).filter(|quoted| quoted.len() > 1).find_map(|quoted| {
            let mut all = given.iter().filter(|argument| argument.text.contains(quoted));
            all.next().filter(|_| all.next().is_none())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_says_of_an_argument_is_found() {
        let given = [
            ("-S", "always"),
            ("-m size=1k", "memory"),
            ("-object {\"qom-type\":\"memory-backend-ram\",\"id\":\"pc.ram\"}", "backend"),
            ("-display sdl", "display"),
            ("-accel kvm", "accelerator"),
            ("-blockdev {\"a\":1}", "disk"),
            ("-device x,id=y", "device"),
            ("-device u,path=/some/where", "other"),
        ];
        let given = given.map(|(text, rule)| Given { text: text.to_owned(), origin: Origin::always(rule) });
        let check = |said: &str, expected: &[(&str, &str)]| {
            let blame = blame(&given, said);
            let found: Vec<(&str, &str)> = blame
                .problems
                .iter()
                .map(|problem| (problem.origin.rule().unwrap_or_default(), problem.message.as_str()))
                .chain(blame.rest.iter().map(|line| ("rest", line.as_str())))
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
        let warning = "qemu-system-x86_64: warning: no kvm";
        check(
            &format!("{warning}\nSegmentation fault"),
            &[("rest", warning), ("rest", "Segmentation fault")],
        );
        check("qemu-system-x86_64: -S: odd", &[("rest", "qemu-system-x86_64: -S: odd")]);
        check("", &[]);
        let one = |said: &str, rule: &str| {
            let expected = format!("QEMU refuses: {said}");
            check(&format!("/opt/qemu-system-x86_64: {said}"), &[(rule, &expected)]);
        };
        one("cannot set up guest memory 'pc.ram': Cannot allocate memory", "backend");
        one("Display 'sdl' is not available.", "display");
        one("ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy", "accelerator");
        one("Could not open '/some/where'", "other");
        check(
            "qemu-system-x86_64: ioctl(KVM) failed\nqemu-system-x86_64: failed to initialize kvm: busy\n\
             qemu-system-x86_64: bad",
            &[
                ("accelerator", "QEMU refuses: ioctl(KVM) failed; failed to initialize kvm: busy"),
                ("rest", "qemu-system-x86_64: bad"),
            ],
        );
    }
}
