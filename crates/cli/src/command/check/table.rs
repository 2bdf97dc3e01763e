//! Several QEMUs side by side, place by place.

use std::collections::HashMap;
use std::fmt::Write;

use domain_model::{Code, Diagnostic, Document, Severity};
use serde_json::json;

use super::Checked;

/// How wide the piece of XML is made at most, in characters.
const PIECE: usize = 48;

/// How one QEMU takes one place of the domain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// Something else is wrong, and it was not looked at.
    Unknown,
    Warning,
    /// It works still.
    Deprecated,
    /// An older one of the QEMUs that are compared could do it.
    Removed,
    Cannot,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Unknown => "unknown",
            Verdict::Warning => "warning",
            Verdict::Deprecated => "deprecated",
            Verdict::Removed => "removed",
            Verdict::Cannot => "cannot",
        }
    }
}

/// A place of the domain, and what each QEMU says to it.
struct Row<'a> {
    /// Any of the problems at this place.
    problem: &'a Diagnostic,
    /// The problems, in the order of the QEMUs.
    said: Vec<Option<&'a Diagnostic>>,
}

/// What makes two problems stand in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// They are about the same text, from one byte to another. What one QEMU is about to lose another has lost, so the
    /// code says nothing about sameness.
    Text(usize, usize),
    /// They have no place, and are of one kind.
    Nowhere(Code),
}

impl Place {
    fn of(document: &Document, problem: &Diagnostic) -> Self {
        let span = document.span(problem.origin);
        span.map_or(Place::Nowhere(problem.code), |span| Place::Text(span.start, span.end))
    }
}

/// The places in which somebody finds something wrong, in the order of the document.
fn rows<'a>(document: &Document, results: &'a [Checked]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    let mut at_place: HashMap<Place, Vec<usize>> = HashMap::new();
    for (column, checked) in results.iter().enumerate() {
        // How many problems this QEMU has had at a place: each has a row of its own.
        let mut seen: HashMap<Place, usize> = HashMap::new();
        for problem in &checked.problems {
            let place = Place::of(document, problem);
            let seen = seen.entry(place).or_default();
            let at_place = at_place.entry(place).or_default();
            match at_place.get(*seen).and_then(|row| rows.get_mut(*row)) {
                Some(row) => row.said.iter_mut().skip(column).take(1).for_each(|cell| *cell = Some(problem)),
                None => {
                    let said = (0..results.len()).map(|index| (index == column).then_some(problem));
                    at_place.push(rows.len());
                    rows.push(Row { problem, said: said.collect() });
                }
            }
            *seen += 1;
        }
    }
    rows.sort_by_key(|row| document.span(row.problem.origin).map(|span| span.start));
    rows
}

fn verdict(row: &Row<'_>, column: usize, results: &[Checked]) -> Verdict {
    let is_complete = |column: usize| results.get(column).is_some_and(|checked| checked.is_complete);
    let Some(problem) = row.said.get(column).copied().flatten() else {
        return if is_complete(column) { Verdict::Ok } else { Verdict::Unknown };
    };
    let version = |column: usize| results.get(column).map(|checked| checked.version);
    let could = row.said.iter().enumerate().any(|(other, said)| {
        version(other) < version(column) && is_complete(other) && !said.is_some_and(Diagnostic::is_error)
    });
    match problem.severity {
        Severity::Error if could => Verdict::Removed,
        Severity::Error => Verdict::Cannot,
        Severity::Warning if problem.code == Code::Deprecated => Verdict::Deprecated,
        Severity::Warning => Verdict::Warning,
    }
}

/// The piece of the document that a problem is about, on one line.
fn piece(document: &Document, problem: &Diagnostic) -> String {
    let span = document.span(problem.origin);
    let text = span.clone().and_then(|span| document.text().get(span)).unwrap_or("the domain");
    // An attribute's place ends before its closing quote.
    let quote = span.and_then(|span| document.text().get(span.end..)?.chars().next());
    let quote = quote.filter(|quote| ['"', '\''].contains(quote) && text.contains(*quote));
    let line: String = text.lines().next().unwrap_or_default().chars().chain(quote).take(PIECE).collect();
    line
}

fn place(document: &Document, problem: &Diagnostic) -> String {
    document.position(problem.origin).map_or_else(|| "-".to_owned(), |position| position.to_string())
}

/// A row for each place, a column for each QEMU; below, what each says.
pub(super) fn text(document: &Document, results: &[Checked]) -> String {
    let rows = rows(document, results);
    let mut lines = vec![vec![document.name().to_owned(), String::new()]];
    let heads = results.iter().map(|checked| checked.source.clone());
    lines.iter_mut().for_each(|line| line.extend(heads.clone()));
    for row in &rows {
        let mut line = vec![place(document, row.problem), piece(document, row.problem)];
        line.extend((0..results.len()).map(|column| verdict(row, column, results).word().to_owned()));
        lines.push(line);
    }
    let mut all = vec!["together".to_owned(), String::new()];
    all.extend(results.iter().map(|checked| {
        let fails = checked.problems.iter().any(Diagnostic::is_error);
        if fails { "cannot" } else { "ok" }.to_owned()
    }));
    lines.push(all);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..results.len() + 2).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    for row in &rows {
        let _ = writeln!(out, "\n{} {}", place(document, row.problem), piece(document, row.problem));
        for (checked, problem) in results.iter().zip(&row.said) {
            let Some(problem) = problem else { continue };
            let _ = writeln!(out, "  {}: {}", checked.source, problem.message);
            if let Some(help) = &problem.help {
                let _ = writeln!(out, "    {help}");
            }
        }
    }
    out
}

/// The same for programs.
pub(super) fn json(document: &Document, results: &[Checked]) -> serde_json::Value {
    let rows = rows(document, results);
    let rows = rows.iter().map(|row| {
        let position = document.position(row.problem.origin);
        let cells = results.iter().enumerate().map(|(column, checked)| {
            let problem = row.said.get(column).copied().flatten();
            json!({
                "source": checked.source,
                "verdict": verdict(row, column, results).word(),
                "message": problem.map(|problem| &problem.message),
            })
        });
        json!({
            "line": position.map(|position| position.line),
            "column": position.map(|position| position.column),
            "path": document.path(row.problem.origin),
            "text": piece(document, row.problem),
            "qemus": cells.collect::<Vec<_>>(),
        })
    });
    rows.collect()
}
