//! `domx import`: a QEMU command line as domain XML.

use std::path::{Path, PathBuf};

use domain_model::storage::Format;
use qemu_argv::import::{self, Files};
use qemu_argv::shell;

use crate::args::Import;
use crate::input;
use crate::report::{Report, Status, Stop};

/// Prints the domain of a command line; says what of it the domain does not have.
pub fn run(args: &Import, report: &Report) -> Result<Status, Stop> {
    let (name, text, directory) = source(args)?;
    let (domain, problems) = import::import(&text, import::era(&text), &Below(directory));
    report.problems_of_text(&name, &text, &problems);
    if problems.iter().any(domain_model::Diagnostic::is_error) {
        // What cannot be read is a command line, so it is not the XML that is wrong.
        return Ok(Status::Usage);
    }
    crate::print(&domain.write())
}

/// The command line: its name, its text, and the directory from which its paths count.
fn source(args: &Import) -> Result<(String, String, PathBuf), Stop> {
    if !args.command.is_empty() {
        let words: Vec<String> = args.command.iter().map(|word| shell::quote(word)).collect();
        return Ok(("<command line>".to_owned(), words.join(" "), PathBuf::from(".")));
    }
    let file = args.file.as_deref().unwrap_or("-");
    if file == "-" {
        return Ok(("<stdin>".to_owned(), input::standard_input()?, PathBuf::from(".")));
    }
    let path = Path::new(file);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((file.to_owned(), input::text(path)?, directory.to_owned()))
}

/// Files below the directory of the script.
struct Below(PathBuf);

impl Files for Below {
    fn text(&self, path: &str) -> Result<String, String> {
        input::text(&self.0.join(path)).map_err(|stop| stop.message.unwrap_or_default())
    }

    fn format(&self, path: &str) -> Option<Format> {
        input::head(&self.0.join(path)).and_then(|head| import::format_of(&head))
    }
}
