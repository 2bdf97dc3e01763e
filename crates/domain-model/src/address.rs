//! `<address>`: where on its bus a device is.

use crate::xml::text::{Hex, OnOff};
use crate::xml::{Element, Layout, Meta, Tagged, Text, TextError, Xml};
use crate::{Code, Diagnostic};

/// `<address>` of a device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Address {
    /// The kind of address and its numbers.
    pub place: Place,
    /// Where it was written.
    pub meta: Meta,
}

/// The kinds of addresses, `type` of `<address>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// On a PCI bus.
    Pci(Pci),
    /// On a disk controller.
    Drive(Drive),
    /// A port of a virtio-serial controller.
    VirtioSerial(VirtioSerial),
    /// A slot of a smartcard reader.
    Ccid(Ccid),
    /// A port of a USB controller or hub.
    Usb(Usb),
    /// The VIO bus of pSeries machines.
    SpaprVio(SpaprVio),
    /// The virtio bus of old s390x machines.
    VirtioS390,
    /// The channel subsystem of s390x machines.
    Ccw(Ccw),
    /// A memory-mapped virtio transport.
    VirtioMmio,
    /// The ISA bus.
    Isa(Isa),
    /// A slot for memory modules.
    Dimm(Dimm),
    /// Deliberately without an address; the guest does not get the device. Since libvirt 6.0.
    Unassigned,
}

impl Default for Place {
    fn default() -> Self {
        Place::Pci(Pci::default())
    }
}

impl Tagged for Place {
    const TAGS: &'static [&'static str] = &[
        "pci",
        "drive",
        "virtio-serial",
        "ccid",
        "usb",
        "spapr-vio",
        "virtio-s390",
        "ccw",
        "virtio-mmio",
        "isa",
        "dimm",
        "unassigned",
    ];

    fn tag(&self) -> &'static str {
        match self {
            Place::Pci(_) => "pci",
            Place::Drive(_) => "drive",
            Place::VirtioSerial(_) => "virtio-serial",
            Place::Ccid(_) => "ccid",
            Place::Usb(_) => "usb",
            Place::SpaprVio(_) => "spapr-vio",
            Place::VirtioS390 => "virtio-s390",
            Place::Ccw(_) => "ccw",
            Place::VirtioMmio => "virtio-mmio",
            Place::Isa(_) => "isa",
            Place::Dimm(_) => "dimm",
            Place::Unassigned => "unassigned",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "pci" => Place::Pci(Pci::default()),
            "drive" => Place::Drive(Drive::default()),
            "virtio-serial" => Place::VirtioSerial(VirtioSerial::default()),
            "ccid" => Place::Ccid(Ccid::default()),
            "usb" => Place::Usb(Usb::default()),
            "spapr-vio" => Place::SpaprVio(SpaprVio::default()),
            "virtio-s390" => Place::VirtioS390,
            "ccw" => Place::Ccw(Ccw::default()),
            "virtio-mmio" => Place::VirtioMmio,
            "isa" => Place::Isa(Isa::default()),
            "dimm" => Place::Dimm(Dimm::default()),
            "unassigned" => Place::Unassigned,
            _ => return None,
        })
    }
}

impl Place {
    /// The PCI address, if it is one.
    pub fn pci(&self) -> Option<&Pci> {
        match self {
            Place::Pci(pci) => Some(pci),
            _ => None,
        }
    }

    /// The place on a disk controller, if it is one.
    pub fn drive(&self) -> Option<&Drive> {
        match self {
            Place::Drive(drive) => Some(drive),
            _ => None,
        }
    }
}

impl Address {
    /// An address that nobody wrote.
    pub fn implied(place: Place, origin: crate::Origin) -> Self {
        Address { place, meta: Meta::from_origin(origin) }
    }
}

impl Element for Address {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required_tag("type", &mut self.place);
        match &mut self.place {
            Place::Pci(pci) => pci.describe(xml),
            Place::Drive(drive) => drive.describe(xml),
            Place::VirtioSerial(port) => {
                xml.attribute("controller", &mut port.controller);
                xml.attribute("bus", &mut port.bus);
                xml.attribute("port", &mut port.port);
            }
            Place::Ccid(ccid) => {
                xml.attribute("controller", &mut ccid.controller);
                xml.attribute("slot", &mut ccid.slot);
            }
            Place::Usb(usb) => {
                xml.attribute("bus", &mut usb.bus);
                xml.attribute("port", &mut usb.port);
                xml.attribute("device", &mut usb.device);
            }
            Place::SpaprVio(vio) => xml.attribute("reg", &mut vio.reg),
            Place::Ccw(ccw) => {
                xml.attribute("cssid", &mut ccw.cssid);
                xml.attribute("ssid", &mut ccw.ssid);
                xml.attribute("devno", &mut ccw.devno);
                ccw.check(xml);
                check_ranges(
                    xml,
                    Code::Malformed,
                    [
                        ("@cssid", ccw.cssid.map(|cssid| cssid.0), 0xfe),
                        ("@ssid", ccw.ssid.map(|ssid| ssid.0), 3),
                        ("@devno", ccw.devno.map(|devno| devno.0), 0xffff),
                    ],
                );
            }
            Place::Isa(isa) => {
                xml.attribute("iobase", &mut isa.iobase);
                xml.attribute("irq", &mut isa.irq);
            }
            Place::Dimm(dimm) => {
                xml.needed("slot", &mut dimm.slot);
                xml.attribute("base", &mut dimm.base);
            }
            Place::VirtioS390 | Place::VirtioMmio | Place::Unassigned => {}
        }
    }
}

/// Reports numbers that are more than the bus has, while reading.
fn check_ranges<X: Xml, const N: usize>(
    xml: &mut X,
    code: Code,
    numbers: [(&'static str, Option<u64>, u64); N],
) {
    if !X::READS {
        return;
    }
    for (path, number, most) in numbers {
        if let Some(number) = number.filter(|number| *number > most) {
            let name = path.trim_start_matches('@');
            let message =
                format!("bad value `{number:#x}` for `{name}` of an address: it is {most:#x} at most");
            xml.report(Diagnostic::error(code, xml.at(path), message));
        }
    }
}

/// A PCI address. `type='pci'` without numbers asks for one to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Pci {
    /// Domain, 0 to 0xffff.
    pub domain: Option<Hex<4>>,
    /// Bus, 0 to 0xff: the index of the PCI controller.
    pub bus: Option<Hex<2>>,
    /// Slot, 0 to 0x1f.
    pub slot: Option<Hex<2>>,
    /// Function, 0 to 7.
    pub function: Option<Hex<1>>,
    /// Whether the slot's other functions are used.
    pub multifunction: Option<OnOff>,
    /// The identity of the function on s390x; since libvirt 4.10.
    pub zpci: Option<Zpci>,
}

/// `<zpci>`: how an s390x guest sees a PCI function; since libvirt 4.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Zpci {
    /// User-defined identifier, unique in the guest.
    pub uid: Option<Hex<4>>,
    /// Function identifier, unique in the guest.
    pub fid: Option<Hex<8>>,
}

impl Pci {
    /// An address on domain 0.
    pub fn new(bus: u8, slot: u8, function: u8) -> Self {
        Pci {
            domain: Some(Hex(0)),
            bus: Some(Hex(bus.into())),
            slot: Some(Hex(slot.into())),
            function: Some(Hex(function.into())),
            ..Pci::default()
        }
    }

    /// Whether the address says where; `type='pci'` alone does not.
    pub fn is_complete(&self) -> bool {
        self.domain.is_some() || self.bus.is_some() || self.slot.is_some()
    }

    pub(crate) fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("domain", &mut self.domain);
        xml.attribute("bus", &mut self.bus);
        xml.attribute("slot", &mut self.slot);
        xml.attribute("function", &mut self.function);
        xml.attribute("multifunction", &mut self.multifunction);
        check_ranges(
            xml,
            Code::BadValue,
            [
                ("@domain", self.domain.map(|domain| domain.0), 0xffff),
                ("@bus", self.bus.map(|bus| bus.0), 0xff),
                ("@slot", self.slot.map(|slot| slot.0), 0x1f),
                ("@function", self.function.map(|function| function.0), 7),
            ],
        );
        let mut zpci = self.zpci.unwrap_or_default();
        xml.nested("zpci", |xml| {
            xml.attribute("uid", &mut zpci.uid);
            xml.attribute("fid", &mut zpci.fid);
        });
        self.zpci = (zpci != Zpci::default()).then_some(zpci);
    }
}

/// A place on a disk controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Drive {
    /// Index of the controller.
    pub controller: Option<u32>,
    /// Bus of the controller.
    pub bus: Option<u32>,
    /// SCSI target.
    pub target: Option<u32>,
    /// Unit, for SCSI the LUN.
    pub unit: Option<u32>,
}

impl Drive {
    /// A place on a disk controller; all numbers given.
    pub fn new(controller: u32, bus: u32, target: u32, unit: u32) -> Self {
        Drive { controller: Some(controller), bus: Some(bus), target: Some(target), unit: Some(unit) }
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("controller", &mut self.controller);
        xml.attribute("bus", &mut self.bus);
        // SCSI targets came with libvirt 0.9.11; until then, all were 0.
        if xml.layout() == Layout::Current || self.target.is_some_and(|target| target > 0) {
            xml.attribute("target", &mut self.target);
        }
        xml.attribute("unit", &mut self.unit);
    }
}

/// A port of a virtio-serial controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VirtioSerial {
    /// Index of the controller.
    pub controller: Option<u32>,
    /// Bus of the controller.
    pub bus: Option<u32>,
    /// Port, from 1; port 0 is for the console.
    pub port: Option<u32>,
}

/// A slot of a smartcard reader; since libvirt 0.8.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ccid {
    /// Index of the controller.
    pub controller: Option<u32>,
    /// Slot.
    pub slot: Option<u32>,
}

/// A USB port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Usb {
    /// Index of the USB controller.
    pub bus: Option<u32>,
    /// The port, through hubs if need be.
    pub port: Option<UsbPort>,
    /// The device number, only for devices of the host.
    pub device: Option<u32>,
}

/// A way through USB hubs, such as `2.1`: port 1 of the hub at port 2.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UsbPort(pub Vec<u32>);

impl Text for UsbPort {
    fn parse(text: &str) -> Result<Self, TextError> {
        let steps: Option<Vec<u32>> = text.split('.').map(|step| step.parse().ok()).collect();
        match steps {
            Some(steps) if steps.len() <= 4 => Ok(UsbPort(steps)),
            _ => {
                let error = TextError::expected("up to four port numbers, such as `1` or `2.1`");
                Err(error.code(Code::Malformed))
            }
        }
    }

    fn print(&self, out: &mut String) {
        for (index, step) in self.0.iter().enumerate() {
            if index > 0 {
                out.push('.');
            }
            step.print(out);
        }
    }
}

/// A place on the VIO bus; since libvirt 0.9.9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SpaprVio {
    /// The register that identifies the device.
    pub reg: Option<Hex<8>>,
}

/// A place in the channel subsystem; since libvirt 1.0.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ccw {
    /// Channel subsystem, 0xfe for virtio devices.
    pub cssid: Option<Hex<1>>,
    /// Subchannel set, 0 to 3.
    pub ssid: Option<Hex<1>>,
    /// Device number, 0 to 0xffff.
    pub devno: Option<Hex<4>>,
}

impl Ccw {
    /// Reports an address of which only a part is said.
    fn check<X: Xml>(&self, xml: &mut X) {
        let said = [self.cssid.is_some(), self.ssid.is_some(), self.devno.is_some()];
        if X::READS && said.contains(&true) && said.contains(&false) {
            let message = "an address of the type `ccw` needs all of `cssid`, `ssid` and `devno`, or none";
            xml.report(Diagnostic::error(Code::Malformed, xml.at(""), message));
        }
    }
}

/// A place on the ISA bus; since libvirt 1.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Isa {
    /// First I/O port.
    pub iobase: Option<Hex<1>>,
    /// Interrupt line.
    pub irq: Option<Hex<1>>,
}

/// A slot for a memory module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Dimm {
    /// Slot number.
    pub slot: Option<u32>,
    /// Guest-physical address.
    pub base: Option<Hex<1>>,
}
