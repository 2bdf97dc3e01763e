//! `<filesystem>`: host directories shared with the guest.

mod source;
mod virtiofsd;

pub use source::{FilesystemSource, RamUsage};
pub use virtiofsd::{CacheMode, IdMap, IdRange, SandboxMode, Virtiofsd};

use super::Family;
use crate::values::{self, Bytes};
use crate::virtio::{VirtioModel, VirtioOptions};
use crate::words;
use crate::xml::{Text, TextError, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `accessmode`: whose permissions count on the host.
    pub enum AccessMode {
        /// The guest's; the default.
        Passthrough = "passthrough",
        /// The hypervisor's; the guest's are kept beside the files.
        Mapped = "mapped",
        /// As `passthrough`, and failures to change the owner are ignored.
        Squash = "squash",
    }

    /// `multidevs`: what happens if the directory spans several devices of the host.
    pub enum Multidevs {
        /// As the hypervisor sees fit.
        Default = "default",
        /// File numbers are mapped, so that they stay unique.
        Remap = "remap",
        /// Only the first device can be used.
        Forbid = "forbid",
        /// The hypervisor warns.
        Warn = "warn",
    }

    /// `type` of `<driver>`: what serves the files.
    pub enum FilesystemDriverType {
        /// The hypervisor, by path.
        Path = "path",
        /// The hypervisor, by file handle; since libvirt 0.9.7, gone from newer QEMU.
        Handle = "handle",
        /// A loop device, for containers.
        Loop = "loop",
        /// A network block device, for containers.
        Nbd = "nbd",
        /// An image of Virtuozzo.
        Ploop = "ploop",
        /// A virtiofs daemon; since libvirt 6.2.
        Virtiofs = "virtiofs",
        /// The hypervisor, as a USB media player; since libvirt 10.2.
        Mtp = "mtp",
    }

    /// `wrpolicy` of `<driver>`: when what the guest wrote reaches the host's disk.
    pub enum WritePolicy {
        /// When the host sees fit.
        Default = "default",
        /// At once.
        Immediate = "immediate",
    }
}

/// `<filesystem>`: a host directory shared with the guest; since libvirt 0.3.3.
///
/// ```
/// use domain_model::device::filesystem::{FilesystemDriverType, FilesystemSource};
/// use domain_model::{Document, Domain};
///
/// let document = Document::parse("", "<domain type='kvm'><devices><filesystem type='mount'>\
///     <driver type='virtiofs'/><source dir='/srv/share'/><target dir='share'/></filesystem></devices></domain>")?;
/// let (domain, problems) = Domain::read(&document);
/// assert!(problems.is_empty());
/// let share = &domain.devices.filesystems[0].spec;
/// assert_eq!(share.driver.kind, Some(FilesystemDriverType::Virtiofs));
/// assert!(matches!(&share.source, FilesystemSource::Mount { dir: Some(dir), .. } if dir == "/srv/share"));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filesystem {
    /// `type` and `<source>`: what is shared.
    pub source: FilesystemSource,
    /// Whose permissions count on the host; since libvirt 0.8.5.
    pub accessmode: Option<AccessMode>,
    /// Which kind of virtio device it is; since libvirt 5.2.
    pub model: Option<VirtioModel>,
    /// What happens if the directory spans several devices of the host; since libvirt 6.3.
    pub multidevs: Option<Multidevs>,
    /// The mode of files that the guest makes, for `mapped`; since libvirt 6.10.
    pub fmode: Option<Mode>,
    /// The mode of directories that the guest makes, for `mapped`; since libvirt 6.10.
    pub dmode: Option<Mode>,
    /// `<driver>`: what serves the files; since libvirt 1.0.6.
    pub driver: FilesystemDriver,
    /// `<binary>`: the virtiofs daemon and its options; since libvirt 6.2.
    pub binary: Option<Virtiofsd>,
    /// `<idmap>`: how the guest's users are mapped to the host's; since libvirt 10.0.
    pub idmap: Option<IdMap>,
    /// `<target dir=…>`: the tag by which the guest finds it; for containers, where it is mounted.
    pub target: Option<String>,
    /// `<readonly>`: whether the guest cannot write.
    pub readonly: bool,
    /// `<space_hard_limit>`: how much a container may use at most, in bytes; since libvirt 0.9.13.
    pub space_hard_limit: Option<Bytes>,
    /// `<space_soft_limit>`: how much a container may use for long, in bytes; since libvirt 0.9.13.
    pub space_soft_limit: Option<Bytes>,
}

/// `<driver>` of a shared directory; since libvirt 1.0.6.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilesystemDriver {
    /// What serves the files.
    pub kind: Option<FilesystemDriverType>,
    /// The format of the image, for containers.
    pub format: Option<crate::storage::Format>,
    /// When what the guest wrote reaches the host's disk; since libvirt 0.9.10.
    pub wrpolicy: Option<WritePolicy>,
    /// The number of requests that fit into the queue of virtiofs; since libvirt 6.2.
    pub queue: Option<u64>,
    /// What all virtio devices share; since libvirt 3.5.
    pub virtio: VirtioOptions,
}

/// The permissions of a new file or directory, at most 0777; written in octal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(pub u16);

impl Text for Mode {
    fn parse(text: &str) -> Result<Self, TextError> {
        u16::from_str_radix(text, 8)
            .ok()
            .filter(|mode| *mode <= 0o777)
            .map(Mode)
            .ok_or_else(|| TextError::expected("permissions in octal, such as `0644`, at most `0777`"))
    }

    fn print(&self, out: &mut String) {
        use std::fmt::Write as _;
        let _ = write!(out, "{:04o}", self.0);
    }
}

impl Family for Filesystem {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.joined(&["binary", "idmap", "target"]);
        xml.tag("type", &mut self.source);
        xml.optional("accessmode", &mut self.accessmode);
        xml.attribute("model", &mut self.model);
        xml.attribute("multidevs", &mut self.multidevs);
        xml.attribute("fmode", &mut self.fmode);
        xml.attribute("dmode", &mut self.dmode);
        xml.nested("driver", |xml| self.driver.describe(xml));
        xml.child("binary", &mut self.binary);
        xml.child("idmap", &mut self.idmap);
        self.source.describe(xml);
        xml.nested("target", |xml| xml.attribute("dir", &mut self.target));
        xml.present("readonly", &mut self.readonly);
        if X::READS {
            self.check(xml);
        }
    }

    fn describe_rest<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("space_hard_limit", |xml| values::size(xml, &mut self.space_hard_limit));
        xml.nested("space_soft_limit", |xml| values::size(xml, &mut self.space_soft_limit));
    }
}

impl Filesystem {
    fn check<X: Xml>(&self, xml: &mut X) {
        if self.source.is_empty() {
            let message = "`<filesystem>` needs a `<source>` that fits its type";
            xml.report(Diagnostic::error(Code::NotFound, xml.at("source"), message));
        }
        if self.target.is_none() {
            let message = "`<filesystem>` needs a `<target>` with the attribute `dir`";
            xml.report(Diagnostic::error(Code::NotFound, xml.at("target"), message));
        }
    }
}

impl FilesystemDriver {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("type", &mut self.kind);
        xml.attribute("format", &mut self.format);
        xml.attribute("wrpolicy", &mut self.wrpolicy);
        xml.optional("queue", &mut self.queue);
        self.virtio.describe(xml);
    }
}
