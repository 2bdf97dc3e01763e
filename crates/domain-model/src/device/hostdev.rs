//! `<hostdev>`: devices of the host handed to the guest.

mod source;

pub use source::{
    GuestReset, MdevHostdev, MdevModel, PciHostdev, ScsiAdapter, ScsiHostHostdev, ScsiHostdev, ScsiSource,
    UsbHostdev,
};

use super::Family;
use super::disk::Sgio;
use super::interface::{Ip, Route, Teaming};
use crate::words;
use crate::xml::text::{OnOff, YesNo};
use crate::xml::{Tagged, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `mode`: whether a virtual machine or a container gets the device.
    pub enum HostdevMode {
        /// The device is handed to a virtual machine.
        Subsystem = "subsystem",
        /// A container may use the device.
        Capabilities = "capabilities",
    }
}

/// `<hostdev>`: a device of the host handed to the guest.
///
/// ```
/// use domain_model::device::hostdev::HostdevKind;
/// use domain_model::{Document, Domain};
///
/// let document = Document::parse("", "<domain type='kvm'><devices>\
///     <hostdev mode='subsystem' type='pci' managed='yes'>\
///     <source><address domain='0x0000' bus='0x06' slot='0x12' function='0x5'/></source>\
///     </hostdev></devices></domain>")?;
/// let (domain, problems) = Domain::read(&document);
/// assert!(problems.is_empty());
/// let HostdevKind::Pci(card) = &domain.devices.hostdevs[0].spec.kind else { unreachable!() };
/// assert_eq!(card.address.bus.map(|bus| bus.0), Some(6));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hostdev {
    /// What kind of device it is, `type`, and which one.
    pub kind: HostdevKind,
    /// Whether the device is taken from its host driver at start, and given back; counts for PCI only.
    pub managed: Option<YesNo>,
    /// `<teaming>`: the virtual network card that stands in for this one during migration; since libvirt 7.1.
    pub teaming: Option<Teaming>,
    /// `<readonly>`: whether the guest cannot write; for SCSI, since libvirt 1.0.6.
    pub readonly: bool,
    /// `<shareable>`: whether other domains use it at the same time; for SCSI, since libvirt 1.0.6.
    pub shareable: bool,
}

/// What kind of device of the host it is.
#[derive(Debug, Clone, PartialEq)]
pub enum HostdevKind {
    /// A USB device.
    Usb(UsbHostdev),
    /// A PCI device.
    Pci(Box<PciHostdev>),
    /// A logical unit of a SCSI device; since libvirt 1.0.6.
    Scsi(ScsiHostdev),
    /// All logical units behind a vhost SCSI target; since libvirt 2.5.
    ScsiHost(ScsiHostHostdev),
    /// A mediated device; since libvirt 3.2.
    Mdev(MdevHostdev),
    /// A block device that a container may use.
    Storage {
        /// Its path.
        block: Option<String>,
    },
    /// A character device that a container may use.
    Misc {
        /// Its path.
        char: Option<String>,
    },
    /// A network interface that moves into a container.
    Net {
        /// Its name.
        interface: Option<String>,
        /// `<ip>`: its addresses in the container.
        ips: Vec<Ip>,
        /// `<route>`: its routes in the container.
        routes: Vec<Route>,
    },
}

impl Default for HostdevKind {
    fn default() -> Self {
        HostdevKind::Pci(Box::default())
    }
}

impl Tagged for HostdevKind {
    const TAGS: &'static [&'static str] =
        &["usb", "pci", "scsi", "scsi_host", "mdev", "storage", "misc", "net"];

    fn tag(&self) -> &'static str {
        match self {
            HostdevKind::Usb(_) => "usb",
            HostdevKind::Pci(_) => "pci",
            HostdevKind::Scsi(_) => "scsi",
            HostdevKind::ScsiHost(_) => "scsi_host",
            HostdevKind::Mdev(_) => "mdev",
            HostdevKind::Storage { .. } => "storage",
            HostdevKind::Misc { .. } => "misc",
            HostdevKind::Net { .. } => "net",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "usb" => HostdevKind::Usb(UsbHostdev::default()),
            "pci" => HostdevKind::Pci(Box::default()),
            "scsi" => HostdevKind::Scsi(ScsiHostdev::default()),
            "scsi_host" => HostdevKind::ScsiHost(ScsiHostHostdev::default()),
            "mdev" => HostdevKind::Mdev(MdevHostdev::default()),
            "storage" => HostdevKind::Storage { block: None },
            "misc" => HostdevKind::Misc { char: None },
            "net" => HostdevKind::Net { interface: None, ips: Vec::new(), routes: Vec::new() },
            _ => return None,
        })
    }
}

impl HostdevKind {
    /// Whether a virtual machine or a container gets the device.
    pub fn mode(&self) -> HostdevMode {
        match self {
            HostdevKind::Usb(_)
            | HostdevKind::Pci(_)
            | HostdevKind::Scsi(_)
            | HostdevKind::ScsiHost(_)
            | HostdevKind::Mdev(_) => HostdevMode::Subsystem,
            HostdevKind::Storage { .. } | HostdevKind::Misc { .. } | HostdevKind::Net { .. } => {
                HostdevMode::Capabilities
            }
        }
    }

    /// Names the attributes that only this kind has; those that another kind has are refused.
    fn describe_attributes<X: Xml>(&mut self, xml: &mut X) {
        let (mut no_sgio, mut no_rawio) = (None::<Sgio>, None::<YesNo>);
        let mut no_model = None::<String>;
        let (mut no_display, mut no_ramfb) = (None::<OnOff>, None::<OnOff>);
        let (sgio, rawio) = match self {
            HostdevKind::Scsi(scsi) => (&mut scsi.sgio, &mut scsi.rawio),
            _ => (&mut no_sgio, &mut no_rawio),
        };
        xml.attribute("sgio", sgio);
        xml.attribute("rawio", rawio);
        match self {
            HostdevKind::Mdev(mdev) => xml.required("model", &mut mdev.model),
            HostdevKind::ScsiHost(host) => xml.attribute("model", &mut host.model),
            _ => xml.attribute("model", &mut no_model),
        }
        let (display, ramfb) = match self {
            HostdevKind::Mdev(mdev) => (&mut mdev.display, &mut mdev.ramfb),
            HostdevKind::Pci(pci) => (&mut pci.display, &mut pci.ramfb),
            _ => (&mut no_display, &mut no_ramfb),
        };
        xml.attribute("display", display);
        xml.attribute("ramfb", ramfb);
        for (name, path, written, kinds) in [
            ("sgio", "@sgio", no_sgio.is_some(), "`scsi`"),
            ("rawio", "@rawio", no_rawio.is_some(), "`scsi`"),
            ("model", "@model", no_model.is_some(), "`mdev` and `scsi_host`"),
            ("display", "@display", no_display.is_some(), "`mdev` and `pci`"),
            ("ramfb", "@ramfb", no_ramfb.is_some(), "`mdev` and `pci`"),
        ] {
            if written {
                let message = format!("`{name}` is only for host devices of the type {kinds}");
                xml.report(Diagnostic::error(Code::Conflict, xml.at(path), message));
            }
        }
    }

    fn describe_children<X: Xml>(&mut self, xml: &mut X) {
        match self {
            HostdevKind::Usb(usb) => usb.describe(xml),
            HostdevKind::Pci(pci) => pci.describe(xml),
            HostdevKind::Scsi(scsi) => scsi.source.describe(xml),
            HostdevKind::ScsiHost(host) => host.describe(xml),
            HostdevKind::Mdev(mdev) => mdev.describe(xml),
            HostdevKind::Storage { block } => xml.nested("source", |xml| xml.value("block", block)),
            HostdevKind::Misc { char } => xml.nested("source", |xml| xml.value("char", char)),
            HostdevKind::Net { interface, ips, routes } => {
                xml.nested("source", |xml| xml.value("interface", interface));
                xml.children("ip", ips);
                xml.children("route", routes);
            }
        }
    }
}

impl Family for Hostdev {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        let mut mode = Some(self.kind.mode());
        xml.attribute("mode", &mut mode);
        xml.required_tag("type", &mut self.kind);
        if X::READS && mode.is_some_and(|mode| mode != self.kind.mode()) {
            let message = format!("a host device of the type `{}` has another mode", self.kind.tag());
            let help = format!("write `mode='{}'`", self.kind.mode());
            xml.report(Diagnostic::error(Code::Conflict, xml.at("@mode"), message).help(help));
        }
        xml.lenient("managed", &mut self.managed);
        self.kind.describe_attributes(xml);
        self.kind.describe_children(xml);
        xml.child("teaming", &mut self.teaming);
        xml.present("readonly", &mut self.readonly);
        xml.present("shareable", &mut self.shareable);
    }
}
