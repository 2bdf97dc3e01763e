//! Checking arguments against the schema.

use serde_json::{Map, Value};
use thiserror::Error;

use super::{Budget, DEPTH, Entity, Id, JsonType, Member, STEPS, Schema, Variants};

/// Arguments that QEMU would refuse.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{path}`: {what}")]
pub struct SchemaError {
    /// Which value: the command, then members with dots between: `blockdev-add.file.locking`.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

impl Schema {
    /// Whether QEMU would take these arguments for this command, by their names and types.
    ///
    /// `-blockdev`, `-netdev`, `-object`, `-chardev` and `-device` take what `blockdev-add`, `netdev_add`, `object-add`,
    /// `chardev-add` and `device_add` do. `device_add` also takes the properties of the device, which are not in the schema,
    /// so of its members only those are checked that are.
    pub fn validate(&self, command: &str, arguments: &Value) -> Result<(), SchemaError> {
        let Some(Entity::Command { arg, .. }) = self.named(command) else {
            return Err(SchemaError { path: command.to_owned(), what: "no such command".to_owned() });
        };
        let open = command == "device_add";
        Check { schema: self, open, budget: Budget(STEPS) }.value(
            *arg,
            arguments,
            &Path { parent: None, step: command },
            DEPTH,
        )
    }
}

/// Where a check has got to.
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: &'a str,
}

impl Path<'_> {
    fn text(&self) -> String {
        let mut steps = vec![self.step];
        let mut at = self.parent;
        while let Some(path) = at {
            steps.push(path.step);
            at = path.parent;
        }
        steps.reverse();
        steps.join(".")
    }

    fn error(&self, what: impl Into<String>) -> SchemaError {
        SchemaError { path: self.text(), what: what.into() }
    }
}

struct Check<'a> {
    schema: &'a Schema,
    /// Whether members that the schema does not know pass.
    open: bool,
    budget: Budget,
}

impl Check<'_> {
    fn value(&mut self, id: Id, value: &Value, path: &Path<'_>, depth: u32) -> Result<(), SchemaError> {
        let depth = self.budget.deeper(depth).ok_or_else(|| path.error("too large or nested too deeply"))?;
        match self.schema.entity(id) {
            None => Err(path.error("the schema does not define its type")),
            Some(Entity::Object { members, variants, .. }) => match value {
                Value::Object(object) => self.object(members, variants.as_ref(), object, path, depth),
                _ => Err(path.error(expected("an object", value))),
            },
            Some(Entity::Array { element }) => match value {
                Value::Array(values) => values.iter().zip(0..).try_for_each(|(value, index): (_, usize)| {
                    self.value(*element, value, &Path { parent: Some(path), step: &index.to_string() }, depth)
                }),
                _ => Err(path.error(expected("an array", value))),
            },
            Some(Entity::Enum { values }) => match value {
                Value::String(word) if values.iter().any(|value| *value.name == **word) => Ok(()),
                Value::String(word) => Err(path.error(format!("`{word}` is not one of its values"))),
                _ => Err(path.error(expected("one of its values", value))),
            },
            Some(Entity::Alternate { types }) => {
                let mut last = path.error("the schema lists no type for it");
                for id in types {
                    match self.value(*id, value, path, depth) {
                        Ok(()) => return Ok(()),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Some(Entity::Builtin { json }) if fits(*json, value) => Ok(()),
            Some(Entity::Builtin { json }) => Err(path.error(expected(json.qemu(), value))),
            Some(Entity::Command { .. } | Entity::Event { .. }) => Err(path.error("its type is not a type")),
        }
    }

    fn object(
        &mut self,
        members: &[Member],
        variants: Option<&Variants>,
        object: &Map<String, Value>,
        path: &Path<'_>,
        depth: u32,
    ) -> Result<(), SchemaError> {
        let mut known: Vec<&[Member]> = vec![members];
        let (mut members, mut variants) = (members, variants);
        // A case of a union may be a union again.
        for _ in 0..DEPTH {
            self.members(members, object, path, depth)?;
            let Some(union) = variants else { break };
            let case = match object.get(union.tag.as_ref()) {
                Some(Value::String(case)) => case,
                // An optional tag has a default which the schema does not tell; nothing more can be checked then.
                _ => return Ok(()),
            };
            let Some((_, id)) = union.cases.iter().find(|(name, _)| **name == **case) else { break };
            match self.schema.entity(*id) {
                Some(Entity::Object { members: more, variants: inner, .. }) => {
                    (members, variants) = (more, inner.as_ref());
                    known.push(more);
                }
                _ => return Err(path.error("the schema does not define this case")),
            }
        }
        let stranger = |name: &&String| {
            !known.iter().any(|members| members.iter().any(|member| *member.name == ***name))
        };
        match object.keys().find(stranger) {
            Some(name) if !self.open => Err(Path { parent: Some(path), step: name }.error("no such member")),
            _ => Ok(()),
        }
    }

    fn members(
        &mut self,
        members: &[Member],
        object: &Map<String, Value>,
        path: &Path<'_>,
        depth: u32,
    ) -> Result<(), SchemaError> {
        for member in members {
            let path = Path { parent: Some(path), step: &member.name };
            match object.get(member.name.as_ref()) {
                Some(value) => self.value(member.kind, value, &path, depth)?,
                None if member.optional => {}
                None => return Err(path.error("is required")),
            }
        }
        Ok(())
    }
}

fn fits(kind: JsonType, value: &Value) -> bool {
    match kind {
        JsonType::String => value.is_string(),
        JsonType::Int => value.is_i64() || value.is_u64(),
        JsonType::Number => value.is_number(),
        JsonType::Boolean => value.is_boolean(),
        JsonType::Null => value.is_null(),
        JsonType::Object => value.is_object(),
        JsonType::Array => value.is_array(),
        JsonType::Any => true,
    }
}

fn expected(kind: &str, value: &Value) -> String {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    format!("expected {kind}, got {got}")
}

#[cfg(test)]
mod tests {
    use crate::qmp::schema::tests::example;

    #[test]
    fn arguments_are_checked_by_name_and_type() {
        let schema = example();
        let check = |arguments: &str, expected: &str| {
            let arguments = serde_json::from_str(arguments).unwrap();
            let result = schema.validate("add", &arguments).map_err(|error| error.to_string());
            assert_eq!(result.err().as_deref().unwrap_or("fine"), expected, "{arguments}");
        };
        check(r#"{"driver":"file","name":"x"}"#, "fine");
        check(r#"{"driver":"file","name":"x","size":3,"list":[{"name":"y"}]}"#, "fine");
        check(r#"{"driver":"nbd"}"#, "fine");
        check(r#"{"driver":"nbd","either":1}"#, "fine");
        check(r#"{"driver":"nbd","either":"word"}"#, "fine");
        check(r#"{"driver":"nbd","either":true}"#, "`add.either`: expected int, got a boolean");
        check(r#"{"driver":"file"}"#, "`add.name`: is required");
        check(r#"{}"#, "`add.driver`: is required");
        check(r#"[]"#, "`add`: expected an object, got an array");
        check(r#"{"driver":"ftp"}"#, "`add.driver`: `ftp` is not one of its values");
        check(r#"{"driver":1}"#, "`add.driver`: expected one of its values, got a number");
        check(r#"{"driver":"nbd","size":1.5}"#, "`add.size`: expected int, got a number");
        check(r#"{"driver":"nbd","name":"x"}"#, "`add.name`: no such member");
        check(r#"{"driver":"nbd","list":[{"name":"y"},{}]}"#, "`add.list.1.name`: is required");
        check(r#"{"driver":"nbd","loop":[]}"#, "fine");
        check(r#"{"driver":"nbd","loop":[[[]]]}"#, "fine");
        check(r#"{"driver":"nbd","nowhere":1}"#, "`add.nowhere`: the schema does not define its type");
        assert_eq!(
            schema.validate("remove", &serde_json::Value::Null).unwrap_err().to_string(),
            "`remove`: no such command"
        );
        let device = serde_json::json!({"driver": "virtio-net-pci", "tx": "bh"});
        assert_eq!(schema.validate("device_add", &device), Ok(()));
    }
}
