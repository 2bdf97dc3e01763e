//! Reading domains and other files.

use std::io::Read;
use std::path::{Path, PathBuf};

use domain_model::{Diagnostic, Document, Domain};

use crate::report::{Report, Status, Stop};

/// How many bytes tell the format of an image.
const HEAD: u64 = 1024;

/// A domain as it was given to us.
#[derive(Debug)]
pub struct Input {
    /// The text and its positions.
    pub document: Document,
    /// The domain.
    pub domain: Domain,
    /// What is wrong with it.
    pub problems: Vec<Diagnostic>,
    /// The directory from which its relative paths count.
    pub directory: PathBuf,
}

/// Reads a domain from a file, or from standard input for `-`.
///
/// Problems of the domain are not reported yet; a text that is no XML at all is.
pub fn domain(name: &str, report: &Report) -> Result<Input, Stop> {
    let (shown, bytes, directory) = if name == "-" {
        let bytes = limited(std::io::stdin().lock()).map_err(|error| unreadable("standard input", &error))?;
        ("<stdin>".to_owned(), bytes, PathBuf::from("."))
    } else {
        let path = Path::new(name);
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        (name.to_owned(), file(path)?, directory.unwrap_or(Path::new(".")).to_owned())
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
        Stop::new(Status::Xml, format!("{shown}:{line}: the text is not valid UTF-8 (at byte {offset})"))
    })?;
    let document = match Document::parse(&shown, text.as_str()) {
        Ok(document) => document,
        Err(error) => {
            report.syntax(&text, &error);
            return Err(Stop::silent(Status::Xml));
        }
    };
    let (domain, problems) = Domain::read(&document);
    let directory = std::path::absolute(&directory).unwrap_or(directory);
    Ok(Input { document, domain, problems, directory })
}

impl Input {
    /// Reports the problems; stops if one of them is an error.
    pub fn settle(&self, report: &Report) -> Result<(), Stop> {
        report.problems(&self.document, &self.problems);
        match Status::of(&self.problems) {
            Status::Ok => Ok(()),
            status => Err(Stop::silent(status)),
        }
    }
}

/// Reads a file of text.
pub fn text(path: &Path) -> Result<String, Stop> {
    String::from_utf8(file(path)?)
        .map_err(|_| Stop::new(Status::Usage, format!("`{}` is not a text in UTF-8", path.display())))
}

/// Reads a text from standard input.
pub fn standard_input() -> Result<String, Stop> {
    let bytes = limited(std::io::stdin().lock()).map_err(|error| unreadable("standard input", &error))?;
    String::from_utf8(bytes).map_err(|_| Stop::new(Status::Usage, "standard input is not a text in UTF-8"))
}

/// The first bytes of a file, if it is a file that can be read.
pub fn head(path: &Path) -> Option<Vec<u8>> {
    // Opening a pipe would wait for whoever writes to it.
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let file = is_file.then(|| std::fs::File::open(path).ok()).flatten()?;
    let mut bytes = Vec::new();
    file.take(HEAD).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn file(path: &Path) -> Result<Vec<u8>, Stop> {
    let shown = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| unreadable(&format!("`{shown}`"), &error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Stop::new(Status::Usage, format!("cannot read `{shown}`: it is a directory")));
    }
    limited(file).map_err(|error| unreadable(&format!("`{shown}`"), &error))
}

/// Reads at most a little more than any of our formats takes, so that its own limit can speak.
fn limited(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(domain_model::source::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(what: &str, error: &std::io::Error) -> Stop {
    Stop::new(Status::Usage, format!("cannot read {what}: {error}"))
}
