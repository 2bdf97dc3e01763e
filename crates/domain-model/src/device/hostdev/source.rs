//! `<source>` of `<hostdev>`: which device of the host it is.

use crate::address::Pci;
use crate::device::disk::Sgio;
use crate::device::interface::HostdevDriver;
use crate::storage::{Auth, Host, StartupPolicy, describe_initiator};
use crate::values::{CNumber, Uuid};
use crate::virtio::VirtioModel;
use crate::words;
use crate::xml::text::{Hex, OnOff, YesNo};
use crate::xml::{Tagged, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `guestReset` of a USB device: what happens when the guest resets it.
    pub enum GuestReset {
        /// Nothing.
        Off = "off",
        /// It is reset unless the guest has set it up already.
        Uninitialized = "uninitialized",
        /// It is reset.
        On = "on",
    }

    /// `model` of a mediated device: the interface through which the guest gets it.
    #[derive(Default)]
    pub enum MdevModel {
        /// As a PCI device.
        #[default]
        VfioPci = "vfio-pci",
        /// As an s390x channel device; since libvirt 4.4.
        VfioCcw = "vfio-ccw",
        /// As an s390x crypto adapter; since libvirt 4.9.
        VfioAp = "vfio-ap",
    }
}

/// A USB device of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsbHostdev {
    /// What to do if the device is not there at start; since libvirt 1.0.
    pub startup_policy: Option<StartupPolicy>,
    /// What happens when the guest resets it; since libvirt 8.6.
    pub guest_reset: Option<GuestReset>,
    /// Whether an optional device was missing; only while the guest runs.
    pub missing: Option<YesNo>,
    /// `<vendor>`: the number of its vendor, to find it by; goes with `product`.
    pub vendor: Option<Hex<4>>,
    /// `<product>`: the number of its product.
    pub product: Option<Hex<4>>,
    /// `<address bus=…>`: the bus it is on, to find it by; goes with `device`.
    pub bus: Option<CNumber<0xffff_ffff>>,
    /// `<address device=…>`: its number on the bus.
    pub device: Option<CNumber<0xffff_ffff>>,
}

/// A PCI device of the host; since libvirt 0.6.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PciHostdev {
    /// Whether the guest's screen is what the device draws.
    pub display: Option<OnOff>,
    /// Whether the firmware gets a simple frame buffer.
    pub ramfb: Option<OnOff>,
    /// `<driver name=…>`: how the host hands it over; since libvirt 1.0.5.
    pub driver: Option<HostdevDriver>,
    /// `<driver model=…>`: the host's kernel driver for it; since libvirt 10.0.
    pub driver_model: Option<String>,
    /// What to do if the device is not there at start.
    pub startup_policy: Option<StartupPolicy>,
    /// Whether Xen filters writes to the configuration space; since libvirt 6.8.
    pub write_filtering: Option<YesNo>,
    /// `<address>`: where it is on the host.
    pub address: Pci,
}

/// A logical unit of a SCSI device; since libvirt 1.0.6.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScsiHostdev {
    /// What happens to SCSI commands of a guest without privileges; since libvirt 1.0.6.
    pub sgio: Option<Sgio>,
    /// Whether the hypervisor gets the privilege to send raw SCSI commands; since libvirt 1.2.9.
    pub rawio: Option<YesNo>,
    /// Where it is.
    pub source: ScsiSource,
}

/// Where a logical unit is, `protocol` of `<source>`.
#[derive(Debug, Clone, PartialEq)]
pub enum ScsiSource {
    /// On an adapter of the host.
    Adapter(ScsiAdapter),
    /// On an iSCSI target; since libvirt 1.2.8.
    Iscsi {
        /// The name of the target, with the number of the unit behind a slash.
        name: Option<String>,
        /// `<host>`: the server.
        hosts: Vec<Host>,
        /// `<auth>`: the credentials.
        auth: Option<Auth>,
        /// `<initiator>`: the name with which the client presents itself; since libvirt 6.7.
        initiator_iqn: Option<String>,
    },
}

/// A logical unit on an adapter of the host; since libvirt 1.0.6.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScsiAdapter {
    /// The adapter, such as `scsi_host0`.
    pub name: Option<String>,
    /// The bus of the adapter.
    pub bus: Option<u32>,
    /// The target on the bus.
    pub target: Option<u32>,
    /// The unit of the target.
    pub unit: Option<u64>,
}

/// All logical units behind a vhost SCSI target; since libvirt 2.5.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScsiHostHostdev {
    /// Which kind of virtio device the guest gets; since libvirt 5.2.
    pub model: Option<VirtioModel>,
    /// The target's World Wide Port Name: `naa.` and 16 hexadecimal digits.
    pub wwpn: Option<String>,
}

/// A mediated device; since libvirt 3.2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MdevHostdev {
    /// The interface through which the guest gets it.
    pub model: MdevModel,
    /// Whether the guest's screen is what the device draws; since libvirt 4.6.
    pub display: Option<OnOff>,
    /// Whether the firmware gets a simple frame buffer; since libvirt 5.10.
    pub ramfb: Option<OnOff>,
    /// `<address>` of `<source>`: the device; `None` only if it could not be read.
    pub uuid: Option<Uuid>,
}

impl Default for ScsiSource {
    fn default() -> Self {
        ScsiSource::Adapter(ScsiAdapter::default())
    }
}

impl Tagged for ScsiSource {
    const TAGS: &'static [&'static str] = &["adapter", "iscsi"];

    fn tag(&self) -> &'static str {
        match self {
            ScsiSource::Adapter(_) => "adapter",
            ScsiSource::Iscsi { .. } => "iscsi",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "adapter" => ScsiSource::default(),
            "iscsi" => ScsiSource::Iscsi { name: None, hosts: Vec::new(), auth: None, initiator_iqn: None },
            _ => return None,
        })
    }
}

fn refuse<X: Xml>(xml: &mut X, code: Code, message: &str) {
    xml.report(Diagnostic::error(code, xml.at("source"), message));
}

impl UsbHostdev {
    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("source", |xml| {
            xml.attribute("startupPolicy", &mut self.startup_policy);
            xml.attribute("guestReset", &mut self.guest_reset);
            xml.attribute("missing", &mut self.missing);
            xml.nested("vendor", |xml| xml.attribute("id", &mut self.vendor));
            xml.nested("product", |xml| xml.attribute("id", &mut self.product));
            xml.nested("address", |xml| {
                xml.attribute("bus", &mut self.bus);
                xml.attribute("device", &mut self.device);
            });
        });
        if !X::READS {
            return;
        }
        if self.vendor.is_some() != self.product.is_some() {
            refuse(xml, Code::Malformed, "a USB device needs both `<vendor>` and `<product>`, or neither");
        } else if self.bus.is_some() != self.device.is_some() {
            refuse(xml, Code::MissingAttribute, "the address of a USB device needs both `bus` and `device`");
        } else if self.vendor.is_none() && self.bus.is_none() {
            let message =
                "a USB device needs a `<source>` with `<vendor>` and `<product>`, or with `<address>`";
            refuse(xml, Code::MissingElement, message);
        } else if [self.vendor, self.product].iter().flatten().any(|id| id.0 == 0 || id.0 > 0xffff) {
            refuse(xml, Code::BadValue, "the `id` of a USB vendor or product is from 0x0001 to 0xffff");
        }
    }
}

impl PciHostdev {
    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("driver", |xml| {
            xml.attribute("name", &mut self.driver);
            xml.attribute("model", &mut self.driver_model);
        });
        xml.nested("source", |xml| {
            xml.attribute("startupPolicy", &mut self.startup_policy);
            xml.attribute("writeFiltering", &mut self.write_filtering);
            xml.nested("address", |xml| self.address.describe(xml));
        });
        if X::READS && !self.address.is_complete() {
            refuse(xml, Code::MissingElement, "a PCI device needs a `<source>` with an `<address>`");
        }
    }
}

impl ScsiSource {
    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("source", |xml| {
            // libvirt does not write the protocol of the host's own adapters.
            if X::READS || matches!(self, ScsiSource::Iscsi { .. }) {
                xml.tag("protocol", self);
            }
            match self {
                ScsiSource::Adapter(adapter) => {
                    xml.nested("adapter", |xml| xml.attribute("name", &mut adapter.name));
                    xml.nested("address", |xml| {
                        xml.attribute("bus", &mut adapter.bus);
                        xml.attribute("target", &mut adapter.target);
                        xml.attribute("unit", &mut adapter.unit);
                    });
                }
                ScsiSource::Iscsi { name, hosts, auth, initiator_iqn } => {
                    xml.attribute("name", name);
                    xml.children("host", hosts);
                    xml.child("auth", auth);
                    describe_initiator(xml, initiator_iqn);
                }
            }
        });
        if !X::READS {
            return;
        }
        match self {
            ScsiSource::Adapter(ScsiAdapter {
                name: Some(_),
                bus: Some(_),
                target: Some(_),
                unit: Some(_),
            }) => {}
            ScsiSource::Adapter(_) => {
                let message =
                    "a SCSI device needs `<adapter name=…>` and `<address>` with `bus`, `target` and `unit`";
                refuse(xml, Code::MissingElement, message);
            }
            ScsiSource::Iscsi { name: None, .. } => {
                refuse(
                    xml,
                    Code::MissingAttribute,
                    "an iSCSI device needs the attribute `name` in `<source>`",
                );
            }
            ScsiSource::Iscsi { hosts, .. } if hosts.len() != 1 => {
                refuse(xml, Code::MissingElement, "an iSCSI device needs exactly one `<host>` in `<source>`");
            }
            ScsiSource::Iscsi { auth: Some(auth), .. } if auth.secret.kind.is_none() => {
                refuse(xml, Code::Unsupported, "the `<secret>` of an iSCSI device has the type `iscsi`");
            }
            ScsiSource::Iscsi { .. } => {}
        }
    }
}

impl ScsiHostHostdev {
    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("source", |xml| {
            let mut protocol = self.wwpn.as_ref().map(|_| "vhost".to_owned());
            xml.attribute("protocol", &mut protocol);
            xml.attribute("wwpn", &mut self.wwpn);
            if X::READS && protocol.as_deref() != Some("vhost") {
                let message = "the attribute `protocol` of a SCSI host has to be `vhost`";
                xml.report(Diagnostic::error(Code::BadValue, xml.at("@protocol"), message));
            }
        });
        let digits = self.wwpn.as_deref().map(|wwpn| wwpn.strip_prefix("naa.").unwrap_or(""));
        let valid =
            digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if X::READS && !valid {
            refuse(xml, Code::BadValue, "a SCSI host needs a `wwpn`: `naa.` and 16 hexadecimal digits");
        }
    }
}

impl MdevHostdev {
    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X) {
        let mut has_source = false;
        xml.nested("source", |xml| {
            has_source = true;
            xml.nested("address", |xml| {
                xml.blamed_as(Code::Malformed, |xml| xml.attribute("uuid", &mut self.uuid));
            });
        });
        if X::READS && self.uuid.is_none() {
            let code = if has_source { Code::Unsupported } else { Code::MissingElement };
            refuse(xml, code, "a mediated device needs an `<address>` with a `uuid`");
        }
    }
}
