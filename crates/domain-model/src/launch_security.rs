//! `<launchSecurity>` and `<keywrap>`: guests that are protected from their host.

use crate::words;
use crate::xml::text::{Hex, OnOff, YesNo};
use crate::xml::{Element, Meta, Tagged, Xml};
use crate::{Code, Diagnostic};

/// `<launchSecurity>`: how the guest's memory is protected from the host; since libvirt 4.4.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LaunchSecurity {
    /// The kind of protection, and what it needs.
    pub kind: LaunchSecurityKind,
    /// Where it was written.
    pub meta: Meta,
}

/// `type` of `<launchSecurity>`.
#[derive(Debug, Clone, PartialEq)]
pub enum LaunchSecurityKind {
    /// AMD's encrypted memory (SEV, SEV-ES); since libvirt 4.4.
    Sev(Sev),
    /// AMD's encrypted and verified memory (SEV-SNP); since libvirt 10.5.
    SevSnp(SevSnp),
    /// IBM Z's protected virtualization; since libvirt 7.6.
    S390Pv,
}

impl Default for LaunchSecurityKind {
    fn default() -> Self {
        LaunchSecurityKind::Sev(Sev::default())
    }
}

impl Tagged for LaunchSecurityKind {
    const TAGS: &'static [&'static str] = &["sev", "sev-snp", "s390-pv"];

    fn tag(&self) -> &'static str {
        match self {
            LaunchSecurityKind::Sev(_) => "sev",
            LaunchSecurityKind::SevSnp(_) => "sev-snp",
            LaunchSecurityKind::S390Pv => "s390-pv",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "sev" => LaunchSecurityKind::Sev(Sev::default()),
            "sev-snp" => LaunchSecurityKind::SevSnp(SevSnp::default()),
            "s390-pv" => LaunchSecurityKind::S390Pv,
            _ => return None,
        })
    }
}

impl Element for LaunchSecurity {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.tag("type", &mut self.kind);
        match &mut self.kind {
            LaunchSecurityKind::Sev(sev) => sev.describe(xml),
            LaunchSecurityKind::SevSnp(snp) => snp.describe(xml),
            LaunchSecurityKind::S390Pv => {}
        }
    }
}

/// What all kinds of AMD's encrypted memory have; since libvirt 4.4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SevCommon {
    /// Whether kernel, RAM disk and command line are measured too; since libvirt 8.0.
    pub kernel_hashes: Option<YesNo>,
    /// The bit of an address that says that memory is encrypted; the host's if absent.
    pub cbitpos: Option<u32>,
    /// How many bits of physical addresses are lost; the host's number if absent.
    pub reduced_phys_bits: Option<u32>,
}

impl SevCommon {
    fn describe_sizes<X: Xml>(&mut self, xml: &mut X) {
        xml.value("cbitpos", &mut self.cbitpos);
        xml.value("reducedPhysBits", &mut self.reduced_phys_bits);
    }
}

/// AMD's encrypted memory; since libvirt 4.4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sev {
    /// What all kinds of it have.
    pub common: SevCommon,
    /// What the host may do with the guest: bits of AMD's specification, up to 32.
    pub policy: Option<Hex<4>>,
    /// The guest owner's key for the exchange of keys, in base64.
    pub dh_cert: Option<String>,
    /// The guest owner's session, in base64.
    pub session: Option<String>,
}

impl Sev {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("kernelHashes", &mut self.common.kernel_hashes);
        self.common.describe_sizes(xml);
        xml.value("policy", &mut self.policy);
        xml.value("dhCert", &mut self.dh_cert);
        xml.value("session", &mut self.session);
        check_policy(xml, self.policy.map(|policy| policy.0), u32::MAX.into());
    }
}

/// AMD's encrypted and verified memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SevSnp {
    /// What all kinds of AMD's encrypted memory have.
    pub common: SevCommon,
    /// Whether `id_auth` holds the author's key.
    pub author_key: Option<YesNo>,
    /// Whether the guest may ask for the key that is special to the chip and its firmware.
    pub vcek: Option<YesNo>,
    /// What the host may do with the guest: bits of AMD's specification, up to 64.
    pub policy: Option<Hex<8>>,
    /// 16 bytes for the guest's firmware, in base64.
    pub guest_visible_workarounds: Option<String>,
    /// 96 bytes that identify the guest, in base64.
    pub id_block: Option<String>,
    /// 4096 bytes that prove `id_block`, in base64.
    pub id_auth: Option<String>,
    /// 32 bytes that the guest finds in its report, in base64.
    pub host_data: Option<String>,
}

impl SevSnp {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("kernelHashes", &mut self.common.kernel_hashes);
        xml.attribute("authorKey", &mut self.author_key);
        xml.attribute("vcek", &mut self.vcek);
        self.common.describe_sizes(xml);
        xml.value("policy", &mut self.policy);
        xml.value("guestVisibleWorkarounds", &mut self.guest_visible_workarounds);
        xml.value("idBlock", &mut self.id_block);
        xml.value("idAuth", &mut self.id_auth);
        xml.value("hostData", &mut self.host_data);
        check_policy(xml, self.policy.map(|policy| policy.0), u64::MAX);
    }
}

fn check_policy<X: Xml>(xml: &mut X, policy: Option<u64>, max: u64) {
    if !X::READS {
        return;
    }
    match policy {
        None => xml.report(Diagnostic::error(
            Code::MissingElement,
            xml.at(""),
            "`<launchSecurity>` needs a `<policy>`",
        )),
        Some(policy) if policy > max => {
            xml.report(Diagnostic::error(
                Code::BadValue,
                xml.at("policy"),
                format!("a policy is at most {max:#x}"),
            ));
        }
        Some(_) => {}
    }
}

words! {
    /// `name` of `<cipher>`: what the keys are for.
    #[derive(Default)]
    pub enum CipherName {
        /// AES.
        #[default]
        Aes = "aes",
        /// DES and Triple DES.
        Dea = "dea",
    }
}

/// `<cipher>` of `<keywrap>`: whether an s390x guest's keys can be wrapped for the host's hardware; since libvirt
/// 1.2.13.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeywrapCipher {
    /// What the keys are for.
    pub name: CipherName,
    /// Whether they can be wrapped.
    pub state: Option<OnOff>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for KeywrapCipher {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.attribute("state", &mut self.state);
        if X::READS && self.state.is_none() {
            crate::values::missing(xml, "cipher", "state");
        }
    }
}
