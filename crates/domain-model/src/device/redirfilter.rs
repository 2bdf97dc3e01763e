//! `<redirfilter>`: which USB devices may be redirected.

use std::fmt::Write as _;

use super::Family;
use crate::xml::text::{YesNo, parse_c_number};
use crate::xml::{Element, Meta, Text, TextError, Xml};

/// `<redirfilter>`: which USB devices may be redirected; since libvirt 0.10.0.
///
/// ```
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices><redirfilter>\
///     <usbdev class='0x08' allow='yes'/><usbdev allow='no'/></redirfilter></devices>")?;
/// let (devices, problems) = xml::read::<Devices>(document.root());
/// assert!(problems.is_empty());
/// assert_eq!(devices.redirfilters[0].spec.rules.len(), 2);
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Redirfilter {
    /// The rules; the first one that fits a device decides.
    pub rules: Vec<RedirRule>,
}

impl Family for Redirfilter {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.children("usbdev", &mut self.rules);
    }
}

/// `<usbdev>`: a rule for some devices. What is not given, or given as `-1`, fits every device.
#[derive(Debug, Clone, PartialEq)]
pub struct RedirRule {
    /// The device class, such as 8 for storage.
    pub class: Option<UsbClass>,
    /// The vendor's number.
    pub vendor: Option<UsbId>,
    /// The product's number.
    pub product: Option<UsbId>,
    /// The device's revision.
    pub version: Option<UsbVersion>,
    /// Whether the devices may be redirected.
    pub allow: YesNo,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for RedirRule {
    fn default() -> Self {
        RedirRule {
            class: None,
            vendor: None,
            product: None,
            version: None,
            allow: YesNo::No,
            meta: Meta::default(),
        }
    }
}

impl Element for RedirRule {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        or_any(xml, "class", &mut self.class);
        or_any(xml, "vendor", &mut self.vendor);
        or_any(xml, "product", &mut self.product);
        or_any(xml, "version", &mut self.version);
        xml.required("allow", &mut self.allow);
    }
}

/// An attribute whose value `-1` means the same as its absence, which is what libvirt writes.
fn or_any<X: Xml, T: Text>(xml: &mut X, name: &'static str, value: &mut Option<T>) {
    let mut written = value.take().map(OrAny::Value);
    xml.attribute(name, &mut written);
    *value = match written {
        Some(OrAny::Value(value)) => Some(value),
        Some(OrAny::Any) | None => None,
    };
}

#[derive(Debug, Clone)]
enum OrAny<T> {
    Any,
    Value(T),
}

impl<T: Text> Text for OrAny<T> {
    fn parse(text: &str) -> Result<Self, TextError> {
        if text == "-1" { Ok(OrAny::Any) } else { T::parse(text).map(OrAny::Value) }
    }

    fn print(&self, out: &mut String) {
        match self {
            OrAny::Any => out.push_str("-1"),
            OrAny::Value(value) => value.print(out),
        }
    }
}

/// A USB device class; written as `0x08`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UsbClass(pub u8);

impl Text for UsbClass {
    fn parse(text: &str) -> Result<Self, TextError> {
        let number = parse_c_number(text).and_then(|number| u8::try_from(number).ok());
        number.map(UsbClass).ok_or_else(|| TextError::expected("a class from `0x00` to `0xff`, or `-1`"))
    }

    fn print(&self, out: &mut String) {
        let _ = write!(out, "0x{:02X}", self.0);
    }
}

/// A number of a USB vendor or product; written as `0x15E1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UsbId(pub u16);

impl Text for UsbId {
    fn parse(text: &str) -> Result<Self, TextError> {
        let number = parse_c_number(text).and_then(|number| u16::try_from(number).ok());
        number.map(UsbId).ok_or_else(|| TextError::expected("a number from `0x0000` to `0xffff`, or `-1`"))
    }

    fn print(&self, out: &mut String) {
        let _ = write!(out, "0x{:04X}", self.0);
    }
}

/// A USB device's revision in two decimal parts of two digits, such as `1.10`; `1.1` is read as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UsbVersion {
    /// In front of the point, 0 to 99.
    pub major: u8,
    /// Hundredths, 0 to 99.
    pub minor: u8,
}

impl UsbVersion {
    /// The revision as a USB descriptor says it, with a decimal digit in every four bits: `1.10` is 0x0110.
    pub fn bcd(self) -> u16 {
        let digits = |part: u8| u16::from(part / 10) << 4 | u16::from(part % 10);
        digits(self.major) << 8 | digits(self.minor)
    }
}

impl Text for UsbVersion {
    fn parse(text: &str) -> Result<Self, TextError> {
        let part = |text: &str, scale: u8| -> Option<u8> {
            if !(1..=2).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            text.parse().ok().map(|number: u8| if text.len() == 1 { number * scale } else { number })
        };
        let (major, minor) = text.split_once('.').unwrap_or((text, ""));
        match (part(major, 1), part(minor, 10)) {
            (Some(major), Some(minor)) => Ok(UsbVersion { major, minor }),
            _ => Err(TextError::expected("a version such as `1.10`, or `-1`")),
        }
    }

    fn print(&self, out: &mut String) {
        let _ = write!(out, "{}.{:02}", self.major, self.minor);
    }
}
