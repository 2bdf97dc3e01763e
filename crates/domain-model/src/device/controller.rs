//! `<controller>`: controllers and buses.

use super::Family;
use super::iothread_map::IothreadMap;
use crate::values::{self, Kib};
use crate::virtio::{VirtioModel, VirtioOptions};
use crate::words;
use crate::xml::text::{Hex, OnOff};
use crate::xml::{Tagged, Text, TextError, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `model` of a SCSI controller.
    pub enum ScsiModel: UnknownWord {
        /// Chosen by the architecture.
        Auto = "auto",
        /// BusLogic.
        Buslogic = "buslogic",
        /// LSI 53C895A.
        Lsilogic = "lsilogic",
        /// LSI SAS 1068.
        Lsisas1068 = "lsisas1068",
        /// VMware's paravirtual controller.
        Vmpvscsi = "vmpvscsi",
        /// The VIO SCSI of pSeries machines.
        Ibmvscsi = "ibmvscsi",
        /// Virtio SCSI.
        VirtioScsi = "virtio-scsi",
        /// LSI SAS 1078.
        Lsisas1078 = "lsisas1078",
        /// Virtio SCSI that old guests know too; since libvirt 5.2.
        VirtioTransitional = "virtio-transitional",
        /// Virtio SCSI of virtio 1.0; since libvirt 5.2.
        VirtioNonTransitional = "virtio-non-transitional",
        /// NCR 53C90, a part of some boards.
        Ncr53c90 = "ncr53c90",
        /// Tekram DC-390.
        Dc390 = "dc390",
        /// AMD 53C974.
        Am53c974 = "am53c974",
    }

    /// `model` of a USB controller.
    pub enum UsbModel: UnknownWord {
        /// UHCI of the PIIX3.
        Piix3Uhci = "piix3-uhci",
        /// UHCI of the PIIX4.
        Piix4Uhci = "piix4-uhci",
        /// EHCI.
        Ehci = "ehci",
        /// EHCI of the ICH9, which has three companions.
        Ich9Ehci1 = "ich9-ehci1",
        /// First companion of the ICH9.
        Ich9Uhci1 = "ich9-uhci1",
        /// Second companion of the ICH9.
        Ich9Uhci2 = "ich9-uhci2",
        /// Third companion of the ICH9.
        Ich9Uhci3 = "ich9-uhci3",
        /// UHCI of the VT82C686B.
        Vt82c686bUhci = "vt82c686b-uhci",
        /// OHCI.
        PciOhci = "pci-ohci",
        /// xHCI of NEC.
        NecXhci = "nec-xhci",
        /// Xen's paravirtual controller for USB 1.1.
        Qusb1 = "qusb1",
        /// Xen's paravirtual controller for USB 2.0.
        Qusb2 = "qusb2",
        /// QEMU's own xHCI; since libvirt 3.10.
        QemuXhci = "qemu-xhci",
        /// No USB at all.
        None = "none",
    }

    /// `model` of an IDE controller.
    pub enum IdeModel: UnknownWord {
        /// Of the PIIX3.
        Piix3 = "piix3",
        /// Of the PIIX4.
        Piix4 = "piix4",
        /// Of the ICH6.
        Ich6 = "ich6",
    }

    /// `model` of a PCI controller: the part it plays.
    pub enum PciModel: UnknownWord {
        /// The root of conventional PCI.
        PciRoot = "pci-root",
        /// The root of PCI Express.
        PcieRoot = "pcie-root",
        /// A bridge to another conventional bus.
        PciBridge = "pci-bridge",
        /// A bridge from the root of PCI Express to a conventional bus.
        DmiToPciBridge = "dmi-to-pci-bridge",
        /// A bridge from any PCI Express port to a conventional bus; since libvirt 4.3.
        PcieToPciBridge = "pcie-to-pci-bridge",
        /// A port of the root of PCI Express.
        PcieRootPort = "pcie-root-port",
        /// The upper side of a switch.
        PcieSwitchUpstreamPort = "pcie-switch-upstream-port",
        /// A port on the lower side of a switch.
        PcieSwitchDownstreamPort = "pcie-switch-downstream-port",
        /// Another root of conventional PCI.
        PciExpanderBus = "pci-expander-bus",
        /// Another root of PCI Express.
        PcieExpanderBus = "pcie-expander-bus",
    }

    /// `name` of `<model>` in a PCI controller: the chip that plays the part.
    pub enum PciModelName {
        /// A host bridge of pSeries machines.
        SpaprPciHostBridge = "spapr-pci-host-bridge",
        /// QEMU's own bridge.
        PciBridge = "pci-bridge",
        /// The DMI bridge of the ICH9.
        I82801b11Bridge = "i82801b11-bridge",
        /// QEMU's own bridge from PCI Express.
        PciePciBridge = "pcie-pci-bridge",
        /// Root port of Intel's X58.
        Ioh3420 = "ioh3420",
        /// QEMU's own root port.
        PcieRootPort = "pcie-root-port",
        /// Switch of Texas Instruments, upper side.
        X3130Upstream = "x3130-upstream",
        /// Switch of Texas Instruments, lower side.
        Xio3130Downstream = "xio3130-downstream",
        /// QEMU's own expander of conventional PCI.
        Pxb = "pxb",
        /// QEMU's own expander of PCI Express.
        PxbPcie = "pxb-pcie",
    }
}

/// `<controller>`: controllers and buses.
///
/// ```
/// use domain_model::device::controller::{Controller, ControllerKind, ScsiModel};
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <controller type='scsi' index='0' model='virtio-scsi'><driver queues='4'/></controller></devices>")?;
/// let (devices, problems) = xml::read::<Devices>(document.root());
/// assert!(problems.is_empty());
/// let Controller { kind, driver, .. } = &devices.controllers[0].spec;
/// assert_eq!(*kind, ControllerKind::Scsi { model: Some(ScsiModel::VirtioScsi) });
/// assert_eq!(driver.queues, Some(4));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Controller {
    /// What it controls, `type`, and what only that kind has; IDE disks if it is not said.
    pub kind: ControllerKind,
    /// Its number among the controllers of its kind; the first free one if it is not said.
    pub index: Option<u32>,
    /// `<driver>`: how a virtio SCSI or virtio serial controller works.
    pub driver: ControllerDriver,
}

/// What a controller controls.
#[derive(Debug, Clone, PartialEq)]
pub enum ControllerKind {
    /// IDE disks.
    Ide {
        /// Which chip.
        model: Option<IdeModel>,
    },
    /// Floppy drives.
    Fdc,
    /// SCSI disks.
    Scsi {
        /// Which chip.
        model: Option<ScsiModel>,
    },
    /// SATA disks.
    Sata,
    /// Virtio channels and consoles.
    VirtioSerial {
        /// Which kind of virtio device.
        model: Option<VirtioModel>,
        /// The number of ports.
        ports: Option<u32>,
        /// The number of interrupt vectors.
        vectors: Option<u32>,
    },
    /// Smartcard readers.
    Ccid,
    /// USB devices.
    Usb {
        /// Which chip.
        model: Option<UsbModel>,
        /// The number of ports of an xHCI or of Xen's controllers.
        ports: Option<u32>,
        /// `<master startport=…>`: the first of the master's ports that this companion looks after.
        master_startport: Option<u32>,
    },
    /// PCI devices.
    Pci(PciController),
    /// Xen devices.
    Xenbus {
        /// How many frames of memory the guest may grant.
        max_grant_frames: Option<u32>,
        /// How many event channels the guest may have.
        max_event_channels: Option<u32>,
    },
    /// ISA devices; since libvirt 8.2.
    Isa,
}

/// A PCI controller.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PciController {
    /// The part it plays.
    pub model: Option<PciModel>,
    /// `<model name=…>`: the chip that plays it; since libvirt 1.2.19.
    pub model_name: Option<PciModelName>,
    /// `<target>`: what the chip is configured to; since libvirt 1.2.19.
    pub target: PciTarget,
    /// `<pcihole64>`: the size of the 64-bit window of a root; since libvirt 1.1.2.
    pub pcihole64: Option<Kib>,
}

/// `<target>` of a PCI controller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PciTarget {
    /// The number of a bridge that the guest may show, 1 to 255.
    pub chassis_nr: Option<u32>,
    /// The number of a port's chassis, 0 to 255.
    pub chassis: Option<u32>,
    /// The number of a port in its chassis, 0 to 255.
    pub port: Option<Hex<1>>,
    /// The bus number of an expander, 1 to 254; the buses from there on are its own.
    pub bus_nr: Option<u32>,
    /// The number of a pSeries host bridge, 0 to 31; since libvirt 3.6.
    pub index: Option<u32>,
    /// Whether devices can be plugged in while the guest runs; since libvirt 6.3.
    pub hotplug: Option<OnOff>,
    /// KiB of memory kept for devices plugged in later; since libvirt 10.3.
    pub mem_reserve: Option<u64>,
    /// `<node>`: the guest NUMA node that the bus belongs to.
    pub node: Option<u32>,
}

/// `<driver>` of a controller.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ControllerDriver {
    /// The number of request queues of virtio SCSI; since libvirt 1.0.5.
    pub queues: Option<u32>,
    /// How many commands may wait for a LUN; since libvirt 1.2.7.
    pub cmd_per_lun: Option<u32>,
    /// The largest transfer, in sectors of 512 bytes; since libvirt 1.2.7.
    pub max_sectors: Option<u32>,
    /// Whether a thread of its own takes the guest's notifications; since libvirt 1.2.7.
    pub ioeventfd: Option<OnOff>,
    /// The iothread that serves the controller, from 1; since libvirt 1.3.5.
    pub iothread: Option<u32>,
    /// What all virtio devices share; since libvirt 3.5.
    pub virtio: VirtioOptions,
    /// `<iothreads>`: which iothreads serve which queues; since libvirt 11.2.
    pub iothreads: Option<IothreadMap>,
}

impl Default for ControllerKind {
    fn default() -> Self {
        ControllerKind::Ide { model: None }
    }
}

impl Tagged for ControllerKind {
    const TAGS: &'static [&'static str] =
        &["ide", "fdc", "scsi", "sata", "virtio-serial", "ccid", "usb", "pci", "xenbus", "isa"];

    fn tag(&self) -> &'static str {
        match self {
            ControllerKind::Ide { .. } => "ide",
            ControllerKind::Fdc => "fdc",
            ControllerKind::Scsi { .. } => "scsi",
            ControllerKind::Sata => "sata",
            ControllerKind::VirtioSerial { .. } => "virtio-serial",
            ControllerKind::Ccid => "ccid",
            ControllerKind::Usb { .. } => "usb",
            ControllerKind::Pci(_) => "pci",
            ControllerKind::Xenbus { .. } => "xenbus",
            ControllerKind::Isa => "isa",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "ide" => ControllerKind::Ide { model: None },
            "fdc" => ControllerKind::Fdc,
            "scsi" => ControllerKind::Scsi { model: None },
            "sata" => ControllerKind::Sata,
            "virtio-serial" => ControllerKind::VirtioSerial { model: None, ports: None, vectors: None },
            "ccid" => ControllerKind::Ccid,
            "usb" => ControllerKind::Usb { model: None, ports: None, master_startport: None },
            "pci" => ControllerKind::Pci(PciController::default()),
            "xenbus" => ControllerKind::Xenbus { max_grant_frames: None, max_event_channels: None },
            "isa" => ControllerKind::Isa,
            _ => return None,
        })
    }
}

impl Controller {
    /// The PCI controller, if it is one.
    pub fn pci(&self) -> Option<&PciController> {
        match &self.kind {
            ControllerKind::Pci(pci) => Some(pci),
            _ => None,
        }
    }
}

impl Family for Controller {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.tag("type", &mut self.kind);
        xml.attribute("index", &mut self.index);
        match &mut self.kind {
            ControllerKind::Ide { model } => xml.attribute("model", model),
            ControllerKind::Scsi { model } => xml.attribute("model", model),
            ControllerKind::VirtioSerial { model, ports, vectors } => {
                xml.blamed_as(Code::UnknownWord, |xml| xml.attribute("model", model));
                xml.attribute("ports", ports);
                xml.attribute("vectors", vectors);
            }
            ControllerKind::Usb { model, ports, .. } => {
                xml.attribute("model", model);
                xml.attribute("ports", ports);
            }
            ControllerKind::Pci(pci) => pci.describe(xml),
            ControllerKind::Xenbus { max_grant_frames, max_event_channels } => {
                no_model(xml);
                xml.attribute("maxGrantFrames", max_grant_frames);
                xml.attribute("maxEventChannels", max_event_channels);
            }
            ControllerKind::Fdc | ControllerKind::Sata | ControllerKind::Ccid | ControllerKind::Isa => {
                no_model(xml);
            }
        }
        xml.nested("driver", |xml| self.driver.describe(xml));
    }

    fn describe_behind_alias<X: Xml>(&mut self, xml: &mut X) {
        if let ControllerKind::Usb { master_startport, .. } = &mut self.kind {
            xml.nested("master", |xml| {
                xml.attribute("startport", master_startport);
                if X::READS {
                    // A companion that does not say which port is the first starts at the first of all.
                    master_startport.get_or_insert(0);
                }
            });
        }
    }

    fn describe_rest<X: Xml>(&mut self, xml: &mut X) {
        if let ControllerKind::Pci(pci) = &mut self.kind {
            xml.nested("pcihole64", |xml| values::size(xml, &mut pci.pcihole64));
        }
    }
}

/// A kind of controller that has no models: libvirt refuses any.
fn no_model<X: Xml>(xml: &mut X) {
    let mut model: Option<NoModel> = None;
    xml.attribute("model", &mut model);
}

/// The model of a controller that has none.
#[derive(Clone)]
struct NoModel;

impl Text for NoModel {
    fn parse(_: &str) -> Result<Self, TextError> {
        Err(TextError::expected("no model for this type of controller").code(Code::UnknownWord))
    }

    fn print(&self, _: &mut String) {}
}

impl PciController {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("model", &mut self.model);
        xml.at_most_one("model");
        xml.nested("model", |xml| xml.attribute("name", &mut self.model_name));
        xml.at_most_one("target");
        xml.nested("target", |xml| {
            self.target.describe(xml);
            if X::READS {
                self.target.check(xml);
            }
        });
    }
}

impl PciTarget {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("chassisNr", &mut self.chassis_nr);
        xml.attribute("chassis", &mut self.chassis);
        xml.attribute("port", &mut self.port);
        xml.attribute("busNr", &mut self.bus_nr);
        xml.attribute("index", &mut self.index);
        xml.attribute("hotplug", &mut self.hotplug);
        xml.attribute("memReserve", &mut self.mem_reserve);
        xml.value("node", &mut self.node);
    }
}

impl PciTarget {
    fn check<X: Xml>(&self, xml: &mut X) {
        for (name, path, value, range) in [
            ("chassisNr", "@chassisNr", self.chassis_nr.map(u64::from), 1..=255),
            ("chassis", "@chassis", self.chassis.map(u64::from), 0..=255),
            ("port", "@port", self.port.map(|port| port.0), 0..=255),
            ("busNr", "@busNr", self.bus_nr.map(u64::from), 1..=254),
            ("index", "@index", self.index.map(u64::from), 0..=30),
        ] {
            if value.is_some_and(|value| !range.contains(&value)) {
                let message =
                    format!("`{name}` of a PCI controller is from {} to {}", range.start(), range.end());
                xml.report(Diagnostic::error(Code::Unsupported, xml.at(path), message));
            }
        }
        if self.mem_reserve == Some(0) {
            let message = "`memReserve` is a number of KiB above 0";
            xml.report(Diagnostic::error(Code::BadValue, xml.at("@memReserve"), message));
        }
    }
}

impl ControllerDriver {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("queues", &mut self.queues);
        xml.attribute("cmd_per_lun", &mut self.cmd_per_lun);
        xml.attribute("max_sectors", &mut self.max_sectors);
        xml.attribute("ioeventfd", &mut self.ioeventfd);
        xml.attribute("iothread", &mut self.iothread);
        self.virtio.describe(xml);
        xml.child("iothreads", &mut self.iothreads);
    }
}
