//! The replies of QMP commands as they are on the wire.

use std::borrow::Cow;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::facts::{CpuModel, CpuProp, Machine, OptionalCpuValue};
use crate::names::{NameList, Text};
use crate::version::Version;

/// Anything that goes over a QMP socket, in either direction.
#[derive(Deserialize)]
pub(super) struct Document<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) execute: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow, rename = "return")]
    pub(super) returned: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct QueryVersion {
    pub(super) qemu: QemuVersion,
    #[serde(default)]
    pub(super) package: String,
}

#[derive(Deserialize)]
pub(super) struct QemuVersion {
    major: u32,
    minor: u32,
    micro: u32,
}

impl From<QemuVersion> for Version {
    fn from(version: QemuVersion) -> Self {
        Self::new(version.major, version.minor, version.micro)
    }
}

#[derive(Deserialize)]
pub(super) struct QueryTarget {
    pub(super) arch: String,
}

/// The arguments of `qom-list-types`.
#[derive(Deserialize)]
pub(super) struct ListTypes<'a> {
    #[serde(borrow)]
    pub(super) implements: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PropInfo<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) default_value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct MachineInfo {
    name: String,
    alias: Option<String>,
    #[serde(default)]
    is_default: bool,
    #[serde(default)]
    cpu_max: i64,
    #[serde(default)]
    hotpluggable_cpus: bool,
    numa_mem_supported: Option<bool>,
    default_cpu_type: Option<String>,
    default_ram_id: Option<String>,
    #[serde(default)]
    deprecated: bool,
    acpi: Option<bool>,
}

impl From<MachineInfo> for Machine {
    fn from(info: MachineInfo) -> Self {
        Self {
            name: info.name,
            alias: info.alias,
            default: info.is_default,
            max_cpus: u32::try_from(info.cpu_max).unwrap_or_default(),
            hotplug_cpus: info.hotpluggable_cpus,
            numa_mem: info.numa_mem_supported.unwrap_or(true),
            default_cpu: info.default_cpu_type,
            default_ram_id: info.default_ram_id,
            deprecated: info.deprecated,
            acpi: info.acpi,
            description: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct CpuInfo {
    name: String,
    typename: Option<String>,
    unavailable_features: Option<NameList>,
    #[serde(default)]
    deprecated: bool,
    alias_of: Option<String>,
}

impl From<CpuInfo> for CpuModel {
    fn from(info: CpuInfo) -> Self {
        Self {
            name: info.name,
            // QEMU 7.x says "" where a model stands for a family and not for a type.
            type_name: info.typename.filter(|name| !name.is_empty()),
            usable: info.unavailable_features.as_ref().map(NameList::is_empty),
            blockers: info.unavailable_features.unwrap_or_default(),
            deprecated: info.deprecated,
            alias_of: info.alias_of,
            description: None,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct OptionGroup<'a> {
    pub(super) option: String,
    #[serde(borrow, default)]
    pub(super) parameters: Vec<Named<'a>>,
}

/// Anything of which only the name is of interest.
#[derive(Deserialize)]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct MigrationCapability<'a> {
    #[serde(borrow)]
    pub(super) capability: Cow<'a, str>,
}

/// The arguments of `query-cpu-model-expansion`.
#[derive(Deserialize)]
pub(super) struct ExpansionArguments<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    pub(super) model: ExpandedModel,
}

/// The arguments of `device-list-properties` and `qom-list-properties`.
#[derive(Deserialize)]
pub(super) struct TypeArguments {
    pub(super) typename: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Expansion {
    pub(super) model: ExpandedModel,
    #[serde(default)]
    pub(super) deprecated_props: NameList,
}

#[derive(Deserialize)]
pub(super) struct ExpandedModel {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) props: OrderedProps,
}

/// Properties of a CPU in QEMU's order. Values that are neither boolean, number nor text are left out.
#[derive(Default)]
pub(super) struct OrderedProps(pub(super) Vec<CpuProp>);

impl<'de> Deserialize<'de> for OrderedProps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = OrderedProps;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("properties by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OrderedProps, A::Error> {
                let mut props = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'_>, OptionalCpuValue>()? {
                    if let Some(value) = value.0 {
                        props.push(CpuProp { name: name.0.into_owned(), value, migratable: None });
                    }
                }
                Ok(OrderedProps(props))
            }
        }
        deserializer.deserialize_map(Map)
    }
}
