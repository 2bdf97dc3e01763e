//! What a probe can say about a QEMU, however it was probed.

mod cpu;
mod machine;
mod options;
mod platform;
mod props;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use cpu::OptionalCpuValue;
pub use cpu::{CpuModel, CpuProp, CpuValue, HostCpu};
pub use machine::Machine;
pub use options::{OptionForm, Options};
pub use platform::{Gic, Platform, Sev, Sgx, SgxSection};
pub use props::{Prop, Props};

use crate::names::NameSet;
use crate::qmp::schema::SchemaCell;
use crate::version::Version;

/// Everything a probe found out.
///
/// Help texts and QMP replies fill the same fields. A field that is `None` was not asked about, or could not be answered by
/// the way of asking: that is different from an empty answer, and [`crate::Rule`] keeps the two apart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The release: first line of `-help`, `query-version`.
    pub version: Version,
    /// What the packager added to the version, without the brackets: `Debian 1:7.2+dfsg-7`, `v10.0.0`; empty where nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub package: String,
    /// The guest architecture in QEMU's spelling (`x86_64`, `i386`, `arm`): `query-target`, or the name of the program in the
    /// usage line. See [`Facts::libvirt_arch`] for the other spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Whether this is the KVM fork of QEMU that existed until 1.3 (`kvm-NN`, `qemu-kvm-…`).
    #[serde(skip_serializing_if = "is_false")]
    pub is_kvm: bool,
    /// The number of a `kvm-NN` release of that fork, 0 for `qemu-kvm-…` and for QEMU itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub kvm_version: u32,
    /// The command line options: `-help`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Options>,
    /// The texts that rules look for in `-help` and that stand there, be it in a description: [`crate::Rule::Mention`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mentions: Option<NameSet>,
    /// What `-device` takes: `-device help`; over QMP the types below `device`, internal ones too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<NameSet>,
    /// What `-device help` adds to the names; QMP has nothing of the kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub device_details: BTreeMap<String, Device>,
    /// What `-object` takes: `-object help`, the types that are `user-creatable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<NameSet>,
    /// Every QOM type that is not abstract: `qom-list-types`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<NameSet>,
    /// Types that QEMU, asked about one by one, said it has not got: `-device X,help`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_types: Option<NameSet>,
    /// Properties of the devices, objects, CPUs and machines that were asked about, by QOM type: `-device X,help`,
    /// `device-list-properties`, `qom-list-properties`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub props: BTreeMap<String, Props>,
    /// The QAPI schema: `query-qmp-schema`, since QEMU 2.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaCell>,
    /// QMP commands: from the schema, or `query-commands`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commands: Option<NameSet>,
    /// QMP events: from the schema, or `query-events`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<NameSet>,
    /// Option groups and their parameters: `query-command-line-options`, since QEMU 1.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub option_groups: Option<BTreeMap<String, NameSet>>,
    /// The accelerators that were probed, the preferred one first by order of [`Accel`], each with what depends on it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub accelerators: BTreeMap<Accel, Accelerator>,
    /// The accelerators compiled in, usable or not: `-accel help`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiled_accelerators: Option<NameSet>,
    /// Whether KVM is compiled in and works on this host: `query-kvm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kvm: Option<Kvm>,
    /// Network backends: `-netdev help`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netdevs: Option<NameSet>,
    /// Character device backends: `-chardev help`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chardevs: Option<NameSet>,
    /// TPM frontends: `query-tpm-models`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm_models: Option<NameSet>,
    /// TPM backends: `query-tpm-types`, `-tpmdev help`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm_types: Option<NameSet>,
    /// Migration capabilities: `query-migrate-capabilities`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<NameSet>,
    /// Interrupt controllers of Arm guests: `query-gic-capabilities`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gic: Option<Vec<Gic>>,
    /// AMD memory encryption: `query-sev-capabilities`.
    #[serde(skip_serializing_if = "Platform::is_not_asked")]
    pub sev: Platform<Sev>,
    /// Intel enclaves: `query-sgx-capabilities`.
    #[serde(skip_serializing_if = "Platform::is_not_asked")]
    pub sgx: Platform<Sgx>,
    /// The Hyper-V enlightenments that work on this host, with values: the `hv-` properties of `host` expanded with
    /// `hv-passthrough`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hyperv: Option<Vec<CpuProp>>,
    /// CPU features that `-cpu help` lists after the models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_features: Option<NameSet>,
    /// How many lines or documents were not understood and skipped.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: u32,
}

pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

pub(crate) fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// What a line of `-device help` says besides the name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// The kind of bus it plugs into: `PCI`, `virtio-bus`, `System`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
    /// A second name `-device` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// One line of prose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The heading it is listed under, since QEMU 1.5: `Network`, `Storage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Listed, but not for users to add (`no-user`, until QEMU 1.x).
    #[serde(skip_serializing_if = "is_false")]
    pub internal: bool,
}

/// Whether KVM is compiled in and works on this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kvm {
    /// Compiled in.
    pub present: bool,
    /// In use by the QEMU that was asked.
    pub enabled: bool,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// Linux's KVM.
    Kvm,
    /// macOS's Hypervisor.framework.
    Hvf,
    /// QEMU's own translator.
    Tcg,
}

impl Accel {
    /// QEMU's word for `-accel`.
    pub const fn qemu(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Hvf => "hvf",
            Self::Tcg => "tcg",
        }
    }
}

/// What depends on the accelerator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accelerator {
    /// Machine types in QEMU's order, without `none`: `query-machines`, `-machine help`.
    pub machines: Vec<Machine>,
    /// CPU models in QEMU's order: `query-cpu-definitions`, `-cpu help`.
    pub cpus: Vec<CpuModel>,
    /// What `host` (or `max` without hardware help) stands for: `query-cpu-model-expansion`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_cpu: Option<HostCpu>,
}

impl Accelerator {
    /// The machine type with this name or alias.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        self.machines
            .iter()
            .find(|machine| machine.name == name)
            .or_else(|| self.machines.iter().find(|machine| machine.alias.as_deref() == Some(name)))
    }

    /// The CPU model with this name.
    pub fn cpu(&self, name: &str) -> Option<&CpuModel> {
        self.cpus.iter().find(|cpu| cpu.name == name)
    }
}

impl Facts {
    /// The architecture as libvirt spells it: `i686` for `i386`, `armv7l` for `arm`.
    pub fn libvirt_arch(&self) -> Option<&str> {
        self.arch.as_deref().map(libvirt_arch)
    }

    /// The accelerator QEMU prefers, of those that were probed.
    pub fn preferred(&self) -> Option<(Accel, &Accelerator)> {
        self.accelerators.first_key_value().map(|(kind, accelerator)| (*kind, accelerator))
    }

    /// A machine type by name or alias, as the preferred accelerator sees it.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        self.accelerators.values().find_map(|accelerator| accelerator.machine(name))
    }

    /// Properties of a machine type, by its name or alias.
    pub fn machine_props(&self, name: &str) -> Option<&Props> {
        let canonical = self.machine(name).map_or(name, |machine| machine.name.as_str());
        self.props.get(&format!("{canonical}-machine"))
    }

    /// Whether a QOM type, device or object of this name exists; `None` where the probe cannot tell.
    ///
    /// Help texts list what a user can create, so their silence says nothing about internal types such as `mch`.
    pub fn has_type(&self, name: &str) -> Option<bool> {
        if let Some(types) = &self.types {
            return Some(types.contains(name));
        }
        if self.lists_type(name) {
            return Some(true);
        }
        self.missing_types.as_ref().filter(|missing| missing.contains(name)).map(|_| false)
    }

    /// Whether a device exists that a user can create; `None` where devices were not listed.
    pub fn has_device(&self, name: &str) -> Option<bool> {
        if let Some(types) = &self.types {
            return Some(types.contains(name));
        }
        if self.lists_type(name) {
            return Some(true);
        }
        self.devices.as_ref().map(|_| false)
    }

    /// Whether `-object` takes this type; `None` where objects were not listed.
    pub fn has_object(&self, name: &str) -> Option<bool> {
        if let Some(types) = &self.types {
            return Some(types.contains(name));
        }
        if self.lists_type(name) {
            return Some(true);
        }
        self.objects.as_ref().map(|_| false)
    }

    fn lists_type(&self, name: &str) -> bool {
        self.devices.as_ref().is_some_and(|devices| devices.contains(name))
            || self.objects.as_ref().is_some_and(|objects| objects.contains(name))
            || self.props.contains_key(name)
    }

    /// Architectures that have machine types of PC kind.
    pub fn is_x86(&self) -> bool {
        matches!(self.arch.as_deref(), Some("x86_64" | "i386"))
    }
}

/// libvirt's spelling of an architecture of QEMU. Most are the same.
pub fn libvirt_arch(qemu: &str) -> &str {
    match qemu {
        "i386" => "i686",
        "arm" => "armv7l",
        other => other,
    }
}

/// QEMU's spelling of an architecture of libvirt.
pub fn qemu_arch(libvirt: &str) -> &str {
    match libvirt {
        "i686" => "i386",
        "armv7l" | "armv6l" => "arm",
        "ppc64le" => "ppc64",
        other => other,
    }
}
