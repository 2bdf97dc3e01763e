//! `<devices>`: the table of device families and what all devices share.

pub mod audio;
pub mod channel;
pub mod console;
pub mod controller;
pub mod crypto;
pub mod disk;
pub mod filesystem;
pub mod graphics;
pub mod hostdev;
pub mod hub;
mod info;
pub mod input;
pub mod interface;
pub mod iommu;
pub mod iothread_map;
pub mod lease;
pub mod memballoon;
pub mod memory;
pub mod nvram;
pub mod panic;
pub mod parallel;
pub mod pstore;
pub mod redirdev;
pub mod redirfilter;
pub mod rng;
pub mod seclabel;
pub mod serial;
pub mod shmem;
pub mod smartcard;
pub mod sound;
pub mod tpm;
pub mod video;
pub mod vsock;
pub mod watchdog;

pub use info::{Boot, DeviceInfo, Rom};

use crate::xml::{Element, Meta, Xml};

/// What a device family says of itself, apart from what all devices share.
pub trait Family: Default + Clone {
    /// Names the attributes and children in front of those that all devices share.
    fn describe<X: Xml>(&mut self, xml: &mut X);

    /// Names the few children that libvirt writes between those that all devices share, behind the alias.
    fn describe_behind_alias<X: Xml>(&mut self, _xml: &mut X) {}

    /// Names the few children that libvirt writes behind those that all devices share.
    fn describe_rest<X: Xml>(&mut self, _xml: &mut X) {}

    /// Reports what does not go with what all devices share, while reading.
    fn check<X: Xml>(&self, _info: &DeviceInfo, _xml: &mut X) {}
}

/// A family's place in [`Devices`].
pub trait Listed: Family {
    /// The element's name.
    const ELEMENT: &'static str;
    /// The number of the family, in the order in which libvirt writes them.
    const INDEX: usize;

    /// The devices of the family.
    fn of(devices: &Devices) -> &Vec<Device<Self>>;

    /// The devices of the family, to change them.
    fn of_mut(devices: &mut Devices) -> &mut Vec<Device<Self>>;
}

/// A device: what its family says, and what all devices share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Device<T> {
    /// What only this family has.
    pub spec: T,
    /// Alias, boot order, address: what all devices share.
    pub info: DeviceInfo,
    /// Where it was written.
    pub meta: Meta,
}

impl<T> Device<T> {
    /// A device that nobody wrote.
    pub fn implied(spec: T, origin: crate::Origin) -> Self {
        Device { spec, info: DeviceInfo::default(), meta: Meta::from_origin(origin) }
    }

    /// The origin of something in this device: a path such as `driver/@txmode`.
    pub fn at(&self, path: &'static str) -> crate::Origin {
        self.meta.at(path)
    }
}

impl<T: Family> Element for Device<T> {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        self.spec.describe(xml);
        self.info.describe(xml, |xml| self.spec.describe_behind_alias(xml));
        self.spec.describe_rest(xml);
        if X::READS {
            self.spec.check(&self.info, xml);
        }
    }
}

/// Declares the families, in the order in which libvirt writes them.
///
/// A row `disks: "disk" disk::Disk;` is the field `disks: Vec<Device<disk::Disk>>` of [`Devices`] and the
/// element `<disk>`.
macro_rules! device_families {
    ($($(#[$doc:meta])+ $field:ident: $element:literal $module:ident::$spec:ident;)+) => {
        /// `<devices>`: every device of the domain, by family.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Devices {
            /// `<emulator>`: the path of the QEMU binary.
            pub emulator: Option<String>,
            $($(#[$doc])+ pub $field: Vec<Device<$module::$spec>>,)+
            /// Where it was written.
            pub meta: Meta,
        }

        impl Element for Devices {
            fn meta(&mut self) -> &mut Meta {
                &mut self.meta
            }

            fn describe<X: Xml>(&mut self, xml: &mut X) {
                xml.value("emulator", &mut self.emulator);
                $(xml.children($element, &mut self.$field);)+
            }
        }

        impl Devices {
            /// What every device shares with others, in libvirt's order of families: the name of its element,
            /// where it was written, and the rest.
            pub fn shared(&self) -> impl Iterator<Item = (&'static str, &Meta, &DeviceInfo)> {
                std::iter::empty()
                    $(.chain(self.$field.iter().map(|device| ($element, &device.meta, &device.info))))+
            }
        }

        #[allow(non_camel_case_types, missing_docs)]
        enum Index { $($field),+ }

        $(impl Listed for $module::$spec {
            const ELEMENT: &'static str = $element;
            const INDEX: usize = Index::$field as usize;

            fn of(devices: &Devices) -> &Vec<Device<Self>> {
                &devices.$field
            }

            fn of_mut(devices: &mut Devices) -> &mut Vec<Device<Self>> {
                &mut devices.$field
            }
        })+

        /// The element names of all families, in the order in which libvirt writes them.
        pub const FAMILIES: &[&str] = &[$($element),+];
    };
}

device_families! {
    /// `<disk>`: disks, CD-ROM and floppy drives.
    disks: "disk" disk::Disk;
    /// `<controller>`: controllers and buses.
    controllers: "controller" controller::Controller;
    /// `<lease>`: lock manager leases.
    leases: "lease" lease::Lease;
    /// `<filesystem>`: host directories shared with the guest.
    filesystems: "filesystem" filesystem::Filesystem;
    /// `<interface>`: network cards.
    interfaces: "interface" interface::Interface;
    /// `<smartcard>`: smartcard readers.
    smartcards: "smartcard" smartcard::Smartcard;
    /// `<serial>`: serial ports.
    serials: "serial" serial::Serial;
    /// `<parallel>`: parallel ports.
    parallels: "parallel" parallel::Parallel;
    /// `<console>`: consoles.
    consoles: "console" console::Console;
    /// `<channel>`: channels between host and guest.
    channels: "channel" channel::Channel;
    /// `<input>`: keyboards, mice and tablets.
    inputs: "input" input::Input;
    /// `<tpm>`: trusted platform modules.
    tpms: "tpm" tpm::Tpm;
    /// `<graphics>`: ways to see the screen.
    graphics: "graphics" graphics::Graphics;
    /// `<sound>`: sound cards.
    sounds: "sound" sound::Sound;
    /// `<audio>`: where sound goes on the host.
    audios: "audio" audio::Audio;
    /// `<video>`: video cards.
    videos: "video" video::Video;
    /// `<hostdev>`: devices of the host handed to the guest.
    hostdevs: "hostdev" hostdev::Hostdev;
    /// `<redirdev>`: USB devices redirected from elsewhere.
    redirdevs: "redirdev" redirdev::Redirdev;
    /// `<redirfilter>`: which USB devices may be redirected.
    redirfilters: "redirfilter" redirfilter::Redirfilter;
    /// `<hub>`: USB hubs.
    hubs: "hub" hub::Hub;
    /// `<watchdog>`: watchdog timers.
    watchdogs: "watchdog" watchdog::Watchdog;
    /// `<memballoon>`: the memory balloon.
    memballoons: "memballoon" memballoon::Memballoon;
    /// `<rng>`: random number generators.
    rngs: "rng" rng::Rng;
    /// `<nvram>`: the NVRAM of pSeries machines.
    nvrams: "nvram" nvram::Nvram;
    /// `<panic>`: devices that report a crashed guest.
    panics: "panic" panic::Panic;
    /// `<shmem>`: memory shared between guests.
    shmems: "shmem" shmem::Shmem;
    /// `<memory>`: memory modules.
    memories: "memory" memory::MemoryDevice;
    /// `<crypto>`: virtio crypto devices.
    cryptos: "crypto" crypto::Crypto;
    /// `<iommu>`: I/O memory management units.
    iommus: "iommu" iommu::Iommu;
    /// `<vsock>`: virtio sockets.
    vsocks: "vsock" vsock::Vsock;
    /// `<pstore>`: where a crashed kernel leaves its log.
    pstores: "pstore" pstore::Pstore;
}
