//! libvirt's RELAX NG schema: what it allows, against what the model knows.
//!
//! Domains are made from the schema, together using every element, attribute and word of it, and read. What the model
//! then calls unknown, or refuses although the schema lists it, is what it does not type.

mod grammar;
mod sample;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use domain_model::{Code, Diagnostic, Document, Domain, Node, Origin};

pub use grammar::Grammar;
pub use validate::{Rewritten, Validity, validate};

/// Where distributions put the schema; `DOMX_LIBVIRT_SCHEMAS` names another folder.
pub fn default_folder() -> PathBuf {
    std::env::var_os("DOMX_LIBVIRT_SCHEMAS")
        .map_or_else(|| PathBuf::from("/usr/share/libvirt/schemas"), PathBuf::from)
}

/// The committed list of what is not typed, by the reason why not.
pub fn explained() -> BTreeMap<String, BTreeSet<String>> {
    crate::ratchet::Gaps::parse(include_str!("schema/untyped.txt")).reasons
}

/// Every element, attribute and word of the schema that the model types in no domain made from the schema.
///
/// An element is a path, an attribute a path that ends in `@name`, a word such a path with `=word`. What is below an
/// element that is listed is not.
pub fn untyped(folder: &Path) -> Result<BTreeSet<String>, String> {
    let grammar = Grammar::load(&folder.join("domain.rng"))?;
    let (mut refused, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for text in (0..sample::ROUNDS).flat_map(|round| sample::domains(&grammar, round)) {
        let document = Document::parse("sample", text.as_str())
            .map_err(|error| format!("a domain made from the schema is no XML: {error}\n{text}"))?;
        let problems = problems(&document);
        sort(document.root(), &problems, &mut taken, &mut refused);
    }
    refused.retain(|name| !taken.contains(name));
    Ok(refused)
}

/// The places that the model does not type in a document; words with `=` behind their place.
fn problems(document: &Document) -> BTreeSet<String> {
    let (_, problems) = Domain::read(document);
    let place = |problem: &Diagnostic| {
        let path = document.path(problem.origin)?;
        match problem.code {
            Code::UnknownElement | Code::UnknownAttribute | Code::RepeatedElement => Some(path),
            Code::BadValue => Some(path + "="),
            _ => None,
        }
    };
    problems.iter().filter_map(place).collect()
}

/// Sorts the names of an element and of what is in it by whether they have a problem.
fn sort(
    node: Node<'_>,
    problems: &BTreeSet<String>,
    taken: &mut BTreeSet<String>,
    refused: &mut BTreeSet<String>,
) {
    let origin = Origin::Written { node: node.id(), path: "" };
    let place = node.document().path(origin).unwrap_or_default();
    let name = sample::any_of_its_name(&place);
    // A second element where one is allowed is no place to look into.
    if problems.contains(&place) {
        refused.insert(name);
        return;
    }
    let mut add =
        |problem: bool, name: String| if problem { refused.insert(name) } else { taken.insert(name) };
    for (attribute, value) in node.attributes() {
        let unknown = problems.contains(&format!("{place}/@{attribute}"));
        add(unknown, format!("{name}/@{attribute}"));
        if !unknown && value != sample::ANY_TEXT {
            add(problems.contains(&format!("{place}/@{attribute}=")), format!("{name}/@{attribute}={value}"));
        }
    }
    let text = node.text();
    if !text.is_empty() && text != sample::ANY_TEXT {
        add(problems.contains(&format!("{place}=")), format!("{name}={text}"));
    }
    add(false, name);
    for child in node.children().filter(Node::is_element) {
        sort(child, problems, taken, refused);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::Reference;
    use crate::suites::Roundtrip;
    use crate::suites::modern::Cases;

    /// The folder of the schema; says so and gives nothing where there is none.
    fn installed() -> Option<PathBuf> {
        let folder = default_folder();
        if folder.join("domain.rng").is_file() {
            return Some(folder);
        }
        eprintln!("skipped: no schema in {} (set DOMX_LIBVIRT_SCHEMAS)", folder.display());
        None
    }

    /// The list was made from the schema of libvirt 11.3; that of another release has less, or more to be looked at.
    #[test]
    fn the_model_types_the_schema_except_for_what_is_explained() {
        let Some(folder) = installed() else { return };
        let explained: BTreeSet<String> = explained().into_values().flatten().collect();
        let unexplained: Vec<String> = untyped(&folder).unwrap().difference(&explained).cloned().collect();
        assert_eq!(unexplained, Vec::<String>::new());
    }

    #[test]
    fn what_is_written_is_as_valid_as_what_was_read() {
        let Some(folder) = installed() else { return };
        let reference = Reference::open(Reference::default_root()).ok();
        let suite = reference.as_ref().and_then(|reference| Roundtrip::load(reference).unwrap());
        let (Some(suite), true) = (suite, Command::new("xmllint").arg("--version").output().is_ok()) else {
            eprintln!("skipped: no xmllint, or no reference data in {}", Reference::default_root().display());
            return;
        };
        // What is filled in is what libvirt 11.3 fills in; older schemas lack some of it, and these words of 11.2.
        let common = std::fs::read_to_string(folder.join("domaincommon.rng")).unwrap();
        let is_current = common.contains("throttlefilter");
        if !is_current {
            eprintln!("skipped in part: the schema in {} is older than libvirt 11.2", folder.display());
        }
        let cases = reference.filter(|_| is_current).and_then(|reference| reference.part("modern"));
        let resolved = cases.map(|cases| Cases::load(cases).unwrap().resolved()).unwrap_or_default();
        for texts in [suite.rewritten(), resolved] {
            let validity = validate(&folder, &texts).unwrap();
            assert_eq!(validity.spoilt, []);
            assert!(texts.is_empty() || validity.valid > 100, "only {} files are valid", validity.valid);
        }
    }
}
