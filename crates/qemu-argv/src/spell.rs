//! From properties to text: the only place that escapes.

use std::fmt::Write;

use crate::props::{ListStyle, Prop, Props, Value};

/// How the properties of a flag are spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `{"driver":"virtio-net-pci","netdev":"hostnet0"}`
    Json,
    /// `virtio-net-pci,netdev=hostnet0`; a comma in a value is doubled.
    KeyValue,
    /// As [`Spelling::KeyValue`], and a comma in a value stays as it is: libvirt of 2011 did not double them.
    Unescaped,
}

/// Gives a descriptor its number.
pub type FdNumber<'a> = dyn FnMut(&crate::host::FdRequest) -> String + 'a;

/// Spells properties.
pub fn spell(props: &Props, spelling: Spelling, fds: &mut FdNumber<'_>) -> String {
    let mut out = String::with_capacity(32 * props.items().len());
    match spelling {
        Spelling::Json => json_object(&mut out, props, fds),
        Spelling::KeyValue | Spelling::Unescaped => {
            let escape = spelling == Spelling::KeyValue;
            let mut items = props.items().iter();
            let mut first = true;
            if props.implied_key()
                && let Some(head) = items.next()
            {
                scalar(&mut out, &head.value, escape, fds);
                first = false;
            }
            for prop in items {
                key_value(&mut out, &mut first, "", prop, escape, fds);
            }
        }
    }
    out
}

fn key_value(
    out: &mut String,
    first: &mut bool,
    prefix: &str,
    prop: &Prop,
    escape: bool,
    fds: &mut FdNumber<'_>,
) {
    if prefix.is_empty() {
        pair(out, first, &prop.key, &prop.value, escape, fds);
    } else {
        pair(out, first, &format!("{prefix}{}", prop.key), &prop.value, escape, fds);
    }
}

fn pair(out: &mut String, first: &mut bool, key: &str, value: &Value, escape: bool, fds: &mut FdNumber<'_>) {
    match value {
        Value::Null => {}
        Value::Flag => {
            if !std::mem::take(first) {
                out.push(',');
            }
            out.push_str(key);
        }
        Value::List(values, ListStyle::Colons) => {
            pair(out, first, key, &Value::Text(colons(values, fds)), escape, fds);
        }
        Value::List(values, style) => {
            for (index, value) in values.iter().enumerate() {
                match style {
                    ListStyle::Repeated | ListStyle::Colons => pair(out, first, key, value, escape, fds),
                    ListStyle::Numbered => {
                        pair(out, first, &format!("{key}.{index}"), value, escape, fds);
                    }
                }
            }
        }
        Value::Props(props) => {
            for prop in props.items() {
                key_value(out, first, &format!("{key}."), prop, escape, fds);
            }
        }
        Value::Text(_) | Value::Int(_) | Value::Bool(_) | Value::Fd(_) => {
            if !std::mem::take(first) {
                out.push(',');
            }
            out.push_str(key);
            out.push('=');
            scalar(out, value, escape, fds);
        }
    }
}

fn colons(values: &[Value], fds: &mut FdNumber<'_>) -> String {
    let mut out = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(':');
        }
        scalar(&mut out, value, false, fds);
    }
    out
}

fn scalar(out: &mut String, value: &Value, escape: bool, fds: &mut FdNumber<'_>) {
    match value {
        Value::Text(text) if escape && text.contains(',') => out.push_str(&text.replace(',', ",,")),
        Value::Text(text) => out.push_str(text),
        Value::Int(number) => integer(out, *number),
        Value::Bool(value) => out.push_str(if *value { "on" } else { "off" }),
        Value::Fd(request) => out.push_str(&fds(request)),
        Value::Null | Value::Flag | Value::List(..) | Value::Props(_) => {}
    }
}

fn json_object(out: &mut String, props: &Props, fds: &mut FdNumber<'_>) {
    out.push('{');
    for (index, prop) in props.items().iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        json_string(out, &prop.key);
        out.push(':');
        json_value(out, &prop.value, fds);
    }
    out.push('}');
}

fn json_value(out: &mut String, value: &Value, fds: &mut FdNumber<'_>) {
    match value {
        Value::Text(text) => json_string(out, text),
        Value::Int(number) => integer(out, *number),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Flag => out.push_str("true"),
        Value::Null => out.push_str("null"),
        Value::List(values, ListStyle::Colons) => json_string(out, &colons(values, fds)),
        Value::List(values, _) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                json_value(out, value, fds);
            }
            out.push(']');
        }
        Value::Props(props) => json_object(out, props, fds),
        // QAPI takes descriptors as strings: they may also be names of descriptors handed over by QMP.
        Value::Fd(request) => json_string(out, &fds(request)),
    }
}

fn integer(out: &mut String, number: i128) {
    // Writing to a string cannot fail. The smaller type is much faster to format.
    let _ = match i64::try_from(number) {
        Ok(number) => write!(out, "{number}"),
        Err(_) => write!(out, "{number}"),
    };
}

fn json_string(out: &mut String, text: &str) {
    if text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        // Serialising a string cannot fail; an empty string would be the honest rest.
        out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()));
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}
