//! `<seclabel>`: labels of mandatory access control.

use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `type` of `<seclabel>`: who chooses the label.
    pub enum SeclabelType {
        /// libvirt, at each start.
        Dynamic = "dynamic",
        /// The XML.
        Static = "static",
        /// There is none.
        None = "none",
    }
}

/// `<seclabel>`: the label of the guest's process and files; since libvirt 0.6.1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seclabel {
    /// Who chooses the label; `dynamic` if absent.
    pub kind: Option<SeclabelType>,
    /// The security driver, such as `selinux` or `dac`; the host's first if absent.
    pub model: Option<String>,
    /// Whether the guest's files are labelled as well; since libvirt 0.9.9.
    pub relabel: Option<YesNo>,
    /// The label.
    pub label: Option<String>,
    /// The label of the guest's files, given by a running domain.
    pub imagelabel: Option<String>,
    /// What a dynamic label is made from; since libvirt 0.9.7.
    pub baselabel: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Seclabel {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("type", &mut self.kind);
        xml.attribute("model", &mut self.model);
        xml.attribute("relabel", &mut self.relabel);
        xml.value("label", &mut self.label);
        xml.value("imagelabel", &mut self.imagelabel);
        xml.value("baselabel", &mut self.baselabel);
        if X::READS {
            self.check(xml);
        }
    }
}

impl Seclabel {
    fn check<X: Xml>(&self, xml: &mut X) {
        match (self.kind.unwrap_or(SeclabelType::Dynamic), self.relabel) {
            (SeclabelType::Dynamic, Some(YesNo::No)) => {
                let message = "a `dynamic` label is always given to files too";
                xml.report(Diagnostic::error(Code::Unsupported, xml.at("@relabel"), message));
            }
            (SeclabelType::None, Some(YesNo::Yes)) => {
                let message = "files cannot be labelled with the type `none`";
                xml.report(Diagnostic::error(Code::Unsupported, xml.at("@relabel"), message));
            }
            (SeclabelType::Static, _) if self.label.as_deref().is_none_or(str::is_empty) => {
                let message = "the type `static` needs a `<label>`";
                xml.report(Diagnostic::error(Code::MissingElement, xml.at(""), message));
            }
            _ => {}
        }
    }
}
