//! Options of an argument: `key=value,…` or JSON.

use std::cell::Cell;

use serde_json::Value as Json;

/// The options of an argument, in order; each remembers whether somebody has read it.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs {
    items: Vec<Pair>,
}

/// One option.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// The key; with dots for what is nested.
    pub key: String,
    /// The value as text.
    pub value: String,
    /// Its type, if it was written as JSON.
    pub json: Option<JsonType>,
    used: Cell<bool>,
}

/// What a value is in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonType {
    Text,
    Number,
    Bool,
    Null,
}

impl Pairs {
    /// Reads `value,key=value,flag`, by QEMU's rules: a comma is doubled in a value, the first key may be left
    /// out, and a key alone is a switch that is on (`nokey` is one that is off).
    pub fn key_value(text: &str, implied: Option<&str>) -> Self {
        let mut items = Vec::new();
        for (index, part) in split(text).into_iter().enumerate() {
            let (key, value) = match part.split_once('=') {
                Some((key, value)) if !key.contains(',') => (key.to_owned(), value.to_owned()),
                _ if index == 0 && implied.is_some() => (implied.unwrap_or_default().to_owned(), part),
                _ if part.is_empty() => continue,
                _ => (part, "on".to_owned()),
            };
            items.push(Pair { key, value, json: None, used: Cell::new(false) });
        }
        Pairs { items }
    }

    /// Reads a JSON object, nested keys joined by dots.
    pub fn json(text: &str) -> Option<Self> {
        let Ok(Json::Object(object)) = serde_json::from_str(text) else { return None };
        let mut items = Vec::new();
        for (key, value) in &object {
            flatten(key.clone(), value, &mut items);
        }
        Some(Pairs { items })
    }

    /// Reads JSON if it starts like that, else `key=value`.
    pub fn read(text: &str, implied: Option<&str>) -> Option<Self> {
        if text.trim_start().starts_with('{') {
            return Pairs::json(text);
        }
        Some(Pairs::key_value(text, implied))
    }

    /// The value of a key, which counts as read. A later one of the same name wins.
    pub fn take(&self, key: &str) -> Option<&str> {
        let mut value = None;
        for pair in self.items.iter().filter(|pair| pair.key == key) {
            pair.used.set(true);
            value = Some(pair.value.as_str());
        }
        value
    }

    /// The value of the first of several names of the same option that is there.
    pub fn take_any(&self, keys: &[&str]) -> Option<&str> {
        let mut value = None;
        for key in keys {
            value = self.take(key).or(value);
        }
        value
    }

    /// Every value of a key, all of which count as read.
    pub fn take_all(&self, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for pair in self.items.iter().filter(|pair| pair.key == key) {
            pair.used.set(true);
            values.push(pair.value.as_str());
        }
        values
    }

    /// The value of a key, which does not count as read.
    pub fn peek(&self, key: &str) -> Option<&str> {
        self.items.iter().rev().find(|pair| pair.key == key).map(|pair| pair.value.as_str())
    }

    /// A switch: `on` or `off`.
    pub fn switch(&self, key: &str) -> Option<bool> {
        let value = self.peek(key).and_then(switch)?;
        self.take(key);
        Some(value)
    }

    /// A number, decimal, or hexadecimal with `0x`.
    pub fn number(&self, key: &str) -> Option<u64> {
        let value = self.peek(key).and_then(number)?;
        self.take(key);
        Some(value)
    }

    /// A number that fits.
    pub fn small<T: TryFrom<u64>>(&self, key: &str) -> Option<T> {
        let value = self.peek(key).and_then(number).and_then(|value| T::try_from(value).ok())?;
        self.take(key);
        Some(value)
    }

    /// A word that the model knows.
    pub fn word<T: domain_model::xml::Text>(&self, key: &str) -> Option<T> {
        let value = self.peek(key).and_then(|text| T::parse(text).ok())?;
        self.take(key);
        Some(value)
    }

    /// Every option.
    pub fn all(&self) -> impl Iterator<Item = &Pair> {
        self.items.iter()
    }

    /// As if nobody had read anything.
    pub fn reset(&self) {
        self.items.iter().for_each(|pair| pair.used.set(false));
    }

    /// What nobody has read.
    pub fn left(&self) -> impl Iterator<Item = &Pair> {
        self.items.iter().filter(|pair| !pair.used.get())
    }

    /// Whether everything has been read.
    pub fn is_spent(&self) -> bool {
        self.left().next().is_none()
    }

    /// The options below a key, as `file` for `file.driver` and `file.filename`; the same ones, so reading them
    /// counts for this copy only.
    pub fn below(&self, prefix: &str) -> Pairs {
        let items = self.items.iter().filter_map(|pair| {
            let key = pair.key.strip_prefix(prefix)?.strip_prefix('.')?.to_owned();
            Some(Pair { key, ..pair.clone() })
        });
        Pairs { items: items.collect() }
    }

    /// Counts everything below a key as read.
    pub fn take_below(&self, prefix: &str) {
        for pair in &self.items {
            if pair.key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')) {
                pair.used.set(true);
            }
        }
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// The parts between commas; a doubled comma is one in the part.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(next) = characters.next() {
        if next == ',' && characters.next_if_eq(&',').is_none() {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(next);
        }
    }
    parts
}

/// `on` and its other words.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text {
        "on" | "yes" | "true" | "y" => Some(true),
        "off" | "no" | "false" | "n" => Some(false),
        _ => None,
    }
}

/// A number, decimal, or hexadecimal with `0x`.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A size in bytes: a number with a unit, such as `512M` or `1.5G`; `unit` is that of a bare number.
pub(super) fn size(text: &str, unit: u64) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    if text.starts_with("0x") {
        return number(text).and_then(|number| number.checked_mul(unit));
    }
    let (number, suffix) = text.split_at(digits);
    let unit = match suffix {
        "" => unit,
        "B" | "b" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        "T" | "t" => 1 << 40,
        "P" | "p" => 1 << 50,
        _ => return None,
    };
    match number.split_once('.') {
        None => number.parse::<u64>().ok()?.checked_mul(unit),
        Some((whole, fraction)) => {
            let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
            let fraction = fraction.get(..fraction.len().min(9))?;
            let tenths = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
            let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(unit) / tenths;
            whole.checked_add(u64::try_from(part).ok()?)
        }
    }
}

fn flatten(key: String, value: &Json, items: &mut Vec<Pair>) {
    let (text, json) = match value {
        Json::Object(object) => {
            for (inner, value) in object {
                flatten(format!("{key}.{inner}"), value, items);
            }
            return;
        }
        Json::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                flatten(format!("{key}.{index}"), value, items);
            }
            return;
        }
        Json::Null => (String::new(), JsonType::Null),
        Json::Bool(value) => ((if *value { "on" } else { "off" }).to_owned(), JsonType::Bool),
        Json::Number(number) => (number.to_string(), JsonType::Number),
        Json::String(text) => (text.clone(), JsonType::Text),
    };
    items.push(Pair { key, value: text, json: Some(json), used: Cell::new(false) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_syntaxes() {
        let check = |text: &str, implied: Option<&str>, expected: &[(&str, &str)]| {
            let pairs = Pairs::read(text, implied).unwrap();
            let read: Vec<(&str, &str)> =
                pairs.left().map(|pair| (pair.key.as_str(), pair.value.as_str())).collect();
            assert_eq!(read, expected, "{text}");
        };
        check(
            "virtio-net-pci,netdev=n0,mq",
            Some("driver"),
            &[("driver", "virtio-net-pci"), ("netdev", "n0"), ("mq", "on")],
        );
        check("file=a,,b.img,if=none", None, &[("file", "a,b.img"), ("if", "none")]);
        check("driver=x,a=b=c", Some("driver"), &[("driver", "x"), ("a", "b=c")]);
        check(
            "socket,path=/a,server,wait=off",
            Some("backend"),
            &[("backend", "socket"), ("path", "/a"), ("server", "on"), ("wait", "off")],
        );
        check(
            r#"{"driver":"a","n":1,"b":true,"x":{"y":["z"]}}"#,
            None,
            &[("b", "on"), ("driver", "a"), ("n", "1"), ("x.y.0", "z")],
        );
        check("", Some("driver"), &[("driver", "")]);
        assert!(Pairs::read("{broken", None).is_none());
    }

    #[test]
    fn sizes() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(size(text, 1 << 20), expected, "{text}");
        check("512", Some(512 << 20));
        check("2G", Some(2 << 30));
        check("1.5g", Some(3 << 29));
        check("4096k", Some(4 << 20));
        check("0x10", Some(16 << 20));
        check("", None);
        check("1X", None);
        check("99999999999999T", None);
    }
}
