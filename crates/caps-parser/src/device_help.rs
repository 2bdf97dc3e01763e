//! `-device help` and `-device X,help`, in every grammar since 0.12.

use std::collections::BTreeMap;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while1};
use nom::character::complete::char;
use nom::combinator::{map, rest};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use crate::facts::{Device, Facts, Prop};

/// Adds to `facts` what a device help text says; several texts may follow each other in one. Today's `-object X,help` and
/// `-machine X,help` have the same grammar and are read too.
///
/// Lines of another kind (noise about modules, refusals) are counted in [`Facts::skipped`].
pub fn parse(text: &str, facts: &mut Facts) {
    let mut devices: BTreeMap<String, Device> = BTreeMap::new();
    let mut props: BTreeMap<&str, Vec<Found<'_>>> = BTreeMap::new();
    let mut category: Option<&str> = None;
    let mut owner: Option<&str> = None;
    for line in text.lines() {
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        if let Some(heading) = line.strip_suffix(" devices:") {
            category = Some(heading);
        } else if let Some(name) = line.strip_suffix(" options:").filter(|name| !name.contains(' ')) {
            owner = Some(name);
            props.entry(name).or_default();
        } else if let Ok((_, (name, mut device))) = device(line) {
            device.category = category.map(str::to_owned);
            devices.insert(name.to_owned(), device);
        } else if let (true, Some(owner), Ok((_, prop))) = (line.starts_with(' '), owner, indented_prop(line))
        {
            props.entry(owner).or_default().push(prop);
        } else if let Ok((_, (owner, prop))) = dotted_prop(line) {
            props.entry(owner).or_default().push(prop);
        } else {
            facts.skipped = facts.skipped.saturating_add(1);
        }
    }
    if !devices.is_empty() {
        let known = facts.devices.take().unwrap_or_default();
        facts.devices = Some(known.iter().chain(devices.keys().map(String::as_str)).collect());
        facts.device_details.extend(devices);
    }
    for (owner, found) in props {
        let known = facts.props.entry(owner.to_owned()).or_default();
        let found =
            found.iter().map(|(name, kind, default)| Prop { name, kind, default: default.as_deref() });
        *known = found.chain(known.iter()).collect();
    }
}

/// `name "X", bus PCI, alias "y", desc "…", no-user`; other tails that may come are passed over.
fn device(line: &str) -> IResult<&str, (&str, Device)> {
    let (mut tail, name) = preceded(tag("name "), quoted).parse(line)?;
    let mut device = Device::default();
    while let Ok((next, _)) = tag::<_, _, nom::error::Error<&str>>(", ").parse(tail) {
        let (next, item) = alt((
            map(preceded(tag("bus "), word), Tail::Bus),
            map(preceded(tag("alias "), quoted), Tail::Alias),
            map(preceded(tag("desc "), quoted_to_end), Tail::Description),
            map(tag("no-user"), |_| Tail::Internal),
            map(word, |_| Tail::Other),
        ))
        .parse(next)?;
        match item {
            Tail::Bus(bus) => device.bus = Some(bus.to_owned()),
            Tail::Alias(alias) => device.alias = Some(alias.to_owned()),
            Tail::Description(text) => device.description = Some(text.to_owned()),
            Tail::Internal => device.internal = true,
            Tail::Other => {}
        }
        tail = next;
    }
    Ok((tail, (name, device)))
}

enum Tail<'a> {
    Bus(&'a str),
    Alias(&'a str),
    Description(&'a str),
    Internal,
    Other,
}

fn word(input: &str) -> IResult<&str, &str> {
    take_while1(|letter| letter != ',')(input)
}

fn quoted(input: &str) -> IResult<&str, &str> {
    delimited(char('"'), take_till(|letter| letter == '"'), char('"')).parse(input)
}

/// A description may have quotes in it: it ends at the last one that is followed by another tail or by nothing.
fn quoted_to_end(input: &str) -> IResult<&str, &str> {
    let (text, _) = char('"')(input)?;
    let end = text.find("\", no-user").or_else(|| text.rfind('"'));
    match end.and_then(|at| Some((text.get(..at)?, text.get(at..)?.strip_prefix('"')?))) {
        Some((description, rest)) => Ok((rest, description)),
        None => rest(text).map(|(rest, all): (&str, &str)| (rest, all)),
    }
}

/// Name, type, default.
type Found<'a> = (&'a str, &'a str, Option<String>);

/// Until QEMU 3.1: `virtio-net-pci.tx=str` or `virtio-net-pci.tx=str (what it is)`.
fn dotted_prop(line: &str) -> IResult<&str, (&str, Found<'_>)> {
    let (rest, owner) = take_while1(|letter: char| letter != '.' && letter != ' ' && letter != '=')(line)?;
    let (rest, name) =
        preceded(char('.'), take_while1(|letter| letter != '=' && letter != ' ')).parse(rest)?;
    let (rest, kind) = preceded(char('='), take_till(|letter| letter == ' ')).parse(rest)?;
    Ok((rest, (owner, (name, kind, None))))
}

/// Since QEMU 4.0: `  tx=<str>  - what it is (default: x)`, below `virtio-net-pci options:`.
fn indented_prop(line: &str) -> IResult<&str, Found<'_>> {
    let (rest, name) = take_while1(|letter| letter != '=' && letter != ' ')(line.trim_start())?;
    let (rest, _) = tag("=<")(rest)?;
    let mut depth = 1_usize;
    let end = rest.find(|letter| {
        match letter {
            '<' => depth = depth.saturating_add(1),
            '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    let (kind, rest) = rest.split_at(end.unwrap_or(rest.len()));
    let default = rest.rsplit_once("(default: ").and_then(|(_, value)| value.strip_suffix(')'));
    Ok(("", (name, kind, default.map(|value| default_json(kind, value)))))
}

/// A default as JSON. QEMU prints booleans as `true` or, since 8.0, as `on`.
fn default_json(kind: &str, value: &str) -> String {
    match (kind, value) {
        ("bool", "on") => "true".to_owned(),
        ("bool", "off") => "false".to_owned(),
        _ if serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok() => value.to_owned(),
        _ => serde_json::Value::from(value).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_with_all_tails() {
        let check = |line: &str, name: &str, expected: (Option<&str>, Option<&str>, Option<&str>, bool)| {
            let mut facts = Facts::default();
            parse(line, &mut facts);
            assert!(facts.devices.unwrap().contains(name));
            let device = &facts.device_details[name];
            let got = (
                device.bus.as_deref(),
                device.alias.as_deref(),
                device.description.as_deref(),
                device.internal,
            );
            assert_eq!(got, expected, "{line}");
        };
        check(r#"name "a""#, "a", (None, None, None, false));
        check(r#"name "SUNW,fdtwo", bus System"#, "SUNW,fdtwo", (Some("System"), None, None, false));
        check(
            r#"name "a", bus PCI, alias "b", desc "c, d""#,
            "a",
            (Some("PCI"), Some("b"), Some("c, d"), false),
        );
        check(
            r#"name "a", bus ISA, desc "the "best"", no-user"#,
            "a",
            (Some("ISA"), None, Some("the \"best\""), true),
        );
        check(r#"name "a", bus ISA, speed 9, no-user"#, "a", (Some("ISA"), None, None, true));
        check(r#"name "a", desc "open"#, "a", (None, None, Some("open"), false));
    }

    #[test]
    fn properties_in_both_grammars() {
        let check = |text: &str, name: &str, expected: Option<(&str, Option<&str>)>| {
            let mut facts = Facts::default();
            parse(text, &mut facts);
            let got =
                facts.props.get("x").and_then(|props| props.get(name).map(|prop| (prop.kind, prop.default)));
            assert_eq!(got, expected, "{text}");
        };
        check("x.tx=string", "tx", Some(("string", None)));
        check("x.tx=str (bh/timer)", "tx", Some(("str", None)));
        check("x.on=on/off", "on", Some(("on/off", None)));
        check("y.tx=string", "tx", None);
        check("x options:\n  tx=<str>", "tx", Some(("str", None)));
        check("x options:\n  l=<link<a<b>>> - to (default: 1)", "l", Some(("link<a<b>>", Some("1"))));
        check("x options:\n  b=<bool>  - on/off (default: on)", "b", Some(("bool", Some("true"))));
        check("x options:\n  b=<bool>  - on/off (default: false)", "b", Some(("bool", Some("false"))));
        check(
            "x options:\n  o=<OnOffAuto> -  (default: \"auto\")",
            "o",
            Some(("OnOffAuto", Some("\"auto\""))),
        );
        check("x options:\n  o=<OnOffAuto> -  (default: auto)", "o", Some(("OnOffAuto", Some("\"auto\""))));
        check("x options:\n  u=<unfinished", "u", Some(("unfinished", None)));
        check("x options:\ny options:\n  tx=<str>", "tx", None);
    }

    #[test]
    fn several_texts_add_up_and_noise_is_counted() {
        let mut facts = Facts::default();
        parse("name \"x\", bus PCI\nx.a=int\n", &mut facts);
        parse("qemu: noise\nUSB devices:\nname \"y\"\nx.b=int\n", &mut facts);
        assert_eq!(facts.skipped, 1);
        assert_eq!(facts.props["x"].len(), 2);
        assert_eq!(facts.device_details["y"].category.as_deref(), Some("USB"));
        let mut silent = Facts::default();
        parse("", &mut silent);
        assert_eq!(silent.devices, None);
    }
}
