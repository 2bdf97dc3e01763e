//! What all devices share: alias, boot order, ROM, address.

use crate::address::Address;
use crate::xml::text::{OnOff, YesNo};
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

/// What all devices share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceInfo {
    /// `<boot order=…>`: when the guest tries to boot from the device; since libvirt 0.8.8.
    pub boot: Option<Box<Boot>>,
    /// `<alias name=…>`: the device's name in the running domain. Only names that start with `ua-` are the
    /// user's own; others are given anew at each start.
    pub alias: Option<String>,
    /// `<rom>`: the option ROM of a PCI device; since libvirt 0.9.7.
    pub rom: Option<Box<Rom>>,
    /// `<acpi index=…>`: the number that makes the guest's name of the device predictable; since libvirt 7.3.
    pub acpi_index: Option<u32>,
    /// `<address>`: where on its bus the device is.
    pub address: Option<Address>,
}

impl DeviceInfo {
    /// The alias if users chose it: `ua-` and letters, digits, `_` and `-`. Others are given anew at each start.
    pub fn own_alias(&self) -> Option<&str> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        self.alias.as_deref().filter(|alias| alias.starts_with("ua-") && alias.chars().all(fits))
    }

    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X, behind_alias: impl FnOnce(&mut X)) {
        xml.child("boot", &mut self.boot);
        xml.nested("alias", |xml| xml.attribute("name", &mut self.alias));
        behind_alias(xml);
        xml.child("rom", &mut self.rom);
        xml.nested("acpi", |xml| xml.attribute("index", &mut self.acpi_index));
        xml.child("address", &mut self.address);
        if X::READS && self.acpi_index == Some(0) {
            let message = "bad value `0` for attribute `index` of `<acpi>`: the numbers begin at 1";
            xml.report(Diagnostic::error(Code::BadValue, xml.at("acpi/@index"), message));
        }
    }
}

/// `<boot>` of a device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Boot {
    /// Place in the order, from 1; since libvirt 0.8.8.
    pub order: u32,
    /// Which IPL parameters an s390x guest boots with.
    pub loadparm: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Boot {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("order", &mut self.order);
        xml.attribute("loadparm", &mut self.loadparm);
        if X::READS {
            // IPL parameters know no small letters, and libvirt reads them so.
            self.loadparm = self.loadparm.take().map(|loadparm| loadparm.to_ascii_uppercase());
            self.check(xml);
        }
    }
}

impl Boot {
    fn check<X: Xml>(&self, xml: &mut X) {
        if self.order == 0 {
            let message = "bad value `0` for `order`: the boot order begins at 1";
            xml.report(Diagnostic::error(Code::BadValue, xml.at("@order"), message));
        }
        let Some(loadparm) = &self.loadparm else { return };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ' ');
        if !(1..=8).contains(&loadparm.len()) || !loadparm.chars().all(fits) {
            let message = format!(
                "bad value `{loadparm}` for `loadparm`: expected 1 to 8 letters, digits, dots and spaces"
            );
            xml.report(Diagnostic::error(Code::Malformed, xml.at("@loadparm"), message));
        }
    }
}

/// `<rom>`: the option ROM of a PCI device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rom {
    /// Whether the ROM is there at all; since libvirt 4.3.
    pub enabled: Option<YesNo>,
    /// Whether the ROM is visible in the guest's memory map.
    pub bar: Option<OnOff>,
    /// A file that replaces the device's own ROM.
    pub file: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Rom {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("enabled", &mut self.enabled);
        xml.attribute("bar", &mut self.bar);
        xml.attribute("file", &mut self.file);
        if X::READS && self.enabled == Some(YesNo::No) && (self.bar.is_some() || self.file.is_some()) {
            let message = "a ROM that is not there has neither `bar` nor `file`";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at("@enabled"), message));
        }
    }
}

impl Rom {
    /// Whether anything is said.
    pub fn is_empty(&self) -> bool {
        self.enabled.is_none() && self.bar.is_none() && self.file.is_none()
    }
}
