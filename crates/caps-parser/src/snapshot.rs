//! Capabilities as one small JSON document.

use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::capabilities::Capabilities;
use crate::capability::{Capability, UnknownCapability};
use crate::error::ParseError;
use crate::facts::Facts;
use crate::names::Text;

/// The format this crate writes, and the newest it reads.
pub const SNAPSHOT_FORMAT: u32 = 1;

/// The document. The same capabilities always give the same text.
#[derive(Serialize, Deserialize)]
struct Document<'a> {
    /// First, so that it can be told apart without reading on.
    #[serde(rename = "domx-capabilities")]
    format: u32,
    #[serde(default)]
    source: String,
    /// Which rules gave the flags. Where the rules have changed since, the flags are worked out anew.
    #[serde(default)]
    rules: String,
    #[serde(borrow, default)]
    flags: Vec<Text<'a>>,
    /// Capabilities the probe could not tell about.
    #[serde(borrow, default)]
    unknown: Vec<Text<'a>>,
    facts: std::borrow::Cow<'a, Facts>,
}

/// What `domx-capabilities` says, whatever else the document holds.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "domx-capabilities")]
    format: u32,
}

/// A snapshot that cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SnapshotError {
    /// A later version of this program wrote it.
    #[error(
        "the snapshot has format {found}, and only formats up to {SNAPSHOT_FORMAT} are understood: use a newer version"
    )]
    Newer {
        /// The format it has.
        found: u32,
    },
    /// It is something else, or damaged.
    #[error(transparent)]
    Damaged(#[from] ParseError),
}

impl Capabilities {
    /// Writes a snapshot: one line of JSON.
    pub fn to_json(&self) -> String {
        let document = Document {
            format: SNAPSHOT_FORMAT,
            source: self.source.clone(),
            rules: RULES.clone(),
            flags: self.flags().map(|flag| Text(flag.name().into())).collect(),
            unknown: self.unknown().map(|flag| Text(flag.name().into())).collect(),
            facts: std::borrow::Cow::Borrowed(&self.facts),
        };
        // Maps have strings for keys throughout, the only thing that could make this fail.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Reads a snapshot.
    ///
    /// Its flags hold as long as the rules are those that gave them; otherwise they are worked out again from its facts.
    pub fn from_json(text: &str) -> Result<Self, SnapshotError> {
        let document: Document<'_> = match serde_json::from_str(text) {
            Ok(document) => document,
            Err(error) => {
                return Err(match serde_json::from_str(text) {
                    Ok(Header { format }) if format > SNAPSHOT_FORMAT => {
                        SnapshotError::Newer { found: format }
                    }
                    _ => ParseError::json("not a snapshot of capabilities", text, &error).into(),
                });
            }
        };
        if document.format > SNAPSHOT_FORMAT {
            return Err(SnapshotError::Newer { found: document.format });
        }
        let facts = document.facts.into_owned();
        if document.rules != *RULES {
            return Ok(Self::detect(facts, document.source));
        }
        let wrong = |error: UnknownCapability| ParseError::new(error.to_string(), text, 0);
        let flags: Result<Vec<_>, _> =
            Capability::of_names(document.flags.iter().map(|flag| &*flag.0)).collect();
        let mut capabilities = Self::from_flags(flags.map_err(wrong)?);
        for capability in Capability::of_names(document.unknown.iter().map(|flag| &*flag.0)) {
            capabilities.forget(capability.map_err(wrong)?);
        }
        capabilities.source = document.source;
        capabilities.facts = facts;
        Ok(capabilities)
    }
}

/// A fingerprint of the table of capabilities.
static RULES: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = Fingerprint(0);
    for capability in Capability::ALL {
        capability.name().hash(&mut hasher);
        capability.rule().hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
});

/// A hash that is the same on every machine and in every run, unlike the standard library's.
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            self.write_u64(chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Capabilities {
        let mut facts =
            crate::help::parse("QEMU emulator version 7.2.1 (Debian)\nHead:\n-device d\n  [,x=y]\n").unwrap();
        crate::device_help::parse("name \"virtio-net-pci\"\nvirtio-net-pci.tx=str\n", &mut facts);
        Capabilities::detect(facts, "/usr/bin/qemu")
    }

    #[test]
    fn a_snapshot_comes_back_the_same() {
        let capabilities = sample();
        let json = capabilities.to_json();
        assert!(json.starts_with(r#"{"domx-capabilities":1,"#), "{json}");
        assert_eq!(Capabilities::from_json(&json), Ok(capabilities.clone()));
        assert!(capabilities.has(Capability::VirtioTxAlg));
    }

    #[test]
    fn flags_set_by_hand_are_kept_and_other_rules_are_applied_again() {
        let mut capabilities = sample();
        capabilities.set(Capability::VirtioTxAlg, false);
        let json = capabilities.to_json();
        assert!(!Capabilities::from_json(&json).unwrap().has(Capability::VirtioTxAlg));
        let older = json.replace(&*RULES, "0");
        assert!(Capabilities::from_json(&older).unwrap().has(Capability::VirtioTxAlg));
    }

    #[test]
    fn newer_and_damaged_ones_are_told_apart() {
        let check = |text: &str, expected: &str| {
            let error = Capabilities::from_json(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check(r#"{"domx-capabilities":2,"facts":{}}"#, "format 2");
        check(r#"{"domx-capabilities":9,"entirely":"different"}"#, "format 9");
        check(r#"{"domx-capabilities":1}"#, "missing field `facts`");
        check(r#"{"domx-capabilities":1,"facts":{"#, "at byte");
        check("", "not a snapshot");
        check("QEMU emulator version 7.2", "not a snapshot");
    }
}
