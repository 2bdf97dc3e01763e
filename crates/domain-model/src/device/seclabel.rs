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
        xml.lenient("labelskip", &mut self.labelskip);
        xml.attribute("relabel", &mut self.relabel);
        xml.optional_value("label", &mut self.label);
        let message = match (self.relabel, &self.label) {
            (Some(YesNo::No), Some(_)) => "a label is given, and relabelling is turned off",
            (Some(YesNo::Yes), None) => "relabelling is turned on, and no label is given",
            _ => return,
        };
        if X::READS {
            xml.report(Diagnostic::error(Code::Conflict, xml.at("@relabel"), message));
        }
    }
}
