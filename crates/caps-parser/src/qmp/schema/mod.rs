//! The QAPI schema: what QMP commands take and return.

mod compact;
mod json;
mod path;
mod validate;

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

pub use validate::SchemaError;

use crate::error::ParseError;
use crate::names::NameSet;

/// The index of an entity.
type Id = u32;

/// An index that no entity has: a type that the schema mentions but does not define.
const NOWHERE: Id = Id::MAX;

/// How deep types are followed into each other, for they may go round in circles. Real ones nest a dozen deep.
const DEPTH: u32 = 64;

/// How many types a question looks at, for alternates that refer to each other multiply. Real questions need hundreds.
const STEPS: u32 = 100_000;

/// The reply to `query-qmp-schema`, indexed. Types have numbers for names there; only commands and events have real ones.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    entities: Vec<Entity>,
    by_name: HashMap<Box<str>, Id>,
}

#[derive(Clone, Debug, PartialEq)]
enum Entity {
    Command { arg: Id, ret: Id, features: Features },
    Event { arg: Id },
    Object { members: Vec<Member>, variants: Option<Variants>, features: Features },
    Enum { values: Vec<EnumValue> },
    Array { element: Id },
    Alternate { types: Vec<Id> },
    Builtin { json: JsonType },
}

type Features = Vec<Box<str>>;

#[derive(Clone, Debug, PartialEq)]
struct Member {
    name: Box<str>,
    kind: Id,
    optional: bool,
    features: Features,
}

#[derive(Clone, Debug, PartialEq)]
struct Variants {
    /// The member whose value picks the case.
    tag: Box<str>,
    cases: Vec<(Box<str>, Id)>,
}

#[derive(Clone, Debug, PartialEq)]
struct EnumValue {
    name: Box<str>,
    features: Features,
}

/// The JSON a builtin type is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JsonType {
    String,
    Int,
    Number,
    Boolean,
    Null,
    Object,
    Array,
    Any,
}

impl JsonType {
    const ALL: [(Self, &'static str); 8] = [
        (Self::String, "string"),
        (Self::Int, "int"),
        (Self::Number, "number"),
        (Self::Boolean, "boolean"),
        (Self::Null, "null"),
        (Self::Object, "object"),
        (Self::Array, "array"),
        (Self::Any, "value"),
    ];

    /// QEMU's word in the schema.
    fn qemu(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("value", |(_, word)| word)
    }

    fn from_qemu(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }
}

impl Schema {
    /// Reads what `query-qmp-schema` returned: a JSON array.
    pub fn from_json(text: &str) -> Result<Self, ParseError> {
        json::read(text)
    }

    /// The names of all commands.
    pub fn commands(&self) -> NameSet {
        self.names(|entity| matches!(entity, Entity::Command { .. }))
    }

    /// The names of all events.
    pub fn events(&self) -> NameSet {
        self.names(|entity| matches!(entity, Entity::Event { .. }))
    }

    /// The values of the enumeration at the end of a path: the QOM types that `object-add/arg-type/qom-type` allows. Empty
    /// where the path leads elsewhere.
    pub fn choices(&self, path: &str) -> NameSet {
        match self.find(path).and_then(|id| self.entity(id)) {
            Some(Entity::Enum { values }) => values.iter().map(|value| &value.name).collect(),
            _ => NameSet::new(),
        }
    }

    fn names(&self, wanted: impl Fn(&Entity) -> bool) -> NameSet {
        self.by_name
            .iter()
            .filter(|(_, id)| self.entity(**id).is_some_and(&wanted))
            .map(|(name, _)| name)
            .collect()
    }

    fn entity(&self, id: Id) -> Option<&Entity> {
        self.entities.get(id as usize)
    }

    fn named(&self, name: &str) -> Option<&Entity> {
        self.entity(*self.by_name.get(name)?)
    }
}

/// A schema in whichever form it came: it is written and read as compact text, and only parsed when it is asked.
#[derive(Clone, Debug)]
pub struct SchemaCell {
    text: OnceLock<Box<str>>,
    tree: OnceLock<Schema>,
}

impl SchemaCell {
    /// The schema.
    pub fn get(&self) -> &Schema {
        self.tree.get_or_init(|| Schema::from_compact(self.text.get().map(AsRef::as_ref).unwrap_or_default()))
    }

    /// See [`Schema::has_path`].
    pub fn has_path(&self, path: &str) -> bool {
        self.get().has_path(path)
    }

    /// See [`Schema::validate`].
    pub fn validate(&self, command: &str, arguments: &Value) -> Result<(), SchemaError> {
        self.get().validate(command, arguments)
    }

    fn text(&self) -> &str {
        self.text.get_or_init(|| self.get().to_compact().into())
    }
}

impl From<Schema> for SchemaCell {
    fn from(schema: Schema) -> Self {
        Self { text: OnceLock::new(), tree: OnceLock::from(schema) }
    }
}

impl PartialEq for SchemaCell {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Serialize for SchemaCell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for SchemaCell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self { text: OnceLock::from(text.into_boxed_str()), tree: OnceLock::new() })
    }
}

/// What a question may still spend.
struct Budget(u32);

impl Budget {
    /// Spends a step and a level of depth; nothing when either is used up.
    fn deeper(&mut self, depth: u32) -> Option<u32> {
        self.0 = self.0.checked_sub(1)?;
        depth.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A schema with one of everything.
    pub(super) fn example() -> Schema {
        Schema::from_json(
            r#"[
            {"name":"add","meta-type":"command","arg-type":"1","ret-type":"0","features":["fast"]},
            {"name":"device_add","meta-type":"command","arg-type":"9"},
            {"name":"ADDED","meta-type":"event","arg-type":"1"},
            {"name":"1","meta-type":"object","tag":"driver","members":[
                {"name":"driver","type":"2"},
                {"name":"size","type":"int","default":null,"features":["big"]},
                {"name":"list","type":"[3]","default":null},
                {"name":"loop","type":"[5]","default":null},
                {"name":"either","type":"6","default":null},
                {"name":"nowhere","type":"77","default":null}],
             "variants":[{"case":"file","type":"3"},{"case":"nbd","type":"4"}]},
            {"name":"2","meta-type":"enum","values":["file","nbd"],
             "members":[{"name":"file","features":["old"]},{"name":"nbd"},{"name":"a b;%"}]},
            {"name":"3","meta-type":"object","members":[{"name":"name","type":"str"}]},
            {"name":"4","meta-type":"object","members":[],"features":["tls"]},
            {"name":"[3]","meta-type":"array","element-type":"3"},
            {"name":"[5]","meta-type":"array","element-type":"[5]"},
            {"name":"6","meta-type":"alternate","members":[{"type":"str"},{"type":"int"}]},
            {"name":"9","meta-type":"object","members":[{"name":"driver","type":"str"}]},
            {"name":"str","meta-type":"builtin","json-type":"string"},
            {"name":"int","meta-type":"builtin","json-type":"int"}]"#,
        )
        .unwrap()
    }

    #[test]
    fn lists_commands_events_and_choices() {
        let schema = example();
        assert_eq!(schema.commands().iter().collect::<Vec<_>>(), ["add", "device_add"]);
        assert_eq!(schema.events().iter().collect::<Vec<_>>(), ["ADDED"]);
        assert!(schema.choices("add/arg-type/driver").contains("nbd"));
        assert!(schema.choices("add/arg-type/size").is_empty());
        assert!(schema.choices("add/$fast").is_empty());
    }

    #[test]
    fn circles_end() {
        let schema = Schema::from_json(
            r#"[{"name":"add","meta-type":"command","arg-type":"1"},
            {"name":"1","meta-type":"alternate","members":[{"type":"1"},{"type":"1"},{"type":"[1]"}]},
            {"name":"[1]","meta-type":"array","element-type":"1"}]"#,
        )
        .unwrap();
        assert!(!schema.has_path("add/arg-type/x"));
        assert!(schema.validate("add", &serde_json::json!([[[1]]])).is_err());
    }

    #[test]
    fn a_cell_keeps_the_schema_through_json() {
        let cell = SchemaCell::from(example());
        let json = serde_json::to_string(&cell).unwrap();
        let again: SchemaCell = serde_json::from_str(&json).unwrap();
        assert_eq!(again, cell);
        assert!(again.has_path("add/arg-type/+nbd/$tls"));
        assert!(Schema::from_json("{}").is_err());
    }
}
