//! Messages on stderr, and the exit status they lead to.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::time::Duration;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, Title};
use domain_model::source::{Lines, Position};
use domain_model::{Class, Code, Diagnostic, Document, Origin, Severity, SyntaxError};
use serde_json::json;

use crate::args::{Cli, Color};

/// How long a message may take to reach its reader.
const PATIENCE: Duration = Duration::from_millis(200);

/// Why a command ends, with the exit status of `cli.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All went well.
    Ok,
    /// The guest or QEMU failed.
    Failed,
    /// The command line of domx is wrong, or a file cannot be read.
    Usage,
    /// The XML is wrong.
    Xml,
    /// This QEMU cannot do it.
    Unsupported,
    /// It took too long.
    TimedOut,
}

impl Status {
    /// The exit status.
    pub const fn code(self) -> u8 {
        match self {
            Status::Ok => 0,
            Status::Failed => 1,
            Status::Usage => 2,
            Status::Xml => 3,
            Status::Unsupported => 4,
            Status::TimedOut => 124,
        }
    }

    /// What the end of another domx leads to.
    pub fn from_child(status: runner::Status) -> Self {
        let all =
            [Self::Ok, Self::Failed, Self::Usage, Self::Xml, Self::Unsupported, Self::TimedOut].into_iter();
        let code = match status {
            runner::Status::Code(code) => code,
            runner::Status::Signal(_) => 1,
        };
        all.into_iter().find(|status| i32::from(status.code()) == code).unwrap_or(Self::Failed)
    }

    /// What a list of problems leads to: the status of the first error.
    pub fn of(problems: &[Diagnostic]) -> Self {
        match problems.iter().find(|problem| problem.is_error()) {
            None => Status::Ok,
            Some(problem) => match problem.code.class() {
                Class::Xml => Status::Xml,
                // What libvirt has another name for, and is a matter of the text all the same.
                _ if [Code::Malformed, Code::UnknownWord, Code::BadNumber].contains(&problem.code) => {
                    Status::Xml
                }
                _ => Status::Unsupported,
            },
        }
    }
}

/// Why a command stops before its end: a message, and the status.
#[derive(Debug)]
pub struct Stop {
    /// The exit status.
    pub status: Status,
    /// What to say; nothing if it has been said.
    pub message: Option<String>,
}

impl Stop {
    /// Stops with a message.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Stop { status, message: Some(message.into()) }
    }

    /// Stops without a word: the problems have been shown.
    pub fn silent(status: Status) -> Self {
        Stop { status, message: None }
    }
}

/// Where messages go, and which.
#[derive(Debug, Clone)]
pub struct Report {
    renderer: Renderer,
    styled: bool,
    on_terminal: bool,
    quiet: bool,
    verbose: bool,
}

impl Report {
    /// As the command line asks for.
    pub fn new(cli: &Cli) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let styled = match cli.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => on_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        Report { renderer, styled, on_terminal, quiet: cli.quiet, verbose: cli.verbose }
    }

    /// An error that is not about a place in a document.
    pub fn error(&self, message: &str) {
        self.say("error", "31", message);
    }

    /// A warning that is not about a place in a document.
    pub fn warning(&self, message: &str) {
        if !self.quiet {
            self.say("warning", "33", message);
        }
    }

    /// Something worth knowing.
    pub fn note(&self, message: &str) {
        if !self.quiet {
            self.say("domx", "36", message);
        }
    }

    /// What is done; for those who asked.
    pub fn detail(&self, message: &str) {
        if self.verbose {
            self.say("domx", "36", message);
        }
    }

    /// Messages of another domx, as they are.
    pub fn pass_on(&self, messages: &[u8]) {
        let _ = std::io::stderr().lock().write_all(messages);
    }

    fn say(&self, word: &str, colour: &str, message: &str) {
        let (on, off) = if self.styled { (format!("\x1b[1;{colour}m"), "\x1b[0m") } else { <_>::default() };
        // A terminal may be the guest's, and then line ends are its own business.
        let end = if self.on_terminal { "\r\n" } else { "\n" };
        let text = format!("{on}{word}{off}: {message}\n").replace('\n', end);
        // There is nobody to tell that stderr is gone, and a guest does not wait for whoever does not read.
        let _ = runner::console::tell(std::io::stderr().lock(), text.as_bytes(), PATIENCE);
    }

    /// Problems of a document, each with its line and a caret.
    pub fn problems(&self, document: &Document, problems: &[Diagnostic]) {
        if problems.is_empty() {
            return;
        }
        let places = Places::of(document);
        for problem in problems {
            if problem.severity == Severity::Warning && self.quiet {
                continue;
            }
            let span = document.span(problem.origin);
            let text = self.render(&places, span, problem);
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// Problems of a text that is no document, each with its line and a caret.
    pub fn problems_of_text(&self, name: &str, text: &str, problems: &[Diagnostic]) {
        let places = Places::new(name, text);
        for problem in problems {
            if problem.severity == Severity::Warning && self.quiet {
                continue;
            }
            let span = match problem.origin {
                Origin::Text { start, end } => Some(start as usize..end as usize),
                _ => None,
            };
            let span = span.filter(|span| text.get(span.clone()).is_some());
            let _ = writeln!(std::io::stderr().lock(), "{}", self.render(&places, span, problem));
        }
    }

    fn render(&self, places: &Places<'_>, span: Option<Range<usize>>, problem: &Diagnostic) -> String {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(problem.message.as_str()).id(problem.code.as_str());
        let mut group = match span {
            Some(span) => places.show(title, span),
            None => Group::with_title(title),
        };
        if let Some(rule) = problem.origin.rule() {
            group = group.element(Level::NOTE.message(rule));
        }
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        self.renderer.render(&[group])
    }

    /// A text that is not XML.
    pub fn syntax(&self, text: &str, error: &SyntaxError) {
        let mut end = (error.offset + 1).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let mut start = error.offset.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let title = Level::ERROR.primary_title(error.message.as_str()).id("not-xml");
        let group = Places::new(error.document.as_str(), text).show(title, start..end);
        let _ = writeln!(std::io::stderr().lock(), "{}", self.renderer.render(&[group]));
    }
}

/// Shows places of a text, in time that does not grow with the whole text for each of them.
struct Places<'t> {
    name: &'t str,
    text: &'t str,
    lines: Cow<'t, Lines>,
}

impl<'t> Places<'t> {
    /// A longer line is shown in part.
    const LONG: usize = 2000;
    /// What is shown of a long line on either side of its place, in bytes.
    const AROUND: usize = 100;

    fn new(name: &'t str, text: &'t str) -> Self {
        Self { name, text, lines: Cow::Owned(Lines::of(text)) }
    }

    fn of(document: &'t Document) -> Self {
        Self { name: document.name(), text: document.text(), lines: Cow::Borrowed(document.lines()) }
    }

    /// The title, and below it the lines of the span.
    fn show<'a>(&self, title: Title<'a>, span: Range<usize>) -> Group<'a>
    where
        't: 'a,
    {
        let text = self.text;
        let start = self.lines.line_start(text, span.start);
        let Position { line: number, column } = self.lines.position(text, span.start);
        let rest = text.as_bytes().get(span.end..).unwrap_or_default();
        let is_end = |byte: &u8| *byte == b'\n';
        let rest = rest.iter().take(Self::LONG).position(is_end).unwrap_or(rest.len());
        let end = span.end + rest;
        let mark = |from: usize| AnnotationKind::Primary.span(span.start - from..span.end - from);
        let lines = |from: usize, to: usize| {
            Snippet::source(text.get(from..to).unwrap_or_default()).line_start(number).annotation(mark(from))
        };
        if end - start <= Self::LONG {
            return title.element(lines(start, end).path(self.name));
        }
        let whole = |at: usize| (at..).find(|at| text.is_char_boundary(*at)).unwrap_or(end);
        let from = whole(span.start.saturating_sub(Self::AROUND).max(start));
        let to = whole((span.end + Self::AROUND).min(end));
        let place = annotate_snippets::Origin::path(self.name).line(number).char_column(column);
        title.element(place).element(lines(from, to))
    }
}

/// A problem as JSON.
pub fn problem_json(document: &Document, problem: &Diagnostic) -> serde_json::Value {
    let span = document.span(problem.origin);
    let position = document.position(problem.origin);
    json!({
        "severity": problem.severity,
        "code": problem.code,
        "class": problem.code.class(),
        "message": problem.message,
        "file": document.name(),
        "line": position.map(|position| position.line),
        "column": position.map(|position| position.column),
        "span": span.map(|span| [span.start, span.end]),
        "path": document.path(problem.origin),
        "rule": problem.origin.rule(),
        "help": problem.help,
    })
}
