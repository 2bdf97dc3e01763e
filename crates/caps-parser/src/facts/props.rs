//! Properties of a QOM type.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::{NameList, Text};

/// The properties of one device, object or machine, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Props {
    names: NameList,
    /// The type, and behind an equals sign the default as JSON: `bool=true`.
    kinds: NameList,
}

/// One property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prop<'a> {
    /// QEMU's name: `tx`.
    pub name: &'a str,
    /// QEMU's word for the type: `str`, `bool`, `uint32`, `OnOffAuto`, `link<iothread>`; empty where not said.
    pub kind: &'a str,
    /// The default as JSON, where it is known: `true`, `0`, `"auto"`.
    pub default: Option<&'a str>,
}

impl Props {
    /// The property of this name.
    pub fn get(&self, name: &str) -> Option<Prop<'_>> {
        self.at(self.names.search(name)?)
    }

    /// Whether there is a property of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.names.search(name).is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The properties in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = Prop<'_>> {
        (0..self.len()).filter_map(|index| self.at(index))
    }

    fn at(&self, index: usize) -> Option<Prop<'_>> {
        let name = self.names.get(index)?;
        let kind = self.kinds.get(index)?;
        Some(match kind.split_once('=') {
            Some((kind, default)) => Prop { name, kind, default: Some(default) },
            None => Prop { name, kind, default: None },
        })
    }
}

impl<'a> FromIterator<Prop<'a>> for Props {
    /// The first of several properties of the same name wins.
    fn from_iter<I: IntoIterator<Item = Prop<'a>>>(props: I) -> Self {
        let mut sorted: Vec<Prop<'a>> = props.into_iter().collect();
        sorted.sort_by_key(|prop| prop.name);
        sorted.dedup_by_key(|prop| prop.name);
        let mut built = Self::default();
        for prop in sorted {
            built.names.push(prop.name);
            match prop.default {
                Some(default) => built.kinds.push(&format!("{}={default}", prop.kind)),
                None => built.kinds.push(prop.kind),
            }
        }
        built
    }
}

impl fmt::Debug for Props {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.names.iter().zip(self.kinds.iter())).finish()
    }
}

impl Serialize for Props {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, kind) in self.names.iter().zip(self.kinds.iter()) {
            map.serialize_entry(name, kind)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Props {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Props;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("properties by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Props, A::Error> {
                let mut props =
                    Props { names: NameList::with_capacity(64), kinds: NameList::with_capacity(64) };
                let mut sorted = true;
                while let Some((name, kind)) = map.next_entry::<Text, Text>()? {
                    let last = props.names.len().checked_sub(1).and_then(|last| props.names.get(last));
                    sorted = sorted && last.is_none_or(|last| last < name.0.as_ref());
                    props.names.push(&name.0);
                    props.kinds.push(&kind.0);
                }
                // What this crate wrote is sorted already; anything else is put in order here.
                Ok(if sorted { props } else { props.iter().collect() })
            }
        }
        deserializer.deserialize_map(Map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_properties_and_survives_json() {
        let prop = |name, kind, default| Prop { name, kind, default };
        let props: Props = [
            prop("tx", "str", None),
            prop("mq", "bool", Some("false")),
            prop("label", "str", Some("\"a=b\"")),
            prop("tx", "other", None),
        ]
        .into_iter()
        .collect();
        assert_eq!(props.get("tx"), Some(prop("tx", "str", None)));
        assert_eq!(props.get("label"), Some(prop("label", "str", Some("\"a=b\""))));
        assert!(!props.contains("t"));
        let json = serde_json::to_string(&props).unwrap();
        assert_eq!(json, r#"{"label":"str=\"a=b\"","mq":"bool=false","tx":"str"}"#);
        assert_eq!(serde_json::from_str::<Props>(&json).unwrap(), props);
        let shuffled: Props =
            serde_json::from_str(r#"{"tx":"str","mq":"bool=false","label":"str=\"a=b\""}"#).unwrap();
        assert_eq!(shuffled, props);
    }
}
