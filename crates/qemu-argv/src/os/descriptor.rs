//! Descriptions of installed firmware: QEMU's `docs/interop/firmware.json`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A file of the host that describes firmware, as it is read by whoever knows the host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct FirmwareFile {
    /// Where it is. Among files of one name the first of the list counts, and an empty one hides the others.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// What a firmware is: what it needs and offers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Descriptor {
    /// `uefi`, `bios` and others.
    pub interface_types: Vec<String>,
    pub mapping: Mapping,
    pub targets: Vec<Target>,
    #[serde(default)]
    pub features: Vec<String>,
}

/// How the firmware is put into memory.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "device", rename_all = "kebab-case")]
pub(crate) enum Mapping {
    Flash(Flash),
    Memory {
        filename: String,
    },
    Kernel {
        filename: String,
    },
    #[serde(other)]
    Unknown,
}

/// Firmware in flash memory.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Flash {
    #[serde(default)]
    pub mode: FlashMode,
    pub executable: Image,
    #[serde(default)]
    pub nvram_template: Option<Image>,
}

/// Where firmware in flash memory keeps its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FlashMode {
    /// In another flash memory.
    #[default]
    Split,
    /// Next to itself.
    Combined,
    /// Nowhere.
    Stateless,
}

/// A file with its format.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Image {
    pub filename: String,
    pub format: String,
}

/// A kind of machine that the firmware is for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    pub architecture: String,
    pub machines: Vec<String>,
}

impl Descriptor {
    /// Whether the firmware has a feature, such as `secure-boot`.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|has| has == feature)
    }

    /// Whether the firmware is for a machine type.
    pub fn fits(&self, architecture: &str, machine: &str) -> bool {
        self.targets.iter().any(|target| {
            target.architecture == architecture
                && target.machines.iter().any(|pattern| matches(pattern.as_bytes(), machine.as_bytes()))
        })
    }
}

/// The descriptions that count, in the order in which they are tried: by file name.
pub(crate) fn in_force(files: &[FirmwareFile]) -> Vec<Descriptor> {
    let mut by_name: BTreeMap<&str, &str> = BTreeMap::new();
    for file in files {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        by_name.entry(name).or_insert(&file.text);
    }
    // What cannot be read describes nothing that could be used; another program of the host may know more.
    by_name.values().filter_map(|text| serde_json::from_str(text).ok()).collect()
}

/// Whether a name matches a pattern with `*` and `?`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // The place to go on from when what follows the last `*` does not match: linear space, no recursion.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || name.get(n) == Some(byte) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    p = after;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("pc-q35-*", "pc-q35-10.0", true),
            ("pc-q35-*", "pc-i440fx-10.0", false),
            ("virt", "virt-9.0", false),
            ("*", "", true),
            ("*a*b", "xaxxab", true),
            ("?irt", "virt", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
