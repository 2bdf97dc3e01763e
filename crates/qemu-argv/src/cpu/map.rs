//! The CPU models and features that libvirt knows.

mod host;
mod read;

use serde::{Deserialize, Serialize};

pub use read::CpuMapError;

/// The CPU models, features and vendors of x86, as libvirt's `cpu_map` describes them.
///
/// libvirt names a host's CPU by the model of this map that is nearest to it. A feature is one bit of what `CPUID`
/// or a model-specific register says, and no two features share a bit, so that sets of features say all that
/// those registers do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct CpuMap {
    /// Who makes CPUs.
    pub vendors: Vec<MapVendor>,
    /// The features; their places are the members of a [`FeatureSet`].
    pub features: Vec<MapFeature>,
    /// The models, older ones first.
    pub models: Vec<MapModel>,
    /// The names of the features of Arm CPUs, which have models of their own that guests do not get by name.
    pub arm_features: Vec<String>,
}

/// Who makes CPUs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct MapVendor {
    /// libvirt's name, such as `Intel`.
    pub name: String,
    /// What `CPUID` says, such as `GenuineIntel`.
    pub id: String,
}

/// A feature that a CPU has or lacks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct MapFeature {
    /// libvirt's name, such as `cmp_legacy`.
    pub name: String,
    /// Whether a guest that uses it can be migrated.
    pub migratable: bool,
    /// Where `CPUID` shows it; some features are bits of model-specific registers instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuid: Option<CpuidBits>,
}

/// Bits of what `CPUID` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct CpuidBits {
    /// What is asked, in `EAX`.
    pub leaf: u32,
    /// Which part of it, in `ECX`.
    pub subleaf: u32,
    /// The bits of the answer: `EAX`, `EBX`, `ECX`, `EDX`.
    pub registers: [u32; 4],
}

/// A CPU model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct MapModel {
    /// The name, which is QEMU's too.
    pub name: String,
    /// Which of [`CpuMap::vendors`] makes it, by its name.
    pub vendor: Option<String>,
    /// The CPUs that are of this model.
    pub signatures: Vec<Signature>,
    /// The features.
    pub features: FeatureSet,
    /// Features that the model had once: QEMU's idea of them depends on the machine type, so they are always said.
    pub removed: Vec<String>,
    /// Whether a guest's CPU may be described by it.
    pub for_guests: bool,
    /// Whether libvirt itself compares it with the host's CPU, as it did before it left that to QEMU (10.10).
    pub compared_here: bool,
}

/// What `CPUID` says of which CPU it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Signature {
    /// The family.
    pub family: u32,
    /// The model.
    pub model: u32,
    /// The steppings that are meant, a bit for each of 0 to 15.
    pub steppings: u16,
}

impl Signature {
    /// One CPU.
    pub(crate) fn new(family: u32, model: u32, stepping: u32) -> Self {
        Signature { family, model, steppings: 1_u16.checked_shl(stepping).unwrap_or(0) }
    }

    /// Whether a CPU is one of those that are meant.
    fn covers(self, cpu: Signature) -> bool {
        self.family == cpu.family && self.model == cpu.model && self.steppings & cpu.steppings != 0
    }

    /// The first of the CPUs that are meant.
    pub(crate) fn first(self) -> Self {
        Signature { steppings: self.steppings & self.steppings.wrapping_neg(), ..self }
    }

    /// Whether the CPU does not say which it is.
    pub(crate) fn is_nothing(self) -> bool {
        self.family == 0 && self.model == 0 && self.steppings & !1 == 0
    }
}

impl MapModel {
    /// Whether a CPU is of this model.
    pub(crate) fn has_signature(&self, cpu: Signature) -> bool {
        self.signatures.iter().any(|signature| signature.covers(cpu))
    }
}

impl CpuMap {
    /// A model, by its name.
    pub(crate) fn model(&self, name: &str) -> Option<&MapModel> {
        self.models.iter().find(|model| model.name == name)
    }

    /// The place of a feature, by its name.
    pub(crate) fn feature(&self, name: &str) -> Option<usize> {
        self.features.iter().position(|feature| feature.name == name)
    }

    /// A vendor, by what `CPUID` says.
    pub(crate) fn vendor(&self, id: &str) -> Option<&str> {
        self.vendors.iter().find(|vendor| vendor.id == id).map(|vendor| vendor.name.as_str())
    }

    /// The names of a set's features, in the order of the map.
    pub(crate) fn names<'a>(&'a self, set: &'a FeatureSet) -> impl Iterator<Item = &'a str> {
        let members = self.features.iter().enumerate().filter(|(place, _)| set.contains(*place));
        members.map(|(_, feature)| feature.name.as_str())
    }

    /// Whether a guest that uses a feature can be migrated; what is not in the map does not prevent it.
    pub(crate) fn is_migratable(&self, name: &str) -> bool {
        self.features.iter().all(|feature| feature.migratable || feature.name != name)
    }
}

/// A set of features, by their places in [`CpuMap::features`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeatureSet(Vec<u64>);

impl FeatureSet {
    /// Whether a feature is in the set.
    pub fn contains(&self, feature: usize) -> bool {
        self.0.get(feature / 64).is_some_and(|word| word >> (feature % 64) & 1 == 1)
    }

    /// Puts a feature in.
    pub fn insert(&mut self, feature: usize) {
        let word = feature / 64;
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (feature % 64);
        }
    }

    /// Takes a feature out.
    pub fn remove(&mut self, feature: usize) {
        if let Some(word) = self.0.get_mut(feature / 64) {
            *word &= !(1 << (feature % 64));
        }
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// What is in either set.
    pub fn union(&self, other: &FeatureSet) -> FeatureSet {
        self.combine(other, |a, b| a | b)
    }

    /// What is in both sets.
    pub fn intersection(&self, other: &FeatureSet) -> FeatureSet {
        self.combine(other, |a, b| a & b)
    }

    /// What is in this set and not in the other.
    pub fn difference(&self, other: &FeatureSet) -> FeatureSet {
        self.combine(other, |a, b| a & !b)
    }

    fn combine(&self, other: &FeatureSet, of: impl Fn(u64, u64) -> u64) -> FeatureSet {
        let word = |set: &FeatureSet, index: usize| set.0.get(index).copied().unwrap_or(0);
        FeatureSet(
            (0..self.0.len().max(other.0.len()))
                .map(|index| of(word(self, index), word(other, index)))
                .collect(),
        )
    }
}

/// Sets are equal if they hold the same, however much room they have.
impl PartialEq for FeatureSet {
    fn eq(&self, other: &Self) -> bool {
        self.combine(other, |a, b| a ^ b).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(members: &[usize]) -> FeatureSet {
        let mut set = FeatureSet::default();
        members.iter().for_each(|member| set.insert(*member));
        set
    }

    #[test]
    fn sets_combine_whatever_their_sizes() {
        let check = |a: &[usize], b: &[usize], union: &[usize], both: &[usize], difference: &[usize]| {
            assert_eq!(set(a).union(&set(b)), set(union));
            assert_eq!(set(a).intersection(&set(b)), set(both));
            assert_eq!(set(a).difference(&set(b)), set(difference));
        };
        check(&[], &[], &[], &[], &[]);
        check(&[1, 200], &[1], &[1, 200], &[1], &[200]);
        check(&[1], &[63, 64, 1], &[1, 63, 64], &[1], &[]);
        let mut without = set(&[3, 70]);
        without.remove(70);
        without.remove(9000);
        assert!(without == set(&[3]) && !without.contains(70) && !set(&[]).contains(9000));
    }

    #[test]
    fn signatures_cover_steppings() {
        let wanted = Signature { family: 6, model: 85, steppings: 0b1110_0000 };
        let check = |family, model, stepping, covered| {
            assert_eq!(wanted.covers(Signature::new(family, model, stepping)), covered);
        };
        check(6, 85, 5, true);
        check(6, 85, 7, true);
        check(6, 85, 4, false);
        check(6, 84, 5, false);
        check(6, 85, 99, false);
        assert_eq!(wanted.first(), Signature::new(6, 85, 5));
        assert!(Signature::new(0, 0, 0).is_nothing() && !Signature::new(6, 0, 0).is_nothing());
    }
}
