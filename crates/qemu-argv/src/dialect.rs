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
    /// How a device that is no part of the machine is plugged in.
    pub devices: Devices,
    /// How a disk and its image are joined.
    pub disk: DiskOption,
    /// How a network card and its backend are joined.
    pub network: Network,
    /// How a serial or parallel port and its backend are joined.
    pub chardevs: Chardevs,
    /// How the monitor and its backend are joined.
    pub monitor: Monitor,
    /// How the guest's clock is set.
    pub clock: ClockOption,
    /// How the first video card is chosen.
    pub video: VideoOption,
    /// How a VNC display is named.
    pub vnc: VncDisplay,
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

/// How a device that is no part of the machine is plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// QEMU 0.9: each kind has an option of its own, `-soundhw es1370 -usbdevice tablet`.
    Options,
    /// QEMU 0.12: `-device ES1370,id=sound0 -device usb-tablet,id=input0`.
    Device,
}

/// How a disk and its image are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskOption {
    /// QEMU 0.8: `-hda disk.img -cdrom cd.iso`.
    Hda,
    /// QEMU 0.9: `-drive file=disk.img,if=ide,bus=0,unit=0`.
    DriveIf,
    /// QEMU 0.12: `-drive file=disk.img,if=none,id=drive-ide0-0-0 -device ide-drive,drive=drive-ide0-0-0`.
    DriveDevice,
    /// QEMU 4.2: `-blockdev {…,"node-name":"libvirt-1-format"} -device {…,"drive":"libvirt-1-format"}`.
    Blockdev,
}

/// How the monitor and its backend are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Monitor {
    /// QEMU 0.9: `-monitor unix:monitor.sock,server,nowait`.
    Word,
    /// QEMU 0.12: `-chardev socket,id=charmonitor,… -mon chardev=charmonitor`.
    Chardev,
}

/// How the guest's clock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockOption {
    /// QEMU 0.9: `-localtime`.
    Localtime,
    /// QEMU 0.12: `-rtc base=localtime`.
    Rtc,
}

/// How the first video card is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoOption {
    /// QEMU 0.9: `-std-vga`.
    StdVga,
    /// QEMU 0.10: `-vga std`.
    Vga,
    /// QEMU 1.6: `-device VGA,id=video0`.
    Device,
}

/// How a VNC display is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VncDisplay {
    /// QEMU 0.8: `-vnc 3`.
    Number,
    /// QEMU 0.9: `-vnc 127.0.0.1:3,password`.
    Address,
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
        let has = |capability| modern || caps.has(capability);
        let has_device = has(Capability::DeviceOption);
        Dialect {
            era: if modern { Era::Modern } else { Era::Historic },
            devices: if has_device { Devices::Device } else { Devices::Options },
            disk: match (has(Capability::Drive), has_device) {
                _ if modern => DiskOption::Blockdev,
                (true, true) => DiskOption::DriveDevice,
                (true, false) => DiskOption::DriveIf,
                (false, _) => DiskOption::Hda,
            },
            network: match (has(Capability::Netdev), has_device) {
                (true, true) => Network::Netdev,
                (false, true) => Network::DeviceVlan,
                (_, false) => Network::NetVlan,
            },
            chardevs: match has(Capability::Chardev) && has_device {
                true => Chardevs::Device,
                false => Chardevs::Legacy,
            },
            monitor: if has(Capability::Chardev) { Monitor::Chardev } else { Monitor::Word },
            clock: if has(Capability::Rtc) { ClockOption::Rtc } else { ClockOption::Localtime },
            video: match caps.has(Capability::VgaOption) {
                _ if modern => VideoOption::Device,
                true => VideoOption::Vga,
                false => VideoOption::StdVga,
            },
            vnc: if has(Capability::VncColon) { VncDisplay::Address } else { VncDisplay::Number },
            // Devices that QEMU 6.2 made from JSON could not be taken away again.
            device: if modern { json(Capability::DeviceJsonHotplug) } else { Spelling::Unescaped },
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
            (Era::Modern, "-object" | "-blockdev" | "-audiodev" | "-compat") => Spelling::Json,
            (Era::Modern, _) => Spelling::KeyValue,
            (Era::Historic, _) => Spelling::Unescaped,
        }
    }
}
