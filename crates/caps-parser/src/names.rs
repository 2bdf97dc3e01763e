//! Lists and sets of names, each held in one allocation.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names in the order they were given.
///
/// A probe of today's QEMU yields many thousands of short names (QOM types, properties, features that block a CPU model).
/// Kept as one text and the ends of its pieces they cost two allocations per list instead of one per name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NameList {
    text: String,
    ends: Vec<u32>,
}

impl NameList {
    /// A list without names.
    pub const fn new() -> Self {
        Self { text: String::new(), ends: Vec::new() }
    }

    /// Appends a name. A list holds at most 4 GiB of text; what goes beyond is dropped.
    pub fn push(&mut self, name: &str) {
        let Ok(end) = u32::try_from(self.text.len().saturating_add(name.len())) else { return };
        self.text.push_str(name);
        self.ends.push(end);
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The name at a position.
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.text.get(start..end)
    }

    /// The names in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    /// Where a name is in a list that is sorted.
    pub(crate) fn search(&self, name: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle)?.cmp(name) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle.saturating_add(1),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

impl<N: AsRef<str>> FromIterator<N> for NameList {
    fn from_iter<I: IntoIterator<Item = N>>(names: I) -> Self {
        let mut list = Self::new();
        names.into_iter().for_each(|name| list.push(name.as_ref()));
        list
    }
}

impl fmt::Debug for NameList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for NameList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for NameList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = NameList;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NameList, A::Error> {
                let mut list = NameList::new();
                while let Some(name) = seq.next_element::<Text>()? {
                    list.push(&name.0);
                }
                Ok(list)
            }
        }
        deserializer.deserialize_seq(Names)
    }
}

/// A string that borrows from the JSON text wherever that has no escapes.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) std::borrow::Cow<'a, str>);

/// Names without order or repetition; [`NameSet::contains`] is a binary search.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct NameSet(NameList);

impl NameSet {
    /// A set without names.
    pub const fn new() -> Self {
        Self(NameList::new())
    }

    /// Whether the name is in the set.
    pub fn contains(&self, name: &str) -> bool {
        self.0.search(name).is_some()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names in alphabetical order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.0.iter()
    }
}

impl<N: AsRef<str>> FromIterator<N> for NameSet {
    fn from_iter<I: IntoIterator<Item = N>>(names: I) -> Self {
        let names: Vec<N> = names.into_iter().collect();
        let mut sorted: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self(sorted.into_iter().collect())
    }
}

impl fmt::Debug for NameSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<'de> Deserialize<'de> for NameSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = NameList::deserialize(deserializer)?;
        // What this crate wrote is sorted already; anything else is put in order here.
        let sorted = list.iter().zip(list.iter().skip(1)).all(|(a, b)| a < b);
        Ok(if sorted { Self(list) } else { list.iter().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_sorts_and_forgets_repetitions() {
        let set: NameSet = ["tap", "bridge", "", "tap"].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), ["", "bridge", "tap"]);
        assert!(set.contains("tap") && set.contains("") && !set.contains("ta"));
        assert!(!NameSet::new().contains(""));
    }

    #[test]
    fn json_keeps_order_of_lists_and_repairs_sets() {
        let json = r#"["b","a\n","b"]"#;
        let list: NameList = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&list).unwrap(), json);
        let set: NameSet = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["a\n","b"]"#);
    }
}
