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
    /// The names with a blank after each but the last.
    text: String,
    /// Where each name ends.
    ends: Vec<u32>,
}

impl NameList {
    /// A list without names.
    pub const fn new() -> Self {
        Self { text: String::new(), ends: Vec::new() }
    }

    /// An empty list with room for about so many names.
    pub(crate) fn with_capacity(names: usize) -> Self {
        Self { text: String::with_capacity(names.saturating_mul(16)), ends: Vec::with_capacity(names) }
    }

    /// Appends a name. A list holds at most 4 GiB of text; what goes beyond is dropped.
    pub fn push(&mut self, name: &str) {
        let between = usize::from(!self.ends.is_empty());
        let length = self.text.len().saturating_add(between).saturating_add(name.len());
        let Ok(end) = u32::try_from(length) else { return };
        if between == 1 {
            self.text.push(' ');
        }
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
            Some(before) => (*self.ends.get(before)? as usize).saturating_add(1),
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

/// Written as one text with blanks between the names, which is several times faster to read than an array; as an array only
/// where that would not give the same names back.
impl Serialize for NameList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.iter().any(|name| name.is_empty() || name.contains(' ')) {
            return serializer.collect_seq(self.iter());
        }
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for NameList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = NameList;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names")
            }
            fn visit_str<E>(self, text: &str) -> Result<NameList, E> {
                let doubled = text.starts_with(' ') || text.ends_with(' ') || text.contains("  ");
                let Ok(length) = u32::try_from(text.len()) else { return Ok(NameList::new()) };
                if doubled || text.is_empty() {
                    return Ok(text.split_ascii_whitespace().collect());
                }
                let blanks = text.bytes().zip(0..length).filter(|(byte, _)| *byte == b' ').map(|(_, at)| at);
                // Names are about ten letters long.
                let mut ends = Vec::with_capacity(text.len() / 10);
                ends.extend(blanks.chain([length]));
                Ok(NameList { text: text.to_owned(), ends })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NameList, A::Error> {
                let mut list = NameList::new();
                while let Some(name) = seq.next_element::<Text<'_>>()? {
                    list.push(&name.0);
                }
                Ok(list)
            }
        }
        deserializer.deserialize_any(Names)
    }
}

/// A string that borrows from the JSON text wherever that has no escapes.
#[derive(Serialize, Deserialize)]
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
        let check = |json: &str, as_list: &str, as_set: &str| {
            let list: NameList = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&list).unwrap(), as_list, "{json}");
            let set: NameSet = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&set).unwrap(), as_set, "{json}");
        };
        check(r#"["b","a\n","b"]"#, r#""b a\n b""#, r#""a\n b""#);
        check(r#"["b","a c"]"#, r#"["b","a c"]"#, r#"["a c","b"]"#);
        check(r#"["b",""]"#, r#"["b",""]"#, r#"["","b"]"#);
        check(r#""b a""#, r#""b a""#, r#""a b""#);
        check(r#"" b  a ""#, r#""b a""#, r#""a b""#);
        check("[]", r#""""#, r#""""#);
    }
}
