//! The model that best describes what a CPU can do.

use caps_parser::facts;

use super::feature;
use super::map::{CpuMap, FeatureSet, MapModel, Signature};

/// What a CPU can do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Abilities {
    /// Who made it, in the words of the map.
    pub(crate) vendor: Option<String>,
    /// Which CPU it is.
    pub(crate) signature: Signature,
    /// Its features.
    pub(crate) features: FeatureSet,
}

/// A model and how a CPU differs from it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Description {
    /// The model.
    pub(crate) model: String,
    /// Who made the CPU, in the words of the map.
    pub(crate) vendor: Option<String>,
    /// Features beyond the model, then those of the model that the CPU lacks.
    pub(crate) features: Vec<(String, bool)>,
}

/// Describes a CPU by the model of the map that comes nearest and that QEMU has; all of the map if it lists none.
///
/// Newer models are preferred, then those that are for the very CPU, then those with the shortest difference.
pub(crate) fn describe(map: &CpuMap, cpu: &Abilities, known: &[facts::CpuModel]) -> Option<Description> {
    let cpu = without_broken_features(map, cpu);
    let mut best: Option<(&MapModel, Description)> = None;
    for model in map.models.iter().rev().filter(|model| model.for_guests) {
        let of_qemu = known.iter().find(|known| known.name == model.name);
        let other_vendor = cpu.vendor.is_some() && model.vendor.is_some() && cpu.vendor != model.vendor;
        if other_vendor || (of_qemu.is_none() && !known.is_empty()) {
            continue;
        }
        let candidate = difference(map, &cpu, model, of_qemu);
        let is_better = best.as_ref().is_none_or(|(current, description)| {
            is_better(&cpu, (current, description), (model, &candidate))
        });
        if is_better {
            best = Some((model, candidate));
        }
    }
    best.map(|(_, description)| description)
}

/// Some CPUs of the Haswell generation have transactional memory that does not work: families and models as
/// Intel's errata HSD136, HSM142 and HSW136 say.
fn without_broken_features(map: &CpuMap, cpu: &Abilities) -> Abilities {
    let mut cpu = cpu.clone();
    let Signature { family, model, steppings } = cpu.signature;
    let is_broken = matches!(model, 60 | 69 | 70) || (model == 63 && steppings & 0b1111 != 0);
    if cpu.vendor.as_deref() == Some("Intel") && family == 6 && is_broken {
        cpu.features = cpu.features.difference(&map.set(["hle", "rtm"]));
    }
    cpu
}

/// How a CPU differs from a model.
fn difference(
    map: &CpuMap,
    cpu: &Abilities,
    model: &MapModel,
    of_qemu: Option<&facts::CpuModel>,
) -> Description {
    let more = cpu.features.difference(&model.features);
    let mut less = model.features.difference(&cpu.features);
    // QEMU's idea of the model may have features that this host cannot give; they are said to be off.
    let blockers = of_qemu.into_iter().flat_map(|model| model.blockers.iter()).map(feature::from_qemu);
    less = less.union(&map.set(blockers).difference(&more));
    let on = map.names(&more).map(|name| (name.to_owned(), true));
    let off = map.names(&less).map(|name| (name.to_owned(), false));
    let mut features: Vec<(String, bool)> = on.chain(off).collect();
    add_removed(model, &mut features);
    Description { model: model.name.clone(), vendor: cpu.vendor.clone(), features }
}

/// Says that what a model has lost is off, unless something is said of it already.
fn add_removed(model: &MapModel, features: &mut Vec<(String, bool)>) {
    for removed in &model.removed {
        if features.iter().all(|(name, _)| name != removed) {
            features.push((removed.clone(), false));
        }
    }
}

/// Whether a candidate describes a CPU better than the best so far.
fn is_better(cpu: &Abilities, best: (&MapModel, &Description), candidate: (&MapModel, &Description)) -> bool {
    if !cpu.signature.is_nothing() {
        match (best.0.has_signature(cpu.signature), candidate.0.has_signature(cpu.signature)) {
            (true, false) => return false,
            (false, true) => return true,
            _ => {}
        }
    }
    let (best, best_off) = weight(&best.1.features);
    let (candidate, candidate_off) = weight(&candidate.1.features);
    candidate < best || (candidate == best && candidate_off < best_off)
}

/// How long a difference is: features that are off count for more the more of them there are, from 2 upwards.
///
/// libvirt looks at as many features as are on so far, and so does not see all that are off; which model it
/// chooses depends on that.
fn weight(features: &[(String, bool)]) -> (usize, usize) {
    let (mut on, mut off, mut penalty) = (features.len(), 0_usize, 2_usize);
    for (index, (_, is_on)) in features.iter().enumerate() {
        if index >= on {
            break;
        }
        if !is_on {
            on = on.saturating_sub(1);
            off = off.saturating_add(penalty);
            penalty = penalty.saturating_add(1);
        }
    }
    (on.saturating_add(off), off)
}
