//! Whether what an argument is said to come from does decide it.

use std::collections::BTreeMap;
use std::ops::Range;

use domain_model::{Document, Domain, Origin};
use qemu_argv::{CommandLine, Config, Inputs, Payload, Props, RecordedHost, Value};

use crate::suites::modern::{Case, Cases};

/// How many places of a kind are tried before it counts as wrong.
const ATTEMPTS: usize = 12;

/// What a property is said to come from, without what differs from domain to domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The flag and the property, such as `-device netdev=`.
    pub property: String,
    /// The attribute, such as `/domain/devices/interface/driver/@txmode`.
    pub attribute: String,
}

/// What came of all claims.
#[derive(Debug, Default)]
pub struct Findings {
    /// How many properties say that they come from an attribute.
    pub properties: usize,
    /// The kinds of claims, and how many of them have been seen to hold.
    pub claims: usize,
    /// See [`Findings::claims`].
    pub held: usize,
    /// The claims of which no attempt showed that they hold, with a case for each.
    pub doubtful: Vec<(Claim, String)>,
}

/// A property of a command line and the attribute that it cites.
struct Citation {
    /// The argument's place among those of the same flag and name, and its name.
    argument: Identity,
    key: String,
    value: String,
    span: Range<usize>,
    name: String,
}

/// What makes two arguments of two command lines the same one.
#[derive(Clone, PartialEq, Eq)]
struct Identity {
    flag: &'static str,
    /// What QEMU calls it, if anything.
    id: Option<String>,
}

/// A case, built once.
struct Built<'a> {
    case: &'a Case,
    text: String,
    host: RecordedHost,
    config: Config,
}

/// Looks at every property of every case that cites an attribute.
pub fn all(cases: &Cases) -> Findings {
    let mut findings = Findings::default();
    let mut built: Vec<Built<'_>> = Vec::new();
    let mut claims: BTreeMap<Claim, Vec<(usize, Citation)>> = BTreeMap::new();
    for case in cases.all() {
        let Ok(text) = cases.text(case) else { continue };
        let this = Built { case, text, host: cases.host(case), config: cases.config(case) };
        let Ok(document) = Document::parse("domain.xml", this.text.as_str()) else { continue };
        let Some(line) = build(cases, &this, &document) else { continue };
        for (claim, citation) in citations(&line, &document) {
            findings.properties += 1;
            let places = claims.entry(claim).or_default();
            if places.len() < ATTEMPTS {
                places.push((built.len(), citation));
            }
        }
        built.push(this);
    }
    findings.claims = claims.len();
    for (claim, places) in claims {
        let holds = |(index, citation): &(usize, Citation)| {
            built.get(*index).is_some_and(|built| decides(cases, built, citation))
        };
        match places.iter().any(holds) {
            true => findings.held += 1,
            false => {
                let case = places.first().and_then(|(index, _)| built.get(*index));
                findings.doubtful.push((claim, case.map(|built| built.case.id.clone()).unwrap_or_default()));
            }
        }
    }
    findings
}

fn build(cases: &Cases, built: &Built<'_>, document: &Document) -> Option<CommandLine> {
    let (domain, problems) = Domain::read(document);
    if domain_model::domain::has_errors(&problems) {
        return None;
    }
    let caps = cases.caps(built.case).ok()?;
    let inputs = Inputs { caps: &caps, host: &built.host, config: &built.config };
    qemu_argv::build(&domain, inputs).ok().map(|(line, _)| line)
}

/// The properties that cite an attribute which is there.
fn citations(line: &CommandLine, document: &Document) -> Vec<(Claim, Citation)> {
    let mut out = Vec::new();
    for arg in &line.args {
        let identity = identity(line, arg);
        match &arg.payload {
            Payload::Props(props) => {
                each(props, "", &mut |key, value, origin| {
                    out.extend(citation(&identity, key, value, origin, document));
                });
            }
            Payload::Text(text) => out.extend(citation(&identity, "", text.clone(), arg.origin, document)),
            Payload::None => {}
        }
    }
    out
}

fn identity(line: &CommandLine, arg: &qemu_argv::Arg) -> Identity {
    let id = match &arg.payload {
        Payload::Props(props) => ["id", "node-name"].iter().find_map(|key| match props.get(key) {
            Some(Value::Text(id)) => Some(id.clone()),
            _ => None,
        }),
        _ => None,
    };
    // Of those without a name, the count tells one from the other.
    let id = id.or_else(|| {
        let alike = line.args.iter().take_while(|other| !std::ptr::eq(*other, arg));
        Some(format!("#{}", alike.filter(|other| other.flag == arg.flag).count()))
    });
    Identity { flag: arg.flag, id }
}

/// Calls back for every property that has no properties of its own.
fn each(props: &Props, prefix: &str, found: &mut dyn FnMut(&str, String, Origin)) {
    for prop in props.items() {
        let key = format!("{prefix}{}", prop.key);
        match &prop.value {
            Value::Props(inner) => each(inner, &format!("{key}."), found),
            value => found(&key, format!("{value:?}"), prop.origin),
        }
    }
}

fn citation(
    argument: &Identity,
    key: &str,
    value: String,
    origin: Origin,
    document: &Document,
) -> Option<(Claim, Citation)> {
    let Origin::Written { path, .. } = origin else { return None };
    let name = path.rsplit('/').next()?.strip_prefix('@')?;
    let span = document.span(origin)?;
    let written = document.text().get(span.clone())?;
    // An attribute that was not written is pointed at by its element.
    let rest = written.strip_prefix(name)?.trim_start();
    rest.starts_with('=').then_some(())?;
    let attribute = document.path(origin)?;
    let attribute = attribute.split('/').map(|step| step.split('[').next().unwrap_or_default());
    let attribute = attribute.collect::<Vec<_>>().join("/");
    let claim = Claim { property: format!("{} {key}", argument.flag), attribute };
    let citation =
        Citation { argument: argument.clone(), key: key.to_owned(), value, span, name: name.to_owned() };
    Some((claim, citation))
}

/// Whether the property changes, or goes, or the domain is refused, when the attribute goes or says something else.
fn decides(cases: &Cases, built: &Built<'_>, citation: &Citation) -> bool {
    let Some(written) = built.text.get(citation.span.clone()) else { return false };
    let (Some(before), Some(after)) =
        (built.text.get(..citation.span.start), built.text.get(citation.span.end..))
    else {
        return false;
    };
    let Some(quote) = after.chars().next().filter(|quote| ['"', '\''].contains(quote)) else { return false };
    let value = written.split_once(quote).map_or("", |(_, value)| value);
    // The closing quote stands behind what is said to be the attribute.
    let after = after.get(1..).unwrap_or_default();
    let others = alternatives(value);
    let texts = std::iter::once(format!("{before}{after}"))
        .chain(others.iter().map(|other| format!("{before}{}={quote}{other}{quote}{after}", citation.name)));
    texts.into_iter().any(|text| changes(cases, built, citation, text))
}

/// Other values that may be allowed where this one is.
fn alternatives(value: &str) -> Vec<String> {
    let opposite = match value {
        "yes" => Some("no"),
        "no" => Some("yes"),
        "on" => Some("off"),
        "off" => Some("on"),
        _ => None,
    };
    let number = value.strip_prefix("0x").map_or_else(
        || value.parse::<u64>().ok().map(|number| number.wrapping_add(1).to_string()),
        |digits| u64::from_str_radix(digits, 16).ok().map(|number| format!("{:#x}", number.wrapping_add(1))),
    );
    opposite.map(str::to_owned).into_iter().chain(number).chain([format!("{value}x")]).collect()
}

fn changes(cases: &Cases, built: &Built<'_>, citation: &Citation, text: String) -> bool {
    let Ok(document) = Document::parse("domain.xml", text) else { return false };
    let Some(line) = build(cases, built, &document) else { return true };
    let Some(arg) = line.args.iter().find(|arg| identity(&line, arg) == citation.argument) else {
        return true;
    };
    let mut same = false;
    match &arg.payload {
        Payload::Props(props) => {
            each(props, "", &mut |key, value, _| same |= key == citation.key && value == citation.value);
        }
        Payload::Text(text) => same = *text == citation.value,
        Payload::None => {}
    }
    !same
}
