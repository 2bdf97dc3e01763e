//! `modern/*`: what libvirt 11.3.0 makes of domains.

mod caps;
mod config;
mod host;
mod manifest;
pub mod schema;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use caps_parser::Capabilities;
use domain_model::{Class, Diagnostic, Document, Domain, Severity};
use qemu_argv::{CommandLine, Config, EnvVar, FdRequest, Inputs, RecordedHost, shell};

use crate::reference::{LoadError, Reference};
use crate::schema::Rewritten;
use crate::suite::{Group, Outcome, Suite};
use caps::Qemus;
use host::Mocks;

pub use manifest::{Case, Expect, Manifest};

/// The domains of the folder and what is in force for each; what the suites share.
pub struct Cases {
    folder: Reference,
    manifest: Manifest,
    mocks: Mocks,
    qemus: Qemus,
}

/// The suites of the folder: `modern/args`, `modern/refusals` and `modern/xml`.
pub fn load(folder: Reference) -> Result<Vec<Box<dyn Suite>>, LoadError> {
    let shared = Arc::new(Cases::load(folder)?);
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
    shared: Arc<Cases>,
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
        let Some(case) = self.case(index) else { return Outcome::no_such_case() };
        let result = match self.kind {
            Kind::Args => self.shared.args(case),
            Kind::Refusal => self.shared.refusal(case),
            Kind::Xml => self.shared.xml(case),
        };
        result.into()
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

/// The stage at which a domain was refused, and why.
struct Refused {
    /// `parse` or `build`, as the manifest calls them.
    stage: &'static str,
    errors: Vec<(Class, String)>,
}

impl Refused {
    fn to_text(&self) -> String {
        let mut text = format!("refused at stage {}", self.stage);
        for (class, message) in &self.errors {
            text.push_str(&format!("\n{class:?}: {message}"));
        }
        text
    }
}

/// What came of a case, as far as it got.
struct Reached {
    resolved: Option<Domain>,
    end: Result<Rendered, Refused>,
}

/// A command line in the layout of `.args` files.
struct Rendered {
    text: String,
    /// What of it QEMU would not take.
    violations: Vec<String>,
}

impl Cases {
    /// Reads what `folder` has.
    pub fn load(folder: Reference) -> Result<Self, LoadError> {
        let manifest = folder.json("manifest.json")?;
        let mocks = Mocks::load(&folder)?;
        Ok(Cases { folder, manifest, mocks, qemus: Qemus::default() })
    }

    /// All of them, in the order of the manifest.
    pub fn all(&self) -> &[Case] {
        &self.manifest.cases
    }

    /// The text of a case's domain.
    pub fn text(&self, case: &Case) -> Result<String, LoadError> {
        self.folder.text(&case.input)
    }

    /// The devices whose properties a case sets by hand (`<qemu:override>`), whether QEMU has them or not.
    pub fn changed_by_hand(&self, case: &Case) -> Vec<String> {
        let Ok(document) = Document::parse("domain.xml", self.text(case).unwrap_or_default()) else {
            return Vec::new();
        };
        let (domain, _) = Domain::read(&document);
        let changes = domain.qemu_override.into_iter().flat_map(|changes| changes.devices);
        changes.map(|device| device.alias).collect()
    }

    /// The domains of all cases that can be resolved, as they are and as they are written then.
    pub fn resolved(&self) -> Vec<Rewritten> {
        let rewritten = |case: &Case| {
            let before = self.text(case).ok()?;
            let after = self.reach(case).ok()?.resolved?.write_known();
            Some(Rewritten { name: case.id.clone(), before, after })
        };
        self.all().iter().filter_map(rewritten).collect()
    }

    /// The words of libvirt's command lines, by case.
    pub fn argvs(&self) -> Result<HashMap<String, Vec<String>>, LoadError> {
        #[derive(serde::Deserialize)]
        struct Line {
            id: String,
            argv: Vec<String>,
        }
        let name = "argv.jsonl";
        let text = self.folder.text(name)?;
        let lines = text.lines().map(serde_json::from_str::<Line>);
        let lines = lines.map(|line| line.map(|line| (line.id, line.argv)));
        lines.collect::<Result<_, _>>().map_err(|error| self.folder.malformed(name, error))
    }

    /// What the QEMU of a case can do.
    pub fn caps(&self, case: &Case) -> Result<Arc<Capabilities>, String> {
        self.qemus.of(&self.folder, case)
    }

    /// The host of a case.
    pub fn host(&self, case: &Case) -> RecordedHost {
        let mut env = self.manifest.baseline_env.clone();
        env.extend(case.env.clone());
        self.mocks.host(case, &self.text(case).unwrap_or_default(), env)
    }

    /// What is chosen for all guests where a case is run.
    pub fn config(&self, case: &Case) -> Config {
        let values = self.manifest.baseline_config.iter().chain(&case.config);
        Config {
            abi_update: case.abi_update,
            incoming: case.migrate_from.clone(),
            incoming_fd: case.migrate_fd,
            ..config::config(&values.map(|(name, value)| (name.as_str(), value)).collect())
        }
    }

    /// The number of a descriptor where a case is run.
    pub fn fd(&self, case: &Case, request: &FdRequest) -> String {
        self.mocks.fd(case, request)
    }

    /// Takes a case through every stage.
    fn reach(&self, case: &Case) -> Result<Reached, String> {
        let caps = self.caps(case)?;
        let host = self.host(case);
        let config = self.config(case);
        let inputs = Inputs { caps: &caps, host: &host, config: &config };

        let refused = |stage, errors| Ok(Reached { resolved: None, end: Err(Refused { stage, errors }) });
        let Ok(text) = self.text(case) else {
            // For libvirt a file that is not there is no XML either.
            return refused("parse", vec![(Class::Xml, format!("cannot read {}", case.input))]);
        };
        let document = match Document::parse("domain.xml", text) {
            Ok(document) => document,
            Err(error) => return refused("parse", vec![(Class::Xml, error.to_string())]),
        };
        let (domain, problems) = Domain::read(&document);
        let read = errors(&document, &problems);
        if !read.is_empty() {
            return refused("parse", read);
        }
        let (resolved, problems) = qemu_argv::resolve(&domain, inputs);
        let unresolved = errors(&document, &problems);
        if !unresolved.is_empty() {
            return refused("parse", unresolved);
        }
        let (command_line, problems) = qemu_argv::lower(&resolved, inputs);
        let unbuilt = errors(&document, &problems);
        let end = match unbuilt.is_empty() {
            true => Ok(self.render(case, &caps, &command_line)),
            false => Err(Refused { stage: "build", errors: unbuilt }),
        };
        Ok(Reached { resolved: Some(resolved), end })
    }

    fn render(&self, case: &Case, caps: &Capabilities, command_line: &CommandLine) -> Rendered {
        let variable = |var: &EnvVar| (var.name.clone(), var.value.clone());
        let env: Vec<(String, String)> = command_line.env.iter().map(variable).collect();
        let mut argv = vec![command_line.program.clone()];
        argv.extend(command_line.argv(&mut |request| self.fd(case, request)));
        Rendered {
            violations: schema::violations(&argv, caps, &self.changed_by_hand(case)),
            text: shell::lines(&env, &argv),
        }
    }

    fn args(&self, case: &Case) -> Result<Outcome, String> {
        let name = case.args.as_deref().ok_or("the manifest names no command line")?;
        let expected = self.folder.text(name).map_err(|error| error.to_string())?;
        match self.reach(case)?.end {
            Ok(Rendered { text, violations }) => Ok(match Outcome::equal(&expected, &text) {
                Outcome::Pass => Outcome::none_of(violations),
                Outcome::Fail(text) => Outcome::Fail(text + &violations.join("\n")),
            }),
            Err(refused) => Err(refused.to_text()),
        }
    }

    fn refusal(&self, case: &Case) -> Result<Outcome, String> {
        let wanted = case.error.as_ref().ok_or("the manifest names no error")?;
        match self.reach(case)?.end {
            Ok(_) => Err(format!(
                "is not refused, but has to be with {} at stage {}",
                wanted.code_name, wanted.stage
            )),
            // Where there are several errors, libvirt knows of the first only.
            Err(refused) => match refused.errors.first() {
                Some((class, _))
                    if refused.stage == wanted.stage && names(&wanted.code_name).contains(class) =>
                {
                    Ok(Outcome::Pass)
                }
                _ => Err(format!(
                    "has to be refused with {} at stage {}\n{}",
                    wanted.code_name,
                    wanted.stage,
                    refused.to_text()
                )),
            },
        }
    }

    fn xml(&self, case: &Case) -> Result<Outcome, String> {
        let name = case.out_xml_inactive.as_deref().ok_or("the manifest names no XML")?;
        let expected = self.folder.text(name).map_err(|error| error.to_string())?;
        let reached = self.reach(case)?;
        match (reached.resolved, reached.end) {
            (Some(resolved), _) => Ok(Outcome::equal(&expected, &resolved.write_known())),
            (None, Err(refused)) => Err(refused.to_text()),
            (None, Ok(_)) => Err("there is a command line and no domain".to_owned()),
        }
    }
}

fn errors(document: &Document, problems: &[Diagnostic]) -> Vec<(Class, String)> {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors
        .map(|problem| {
            let line = document.position(problem.origin).map_or(0, |position| position.line);
            (problem.code.class(), format!("line {line}: {}", problem.message))
        })
        .collect()
}

/// The classes that stand for an error of libvirt's.
fn names(code_name: &str) -> &'static [Class] {
    match code_name {
        "VIR_ERR_XML_ERROR" | "VIR_ERR_XML_DETAIL" => &[Class::Xml],
        "VIR_ERR_CONFIG_UNSUPPORTED" => &[Class::Unsupported],
        "VIR_ERR_INVALID_ARG" => &[Class::InvalidArgument],
        "VIR_ERR_INTERNAL_ERROR" => &[Class::Internal],
        "VIR_ERR_OPERATION_FAILED" => &[Class::OperationFailed],
        "VIR_ERR_CPU_INCOMPATIBLE" => &[Class::CpuIncompatible],
        "VIR_ERR_NO_TARGET" | "VIR_ERR_NO_SOURCE" | "VIR_ERR_NO_NAME" | "VIR_ERR_NO_OS"
        | "VIR_ERR_NO_ROOT" => &[Class::NotFound],
        _ => &[],
    }
}
