//! `roundtrip`: reading and writing loses nothing.

mod tolerated;

use std::collections::BTreeSet;

use domain_model::{Document, Domain, Severity, xml};
use serde::Deserialize;

use super::modern;
use crate::reference::{LoadError, Reference};
use crate::schema::Rewritten;
use crate::suite::{Outcome, Suite};
use crate::tree::Element;

/// Every domain XML of the folder.
pub struct Roundtrip {
    folder: Reference,
    /// The files, and whether the domain in it may be refused.
    files: Vec<(String, bool)>,
}

/// The files that a row of a legacy manifest names.
#[derive(Deserialize)]
struct Row {
    xml: Option<String>,
    #[serde(rename = "in")]
    input: Option<String>,
    out: Option<String>,
}

impl Roundtrip {
    /// Collects the files that the manifests of the other suites name; `None` if there are none.
    pub fn load(folder: &Reference) -> Result<Option<Self>, LoadError> {
        let mut sound = BTreeSet::new();
        let mut refused = BTreeSet::new();
        for part in ["legacy/xml2argv", "legacy/argv2xml", "legacy/xml2xml"] {
            let manifest = format!("{part}/manifest.json");
            if folder.has(&manifest) {
                for row in folder.json::<Vec<Row>>(&manifest)? {
                    let names = [row.xml, row.input, row.out].into_iter().flatten();
                    sound.extend(names.map(|name| format!("{part}/{name}")));
                }
            }
        }
        if folder.has("modern/manifest.json") {
            for case in folder.json::<modern::Manifest>("modern/manifest.json")?.cases {
                let list = if case.expect == modern::Expect::ParseError { &mut refused } else { &mut sound };
                list.insert(format!("modern/{}", case.input));
                sound.extend(case.out_xml_inactive.map(|name| format!("modern/{name}")));
            }
        }
        // A file that libvirt takes in one case and refuses in another is sound XML. One that is not there is a case
        // of its own kind, about a missing file.
        let refused =
            refused.into_iter().filter(|name| !sound.contains(name) && folder.has(name)).collect::<Vec<_>>();
        let mut files: Vec<(String, bool)> = sound.into_iter().map(|name| (name, false)).collect();
        files.extend(refused.into_iter().map(|name| (name, true)));
        files.sort();
        Ok((!files.is_empty()).then(|| Self { folder: folder.clone(), files }))
    }

    /// Every file that can be read, as it is and as it is written.
    pub fn rewritten(&self) -> Vec<Rewritten> {
        let rewritten = |name: &String| {
            let before = self.folder.text(name).ok()?;
            let after = read(&before).ok()?.write();
            Some(Rewritten { name: name.clone(), before, after })
        };
        self.files.iter().filter_map(|(name, _)| rewritten(name)).collect()
    }
}

impl Suite for Roundtrip {
    fn name(&self) -> &str {
        "roundtrip"
    }

    fn cases(&self) -> Vec<&str> {
        self.files.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn run(&self, index: usize) -> Outcome {
        let Some((name, may_be_refused)) = self.files.get(index) else { return Outcome::no_such_case() };
        let text = match self.folder.text(name) {
            Ok(text) => text,
            Err(error) => return Outcome::Fail(error.to_string()),
        };
        match read(&text) {
            Ok(domain) => round(&text, &domain).into(),
            Err(_) if *may_be_refused => Outcome::Pass,
            Err(problems) => Outcome::Fail(problems),
        }
    }
}

/// The domain in `text`, or the errors in it, one in a line. What is not changed must not change the text either.
fn read(text: &str) -> Result<Domain, String> {
    let document = Document::parse("domain.xml", text).map_err(|error| error.to_string())?;
    let (domain, diagnostics) = Domain::read(&document);
    let errors: Vec<String> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| {
            let line = document.position(diagnostic.origin).map_or(0, |position| position.line);
            format!("line {line}: {}", diagnostic.message)
        })
        .collect();
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    match domain.write_into(&document) == text {
        true => Ok(domain),
        false => Err("a domain that is not changed changes the text it is written into".to_owned()),
    }
}

fn round(text: &str, domain: &Domain) -> Result<Outcome, String> {
    let written = domain.write();
    let again =
        read(&written).map_err(|problems| format!("cannot read what was written: {problems}\n{written}"))?;
    if again != *domain {
        return Err(format!("what was written reads as another domain:\n{written}"));
    }
    if again.write() != written {
        return Ok(Outcome::equal(&written, &again.write()));
    }
    let (from_json, problems) = xml::from_json::<Domain>("domain", xml::to_json("domain", domain));
    if from_json != *domain || from_json.write() != written || !problems.is_empty() {
        return Err(format!("comes back from JSON as another domain: {problems:?}\n{}", from_json.write()));
    }
    let mut lost = Vec::new();
    missing(&Element::parse(text)?, &Element::parse(&written)?, "", &mut lost);
    Ok(Outcome::none_of(lost))
}

/// Lists what of `before` is not in `after`, however the children are ordered among other names.
fn missing(before: &Element, after: &Element, parent: &str, lost: &mut Vec<String>) {
    let path = format!("{parent}/{}", before.name);
    let same_size = tolerated::same_size(before, after);
    for (name, value) in
        before.attributes.iter().filter(|(name, _)| !(same_size && ["unit", "size"].contains(&name.as_str())))
    {
        let path = format!("{path}/@{name}");
        match after.attribute(name) {
            Some(now) if tolerated::same_attribute(&path, value, now) => {}
            None if tolerated::attribute_left_out(&path, value) => {}
            now => lost.push(format!("{path}: {value:?} became {now:?}")),
        }
    }
    if !same_size && before.text.trim() != after.text.trim() {
        lost.push(format!("{path}: {:?} became {:?}", before.text, after.text));
    }
    let names: BTreeSet<&str> = before.children.iter().map(|child| child.name.as_str()).collect();
    for name in names {
        let path_of_child = format!("{path}/{name}");
        let kept = before.all(name).filter(|child| !tolerated::element_left_out(&path_of_child, child));
        let mut partners = after.all(name);
        for child in kept {
            match partners.next() {
                Some(partner) => missing(child, partner, &path, lost),
                None => lost.push(format!("{path_of_child}: lost")),
            }
        }
    }
}
