//! `<disk>`: disks, CD-ROM and floppy drives.

mod chain;
mod driver;
mod iotune;

pub use chain::{BackingStore, Mirror, MirrorJob, MirrorState};
pub use driver::{Cache, DetectZeroes, Discard, DiskDriver, ErrorPolicy, Io};
pub use iotune::{IoTune, Limits, ThrottleGroup};

use super::Family;
use crate::storage::{Auth, Encryption, Source, SourceKind};
use crate::virtio::VirtioModel;
use crate::words;
use crate::xml::text::{OnOff, YesNo};
use crate::xml::{Element, Layout, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `device`: what the guest sees.
    pub enum DiskDevice {
        /// A disk; the default.
        Disk = "disk",
        /// A CD-ROM drive.
        Cdrom = "cdrom",
        /// A floppy drive.
        Floppy = "floppy",
        /// A disk of the host that the guest may send SCSI commands; since libvirt 0.9.10.
        Lun = "lun",
    }

    /// `sgio`: what happens to SCSI commands of a guest without privileges.
    pub enum Sgio {
        /// Only harmless ones go through; the default.
        Filtered = "filtered",
        /// All go through.
        Unfiltered = "unfiltered",
    }

    /// `snapshot`: how the disk takes part in snapshots.
    pub enum Snapshot {
        /// Not at all.
        No = "no",
        /// The image itself keeps the snapshot.
        Internal = "internal",
        /// A new image takes what changes.
        External = "external",
        /// Someone else takes care of it.
        Manual = "manual",
    }

    /// `bus` of `<target>`: what the drive is plugged into.
    pub enum DiskBus {
        /// IDE.
        Ide = "ide",
        /// The floppy controller.
        Fdc = "fdc",
        /// SCSI.
        Scsi = "scsi",
        /// Virtio.
        Virtio = "virtio",
        /// Xen.
        Xen = "xen",
        /// USB; since libvirt 0.4.4.
        Usb = "usb",
        /// User-mode Linux, which libvirt no longer runs.
        Uml = "uml",
        /// SATA; since libvirt 0.9.7.
        Sata = "sata",
        /// SD cards.
        Sd = "sd",
    }

    /// `tray` of `<target>`: the drawer of a drive.
    pub enum Tray {
        /// In; the default.
        Closed = "closed",
        /// Out: the guest sees no medium.
        Open = "open",
    }

    /// `trans` of `<geometry>`: how the BIOS translates sectors.
    pub enum Translation {
        /// Chosen by the size.
        Auto = "auto",
        /// Not at all.
        None = "none",
        /// By logical block addresses.
        Lba = "lba",
    }
}

/// `<disk>`: disks, CD-ROM and floppy drives; since libvirt 0.0.3.
///
/// ```
/// use domain_model::device::disk::{Disk, DiskBus, Target};
/// use domain_model::storage::Source;
/// use domain_model::{Device, Domain};
///
/// let mut domain = Domain::default();
/// domain.devices.disks.push(Device {
///     spec: Disk {
///         source: Source::file("/images/guest.qcow2"),
///         target: Target { dev: "vda".into(), bus: Some(DiskBus::Virtio), ..Target::default() },
///         ..Disk::default()
///     },
///     ..Device::default()
/// });
/// assert!(domain.write().contains("<source file='/images/guest.qcow2'/>"));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Disk {
    /// What the guest sees; a disk if it is not said; since libvirt 0.1.4.
    pub device: Option<DiskDevice>,
    /// Which kind of virtio disk it is; since libvirt 5.2.
    pub model: Option<VirtioModel>,
    /// Whether the hypervisor gets the privilege to send raw SCSI commands; only for `lun`, since libvirt 0.9.10.
    pub rawio: Option<YesNo>,
    /// What happens to SCSI commands of a guest without privileges; only for `lun`, since libvirt 1.0.2.
    pub sgio: Option<Sgio>,
    /// How the disk takes part in snapshots; since libvirt 0.9.5.
    pub snapshot: Option<Snapshot>,
    /// `<driver>`: the format and how the host treats the image; since libvirt 0.1.8.
    pub driver: Option<DiskDriver>,
    /// `<auth>` in its old place; the new one is [`Source::auth`]. See [`Disk::auth`]. Since libvirt 0.9.7.
    pub old_auth: Option<Box<Auth>>,
    /// `type` and `<source>`: where the content is.
    pub source: Source,
    /// `<backingStore>`: the image below; since libvirt 1.2.4.
    pub backing_store: Option<Box<BackingStore>>,
    /// `<backenddomain>`: the Xen domain that serves the disk; since libvirt 1.2.13.
    pub backend_domain: Option<String>,
    /// `<geometry>`: the geometry that the guest sees; since libvirt 0.10.
    pub geometry: Option<Box<Geometry>>,
    /// `<blockio>`: the block sizes that the guest sees; since libvirt 0.10.2.
    pub blockio: Option<Box<BlockIo>>,
    /// `<mirror>`: where a running job copies the disk to.
    pub mirror: Option<Box<Mirror>>,
    /// `<target>`: what the guest sees the disk as.
    pub target: Target,
    /// `<iotune>`: limits of throughput; since libvirt 0.9.8.
    pub iotune: Option<Box<IoTune>>,
    /// `<throttlefilters>`: the names of the domain's throttle groups that the disk belongs to; since libvirt 11.2.
    pub throttle_filters: Vec<ThrottleFilter>,
    /// `<readonly>`: whether the guest cannot write.
    pub readonly: bool,
    /// `<shareable>`: whether other domains use it at the same time.
    pub shareable: bool,
    /// `<transient>`: whether changes are gone when the guest exits; since libvirt 6.9 for QEMU.
    pub transient: Option<Box<Transient>>,
    /// `<serial>`: the serial number; since libvirt 0.7.1.
    pub serial: Option<String>,
    /// `<wwn>`: the World Wide Name, 16 hexadecimal digits; since libvirt 0.10.1.
    pub wwn: Option<String>,
    /// `<vendor>`: up to 8 printable characters; since libvirt 1.0.1.
    pub vendor: Option<String>,
    /// `<product>`: up to 16 printable characters; since libvirt 1.0.1.
    pub product: Option<String>,
    /// `<encryption>` in its old place; the new one is [`Source::encryption`]. See [`Disk::encryption`].
    pub old_encryption: Option<Box<Encryption>>,
}

/// `<target>`: what the guest sees the disk as; since libvirt 0.0.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Target {
    /// The name, such as `sda`; unique in the domain, and no promise about the guest's own name.
    pub dev: String,
    /// What the drive is plugged into; the name says it if this does not; since libvirt 0.4.3.
    pub bus: Option<DiskBus>,
    /// The drawer of a CD-ROM or floppy drive; since libvirt 0.9.11.
    pub tray: Option<Tray>,
    /// Whether a USB or SCSI disk says that it is removable; since libvirt 1.1.3.
    pub removable: Option<OnOff>,
    /// Rotations per minute, 1025 to 65534, or 1 for a disk that does not rotate; since libvirt 7.3.
    pub rotation_rate: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<geometry>`: cylinders, heads and sectors, or some of them; since libvirt 0.10.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Geometry {
    /// The number of cylinders; 0 if it is not said.
    pub cyls: u32,
    /// The number of heads; 0 if it is not said.
    pub heads: u32,
    /// The number of sectors in a track; 0 if it is not said.
    pub secs: u32,
    /// How the BIOS translates sectors.
    pub trans: Option<Translation>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<blockio>`: block sizes, in bytes; since libvirt 0.10.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BlockIo {
    /// The smallest unit the guest can read or write.
    pub logical_block_size: Option<u32>,
    /// The unit the disk works in.
    pub physical_block_size: Option<u32>,
    /// The smallest unit the guest can discard; libvirt 9.0 does not have it yet.
    pub discard_granularity: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<transient>`: changes are gone when the guest exits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transient {
    /// Whether several domains share the image below; since libvirt 7.4.
    pub share_backing: Option<YesNo>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<throttlefilter>`: one throttle group that the disk belongs to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThrottleFilter {
    /// The name of the group in the domain's `<throttlegroups>`.
    pub group: String,
    /// Where it was written.
    pub meta: Meta,
}

impl Disk {
    /// What the guest sees.
    pub fn device(&self) -> DiskDevice {
        self.device.unwrap_or(DiskDevice::Disk)
    }

    /// The credentials that the source asks for, wherever they are written.
    pub fn auth(&self) -> Option<&Auth> {
        self.source.auth.as_deref().or(self.old_auth.as_deref())
    }

    /// How the content is encrypted, wherever that is written.
    pub fn encryption(&self) -> Option<&Encryption> {
        self.source.encryption.as_deref().or(self.old_encryption.as_deref())
    }

    fn check<X: Xml>(&self, xml: &mut X) {
        self.source.check_secrets(self.auth(), self.encryption(), xml);
        let mut refuse = |code, path, message: &str| {
            xml.report(Diagnostic::error(code, xml.at(path), message));
        };
        if self.target.dev.is_empty() {
            refuse(Code::NotFound, "target", "`<disk>` needs a `<target>` with the attribute `dev`");
        }
        if self.old_auth.is_some() && self.source.auth.is_some() {
            refuse(Code::Unsupported, "auth", "`<auth>` is both in `<disk>` and in its `<source>`");
        }
        if self.old_encryption.is_some() && self.source.encryption.is_some() {
            let message = "`<encryption>` is both in `<disk>` and in its `<source>`";
            refuse(Code::Unsupported, "encryption", message);
        }
        let printable = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        for (path, value, longest) in [("vendor", &self.vendor, 8), ("product", &self.product, 16)] {
            let Some(value) = value else { continue };
            if !printable(value) {
                refuse(Code::BadValue, path, &format!("`<{path}>` has characters that cannot be printed"));
            } else if value.len() > longest {
                let message = format!("`<{path}>` is longer than {longest} characters");
                refuse(Code::Unsupported, path, &message);
            }
        }
        let digits = self.wwn.as_deref().map(|wwn| wwn.strip_prefix("0x").unwrap_or(wwn));
        if digits
            .is_some_and(|digits| digits.len() != 16 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            refuse(Code::Malformed, "wwn", "`<wwn>` has to be 16 hexadecimal digits");
        }
        if self.device() == DiskDevice::Lun && !self.source.may_be_lun() {
            let message = "a disk of the kind `lun` needs a block device, a volume or an iSCSI target";
            refuse(Code::Unsupported, "@device", message);
        }
        if let Some(policy) = self.source.startup_policy
            && matches!(self.source.kind, SourceKind::Network(_))
        {
            let message = format!("the startup policy `{policy}` is not for network sources");
            refuse(Code::Conflict, "source/@startupPolicy", &message);
        }
    }
}

impl Family for Disk {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.joined(&["iotune", "throttlefilters"]);
        xml.tag("type", &mut self.source.kind);
        xml.attribute("device", &mut self.device);
        xml.attribute("model", &mut self.model);
        xml.attribute("rawio", &mut self.rawio);
        xml.attribute("sgio", &mut self.sgio);
        xml.attribute("snapshot", &mut self.snapshot);
        if xml.layout() == Layout::Libvirt2011 {
            self.driver.take_if(|driver| driver.name.is_none());
        }
        xml.child("driver", &mut self.driver);
        xml.child("auth", &mut self.old_auth);
        self.source.describe(xml);
        xml.child("backingStore", &mut self.backing_store);
        xml.nested("backenddomain", |xml| xml.attribute("name", &mut self.backend_domain));
        xml.child("geometry", &mut self.geometry);
        xml.child("blockio", &mut self.blockio);
        xml.child("mirror", &mut self.mirror);
        xml.section("target", &mut self.target);
        xml.moved_here_in_2011("boot");
        xml.child("iotune", &mut self.iotune);
        xml.nested("throttlefilters", |xml| xml.children("throttlefilter", &mut self.throttle_filters));
        xml.present("readonly", &mut self.readonly);
        xml.present("shareable", &mut self.shareable);
        xml.child("transient", &mut self.transient);
        xml.value("serial", &mut self.serial);
        xml.optional_value("wwn", &mut self.wwn);
        xml.value("vendor", &mut self.vendor);
        xml.value("product", &mut self.product);
        xml.child("encryption", &mut self.old_encryption);
        if X::READS {
            self.check(xml);
        }
    }
}

impl Element for Target {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.defaulted("dev", &mut self.dev);
        xml.attribute("bus", &mut self.bus);
        xml.attribute("tray", &mut self.tray);
        xml.attribute("removable", &mut self.removable);
        xml.attribute("rotation_rate", &mut self.rotation_rate);
    }
}

impl Geometry {
    /// Whether there are cylinders, heads and sectors.
    pub fn is_whole(&self) -> bool {
        ![self.cyls, self.heads, self.secs].contains(&0)
    }
}

impl Element for Geometry {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.defaulted("cyls", &mut self.cyls);
        xml.defaulted("heads", &mut self.heads);
        xml.defaulted("secs", &mut self.secs);
        xml.attribute("trans", &mut self.trans);
    }
}

impl Element for BlockIo {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("logical_block_size", &mut self.logical_block_size);
        xml.attribute("physical_block_size", &mut self.physical_block_size);
        xml.attribute("discard_granularity", &mut self.discard_granularity);
    }
}

impl Element for Transient {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("shareBacking", &mut self.share_backing);
    }
}

impl Element for ThrottleFilter {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("group", &mut self.group);
    }
}
