//! What the host's hardware offers through QEMU: GIC, SEV, SGX.

use serde::{Deserialize, Serialize};

/// An answer that depends on the host's hardware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform<T> {
    /// The probe did not ask.
    #[default]
    NotAsked,
    /// QEMU knows the feature, this host has not got it.
    Refused,
    /// The host has it.
    Offered(T),
}

impl<T> Platform<T> {
    /// Whether the probe did not ask.
    pub fn is_not_asked(&self) -> bool {
        matches!(self, Self::NotAsked)
    }

    /// The answer, if the host has the feature.
    pub fn offered(&self) -> Option<&T> {
        match self {
            Self::Offered(answer) => Some(answer),
            Self::NotAsked | Self::Refused => None,
        }
    }

    /// Whether the host has the feature; `None` if nobody asked.
    pub fn is_offered(&self) -> Option<bool> {
        match self {
            Self::NotAsked => None,
            Self::Refused => Some(false),
            Self::Offered(_) => Some(true),
        }
    }
}

/// A version of Arm's interrupt controller: `query-gic-capabilities`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gic {
    /// 2 or 3.
    pub version: u32,
    /// KVM offers it.
    pub kernel: bool,
    /// QEMU emulates it.
    pub emulated: bool,
}

/// AMD Secure Encrypted Virtualization: `query-sev-capabilities`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Sev {
    /// Platform Diffie-Hellman key, base64.
    pub pdh: String,
    /// Certificate chain, base64.
    pub cert_chain: String,
    /// Identity of the first CPU socket, base64; since QEMU 7.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu0_id: Option<String>,
    /// Position of the bit that marks encrypted pages.
    pub cbitpos: u32,
    /// Physical address bits that encryption takes away.
    pub reduced_phys_bits: u32,
}

/// Intel Software Guard Extensions: `query-sgx-capabilities`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sgx {
    /// Flexible launch control.
    pub flc: bool,
    /// SGX1 instructions.
    pub sgx1: bool,
    /// SGX2 instructions.
    pub sgx2: bool,
    /// Size of all sections in bytes, until QEMU 9.x.
    #[serde(rename = "section-size", skip_serializing_if = "Option::is_none")]
    pub section_size: Option<u64>,
    /// The sections, one per NUMA node; since QEMU 7.0.
    pub sections: Vec<SgxSection>,
}

/// Enclave memory of one NUMA node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SgxSection {
    /// The host's NUMA node.
    pub node: u64,
    /// Size in bytes.
    pub size: u64,
}
