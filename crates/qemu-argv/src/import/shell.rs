//! Words of a shell script or command line, never executed.

use std::collections::HashMap;
use std::ops::Range;

use domain_model::{Code, Diagnostic, Origin};

/// How many words a text may grow to when its variables are filled in.
const MOST_WORDS: usize = 100_000;
/// How long a word may get when its variables are filled in, in bytes.
const LONGEST_WORD: usize = 1 << 20;

/// A word with its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What the shell would pass on.
    pub text: String,
    /// Where it is written, in bytes.
    pub span: Range<usize>,
    /// Whether something in it is known only when the script runs.
    pub unresolved: bool,
}

impl Word {
    /// Its place, for diagnostics.
    pub fn origin(&self) -> Origin {
        origin(&self.span)
    }
}

/// A stretch of the text, for diagnostics.
pub(super) fn origin(span: &Range<usize>) -> Origin {
    let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Origin::Text { start: clamp(span.start), end: clamp(span.end) }
}

/// A command of a script that starts a QEMU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The variables that are set for it.
    pub env: Vec<(String, Word)>,
    /// The program.
    pub program: Option<Word>,
    /// What it is started with.
    pub args: Vec<Word>,
}

/// Programs that start another one, and their options that take a word of their own.
const LAUNCHERS: &[(&str, &[&str])] = &[
    ("sudo", &["-u", "-g", "-C", "-D", "-h", "-p", "-r", "-t", "-U"]),
    ("doas", &["-u", "-C"]),
    ("exec", &["-a"]),
    ("nice", &["-n"]),
    ("ionice", &["-c", "-n"]),
    ("taskset", &["-c"]),
    ("numactl", &["-m", "-N", "-C", "-i", "-p"]),
    ("chrt", &[]),
    ("env", &["-u", "-C", "-S"]),
    ("time", &["-f", "-o"]),
    ("nohup", &[]),
    ("setsid", &[]),
    ("command", &[]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("timeout", &["-k", "-s"]),
    ("prlimit", &[]),
];
/// Launchers whose first word that is no option is not yet the program.
const WITH_OPERAND: &[&str] = &["taskset", "chrt", "timeout"];

/// Finds the first command of a script that starts a QEMU.
pub fn find(text: &str, problems: &mut Vec<Diagnostic>) -> Invocation {
    let mut own = Vec::new();
    let mut reader = Reader { text, at: 0, variables: HashMap::new(), problems: &mut own, words: 0 };
    let mut found: Option<Invocation> = None;
    while let Some(statement) = reader.statement() {
        let Some(invocation) = reader.invocation(statement) else {
            // What other commands do not know is no concern of ours.
            reader.problems.clear();
            continue;
        };
        problems.append(reader.problems);
        match &found {
            None => found = Some(invocation),
            Some(_) => {
                let place = invocation.program.as_ref().map_or(Origin::Built, Word::origin);
                let message = "this is another command that starts a QEMU; only the first one is imported";
                problems.push(Diagnostic::warning(Code::NotYet, place, message));
            }
        }
    }
    found.unwrap_or_default()
}

/// What a variable stands for.
#[derive(Debug, Clone)]
enum Value {
    One(Word),
    List(Vec<Word>),
}

/// A variable, with what there is to say if it is used.
#[derive(Debug)]
struct Variable {
    value: Value,
    problems: Vec<Diagnostic>,
}

/// A statement: assignments in front, and words.
#[derive(Debug, Default)]
struct Statement {
    assigned: Vec<(String, bool, Value)>,
    words: Vec<Word>,
}

struct Reader<'t, 'p> {
    text: &'t str,
    at: usize,
    variables: HashMap<String, Variable>,
    problems: &'p mut Vec<Diagnostic>,
    words: usize,
}

impl Reader<'_, '_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn looking_at(&self, what: &str) -> bool {
        self.text.get(self.at..).is_some_and(|rest| rest.starts_with(what))
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn blanks(&mut self) {
        loop {
            if self.looking_at("\\\n") {
                self.at += 2;
            } else if self.looking_at("\\\r\n") {
                self.at += 3;
            } else if matches!(self.peek(), Some(' ' | '\t' | '\r')) {
                self.at += 1;
            } else if self.peek() == Some('#') {
                while self.peek().is_some_and(|next| next != '\n') {
                    self.bump();
                }
            } else {
                return;
            }
        }
    }

    /// The next statement; `None` at the end of the text.
    fn statement(&mut self) -> Option<Statement> {
        let mut statement = Statement::default();
        loop {
            self.blanks();
            match self.peek() {
                None if statement.words.is_empty() && statement.assigned.is_empty() => return None,
                None => return Some(statement),
                Some('\n' | ';' | '&' | '|' | '(' | ')') => {
                    self.bump();
                    return Some(statement);
                }
                Some('<' | '>') => self.redirection(),
                Some(_) => {
                    if statement.words.is_empty()
                        && let Some(assigned) = self.assignment()
                    {
                        statement.assigned.push(assigned);
                    } else {
                        let words = self.word();
                        // `2>log` is a redirection whose descriptor looks like a word.
                        let is_descriptor =
                            words.len() == 1 && words.iter().all(|word| word.text.parse::<u8>().is_ok());
                        if !(is_descriptor && matches!(self.peek(), Some('<' | '>'))) {
                            statement.words.extend(words);
                        }
                    }
                }
            }
        }
    }

    fn redirection(&mut self) {
        while matches!(self.peek(), Some('<' | '>' | '&' | '|')) {
            self.bump();
        }
        self.blanks();
        if self.peek().is_some_and(|next| next != '\n') {
            self.word();
        }
    }

    /// `NAME=word`, `NAME+=word`, `NAME=(words)`.
    fn assignment(&mut self) -> Option<(String, bool, Value)> {
        let rest = self.text.get(self.at..)?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let name = rest.get(..end).filter(|name| !name.is_empty())?;
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let rest = rest.get(end..)?;
        let appends = rest.starts_with("+=");
        if !appends && !rest.starts_with('=') {
            return None;
        }
        let name = name.to_owned();
        let start = self.at;
        self.at += end + if appends { 2 } else { 1 };
        if self.peek() != Some('(') {
            let mut word = self.one_word();
            // libvirt of 2011 printed this variable with a blank and without quotes.
            if name == "CEPH_ARGS" && word.text == "-m" && self.peek() == Some(' ') {
                self.blanks();
                let more = self.one_word();
                word.text = format!("{} {}", word.text, more.text);
                word.span.end = more.span.end;
            }
            word.span.start = start;
            return Some((name, appends, Value::One(word)));
        }
        self.at += 1;
        let mut words = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                None => break,
                Some(')') => {
                    self.bump();
                    break;
                }
                Some('\n') => {
                    self.bump();
                }
                Some(';' | '&' | '|' | '(' | '<' | '>') => {
                    self.bump();
                }
                Some(_) => words.extend(self.word()),
            }
        }
        Some((name, appends, Value::List(words)))
    }

    /// One word, whatever blanks its variables have.
    fn one_word(&mut self) -> Word {
        let start = self.at;
        let words = self.word();
        let unresolved = words.iter().any(|word| word.unresolved);
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        Word { text: texts.join(" "), span: start..self.at, unresolved }
    }

    /// A word: none or several if it is variables that stand for so many.
    fn word(&mut self) -> Vec<Word> {
        let mut out = Words::new(self.at);
        while let Some(next) = self.peek() {
            match next {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                '\\' => {
                    self.bump();
                    match self.bump() {
                        None | Some('\n') => {}
                        Some(escaped) => out.push(escaped),
                    }
                }
                '\'' => {
                    out.started = true;
                    self.bump();
                    while let Some(inner) = self.bump().filter(|inner| *inner != '\'') {
                        out.push(inner);
                    }
                }
                '"' => self.double_quoted(&mut out),
                '$' | '`' => self.expansion(&mut out, false),
                _ => {
                    self.bump();
                    out.push(next);
                }
            }
        }
        let words = out.finish(self.at);
        self.words = self.words.saturating_add(words.len());
        if self.words > MOST_WORDS { Vec::new() } else { words }
    }

    fn double_quoted(&mut self, out: &mut Words) {
        out.started = true;
        self.bump();
        while let Some(next) = self.peek() {
            match next {
                '"' => {
                    self.bump();
                    return;
                }
                '\\' => {
                    self.bump();
                    match self.bump() {
                        None | Some('\n') => {}
                        Some(escaped @ ('$' | '`' | '"' | '\\')) => out.push(escaped),
                        Some(other) => {
                            out.push('\\');
                            out.push(other);
                        }
                    }
                }
                '$' | '`' => self.expansion(out, true),
                _ => {
                    self.bump();
                    out.push(next);
                }
            }
        }
    }

    /// `$NAME`, `${NAME…}`, `$(…)` and `` `…` ``: filled in if the script itself says what it is.
    fn expansion(&mut self, out: &mut Words, quoted: bool) {
        let start = self.at;
        if self.bump() == Some('`') {
            while self.bump().is_some_and(|next| next != '`') {}
            return self.unresolved(start, out);
        }
        match self.peek() {
            Some('(') => {
                let mut depth = 0_usize;
                while let Some(next) = self.bump() {
                    match next {
                        '(' => depth += 1,
                        ')' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
                self.unresolved(start, out);
            }
            Some('{') => {
                let inner = self.at + 1;
                while self.bump().is_some_and(|next| next != '}') {}
                let text = self.text;
                let inner = text.get(inner..self.at.saturating_sub(1)).unwrap_or_default();
                self.braced(inner, start, out, quoted);
            }
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                let name_at = self.at;
                while self.peek().is_some_and(|next| next.is_ascii_alphanumeric() || next == '_') {
                    self.bump();
                }
                let name = self.text.get(name_at..self.at).unwrap_or_default().to_owned();
                self.fill_in(&name, start, out, quoted);
            }
            Some('@' | '*') => {
                self.bump();
                let what = self.text.get(start..self.at).unwrap_or_default();
                let message =
                    format!("what `{what}` adds is known only when the script runs; it is left out");
                let place = origin(&(start..self.at));
                self.problems.push(Diagnostic::warning(Code::NotFound, place, message));
                out.vanishes = true;
            }
            Some(special) if special.is_ascii_digit() || "#?$!-".contains(special) => {
                self.bump();
                self.unresolved(start, out);
            }
            _ => out.push('$'),
        }
    }

    fn braced(&mut self, inner: &str, start: usize, out: &mut Words, quoted: bool) {
        let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
        let (name, rest) = inner.split_at(end);
        let default = rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-'));
        match (self.variables.contains_key(name), rest, default) {
            (_, "" | "[@]" | "[*]", _) | (true, _, Some(_)) => self.fill_in(name, start, out, quoted),
            (false, _, Some(default)) if !default.contains(['$', '`', '\'', '"']) => {
                let message = format!("`{name}` is not set here; its default `{default}` is taken");
                let place = origin(&(start..self.at));
                self.problems.push(Diagnostic::warning(Code::NotFound, place, message));
                default.chars().for_each(|next| out.push(next));
            }
            _ => self.unresolved(start, out),
        }
    }

    fn fill_in(&mut self, name: &str, start: usize, out: &mut Words, quoted: bool) {
        let variable = self.variables.get(name);
        self.problems.extend(variable.iter().flat_map(|variable| variable.problems.iter().cloned()));
        match variable.map(|variable| &variable.value) {
            Some(Value::One(word)) => out.insert(word, quoted),
            Some(Value::List(words)) => {
                for (index, word) in words.iter().enumerate() {
                    if index > 0 {
                        out.split(self.at);
                    }
                    out.insert(word, true);
                }
            }
            None => self.unresolved(start, out),
        }
    }

    fn unresolved(&mut self, start: usize, out: &mut Words) {
        let what = self.text.get(start..self.at).unwrap_or_default();
        what.chars().for_each(|next| out.push(next));
        out.unresolved = true;
        let message = format!("what `{what}` stands for is known only when the script runs");
        let place = origin(&(start..self.at));
        let problem = Diagnostic::warning(Code::NotFound, place, message);
        self.problems.push(problem.help("the domain has it literally; put the value in its place"));
    }

    /// The QEMU that a statement starts; remembers what the statement assigns if it starts nothing.
    fn invocation(&mut self, statement: Statement) -> Option<Invocation> {
        let Statement { assigned, words } = statement;
        let mut words = words;
        if words.first().is_some_and(|word| matches!(word.text.as_str(), "export" | "local" | "readonly")) {
            for word in words.drain(..) {
                if let Some((name, value)) = word.text.split_once('=') {
                    let value = Value::One(Word { text: value.to_owned(), ..word.clone() });
                    let problems = self.problems.clone();
                    self.variables.insert(name.to_owned(), Variable { value, problems });
                }
            }
        }
        if words.is_empty() {
            let problems = std::mem::take(self.problems);
            for (name, appends, value) in assigned {
                self.assign(name, appends, value, problems.clone());
            }
            return None;
        }
        let mut env: Vec<(String, Word)> = Vec::new();
        for (name, _, value) in assigned {
            if let Value::One(word) = value {
                env.push((name, word));
            }
        }
        let mut words = words.into_iter().peekable();
        let mut launched = None::<&str>;
        loop {
            let word = words.next()?;
            if matches!(word.text.as_str(), "then" | "do" | "else" | "{" | "!" | "if" | "while") {
                continue;
            }
            let base = word.text.rsplit('/').next().unwrap_or_default().to_owned();
            if let Some((name, options)) = LAUNCHERS.iter().find(|(name, _)| *name == base) {
                launched = Some(name);
                while let Some(option) = words.next_if(|word| word.text.starts_with('-')) {
                    if options.contains(&option.text.as_str()) {
                        words.next();
                    }
                }
                if WITH_OPERAND.contains(name) && !words.peek().is_some_and(is_qemu) {
                    words.next();
                }
                continue;
            }
            if launched.is_some()
                && let Some((name, value)) = word.text.split_once('=')
                && !name.contains('/')
            {
                env.push((name.to_owned(), Word { text: value.to_owned(), ..word.clone() }));
                continue;
            }
            let looks_like_options = words.peek().is_some_and(|next| next.text.starts_with('-'));
            let is_ours = is_qemu(&word) || (word.unresolved && looks_like_options);
            return is_ours.then(|| Invocation { env, program: Some(word), args: words.collect() });
        }
    }

    fn assign(&mut self, name: String, appends: bool, value: Value, mut problems: Vec<Diagnostic>) {
        let before = appends.then(|| self.variables.remove(&name)).flatten();
        let value = match (before, value) {
            (Some(Variable { value: Value::One(mut before), problems: more }), Value::One(tail))
                if before.text.len() + tail.text.len() < LONGEST_WORD =>
            {
                problems.extend(more);
                before.text.push_str(&tail.text);
                Value::One(before)
            }
            (Some(Variable { value: Value::List(mut before), problems: more }), Value::List(tail)) => {
                problems.extend(more);
                before.extend(tail);
                Value::List(before)
            }
            (_, value) => value,
        };
        self.variables.insert(name, Variable { value, problems });
    }
}

/// Whether a program is a QEMU, by its name.
fn is_qemu(word: &Word) -> bool {
    let base = word.text.rsplit('/').next().unwrap_or_default();
    matches!(base, "qemu" | "kvm" | "xenner")
        || base.starts_with("qemu-system")
        || base.starts_with("qemu-kvm")
}

/// A word while it is read; variables can make several of it.
struct Words {
    done: Vec<Word>,
    text: String,
    start: usize,
    started: bool,
    unresolved: bool,
    /// Whether there may be no word at all.
    vanishes: bool,
}

impl Words {
    fn new(start: usize) -> Self {
        Words {
            done: Vec::new(),
            text: String::new(),
            start,
            started: false,
            unresolved: false,
            vanishes: false,
        }
    }

    fn push(&mut self, next: char) {
        self.started = true;
        if self.text.len() < LONGEST_WORD {
            self.text.push(next);
        }
    }

    fn insert(&mut self, word: &Word, quoted: bool) {
        self.unresolved |= word.unresolved;
        for next in word.text.chars() {
            if !quoted && next.is_ascii_whitespace() {
                self.split(word.span.end);
            } else {
                self.push(next);
            }
        }
        self.started |= quoted;
    }

    fn split(&mut self, end: usize) {
        if self.started && self.done.len() < MOST_WORDS {
            let text = std::mem::take(&mut self.text);
            let span = self.start..end.max(self.start);
            self.done.push(Word { text, span, unresolved: self.unresolved });
        }
        self.started = false;
    }

    fn finish(mut self, end: usize) -> Vec<Word> {
        self.started &= !(self.vanishes && self.text.is_empty());
        self.split(end);
        for word in &mut self.done {
            word.span = self.start..end;
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let check = |text: &str, expected: &[&str]| {
            let mut problems = Vec::new();
            let found = find(text, &mut problems);
            let words = found.program.iter().chain(&found.args).map(|word| word.text.as_str());
            let mut all: Vec<String> =
                found.env.iter().map(|(name, value)| format!("{name}={}", value.text)).collect();
            all.extend(words.map(str::to_owned));
            assert_eq!(all, expected, "{text}");
        };
        check("qemu-system-x86_64 -m 1G", &["qemu-system-x86_64", "-m", "1G"]);
        check("#!/bin/sh\n# a\nqemu -m \\\n  1G # b\n", &["qemu", "-m", "1G"]);
        check("A=1 B='x y' /usr/bin/qemu -S", &["A=1", "B=x y", "/usr/bin/qemu", "-S"]);
        check("sudo -u me nice -n 5 qemu-kvm -S &", &["qemu-kvm", "-S"]);
        check("exec taskset -c 0-3 qemu-system-arm", &["qemu-system-arm"]);
        check("env A=b qemu-system-arm 2>log >/dev/null", &["A=b", "qemu-system-arm"]);
        check("D=a.img\nM=2G\nqemu -hda $D -m \"${M}\"", &["qemu", "-hda", "a.img", "-m", "2G"]);
        check("O='-m 1G -S'\nqemu $O", &["qemu", "-m", "1G", "-S"]);
        check("O=(-m 1G)\nO+=(-S \"a b\")\nqemu \"${O[@]}\"", &["qemu", "-m", "1G", "-S", "a b"]);
        check("qemu -m ${MEM:-2G}", &["qemu", "-m", "2G"]);
        check("qemu -m $MEM -x $(id -u)", &["qemu", "-m", "$MEM", "-x", "$(id -u)"]);
        check("mkdir x && qemu-system-x86_64 -S || exit 1", &["qemu-system-x86_64", "-S"]);
        check("CEPH_ARGS=-m a:1,b qemu -S", &["CEPH_ARGS=-m a:1,b", "qemu", "-S"]);
        check(
            "qemu -append 'a b' -x \"c\\\"d\" e\\ f ''",
            &["qemu", "-append", "a b", "-x", "c\"d", "e f", ""],
        );
        check("qemu -S \"$@\" $*", &["qemu", "-S"]);
        check("ls -l", &[]);
        check("", &[]);
    }

    #[test]
    fn what_is_unknown_is_told() {
        let check = |text: &str, expected: &[&str]| {
            let mut problems = Vec::new();
            find(text, &mut problems);
            let told: Vec<&str> = problems
                .iter()
                .filter_map(|problem| match problem.origin {
                    Origin::Text { start, end } => text.get(start as usize..end as usize),
                    _ => None,
                })
                .collect();
            assert_eq!(told, expected, "{text}");
        };
        check("qemu -m $MEM", &["$MEM"]);
        check("MEM=1\nqemu -m $MEM -x `id` ${X:+y} $(a (b)) $1", &["`id`", "${X:+y}", "$(a (b))", "$1"]);
        check("qemu -S\nqemu-kvm", &["qemu-kvm"]);
        check("cd $1\nA=$(id)\nB=$HOME\nqemu -x $A", &["$(id)"]);
    }
}
