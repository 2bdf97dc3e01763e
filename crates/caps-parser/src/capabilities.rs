//! What one particular QEMU can do.

use std::collections::BTreeMap;

use crate::capability::Capability;
use crate::facts::{Accel, Accelerator, CpuModel, Facts, Machine};
use crate::version::Version;

/// Words of a bit set over all capabilities.
const WORDS: usize = Capability::ALL.len().div_ceil(64);

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set([u64; WORDS]);

impl Set {
    fn all() -> Self {
        let mut set = Self::default();
        Capability::ALL.iter().for_each(|capability| set.put(*capability, true));
        set
    }

    fn contains(&self, capability: Capability) -> bool {
        let index = capability.index();
        self.0.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    fn put(&mut self, capability: Capability, value: bool) {
        let index = capability.index();
        if let Some(word) = self.0.get_mut(index / 64) {
            let bit = 1 << (index % 64);
            *word = if value { *word | bit } else { *word & !bit };
        }
    }

    fn iter(&self) -> impl Iterator<Item = Capability> + '_ {
        Capability::ALL.iter().copied().filter(|capability| self.contains(*capability))
    }
}

/// The capabilities of a QEMU and the facts they follow from.
#[derive(Clone, Debug, PartialEq)]
pub struct Capabilities {
    /// Which QEMU this is, for messages: a path, the name of a recording.
    pub source: String,
    /// What the probe said.
    pub facts: Facts,
    present: Set,
    known: Set,
}

impl Capabilities {
    /// Applies every rule of the table to the facts.
    pub fn detect(facts: Facts, source: impl Into<String>) -> Self {
        let mut capabilities =
            Self { source: source.into(), facts, present: Set::default(), known: Set::default() };
        for capability in Capability::ALL {
            if let Some(present) = capability.rule().holds(&capabilities.facts) {
                capabilities.set(*capability, present);
            }
        }
        capabilities
    }

    /// Exactly these capabilities, without any other fact about the QEMU.
    pub fn from_flags(flags: impl IntoIterator<Item = Capability>) -> Self {
        let mut capabilities = Self {
            source: "a list of flags".to_owned(),
            facts: Facts::default(),
            present: Set::default(),
            known: Set::all(),
        };
        flags.into_iter().for_each(|flag| capabilities.set(flag, true));
        capabilities
    }

    /// Whether this QEMU has it; what is not known is taken for absent.
    pub fn has(&self, capability: Capability) -> bool {
        self.present.contains(capability)
    }

    /// Whether the probe could tell if this QEMU has it.
    pub fn knows(&self, capability: Capability) -> bool {
        self.known.contains(capability)
    }

    /// Declares a capability present or absent, whatever the probe said.
    pub fn set(&mut self, capability: Capability, present: bool) {
        self.present.put(capability, present);
        self.known.put(capability, true);
    }

    /// Takes back what is known of a capability.
    pub(crate) fn forget(&mut self, capability: Capability) {
        self.present.put(capability, false);
        self.known.put(capability, false);
    }

    /// The capabilities it has, sorted by name.
    pub fn flags(&self) -> impl Iterator<Item = Capability> + '_ {
        self.present.iter()
    }

    /// The capabilities the probe could not tell about, sorted by name.
    pub fn unknown(&self) -> impl Iterator<Item = Capability> + '_ {
        Capability::ALL.iter().copied().filter(|capability| !self.known.contains(*capability))
    }

    /// The release.
    pub fn version(&self) -> Version {
        self.facts.version
    }

    /// The guest architecture in QEMU's spelling.
    pub fn arch(&self) -> Option<&str> {
        self.facts.arch.as_deref()
    }

    /// What depends on the accelerator, by accelerator.
    pub fn accelerators(&self) -> &BTreeMap<Accel, Accelerator> {
        &self.facts.accelerators
    }

    /// A machine type by name or alias, as the preferred accelerator sees it.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        self.facts.machine(name)
    }

    /// The CPU models of an accelerator, in QEMU's order.
    pub fn cpu_models(&self, kind: Accel) -> &[CpuModel] {
        self.facts.accelerators.get(&kind).map(|accelerator| accelerator.cpus.as_slice()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_exactly_what_was_given() {
        let mut capabilities = Capabilities::from_flags([Capability::Uuid, Capability::Drive]);
        assert_eq!(capabilities.flags().map(Capability::name).collect::<Vec<_>>(), ["drive", "uuid"]);
        assert!(capabilities.knows(Capability::Name) && !capabilities.has(Capability::Name));
        capabilities.set(Capability::Uuid, false);
        assert!(capabilities.knows(Capability::Uuid) && !capabilities.has(Capability::Uuid));
        capabilities.forget(Capability::Drive);
        assert_eq!(capabilities.unknown().collect::<Vec<_>>(), [Capability::Drive]);
    }

    #[test]
    fn what_nobody_asked_is_unknown_and_not_had() {
        let capabilities = Capabilities::detect(Facts::default(), "nothing");
        assert!(!capabilities.knows(Capability::VirtioTxAlg) && !capabilities.has(Capability::VirtioTxAlg));
    }
}
