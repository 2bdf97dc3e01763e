//! JSON with its members in order, and serde for it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A JSON value whose members keep the order in which libvirt writes them.
///
/// An element is an object: its attributes have an `@` in front of their names, its children their own names;
/// children that may occur several times are always an array. An element that is text alone is a string or a
/// number, and one that says something by being there is `true`. This is the shape of Python's `xmltodict`,
/// apart from the numbers and the arrays of one.
///
/// `{}` prints one line, `{:#}` indents.
///
/// ```
/// use domain_model::xml::{Json, from_json, to_json};
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices><emulator>/bin/qemu</emulator><hub type='usb'/></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// let json = to_json("devices", &devices);
/// assert_eq!(json.to_string(), r#"{"devices":{"emulator":"/bin/qemu","hub":[{"@type":"usb"}]}}"#);
///
/// let json: Json = serde_json::from_str(r#"{"devices": {"watchdog": [{"@model": "itco"}]}}"#).unwrap();
/// let (devices, problems) = from_json::<Devices>("devices", json);
/// assert!(problems.is_empty());
/// assert_eq!(xml::write("devices", &devices), "<devices>\n  <watchdog model='itco'/>\n</devices>\n");
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A negative number.
    Signed(i64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, its members in order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The text of a value that is no array and no object.
    pub(super) fn as_text(&self) -> Option<String> {
        match self {
            Json::Bool(value) => Some(value.to_string()),
            Json::Unsigned(value) => Some(value.to_string()),
            Json::Signed(value) => Some(value.to_string()),
            Json::String(value) => Some(value.clone()),
            Json::Array(_) | Json::Object(_) => None,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            if f.alternate() { serde_json::to_string_pretty(self) } else { serde_json::to_string(self) };
        f.write_str(&text.map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Unsigned(value) => serializer.serialize_u64(*value),
            Json::Signed(value) => serializer.serialize_i64(*value),
            Json::String(value) => serializer.serialize_str(value),
            Json::Array(values) => {
                let mut array = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    array.serialize_element(value)?;
                }
                array.end()
            }
            Json::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    object.serialize_entry(name, value)?;
                }
                object.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a domain or a part of one")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(u64::try_from(value).map_or(Json::Signed(value), Json::Unsigned))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    /// Other writers of this shape have `null` for an empty element.
    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Object(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}
