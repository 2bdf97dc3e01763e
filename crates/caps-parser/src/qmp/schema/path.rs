//! Questions to the schema: does this path exist?

use super::{Budget, DEPTH, Entity, Features, Id, NOWHERE, STEPS, Schema};

impl Schema {
    /// Whether a path exists, in libvirt's notation: `NAME/arg-type/…` or `NAME/ret-type/…` for what a command takes or
    /// returns, `NAME/$feature` for a feature of it. A step is
    ///
    /// * `name`: a member of an object,
    /// * `*name`: a member that is optional,
    /// * `+name`: a case of a union,
    /// * `^name`: a value of an enumeration,
    /// * `$name`: a feature of the object or of the member, value or command before it,
    /// * `!name`: a builtin type that is written as this kind of JSON (`string`, `int`, `boolean`, …).
    ///
    /// Arrays are stepped through without a word; of an alternate each type is tried.
    pub fn has_path(&self, path: &str) -> bool {
        self.walk(path).is_some()
    }

    /// The type at the end of a path, if it leads to a type.
    pub(super) fn find(&self, path: &str) -> Option<Id> {
        self.walk(path).filter(|id| *id != NOWHERE)
    }

    fn walk(&self, path: &str) -> Option<Id> {
        let (name, rest) = split(path);
        let entity = self.named(name)?;
        let Some(rest) = rest else { return Some(NOWHERE) };
        let (step, rest) = split(rest);
        let id = match (entity, step) {
            (Entity::Command { arg, .. } | Entity::Event { arg }, "arg-type") => *arg,
            (Entity::Command { ret, .. }, "ret-type") => *ret,
            (Entity::Command { features, .. }, step) => return feature(features, step, rest),
            _ => return None,
        };
        self.step(id, rest, DEPTH, &mut Budget(STEPS))
    }

    /// Follows `rest` from the type `id`.
    fn step(&self, id: Id, rest: Option<&str>, depth: u32, budget: &mut Budget) -> Option<Id> {
        let entity = self.entity(id)?;
        let Some(path) = rest else { return Some(id) };
        let depth = budget.deeper(depth)?;
        let (step, rest) = split(path);
        let mut letters = step.chars();
        let (mark, name) = match letters.next()? {
            mark @ ('*' | '+' | '^' | '$' | '!') => (mark, letters.as_str()),
            _ => (' ', step),
        };
        match (entity, mark) {
            (Entity::Array { element }, _) => self.step(*element, Some(path), depth, budget),
            (Entity::Alternate { types }, _) => {
                types.iter().find_map(|id| self.step(*id, Some(path), depth, budget))
            }
            (Entity::Object { members, .. }, ' ' | '*') => {
                let member = members.iter().find(|member| *member.name == *name)?;
                if mark == '*' && !member.optional {
                    return None;
                }
                // What comes next may be a feature of the member itself rather than of its type.
                if let Some((next, after)) = rest.map(split)
                    && let Some(found) = feature(&member.features, next, after)
                {
                    return Some(found);
                }
                self.step(member.kind, rest, depth, budget)
            }
            (Entity::Object { variants: Some(variants), .. }, '+') => {
                let (_, id) = variants.cases.iter().find(|(case, _)| **case == *name)?;
                self.step(*id, rest, depth, budget)
            }
            (Entity::Object { features, .. }, '$') => feature(features, step, rest),
            (Entity::Enum { values }, '^') => {
                let value = values.iter().find(|value| *value.name == *name)?;
                match rest.map(split) {
                    None => Some(id),
                    Some((next, after)) => feature(&value.features, next, after),
                }
            }
            (Entity::Builtin { json }, '!') if json.qemu() == name && rest.is_none() => Some(id),
            _ => None,
        }
    }
}

/// The end of a path that asks for a feature.
fn feature(features: &Features, step: &str, rest: Option<&str>) -> Option<Id> {
    let name = step.strip_prefix('$')?;
    (rest.is_none() && features.iter().any(|feature| **feature == *name)).then_some(NOWHERE)
}

/// The first step and what follows it.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((step, rest)) => (step, Some(rest)),
        None => (path, None),
    }
}

#[cfg(test)]
mod tests {
    use crate::qmp::schema::tests::example;

    #[test]
    fn paths_reach_members_cases_values_and_features() {
        let schema = example();
        let check = |path: &str, expected: bool| assert_eq!(schema.has_path(path), expected, "{path}");
        check("add", true);
        check("missing", false);
        check("add/$fast", true);
        check("add/$slow", false);
        check("add/arg-type", true);
        check("add/ret-type", false);
        check("ADDED/arg-type/driver", true);
        check("add/arg-type/driver", true);
        check("add/arg-type/*driver", false);
        check("add/arg-type/*size", true);
        check("add/arg-type/size/!int", true);
        check("add/arg-type/size/!string", false);
        check("add/arg-type/size/$big", true);
        check("add/arg-type/driver/^file", true);
        check("add/arg-type/driver/^file/$old", true);
        check("add/arg-type/driver/^nbd/$old", false);
        check("add/arg-type/+file/name", true);
        check("add/arg-type/+file/driver", false);
        check("add/arg-type/+nbd", true);
        check("add/arg-type/+nbd/$tls", true);
        check("add/arg-type/+ftp", false);
        check("add/arg-type/list/name", true);
        check("add/arg-type/loop/name", false);
        check("", false);
        check("add/", false);
        check("add/arg-type/", false);
    }
}
