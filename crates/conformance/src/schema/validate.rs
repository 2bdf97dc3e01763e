//! Whether what the model writes is valid by libvirt's schema.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

/// How the files of a folder came out.
#[derive(Debug, Default)]
pub struct Validity {
    /// Texts that are valid as they were given.
    pub valid: usize,
    /// Of those, what is no longer valid when it is written, and why.
    pub spoilt: Vec<(String, String)>,
}

/// How many files `xmllint` is given at once.
const BATCH: usize = 200;

/// A text, what was written of it, and what it is called.
#[derive(Debug, Clone)]
pub struct Rewritten {
    /// The name of the case or file.
    pub name: String,
    /// As it was given.
    pub before: String,
    /// As it was written.
    pub after: String,
}

/// Has `xmllint` compare texts with the schema in `folder`, before and after they were written.
pub fn validate(folder: &Path, texts: &[Rewritten]) -> Result<Validity, String> {
    let schema = folder.join("domain.rng");
    let place = std::env::temp_dir().join(format!("domx-validate-{}", std::process::id()));
    std::fs::create_dir(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let result = in_place(&schema, texts, &place);
    // A folder that stays behind in the temporary one is no reason to fail.
    let _ = std::fs::remove_dir_all(&place);
    result
}

fn in_place(schema: &Path, texts: &[Rewritten], place: &Path) -> Result<Validity, String> {
    let mut validity = Validity::default();
    for batch in texts.chunks(BATCH) {
        let mut names = Vec::new();
        for (index, Rewritten { before, after, .. }) in batch.iter().enumerate() {
            for (side, text) in [("in", before), ("out", after)] {
                let file = place.join(format!("{index}.{side}"));
                std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
                names.push(format!("{index}.{side}"));
            }
        }
        let said = xmllint(schema, &names, place)?;
        let invalid: BTreeSet<&str> =
            said.lines().filter_map(|line| line.strip_suffix(" fails to validate")).collect();
        for (index, Rewritten { name, .. }) in batch.iter().enumerate() {
            let (before, after) = (format!("{index}.in"), format!("{index}.out"));
            if invalid.contains(before.as_str()) {
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
