//! `<seclabel>` of a device's source: an exception from the domain's labels.

use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

/// How one security driver treats the source of one disk or character device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceSeclabel {
    /// The security driver, such as `selinux` or `dac`; every driver if there is none.
    pub model: Option<String>,
    /// Whether libvirt could not label the source and went on without; only for running domains.
    pub labelskip: Option<YesNo>,
    /// Whether the source is labelled at all.
    pub relabel: Option<YesNo>,
    /// The label to use instead of the domain's.
    pub label: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for DeviceSeclabel {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("model", &mut self.model);
        xml.attribute("labelskip", &mut self.labelskip);
        xml.attribute("relabel", &mut self.relabel);
        xml.value("label", &mut self.label);
        if X::READS && self.relabel == Some(YesNo::No) && self.label.is_some() {
            let origin = xml.at("@relabel");
            let message = "a label is given, and relabelling is turned off";
            xml.report(Diagnostic::error(Code::Conflict, origin, message));
        }
    }
}
