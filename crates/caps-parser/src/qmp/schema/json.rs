//! Reading the reply to `query-qmp-schema`.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::{Entity, EnumValue, Features, Id, JsonType, Member, NOWHERE, Schema, Variants};
use crate::error::ParseError;
use crate::names::Text;

/// `SchemaInfo` of QEMU's qapi/introspect.json, all kinds in one.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Info<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    meta_type: Cow<'a, str>,
    #[serde(borrow, default)]
    arg_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    ret_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    element_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    json_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tag: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    members: Vec<InfoMember<'a>>,
    #[serde(borrow, default)]
    variants: Vec<Case<'a>>,
    #[serde(borrow, default)]
    values: Vec<Text<'a>>,
    #[serde(borrow, default)]
    features: Vec<Text<'a>>,
}

/// A member of an object, an enumeration or an alternate.
#[derive(Deserialize)]
struct InfoMember<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    /// QEMU marks a member as optional by giving it a default, which so far is always `null`.
    #[serde(default, rename = "default", deserialize_with = "is_there")]
    optional: bool,
    #[serde(borrow, default)]
    features: Vec<Text<'a>>,
}

#[derive(Deserialize)]
struct Case<'a> {
    #[serde(borrow)]
    case: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

pub(super) fn read(text: &str) -> Result<Schema, ParseError> {
    let infos: Vec<Info<'_>> =
        serde_json::from_str(text).map_err(|error| ParseError::json("not a QAPI schema", text, &error))?;
    let mut by_name: HashMap<&str, Id> = HashMap::with_capacity(infos.len());
    for (info, id) in infos.iter().zip(0..) {
        by_name.entry(&info.name).or_insert(id);
    }
    let id = |name: &str| by_name.get(name).copied().unwrap_or(NOWHERE);
    let entities = infos.iter().map(|info| entity(info, id)).collect();
    let by_name = by_name.into_iter().map(|(name, id)| (name.into(), id)).collect();
    Ok(Schema { entities, by_name })
}

fn entity(info: &Info<'_>, id: impl Fn(&str) -> Id) -> Entity {
    let optional = |name: &Option<Cow<'_, str>>| name.as_deref().map_or(NOWHERE, &id);
    match info.meta_type.as_ref() {
        "command" => Entity::Command {
            arg: optional(&info.arg_type),
            ret: optional(&info.ret_type),
            features: features(&info.features),
        },
        "event" => Entity::Event { arg: optional(&info.arg_type) },
        "object" => Entity::Object {
            members: info
                .members
                .iter()
                .map(|member| Member {
                    name: member.name.as_ref().into(),
                    kind: id(&member.kind),
                    optional: member.optional,
                    features: features(&member.features),
                })
                .collect(),
            variants: info.tag.as_deref().map(|tag| Variants {
                tag: tag.into(),
                cases: info.variants.iter().map(|case| (case.case.as_ref().into(), id(&case.kind))).collect(),
            }),
            features: features(&info.features),
        },
        "enum" => Entity::Enum { values: enum_values(info) },
        "array" => Entity::Array { element: optional(&info.element_type) },
        "alternate" => {
            Entity::Alternate { types: info.members.iter().map(|member| id(&member.kind)).collect() }
        }
        _ => Entity::Builtin {
            json: info.json_type.as_deref().and_then(JsonType::from_qemu).unwrap_or(JsonType::Any),
        },
    }
}

/// QEMU 6.2 gave enumerations `members` that can have features; before, and for a while beside it, there are `values`.
fn enum_values(info: &Info<'_>) -> Vec<EnumValue> {
    if info.members.is_empty() {
        return info
            .values
            .iter()
            .map(|name| EnumValue { name: name.0.as_ref().into(), features: Vec::new() })
            .collect();
    }
    info.members
        .iter()
        .map(|value| EnumValue { name: value.name.as_ref().into(), features: features(&value.features) })
        .collect()
}

fn features(names: &[Text<'_>]) -> Features {
    names.iter().map(|name| name.0.as_ref().into()).collect()
}
