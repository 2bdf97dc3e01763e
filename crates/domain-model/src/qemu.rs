//! `<qemu:…>`: what goes to QEMU past libvirt.

use crate::words;
use crate::xml::{Element, Meta, Xml};

/// `<qemu:commandline>`: further arguments and environment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QemuCommandline {
    /// Arguments behind all others.
    pub args: Vec<QemuArg>,
    /// Environment variables.
    pub env: Vec<QemuEnv>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for QemuCommandline {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.children("qemu:arg", &mut self.args);
        xml.children("qemu:env", &mut self.env);
    }
}

/// `<qemu:arg>`: an argument.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QemuArg {
    /// The argument as it is.
    pub value: String,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for QemuArg {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.blamed_as(crate::Code::Malformed, |xml| xml.required("value", &mut self.value));
    }
}

/// `<qemu:env>`: an environment variable.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QemuEnv {
    /// The name: letters, digits and `_`, no digit first.
    pub name: String,
    /// The value; empty if absent.
    pub value: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for QemuEnv {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.attribute("value", &mut self.value);
        let is_name = !self.name.is_empty()
            && self.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !self.name.starts_with(|c: char| c.is_ascii_digit());
        if X::READS && !is_name {
            let origin = xml.at("@name");
            let message = "the name of a variable has letters, digits and `_`, and no digit first";
            xml.report(crate::Diagnostic::error(crate::Code::Malformed, origin, message));
        }
    }
}

/// `<qemu:capabilities>`: what to believe of QEMU against what it says; since libvirt 1.3.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QemuCapabilities {
    /// What QEMU is taken to have.
    pub add: Vec<QemuCapability>,
    /// What it is taken to lack.
    pub del: Vec<QemuCapability>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for QemuCapabilities {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.children("qemu:add", &mut self.add);
        xml.children("qemu:del", &mut self.del);
    }
}

/// `<qemu:add>` and `<qemu:del>`: one capability.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QemuCapability {
    /// Its name.
    pub capability: String,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for QemuCapability {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.blamed_as(crate::Code::Malformed, |xml| xml.required("capability", &mut self.capability));
    }
}

/// `<qemu:override>`: changes to single devices; since libvirt 8.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QemuOverride {
    /// One for each device.
    pub devices: Vec<QemuDeviceOverride>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for QemuOverride {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.children("qemu:device", &mut self.devices);
    }
}

/// `<qemu:device>`: the changes to one device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QemuDeviceOverride {
    /// The device's alias.
    pub alias: String,
    /// Properties of the part that the guest sees.
    pub frontend: Vec<QemuProperty>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for QemuDeviceOverride {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.joined(&["qemu:frontend"]);
        xml.required("alias", &mut self.alias);
        xml.nested("qemu:frontend", |xml| xml.children("qemu:property", &mut self.frontend));
    }
}

words! {
    /// `type` of `<qemu:property>`.
    #[derive(Default)]
    pub enum QemuPropertyType {
        /// A text.
        #[default]
        String = "string",
        /// A number that may be negative.
        Signed = "signed",
        /// A number that may not.
        Unsigned = "unsigned",
        /// `true` or `false`.
        Bool = "bool",
        /// The property is left out.
        Remove = "remove",
    }
}

/// `<qemu:property>`: a property that is set or left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QemuProperty {
    /// Its name.
    pub name: String,
    /// What its value is.
    pub kind: QemuPropertyType,
    /// The value, unless the property is left out.
    pub value: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for QemuProperty {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("name", &mut self.name);
        xml.required("type", &mut self.kind);
        xml.attribute("value", &mut self.value);
        if !X::READS {
            return;
        }
        if self.kind != QemuPropertyType::Remove {
            self.check_value(xml);
        } else if self.value.is_some() {
            let message = "a property that is left out has no value";
            xml.report(crate::Diagnostic::error(crate::Code::Conflict, xml.at("@value"), message));
        }
    }
}

impl QemuProperty {
    fn check_value<X: Xml>(&self, xml: &mut X) {
        let Some(value) = &self.value else {
            crate::values::missing(xml, "qemu:property", "value");
            return;
        };
        let fits = match self.kind {
            QemuPropertyType::String | QemuPropertyType::Remove => true,
            QemuPropertyType::Signed => value.parse::<i64>().is_ok(),
            QemuPropertyType::Unsigned => value.parse::<u64>().is_ok(),
            QemuPropertyType::Bool => matches!(value.as_str(), "true" | "false"),
        };
        if !fits {
            let origin = xml.at("@value");
            let message = format!("`{value}` is not a value of type `{}`", self.kind);
            xml.report(crate::Diagnostic::error(crate::Code::BadValue, origin, message));
        }
    }
}

words! {
    /// `behavior` of `<qemu:deprecation>`: what QEMU does when something deprecated is used; since libvirt 7.3.
    pub enum DeprecationBehavior {
        /// Nothing.
        None = "none",
        /// It hides deprecated parts of its answers.
        Omit = "omit",
        /// It refuses deprecated parts of commands.
        Reject = "reject",
        /// It aborts.
        Crash = "crash",
    }
}
