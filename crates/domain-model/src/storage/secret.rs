//! `<auth>` and `<encryption>`: secrets that a source needs.

use super::fixed;
use crate::values::{self, Uuid};
use crate::words;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `type` of the `<secret>` of `<auth>`.
    pub enum SecretType {
        /// A key of a Ceph cluster.
        Ceph = "ceph",
        /// A CHAP password of an iSCSI target.
        Iscsi = "iscsi",
        /// A volume's passphrase; refused for `<auth>`.
        Volume = "volume",
        /// A passphrase; refused for `<auth>`.
        Passphrase = "passphrase",
        /// A passphrase of a TLS key; refused for `<auth>`.
        Tls = "tls",
        /// The state of a TPM; refused for `<auth>`.
        Vtpm = "vtpm",
    }

    /// `format` of `<encryption>`.
    #[derive(Default)]
    pub enum EncryptionFormat: UnknownWord {
        /// Whatever fits the image.
        #[default]
        Default = "default",
        /// The broken encryption of qcow; no longer usable.
        Qcow = "qcow",
        /// Linux Unified Key Setup, version 1.
        Luks = "luks",
        /// Linux Unified Key Setup, version 2; only RBD.
        Luks2 = "luks2",
        /// Either version of LUKS; only RBD, since libvirt 9.3.
        LuksAny = "luks-any",
    }

    /// `engine` of `<encryption>`: who decrypts.
    pub enum EncryptionEngine {
        /// The hypervisor; the default.
        Qemu = "qemu",
        /// The RBD client library; since libvirt 7.9.
        Librbd = "librbd",
    }
}

/// Which secret of the management is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Secret {
    /// The secret with this UUID.
    Uuid(Uuid),
    /// The secret for this usage.
    Usage(String),
}

/// `<auth>`: the credentials that a source asks for; since libvirt 0.9.7.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Auth {
    /// The user's name.
    pub username: String,
    /// `<secret>`: the password.
    pub secret: AuthSecret,
    /// Where it was written.
    pub meta: Meta,
}

/// `<secret>` of `<auth>`; since libvirt 0.9.7.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuthSecret {
    /// What it is for.
    pub kind: Option<SecretType>,
    /// Which one it is; `None` only if it could not be read.
    pub secret: Option<Secret>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<encryption>`: how the content is encrypted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Encryption {
    /// How the content is encrypted.
    pub format: EncryptionFormat,
    /// Who decrypts; since libvirt 7.9.
    pub engine: Option<EncryptionEngine>,
    /// `<secret>`: the passphrases; several only for layered RBD images.
    pub secrets: Vec<EncryptionSecret>,
    /// `<cipher>`: the algorithm, for creating volumes.
    pub cipher: Option<Cipher>,
    /// `<ivgen>`: how initialisation vectors are made, for creating volumes.
    pub ivgen: Option<IvGen>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<secret type='passphrase'>` of `<encryption>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EncryptionSecret {
    /// Which one it is; `None` only if it could not be read.
    pub secret: Option<Secret>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<cipher>`: an encryption algorithm.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cipher {
    /// Such as `aes`.
    pub name: String,
    /// The size of the key in bits.
    pub size: u32,
    /// Such as `cbc`.
    pub mode: Option<String>,
    /// Such as `sha256`.
    pub hash: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<ivgen>`: how initialisation vectors are made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IvGen {
    /// Such as `essiv`.
    pub name: String,
    /// Such as `sha256`.
    pub hash: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

/// Names `uuid` or `usage`; one of them has to be there.
fn describe_secret<X: Xml>(xml: &mut X, secret: &mut Option<Secret>) {
    let (mut uuid, mut usage) = match secret {
        Some(Secret::Uuid(uuid)) => (Some(*uuid), None),
        Some(Secret::Usage(usage)) => (None, Some(usage.clone())),
        None => (None, None),
    };
    xml.attribute("uuid", &mut uuid);
    xml.attribute("usage", &mut usage);
    if !X::READS {
        return;
    }
    *secret = match (uuid, usage) {
        (Some(uuid), None) => Some(Secret::Uuid(uuid)),
        (None, Some(usage)) => Some(Secret::Usage(usage)),
        (uuid, _) => {
            let (code, message) = match uuid {
                Some(_) => (Code::Conflict, "`<secret>` has either `uuid` or `usage`, not both"),
                None => (Code::MissingAttribute, "`<secret>` needs the attribute `uuid` or `usage`"),
            };
            xml.report(Diagnostic::error(code, xml.at(""), message));
            uuid.map(Secret::Uuid)
        }
    };
}

impl Element for Auth {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("username", &mut self.username);
        xml.required_child("secret", &mut self.secret);
    }
}

impl Element for AuthSecret {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("type", &mut self.kind);
        describe_secret(xml, &mut self.secret);
    }
}

impl Element for Encryption {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        let mut word = None;
        if X::READS {
            xml.optional("format", &mut word);
        }
        match word {
            // What is empty is as good as missing, and a bad word is another kind of problem.
            None::<String> if X::READS => values::missing(xml, "encryption", "format"),
            _ => xml.required("format", &mut self.format),
        }
        xml.attribute("engine", &mut self.engine);
        xml.container();
        xml.children("secret", &mut self.secrets);
        xml.child("cipher", &mut self.cipher);
        xml.child("ivgen", &mut self.ivgen);
    }
}

impl Element for EncryptionSecret {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        fixed(xml, "type", "passphrase", Code::Unsupported);
        describe_secret(xml, &mut self.secret);
    }
}

impl Element for Cipher {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.required("size", &mut self.size);
        xml.attribute("mode", &mut self.mode);
        xml.attribute("hash", &mut self.hash);
    }
}

impl Element for IvGen {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.attribute("hash", &mut self.hash);
    }
}
