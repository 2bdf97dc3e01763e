//! `modern/*`: what libvirt 11.3.0 makes of domains.

mod manifest;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::reference::{LoadError, Reference};
use crate::suite::{Group, Outcome, Suite};

pub use manifest::{Case, Expect, Manifest};

/// What the three suites share: the folder, its manifest and the capabilities read so far.
struct Shared {
    folder: Reference,
    manifest: Manifest,
}

/// The suites of the folder: `modern/args`, `modern/refusals` and `modern/xml`.
pub fn load(folder: Reference) -> Result<Vec<Box<dyn Suite>>, LoadError> {
    let manifest = folder.json("manifest.json")?;
    let shared = Arc::new(Shared { folder, manifest });
    let suite = |name, kind: Kind| -> Box<dyn Suite> {
        let of_kind = |(_, case): &(usize, &Case)| kind.takes(case);
        let cases =
            shared.manifest.cases.iter().enumerate().filter(of_kind).map(|(index, _)| index).collect();
        Box::new(Modern { name, kind, shared: Arc::clone(&shared), cases })
    };
    Ok(vec![
        suite("modern/args", Kind::Args),
        suite("modern/refusals", Kind::Refusal),
        suite("modern/xml", Kind::Xml),
    ])
}

/// What is compared of a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The command line, byte for byte.
    Args,
    /// The stage and the class of the error.
    Refusal,
    /// The canonical XML, byte for byte.
    Xml,
}

impl Kind {
    fn takes(self, case: &Case) -> bool {
        match self {
            Self::Args => case.expect == Expect::Args,
            Self::Refusal => case.expect != Expect::Args,
            Self::Xml => case.out_xml_inactive.is_some(),
        }
    }
}

struct Modern {
    name: &'static str,
    kind: Kind,
    shared: Arc<Shared>,
    /// Indices into the cases of the manifest.
    cases: Vec<usize>,
}

impl Modern {
    fn case(&self, index: usize) -> Option<&Case> {
        self.cases.get(index).and_then(|&index| self.shared.manifest.cases.get(index))
    }
}

impl Suite for Modern {
    fn name(&self) -> &str {
        self.name
    }

    fn cases(&self) -> Vec<&str> {
        (0..self.cases.len()).filter_map(|index| self.case(index)).map(|case| case.id.as_str()).collect()
    }

    fn run(&self, index: usize) -> Outcome {
        let _ = (self.case(index), &self.shared.folder);
        Outcome::Fail("not supported yet".to_owned())
    }

    /// The command lines for the newest QEMU known of each architecture.
    fn groups(&self) -> Vec<Group> {
        if self.kind != Kind::Args {
            return Vec::new();
        }
        let mut by_arch: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for index in 0..self.cases.len() {
            match self.case(index) {
                Some(case) if case.caps.version == "latest" && case.caps.variant.is_empty() => {
                    by_arch.entry(&case.arch).or_default().push(index);
                }
                _ => {}
            }
        }
        let name = |arch: &str| format!("{}:{arch}-latest", self.name);
        by_arch.into_iter().map(|(arch, members)| Group { name: name(arch), members }).collect()
    }
}
