//! `<blkiotune>`: the guest's share of the host's block devices.

use std::collections::BTreeSet;

use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

/// `<blkiotune>`: the guest's share of the host's block devices; since libvirt 0.8.8.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Blkiotune {
    /// The share against other guests, 10 to 1000.
    pub weight: Option<u32>,
    /// Shares and limits for single devices; since libvirt 0.9.8.
    pub devices: Vec<BlkiotuneDevice>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Blkiotune {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.optional_value("weight", &mut self.weight);
        xml.children("device", &mut self.devices);
        let mut paths = BTreeSet::new();
        for device in self.devices.iter().filter(|_| X::READS) {
            if device.path.is_some() && !paths.insert(&device.path) {
                xml.report(Diagnostic::error(
                    Code::Unsupported,
                    device.meta.at("path"),
                    "the device occurs twice",
                ));
            }
        }
    }
}

/// `<device>` of `<blkiotune>`: the guest's share of one block device; since libvirt 0.9.8.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BlkiotuneDevice {
    /// The device on the host.
    pub path: Option<String>,
    /// The share against other guests, 10 to 1000.
    pub weight: Option<u32>,
    /// The most reads each second; since libvirt 1.2.2.
    pub read_iops_sec: Option<u32>,
    /// The most writes each second; since libvirt 1.2.2.
    pub write_iops_sec: Option<u32>,
    /// The most bytes read each second; since libvirt 1.2.2.
    pub read_bytes_sec: Option<u64>,
    /// The most bytes written each second; since libvirt 1.2.2.
    pub write_bytes_sec: Option<u64>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for BlkiotuneDevice {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.value("path", &mut self.path);
        xml.blamed_as(Code::UnknownWord, |xml| {
            xml.optional_value("weight", &mut self.weight);
            xml.optional_value("read_iops_sec", &mut self.read_iops_sec);
            xml.optional_value("write_iops_sec", &mut self.write_iops_sec);
            xml.optional_value("read_bytes_sec", &mut self.read_bytes_sec);
            xml.optional_value("write_bytes_sec", &mut self.write_bytes_sec);
        });
        if X::READS && self.path.as_deref().is_none_or(str::is_empty) {
            xml.report(Diagnostic::error(Code::Unsupported, xml.at(""), "`<device>` needs a `<path>`"));
        }
    }
}
