//! The host's CPU, as it says itself.

use super::CpuMap;
use crate::host::HostCpu;

/// The leaves that say how far the leaves of their range go: basic ones and extended ones.
const RANGES: [u32; 2] = [0, 0x8000_0000];

impl CpuMap {
    /// What a CPU has of the map's features, by its answers to `CPUID`: of a leaf and a part of it, the registers `EAX`,
    /// `EBX`, `ECX` and `EDX`.
    ///
    /// The CPU is described by its features alone, without a model. Features that only model-specific registers
    /// show are left out; QEMU tells of them.
    pub fn host(&self, cpuid: &dyn Fn(u32, u32) -> [u32; 4]) -> HostCpu {
        let last = RANGES.map(|range| cpuid(range, 0)[0]);
        let exists = |leaf: u32| {
            RANGES
                .iter()
                .zip(last)
                .any(|(first, last)| (*first..=last).contains(&leaf) && last - first < 1 << 16)
        };
        let [_, b, c, d] = cpuid(0, 0);
        let id: Vec<u8> = [b, d, c].iter().flat_map(|register| register.to_le_bytes()).collect();
        let has = |bits: &super::CpuidBits| {
            exists(bits.leaf)
                && cpuid(bits.leaf, bits.subleaf)
                    .iter()
                    .zip(bits.registers)
                    .all(|(is, bits)| is & bits == bits)
        };
        let features = self.features.iter().filter(|feature| feature.cpuid.as_ref().is_some_and(has));
        HostCpu {
            model: String::new(),
            vendor: self.vendor(&String::from_utf8_lossy(&id)).map(str::to_owned),
            features: features.map(|feature| feature.name.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CpuidBits, MapFeature, MapVendor};
    use super::*;

    #[test]
    fn a_cpu_has_what_its_leaves_say() {
        let feature = |name: &str, leaf, registers| MapFeature {
            name: name.to_owned(),
            migratable: true,
            cpuid: Some(CpuidBits { leaf, subleaf: 0, registers }),
        };
        let map = CpuMap {
            vendors: vec![MapVendor { name: "Intel".to_owned(), id: "GenuineIntel".to_owned() }],
            features: vec![
                feature("there", 1, [0, 0, 0b100, 0]),
                feature("halfway", 1, [0, 0, 0b110, 0]),
                feature("extended", 0x8000_0001, [0, 0, 0, 1]),
                feature("beyond the last leaf", 7, [1, 0, 0, 0]),
                MapFeature { name: "no bit of it".to_owned(), ..MapFeature::default() },
            ],
            ..CpuMap::default()
        };
        let cpu = map.host(&|leaf, _| match leaf {
            0 => [1, 0x756e_6547, 0x6c65_746e, 0x4965_6e69],
            0x8000_0000 => [0x8000_0008, 0, 0, 0],
            1 => [0, 0, 0b101, 0],
            _ => [1, 1, 1, 1],
        });
        assert_eq!((cpu.vendor.as_deref(), cpu.model.as_str()), (Some("Intel"), ""));
        assert_eq!(cpu.features, ["there", "extended"]);
        // What has no extended leaves answers something else to the question for the last of them.
        assert!(map.host(&|_, _| [0, 0, 0, 0]).features.is_empty());
    }
}
