//! Which of QEMU's syntaxes the QEMU in use takes.
//!
//! Nothing else chooses between them.

use caps_parser::{Capabilities, Capability, Version};

use crate::spell::Spelling;

/// The syntaxes of one QEMU, chosen once from its capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Whose command lines are the norm.
    pub era: Era,
    /// How a network card and its backend are joined.
    pub network: Network,
    /// How a serial or parallel port and its backend are joined.
    pub chardevs: Chardevs,
    /// How `-device` is spelt.
    pub device: Spelling,
    /// How `-netdev` is spelt.
    pub netdev: Spelling,
    /// How `-chardev` is spelt.
    pub chardev: Spelling,
}

/// Whose command lines are the norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// libvirt of February 2011, for QEMU 0.9 to 0.13: `-M pc -drive file=…,if=virtio`.
    Historic,
    /// libvirt 11.3: `-machine pc -blockdev {…} -device {…}`.
    Modern,
}

/// How a network card and its backend are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// QEMU 0.9: `-net nic,vlan=0,model=virtio -net user,vlan=0`.
    NetVlan,
    /// QEMU 0.12: `-device virtio-net-pci,vlan=0 -net user,vlan=0`.
    DeviceVlan,
    /// QEMU 0.13: `-netdev user,id=hostnet0 -device virtio-net-pci,netdev=hostnet0`.
    Netdev,
}

/// How a serial or parallel port and its backend are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chardevs {
    /// QEMU 0.9: `-serial pty`.
    Legacy,
    /// QEMU 0.12: `-chardev pty,id=charserial0 -device isa-serial,chardev=charserial0`.
    Device,
}

impl Dialect {
    /// The dialect of a QEMU.
    pub fn of(caps: &Capabilities) -> Self {
        // QEMU 4.2 is the first that can do without `-drive`; help texts cannot tell of `blockdev-del`.
        let modern = caps.has(Capability::Blockdev) || caps.version() >= Version::new(4, 2, 0);
        let json = |capability| if caps.has(capability) { Spelling::Json } else { Spelling::KeyValue };
        Dialect {
            era: if modern { Era::Modern } else { Era::Historic },
            network: match (caps.has(Capability::Netdev), caps.has(Capability::DeviceOption)) {
                _ if modern => Network::Netdev,
                (true, true) => Network::Netdev,
                (false, true) => Network::DeviceVlan,
                (_, false) => Network::NetVlan,
            },
            chardevs: match caps.has(Capability::Chardev) && caps.has(Capability::DeviceOption) {
                _ if modern => Chardevs::Device,
                true => Chardevs::Device,
                false => Chardevs::Legacy,
            },
            device: if modern { json(Capability::DeviceJson) } else { Spelling::Unescaped },
            netdev: if modern { json(Capability::NetdevJson) } else { Spelling::Unescaped },
            chardev: if modern { json(Capability::ChardevJson) } else { Spelling::Unescaped },
        }
    }

    /// How a flag's properties are spelt.
    pub fn spelling(&self, flag: &str) -> Spelling {
        match (self.era, flag) {
            (_, "-device") => self.device,
            (_, "-netdev") => self.netdev,
            (_, "-chardev") => self.chardev,
            (Era::Modern, "-object" | "-blockdev" | "-audiodev") => Spelling::Json,
            (Era::Modern, _) => Spelling::KeyValue,
            (Era::Historic, _) => Spelling::Unescaped,
        }
    }
}
