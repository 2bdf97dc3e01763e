//! Machine types.

use serde::{Deserialize, Serialize};

use super::{is_false, is_zero};

/// A machine type: `query-machines`, `-machine help`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The name that does not change its meaning with the release: `pc-q35-10.0`.
    pub name: String,
    /// The name that stands for the newest of its kind: `q35`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// What QEMU takes when no `-machine` is given.
    #[serde(skip_serializing_if = "is_false")]
    pub default: bool,
    /// Most virtual CPUs; 0 where unknown (help texts do not say).
    #[serde(skip_serializing_if = "is_zero")]
    pub max_cpus: u32,
    /// Whether CPUs can be plugged in at run time.
    #[serde(skip_serializing_if = "is_false")]
    pub hotplug_cpus: bool,
    /// Whether `-numa node,mem=` works; QEMU up to 4.0 does not say, and it does.
    #[serde(skip_serializing_if = "is_false")]
    pub numa_mem: bool,
    /// QOM type of the CPU it takes by default: `qemu64-x86_64-cpu`, since QEMU 4.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_cpu: Option<String>,
    /// The name its main memory must have for migration, since QEMU 5.0: `pc.ram`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_ram_id: Option<String>,
    /// Announced to go away, since QEMU 4.1.
    #[serde(skip_serializing_if = "is_false")]
    pub deprecated: bool,
    /// Whether it has ACPI, since QEMU 8.0; `None` where QEMU does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acpi: Option<bool>,
    /// One line of prose; only `-machine help` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
