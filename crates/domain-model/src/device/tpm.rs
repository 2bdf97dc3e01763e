//! `<tpm>`: trusted platform modules.

use super::Family;
use crate::Code;
use crate::values::Uuid;
use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Tagged, Xml};

words! {
    /// `model` of `<tpm>`.
    pub enum TpmModel {
        /// The register interface of the TPM Interface Specification.
        TpmTis = "tpm-tis",
        /// The command response buffer of TPM 2.0; since libvirt 4.5.
        TpmCrb = "tpm-crb",
        /// A device on the VIO bus of pSeries machines; since libvirt 5.6.
        TpmSpapr = "tpm-spapr",
        /// The proxy of pSeries machines for guests that run guests; since libvirt 6.3.
        SpaprTpmProxy = "spapr-tpm-proxy",
    }

    /// `version` of an emulated TPM.
    pub enum TpmVersion {
        /// TPM 1.2.
        V1_2 = "1.2",
        /// TPM 2.0.
        V2_0 = "2.0",
    }

    /// `type` of `<source>`: what keeps the state of an emulated TPM; since libvirt 10.10.
    #[derive(Default)]
    pub enum TpmStorage {
        /// A file.
        #[default]
        File = "file",
        /// A folder.
        Dir = "dir",
    }

    /// `removeDisabled` of `<profile>`: what happens to algorithms that the host's crypto library refuses.
    pub enum RemoveDisabled {
        /// They are tried and left out if they do not work.
        Check = "check",
        /// Those that FIPS forbids are left out.
        FipsHost = "fips-host",
    }

    /// `type` of the `<source>` of an external TPM.
    #[derive(Default)]
    pub enum ExternalType: UnknownWord {
        /// A Unix socket.
        #[default]
        Unix = "unix",
    }

    /// `mode` of the `<source>` of an external TPM.
    pub enum ExternalMode {
        /// QEMU connects to the program that is the TPM.
        Connect = "connect",
    }
}

/// `<tpm>`: a trusted platform module; since libvirt 1.0.5.
///
/// ```
/// use domain_model::device::tpm::{TpmBackendKind, TpmVersion};
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices><tpm model='tpm-crb'>\
///     <backend type='emulator' version='2.0'/></tpm></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// let TpmBackendKind::Emulator(emulator) = &devices.tpms[0].spec.backend.kind else { panic!() };
/// assert_eq!(emulator.version, Some(TpmVersion::V2_0));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tpm {
    /// Which device it is; without it the one that suits the machine.
    pub model: Option<TpmModel>,
    /// What is behind it.
    pub backend: TpmBackend,
}

impl Family for Tpm {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("model", &mut self.model);
        xml.at_most_one("backend");
        xml.required_child("backend", &mut self.backend);
    }
}

/// `<backend>`: what is behind the device; since libvirt 1.0.5.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TpmBackend {
    /// The kind, and what it needs.
    pub kind: TpmBackendKind,
    /// Where it was written.
    pub meta: Meta,
}

/// `type` of `<backend>`.
#[derive(Debug, Clone, PartialEq)]
pub enum TpmBackendKind {
    /// The host's TPM, for this guest alone.
    Passthrough {
        /// Path of the host's device; `/dev/tpm0` if nothing is said.
        device: Option<String>,
    },
    /// A program that is started with the guest; since libvirt 4.5.
    Emulator(Box<TpmEmulator>),
    /// A program that is started by someone else; since libvirt 9.0.
    External {
        /// How to reach it.
        source: ExternalTpm,
    },
}

impl Default for TpmBackendKind {
    fn default() -> Self {
        TpmBackendKind::Passthrough { device: None }
    }
}

impl Tagged for TpmBackendKind {
    const TAGS: &'static [&'static str] = &["passthrough", "emulator", "external"];

    fn tag(&self) -> &'static str {
        match self {
            TpmBackendKind::Passthrough { .. } => "passthrough",
            TpmBackendKind::Emulator(_) => "emulator",
            TpmBackendKind::External { .. } => "external",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "passthrough" => TpmBackendKind::Passthrough { device: None },
            "emulator" => TpmBackendKind::Emulator(Box::default()),
            "external" => TpmBackendKind::External { source: ExternalTpm::default() },
            _ => return None,
        })
    }
}

impl Element for TpmBackend {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required_tag("type", &mut self.kind);
        match &mut self.kind {
            TpmBackendKind::Passthrough { device } => {
                xml.nested("device", |xml| xml.attribute("path", device));
            }
            TpmBackendKind::Emulator(emulator) => emulator.describe(xml),
            TpmBackendKind::External { source } => xml.required_child("source", source),
        }
    }
}

/// An emulated TPM; since libvirt 4.5.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TpmEmulator {
    /// The version of the standard; 2.0 where the machine allows it if nothing is said.
    pub version: Option<TpmVersion>,
    /// Whether the state stays when the domain is undefined; since libvirt 7.0.
    pub persistent_state: Option<YesNo>,
    /// How much the program logs, 0 for nothing; since libvirt 10.1.
    pub debug: Option<u32>,
    /// `<encryption secret=…>`: the secret that encrypts the state; since libvirt 5.6.
    pub encryption: Option<Uuid>,
    /// `<active_pcr_banks>`: which banks of registers are in use; since libvirt 7.10.
    pub active_pcr_banks: PcrBanks,
    /// `<source>`: what keeps the state.
    pub source: Option<TpmState>,
    /// `<profile>`: which algorithms there are; since libvirt 10.10.
    pub profile: Option<TpmProfile>,
}

/// Which banks of registers are in use; none says nothing; since libvirt 7.10.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PcrBanks {
    /// SHA-1.
    pub sha1: bool,
    /// SHA-256.
    pub sha256: bool,
    /// SHA-384.
    pub sha384: bool,
    /// SHA-512.
    pub sha512: bool,
}

impl TpmEmulator {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("version", &mut self.version);
        xml.blamed_as(Code::Malformed, |xml| xml.attribute("persistent_state", &mut self.persistent_state));
        xml.attribute("debug", &mut self.debug);
        xml.nested("encryption", |xml| {
            xml.blamed_as(Code::Malformed, |xml| xml.attribute("secret", &mut self.encryption));
        });
        xml.nested("active_pcr_banks", |xml| {
            let banks = &mut self.active_pcr_banks;
            xml.closed(&[]);
            xml.present("sha1", &mut banks.sha1);
            xml.present("sha256", &mut banks.sha256);
            xml.present("sha384", &mut banks.sha384);
            xml.present("sha512", &mut banks.sha512);
        });
        xml.child("source", &mut self.source);
        xml.child("profile", &mut self.profile);
    }
}

/// `<source>`: what keeps the state of an emulated TPM.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TpmState {
    /// Whether it is a file or a folder.
    pub kind: Option<TpmStorage>,
    /// Its path.
    pub path: String,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for TpmState {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("type", &mut self.kind);
        xml.required("path", &mut self.path);
    }
}

/// `<profile>`: which algorithms an emulated TPM 2.0 has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TpmProfile {
    /// The profile to start from, such as `local:restricted`.
    pub source: Option<String>,
    /// What happens to algorithms that the host's crypto library refuses.
    pub remove_disabled: Option<RemoveDisabled>,
    /// The name that the program gives the profile.
    pub name: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for TpmProfile {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("source", &mut self.source);
        xml.attribute("removeDisabled", &mut self.remove_disabled);
        xml.attribute("name", &mut self.name);
    }
}

/// `<source>`: how to reach an external TPM; since libvirt 9.0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExternalTpm {
    /// The kind of socket.
    pub kind: ExternalType,
    /// Who connects.
    pub mode: Option<ExternalMode>,
    /// The socket's path.
    pub path: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for ExternalTpm {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("type", &mut self.kind);
        xml.attribute("mode", &mut self.mode);
        xml.needed("path", &mut self.path);
    }
}
