//! Capability snapshots of real QEMUs, for where none is installed.

use caps_parser::Capabilities;

use crate::report::{Status, Stop};

/// Name, architecture in QEMU's spelling, snapshot; newer ones later. `scripts/record-snapshots` makes them.
const SNAPSHOTS: &[(&str, &str, &str)] = &[
    ("qemu-7.2-x86_64", "x86_64", include_str!("../builtin/qemu-7.2-x86_64.json")),
    ("qemu-10.0-x86_64", "x86_64", include_str!("../builtin/qemu-10.0-x86_64.json")),
    ("qemu-10.0-aarch64", "aarch64", include_str!("../builtin/qemu-10.0-aarch64.json")),
    ("qemu-10.0-riscv64", "riscv64", include_str!("../builtin/qemu-10.0-riscv64.json")),
    ("qemu-10.0-s390x", "s390x", include_str!("../builtin/qemu-10.0-s390x.json")),
    ("qemu-10.0-ppc64", "ppc64", include_str!("../builtin/qemu-10.0-ppc64.json")),
];

/// The names of all snapshots.
pub fn names() -> impl Iterator<Item = &'static str> {
    SNAPSHOTS.iter().map(|(name, ..)| *name)
}

/// The newest snapshot of an architecture.
pub fn newest(arch: &str) -> Option<&'static str> {
    SNAPSHOTS.iter().rev().find(|(_, own, _)| *own == arch).map(|(name, ..)| *name)
}

/// A snapshot by name; `qemu-10.0` alone is that of this machine's architecture.
pub fn load(name: &str) -> Result<Capabilities, Stop> {
    let full = format!("{name}-{}", std::env::consts::ARCH);
    let found = SNAPSHOTS.iter().find(|(own, ..)| *own == name || *own == full);
    let Some((own, _, json)) = found else {
        let known: Vec<String> = names().map(|name| format!("`builtin:{name}`")).collect();
        let message = format!("there is no `builtin:{name}`; there are {}", known.join(", "));
        return Err(Stop::new(Status::Usage, message));
    };
    let mut capabilities = Capabilities::from_json(json).map_err(|error| {
        Stop::new(Status::Failed, format!("the snapshot `builtin:{own}` is broken: {error}"))
    })?;
    capabilities.source = format!("builtin:{own}");
    Ok(capabilities)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test fails by panicking.

    use super::*;

    #[test]
    fn all_of_them_can_be_read_and_are_what_they_are_called() {
        for (name, arch, json) in SNAPSHOTS {
            let capabilities = load(name).unwrap();
            assert_eq!(*name, format!("qemu-{}-{arch}", release(&capabilities)));
            assert_eq!(capabilities.facts.arch.as_deref(), Some(*arch), "{name}");
            assert!(!capabilities.facts.accelerators.is_empty(), "{name}");
            assert!(json.len() < 300_000, "{name} has {} bytes", json.len());
        }
        assert_eq!(newest("x86_64"), Some("qemu-10.0-x86_64"));
        assert_eq!(newest("s390x"), Some("qemu-10.0-s390x"));
        assert_eq!(newest("m68k"), None);
    }

    fn release(capabilities: &Capabilities) -> String {
        let version = capabilities.version();
        format!("{}.{}", version.major, version.minor)
    }
}
