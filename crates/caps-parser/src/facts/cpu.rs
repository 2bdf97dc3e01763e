//! CPU models and what the host CPU expands to.

use serde::{Deserialize, Serialize};

use super::is_false;
use crate::names::NameList;

/// A CPU model: `query-cpu-definitions`, `-cpu help`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuModel {
    /// What `-cpu` takes, in QEMU's spelling.
    pub name: String,
    /// The QOM type, since QEMU 2.9: `Skylake-Server-x86_64-cpu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Whether it runs here; `None` where QEMU does not say (before 2.8, and in help texts).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usable: Option<bool>,
    /// The features this host lacks for it, in QEMU's order.
    #[serde(skip_serializing_if = "NameList::is_empty")]
    pub blockers: NameList,
    /// Announced to go away, since QEMU 5.2.
    #[serde(skip_serializing_if = "is_false")]
    pub deprecated: bool,
    /// The model it stands for: `EPYC-v4` for `EPYC-IBPB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias_of: Option<String>,
    /// One line of prose; only `-cpu help` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What `host` (KVM, HVF) or `max` (TCG) stands for: `query-cpu-model-expansion`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostCpu {
    /// Whether QEMU was asked for the full expansion (Arm) instead of the static one.
    #[serde(skip_serializing_if = "is_false")]
    pub full: bool,
    /// The model the properties add to: `base` on x86.
    pub model: String,
    /// Whether it was asked a second time for what cannot migrate (x86).
    #[serde(skip_serializing_if = "is_false")]
    pub migratability: bool,
    /// The properties in QEMU's order.
    pub props: Vec<CpuProp>,
    /// Features that a later machine will not have, s390x since QEMU 9.1.
    #[serde(skip_serializing_if = "NameList::is_empty")]
    pub deprecated: NameList,
}

/// A property of an expanded CPU model. Written as an array of three, for there are hundreds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(String, CpuValue, Option<bool>)", into = "(String, CpuValue, Option<bool>)")]
pub struct CpuProp {
    /// The feature's name in QEMU's spelling.
    pub name: String,
    /// Its value.
    pub value: CpuValue,
    /// Whether it survives migration; known on x86.
    pub migratable: Option<bool>,
}

impl From<(String, CpuValue, Option<bool>)> for CpuProp {
    fn from((name, value, migratable): (String, CpuValue, Option<bool>)) -> Self {
        Self { name, value, migratable }
    }
}

impl From<CpuProp> for (String, CpuValue, Option<bool>) {
    fn from(prop: CpuProp) -> Self {
        (prop.name, prop.value, prop.migratable)
    }
}

/// A value of a CPU property.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CpuValue {
    /// `true` or `false`.
    Bool(bool),
    /// A number; QEMU's go beyond 64 bits signed only by mistake, and those are dropped.
    Int(i64),
    /// Anything else.
    Text(String),
}

impl<'de> Deserialize<'de> for CpuValue {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        OptionalCpuValue::deserialize(deserializer)?
            .0
            .ok_or_else(|| serde::de::Error::custom("a CPU property is a boolean, a number or a text"))
    }
}

/// A CPU property's value, or nothing for the kinds QEMU has no CPU property of.
pub(crate) struct OptionalCpuValue(pub(crate) Option<CpuValue>);

impl<'de> Deserialize<'de> for OptionalCpuValue {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl<'de> serde::de::Visitor<'de> for Value {
            type Value = Option<CpuValue>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a boolean, a number or a text")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Some(CpuValue::Bool(value)))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Some(CpuValue::Int(value)))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(i64::try_from(value).ok().map(CpuValue::Int))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(None)
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
            fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
                Ok(Some(CpuValue::Text(value.to_owned())))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                Ok(None)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
                Ok(None)
            }
        }
        deserializer.deserialize_any(Value).map(Self)
    }
}
