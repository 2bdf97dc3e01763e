//! `<serial>`: serial ports.

use super::Family;
use crate::chardev::{Chardev, UnixPath};
use crate::words;
use crate::xml::Xml;

words! {
    /// What carries a serial port, `type` of `<target>`.
    pub enum SerialTargetType: UnknownWord {
        /// The ISA bus.
        IsaSerial = "isa-serial",
        /// USB.
        UsbSerial = "usb-serial",
        /// The PCI bus; since libvirt 1.2.16.
        PciSerial = "pci-serial",
        /// The VIO bus of pSeries machines; since libvirt 3.10.
        SpaprVioSerial = "spapr-vio-serial",
        /// The board itself, as on ARM; since libvirt 3.10.
        SystemSerial = "system-serial",
        /// The service-call interface of s390x; since libvirt 3.10.
        SclpSerial = "sclp-serial",
        /// The debug console of x86 firmware; since libvirt 8.1.
        IsaDebug = "isa-debug",
    }

    /// The device that a serial port is, `name` of `<model>`; since libvirt 3.10.
    pub enum SerialModel: UnknownWord {
        /// 16550A on the ISA bus.
        IsaSerial = "isa-serial",
        /// USB adapter.
        UsbSerial = "usb-serial",
        /// 16550A on the PCI bus.
        PciSerial = "pci-serial",
        /// Console of pSeries machines.
        SpaprVty = "spapr-vty",
        /// PL011 of ARM boards.
        Pl011 = "pl011",
        /// 16550A of RISC-V and LoongArch boards.
        Ns16550a = "16550a",
        /// Console of s390x that its firmware can use.
        Sclpconsole = "sclpconsole",
        /// Line-mode console of s390x.
        Sclplmconsole = "sclplmconsole",
        /// Debug port that firmware writes to, usually 0x402.
        IsaDebugcon = "isa-debugcon",
    }
}

/// `<serial>`: serial ports.
///
/// ```
/// use domain_model::device::serial::SerialTargetType;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <serial type='pty'><target type='pci-serial' port='1'/></serial></devices>")?;
/// let (devices, problems) = xml::read::<Devices>(document.root());
/// assert!(problems.is_empty());
/// let port = &devices.serials[0].spec;
/// assert_eq!((port.target_type, port.port), (Some(SerialTargetType::PciSerial), Some(1)));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Serial {
    /// Where the characters go on the host.
    pub chardev: Chardev,
    /// What carries the port; the machine type decides if nothing is said.
    pub target_type: Option<SerialTargetType>,
    /// Number of the port, from 0.
    pub port: Option<u32>,
    /// The device that the port is.
    pub model: Option<SerialModel>,
}

impl Family for Serial {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.tag("type", &mut self.chardev.source);
        self.chardev.describe(xml);
        xml.nested("target", |xml| {
            xml.attribute("type", &mut self.target_type);
            xml.attribute("port", &mut self.port);
            xml.nested("model", |xml| xml.optional("name", &mut self.model));
        });
        self.chardev.check(xml, UnixPath::Needed);
    }
}
