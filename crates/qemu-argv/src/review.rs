//! What a QEMU would say of a command line beforehand.

use caps_parser::qmp::schema::SchemaCell;
use caps_parser::{Capabilities, Version};
use domain_model::{Code, Diagnostic, Domain, Origin};

use crate::CommandLine;
use crate::arg::{Arg, Payload};
use crate::context::{Inputs, qemu_name};
use crate::dialect::Era;
use crate::props::{Props, Value};

/// Options that take what a command of QMP takes, and where in the schema that is.
const SCHEMA: [(&str, &str); 4] = [
    ("-blockdev", "blockdev-add/arg-type"),
    ("-netdev", "netdev_add/arg-type"),
    ("-object", "object-add/arg-type"),
    ("-chardev", "chardev-add/arg-type/backend"),
];

/// What QEMU's documentation says is going away and its schema does not: the flag, the first of its properties,
/// another property (or none, if all of it goes), since when, and what to use instead.
const GOING: [(&str, &str, Option<&str>, Version, &str); 4] = [
    ("-blockdev", "sheepdog", None, Version::new(5, 2, 0), "another protocol"),
    ("-blockdev", "vxhs", None, Version::new(5, 1, 0), "another protocol"),
    ("-fsdev", "proxy", None, Version::new(8, 1, 0), "`<driver type='virtiofs'/>`"),
    ("-device", "virtio-blk", Some("scsi"), Version::new(5, 0, 0), "a controller of model `virtio-scsi`"),
];

/// Names under which QEMU takes devices that it lists under others.
const ALIASES: [(&str, &str); 2] = [("ahci", "ich9-ahci"), ("lsi", "lsi53c895a")];

/// Devices, and properties of devices, that the QEMU in use does not have.
///
/// libvirt leaves these to QEMU. A capability is asked for where one is known; this is for all others, such as
/// models of network cards, which users choose freely. What QEMU was not asked about is taken to be there.
pub fn unknown(line: &CommandLine, caps: &Capabilities) -> Vec<Diagnostic> {
    if line.dialect.era != Era::Modern {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for arg in line.args.iter().filter(|arg| arg.flag == "-device") {
        let Payload::Props(props) = &arg.payload else { continue };
        let Some((driver, origin)) = first(props) else { continue };
        let qemu = || qemu_name(caps);
        let listed = ALIASES.iter().find(|(alias, _)| *alias == driver).map_or(driver, |(_, listed)| listed);
        if caps.facts.has_device(listed) == Some(false) {
            let message = format!("{} has no device `{driver}`", qemu());
            problems.push(Diagnostic::error(Code::Unsupported, origin, message));
        } else if let Some(known) = caps.facts.props.get(driver) {
            // These say which device it is and where; they are no properties of it.
            let given = props.items().iter().filter(|prop| !["driver", "id", "bus"].contains(&&*prop.key));
            for prop in given.filter(|prop| !known.contains(&prop.key)) {
                let message = format!("the device `{driver}` of {} has no property `{}`", qemu(), prop.key);
                problems.push(Diagnostic::error(Code::Unsupported, prop.origin, message));
            }
        }
    }
    problems
}

/// What works still, and is going away.
pub fn deprecated(line: &CommandLine, resolved: &Domain, inputs: Inputs<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut going = |what: String, origin: Origin, help: Option<String>| {
        let message = format!("{what} is deprecated in {} and will be removed", inputs.qemu());
        let problem = Diagnostic::warning(Code::Deprecated, origin, message);
        found.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    };
    for arg in &line.args {
        let Payload::Props(props) = &arg.payload else { continue };
        let Some((name, origin)) = first(props) else { continue };
        match arg.flag {
            "-machine" if inputs.machine(resolved.kind, name).is_some_and(|machine| machine.deprecated) => {
                let help = "a newer machine type shows the guest other hardware; write one to try it";
                going(format!("the machine type `{name}`"), origin, Some(help.to_owned()));
            }
            "-cpu" if inputs.cpus(resolved.kind).iter().any(|cpu| cpu.name == name && cpu.deprecated) => {
                going(format!("the CPU model `{name}`"), origin, None);
            }
            _ => {}
        }
        for (what, origin) in by_schema(arg, props, inputs.caps) {
            going(what, origin, None);
        }
        for (flag, start, key, since, instead) in GOING {
            let is_meant = arg.flag == flag && name.starts_with(start) && inputs.caps.version() >= since;
            let (what, origin) = match key {
                None => (format!("`{flag} {name}`"), Some(origin)),
                Some(key) => {
                    let prop = props.items().iter().find(|prop| prop.key == key);
                    (format!("`{flag} {name},{key}=`"), prop.map(|prop| prop.origin))
                }
            };
            if let Some(origin) = origin.filter(|_| is_meant) {
                going(what, origin, Some(format!("use {instead}")));
            }
        }
    }
    // Several arguments of one element may rest on the same thing.
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|problem| seen.insert(problem.message.clone()));
    found
}

/// The first property of an argument: which device, machine or backend it is.
fn first(props: &Props) -> Option<(&str, Origin)> {
    match props.items().first() {
        Some(prop) => match &prop.value {
            Value::Text(text) => Some((text, prop.origin)),
            _ => None,
        },
        None => None,
    }
}

/// What the schema says is going away of an argument.
fn by_schema(arg: &Arg, props: &Props, caps: &Capabilities) -> Vec<(String, Origin)> {
    let Some(schema) = &caps.facts.schema else { return Vec::new() };
    let Some((_, path)) = SCHEMA.iter().find(|(flag, _)| *flag == arg.flag) else { return Vec::new() };
    let mut found = Vec::new();
    members(schema, path, arg.flag, props, &mut found);
    found
}

fn members(schema: &SchemaCell, path: &str, shown: &str, props: &Props, found: &mut Vec<(String, Origin)>) {
    let kind = first(props).map(|(kind, _)| kind);
    for prop in props.items() {
        // A member belongs to all backends, or to those of its kind; a character device's are one step further down.
        let mut places = vec![format!("{path}/{}", prop.key)];
        for below in ["", "/data"] {
            places.extend(kind.map(|kind| format!("{path}/+{kind}{below}/{}", prop.key)));
        }
        for place in places {
            if schema.has_path(&format!("{place}/$deprecated")) {
                found.push((format!("`{shown} …,{}=`", prop.key), prop.origin));
            }
            if let Value::Text(value) = &prop.value
                && schema.has_path(&format!("{place}/^{value}/$deprecated"))
            {
                found.push((format!("`{shown} …,{}={value}`", prop.key), prop.origin));
            }
            if let Value::Props(inner) = &prop.value
                && schema.has_path(&place)
            {
                members(schema, &place, &format!("{shown} …,{}", prop.key), inner, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain_model::Document;

    use super::*;
    use crate::{Config, RecordedHost};

    /// What is said of a domain with some devices on QEMU 10.0.
    fn said(machine: &str, devices: &str) -> Vec<String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/builtin/qemu-10.0-x86_64.json");
        let mut caps = Capabilities::from_json(&std::fs::read_to_string(path).unwrap()).unwrap();
        caps.source.clear();
        caps.facts.version = Version::new(10, 0, 0);
        let xml = format!(
            "<domain type='qemu'><name>a</name><memory>65536</memory><os><type arch='x86_64' \
             machine='{machine}'>hvm</type></os><devices>{devices}</devices></domain>"
        );
        let document = Document::parse("a.xml", xml.as_str()).unwrap();
        let (domain, _) = Domain::read(&document);
        let (host, config) = (RecordedHost::default(), Config::of_our_own("/run/a", "/state"));
        let inputs = Inputs { caps: &caps, host: &host, config: &config };
        let (resolved, _) = crate::resolve(&domain, inputs);
        let (line, _) = crate::lower(&resolved, inputs);
        let problems = [unknown(&line, &caps), deprecated(&line, &resolved, inputs)].concat();
        problems
            .iter()
            .map(|problem| {
                let place = document.span(problem.origin).and_then(|span| xml.get(span)).unwrap_or("-");
                format!("{place}: {}", problem.message)
            })
            .collect()
    }

    #[test]
    fn what_is_not_there_and_what_goes_is_said_where_it_is_written() {
        let check = |machine: &str, devices: &str, expected: &[&str]| {
            assert_eq!(said(machine, devices), expected, "{machine} {devices}");
        };
        check("q35", "", &[]);
        check("q35", "<controller type='sata' index='1'/><controller type='scsi' model='lsilogic'/>", &[]);
        check(
            "pc-i440fx-2.9",
            "",
            &[
                "machine='pc-i440fx-2.9: the machine type `pc-i440fx-2.9` is deprecated in QEMU 10.0.0 and will be removed",
            ],
        );
        check(
            "q35",
            "<interface type='user'><model type='ne9000'/></interface>",
            &["type='ne9000: QEMU 10.0.0 has no device `ne9000`"],
        );
        check(
            "q35",
            "<disk type='network'><driver type='raw'/><source protocol='gluster' name='volume/image'>\
             <host name='example.com'/></source><target dev='vda' bus='virtio'/></disk>",
            &[
                "protocol='gluster: `-blockdev …,driver=gluster` is deprecated in QEMU 10.0.0 and will be removed",
            ],
        );
    }
}
