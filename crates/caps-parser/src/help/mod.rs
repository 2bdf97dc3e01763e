//! `-help`: the version line, headings, and options as structure.

mod line;
mod version;

use crate::error::ParseError;
use crate::facts::{Facts, OptionForm, Options};
use crate::rule::Rule;

use line::Line;

/// Reads what `qemu -help` prints, of any QEMU since 0.8.
///
/// Whatever comes before the version line (warnings about modules, displays, KVM) is passed over. Lines that fit no pattern
/// are counted in [`Facts::skipped`].
pub fn parse(text: &str) -> Result<Facts, ParseError> {
    let mut facts = Facts::default();
    let body = version::find(text, &mut facts)?;
    let (options, usage) = read_options(body, &mut facts.skipped);
    facts.arch = usage.and_then(|program| arch_of(&program));
    facts.options = Some(options);
    facts.mentions = Some(Rule::mentions(text));
    Ok(facts)
}

/// The architecture in the name of the program: `qemu-system-x86_64`. `qemu` and `qemu-kvm` do not tell.
fn arch_of(program: &str) -> Option<String> {
    let name = program.rsplit(['/', '\\']).next()?;
    let arch = name.strip_prefix("qemu-system-")?;
    let arch = arch.strip_suffix(".exe").unwrap_or(arch);
    (!arch.is_empty()).then(|| arch.to_owned())
}

/// The options of everything behind the version line, and the program's name in the usage line.
fn read_options(text: &str, skipped: &mut u32) -> (Options, Option<String>) {
    let mut headings: Vec<String> = Vec::new();
    let mut forms: Vec<OptionForm> = Vec::new();
    let mut usage = None;
    // How many forms the last option line gave: what is indented below belongs to them.
    let mut open = 0;
    for text in text.lines() {
        match line::classify(text) {
            Line::Blank => open = 0,
            Line::Heading(heading) => {
                headings.push(heading.to_owned());
                open = 0;
            }
            Line::Usage(program) => usage = Some(program.to_owned()),
            Line::Option { names, argument, description } => {
                open = names.len();
                forms.extend(names.into_iter().map(|name| OptionForm {
                    name: name.to_owned(),
                    argument: argument.clone(),
                    description: description.to_owned(),
                    heading: headings.len().checked_sub(1).and_then(|last| u16::try_from(last).ok()),
                }));
            }
            Line::Indented(text) => {
                let start = forms.len().saturating_sub(open);
                for form in forms.get_mut(start..).unwrap_or_default() {
                    continue_form(form, text);
                }
            }
            Line::Prose => open = 0,
            Line::Unknown => {
                open = 0;
                *skipped = skipped.saturating_add(1);
            }
        }
    }
    (Options::new(headings, forms), usage)
}

/// An indented line goes on with the grammar of the argument until the first line of the description.
fn continue_form(form: &mut OptionForm, text: &str) {
    if form.description.is_empty() && text.starts_with(['[', ',', '|']) {
        form.argument.extend(text.split_ascii_whitespace());
    } else {
        if !form.description.is_empty() {
            form.description.push('\n');
        }
        form.description.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "QEMU emulator version 1.0\n";

    #[test]
    fn options_become_forms() {
        let check = |body: &str, name: &str, expected: &[(&str, &str)]| {
            let facts = parse(&format!("{HEAD}{body}")).unwrap();
            let options = facts.options.unwrap();
            let forms: Vec<_> = options
                .forms(name)
                .iter()
                .map(|form| (form.argument.as_str(), form.description.as_str()))
                .collect();
            assert_eq!(forms, expected, "{body}");
        };
        check("-h or -help     show this\n", "help", &[("", "show this")]);
        check("-fda/-fdb file  a floppy\n", "fdb", &[("file", "a floppy")]);
        check(
            "-drive [file=f][,if=t]\n       [,cache=on|off]       [,x=y]\n          a disk\n          [more]\n",
            "drive",
            &[("[file=f][,if=t][,cache=on|off][,x=y]", "a disk\n[more]")],
        );
        check(
            "-net nic[,vlan=n]\n        card\n-net user\n",
            "net",
            &[("nic[,vlan=n]", "card"), ("user", "")],
        );
        check("-no-pit\t    none\n", "no-pit", &[("", "none")]);
        check("-no-kvm-pit-reinjection not this\n", "no-kvm-pit-reinjection", &[("", "not this")]);
        check("-uuid %08x-%04x give a number\n", "uuid", &[("%08x-%04x", "give a number")]);
        check("-boot [a|c|d|n] from where\n", "boot", &[("[a|c|d|n]", "from where")]);
        check("--preconfig     wait\n", "preconfig", &[("", "wait")]);
        check("-a              see -b\n", "b", &[]);
        check("-a\n\n        -b      not an option\n", "b", &[]);
        check("-S              wait\nA remark.\n    -x\n", "x", &[]);
    }

    #[test]
    fn headings_usage_and_unknown_lines_are_told_apart() {
        let facts = parse(&format!(
            "{HEAD}usage: /opt/bin/qemu-system-sparc64 [options]\n\nDebug/Expert options:\n-s\nwhat is this?\n"
        ))
        .unwrap();
        assert_eq!(facts.arch.as_deref(), Some("sparc64"));
        assert_eq!(facts.skipped, 1);
        let options = facts.options.unwrap();
        assert_eq!(options.heading(&options.forms("s")[0]), Some("Debug/Expert options"));
        assert_eq!(options.len(), 1);
    }
}
