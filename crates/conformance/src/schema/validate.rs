//! Whether what the model writes is valid by libvirt's schema.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use domain_model::{Document, Domain};

/// How the files of a folder came out.
#[derive(Debug, Default)]
pub struct Validity {
    /// Files that could be read and are valid as they were given.
    pub valid: usize,
    /// Of those, the files that are no longer valid when written, and why.
    pub spoilt: Vec<(String, String)>,
}

/// How many files `xmllint` is given at once.
const BATCH: usize = 200;

/// Reads each text, writes it again, and has `xmllint` compare both with the schema in `folder`.
pub fn validate(folder: &Path, texts: &[(String, String)]) -> Result<Validity, String> {
    let schema = folder.join("domain.rng");
    let place = std::env::temp_dir().join(format!("domx-validate-{}", std::process::id()));
    std::fs::create_dir(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let result = in_place(&schema, texts, &place);
    // A folder that stays behind in the temporary one is no reason to fail.
    let _ = std::fs::remove_dir_all(&place);
    result
}

fn in_place(schema: &Path, texts: &[(String, String)], place: &Path) -> Result<Validity, String> {
    let mut validity = Validity::default();
    for batch in texts.chunks(BATCH) {
        let mut names = Vec::new();
        for (index, (_, text)) in batch.iter().enumerate() {
            let Ok(document) = Document::parse("domain.xml", text.as_str()) else { continue };
            let (domain, problems) = Domain::read(&document);
            if problems.iter().any(|problem| problem.is_error()) {
                continue;
            }
            for (side, text) in [("in", text), ("out", &domain.write())] {
                let file = place.join(format!("{index}.{side}"));
                std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
                names.push(format!("{index}.{side}"));
            }
        }
        let said = xmllint(schema, &names, place)?;
        let invalid: BTreeSet<&str> =
            said.lines().filter_map(|line| line.strip_suffix(" fails to validate")).collect();
        for (index, (name, _)) in batch.iter().enumerate() {
            let (before, after) = (format!("{index}.in"), format!("{index}.out"));
            if !names.contains(&before) || invalid.contains(before.as_str()) {
                continue;
            }
            validity.valid += 1;
            if invalid.contains(after.as_str()) {
                let reasons = said.lines().filter_map(|line| line.strip_prefix(&format!("{after}:")));
                validity.spoilt.push((name.clone(), reasons.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    Ok(validity)
}

/// What `xmllint` says of the files: `NAME validates`, or `NAME:LINE: why` and `NAME fails to validate`.
fn xmllint(schema: &Path, names: &[String], place: &Path) -> Result<String, String> {
    let output = Command::new("xmllint")
        .args(["--noout", "--relaxng"])
        .arg(schema)
        .args(names)
        .current_dir(place)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run xmllint: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let judged =
        said.lines().filter(|line| line.ends_with(" validates") || line.ends_with(" fails to validate"));
    if judged.count() == names.len() {
        Ok(said)
    } else {
        Err(format!("xmllint did not judge every file:\n{said}"))
    }
}
