//! `<source>` of disks and images: where their content is.

mod network;
mod secret;

pub(crate) use network::describe_initiator;
pub use network::{Cookie, Host, Identity, NetworkSource, Protocol, Transport};
pub use secret::{
    Auth, AuthSecret, Cipher, Encryption, EncryptionEngine, EncryptionFormat, EncryptionSecret, IvGen,
    Secret, SecretType,
};

use crate::address::Pci;
use crate::device::seclabel::DeviceSeclabel;
use crate::values::{self, Bytes};
use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Tagged, Text, TextError, Xml};
use crate::{Code, Diagnostic};

words! {
    /// The format of an image.
    pub enum Format: UnknownWord {
        /// The content as it is.
        Raw = "raw",
        /// A directory seen as a file system.
        Dir = "dir",
        /// Bochs images.
        Bochs = "bochs",
        /// Compressed images of Knoppix.
        Cloop = "cloop",
        /// Images of macOS.
        Dmg = "dmg",
        /// Images of CD-ROMs.
        Iso = "iso",
        /// Images of VirtualPC.
        Vpc = "vpc",
        /// Images of VirtualBox.
        Vdi = "vdi",
        /// A directory seen as a FAT file system.
        Fat = "fat",
        /// Virtual Hard Disk images.
        Vhd = "vhd",
        /// Images of Parallels.
        Ploop = "ploop",
        /// QEMU's first copy-on-write format.
        Cow = "cow",
        /// QEMU's second copy-on-write format.
        Qcow = "qcow",
        /// QEMU's current copy-on-write format.
        Qcow2 = "qcow2",
        /// A short-lived rival of qcow2.
        Qed = "qed",
        /// Images of VMware.
        Vmdk = "vmdk",
        /// An old word for `raw`, from Xen.
        Aio = "aio",
    }

    /// `startupPolicy`: what to do if the source is not there when the domain starts.
    pub enum StartupPolicy {
        /// Fail; the default.
        Mandatory = "mandatory",
        /// Fail at boot, drop it on migration and restore.
        Requisite = "requisite",
        /// Drop it.
        Optional = "optional",
    }

    /// `mode` of a volume source: how an iSCSI volume is reached.
    pub enum VolumeMode {
        /// Through the host's block device; the default.
        Host = "host",
        /// Through an iSCSI connection of the hypervisor.
        Direct = "direct",
    }
}

/// Where the content of a disk or image is: the parent's `type` and its `<source>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Source {
    /// The parent's `type`, and what of `<source>` depends on it.
    pub kind: SourceKind,
    /// What to do if the source is not there at start.
    pub startup_policy: Option<StartupPolicy>,
    /// The number of the image in its chain, given by a running domain; 1 and up.
    pub index: Option<u32>,
    /// `<slices>`: the part of the source that is used; at most one, of the type `storage`. Since libvirt 6.1.
    pub slice: Option<Box<Slice>>,
    /// `<auth>`: the credentials that the source asks for; since libvirt 3.9.
    pub auth: Option<Box<Auth>>,
    /// `<encryption>`: how the content is encrypted; since libvirt 3.9.
    pub encryption: Option<Box<Encryption>>,
    /// `<reservations>`: who looks after SCSI persistent reservations; since libvirt 4.4.
    pub reservations: Option<Box<Reservations>>,
    /// `<dataStore>`: the raw file that holds the data of a qcow2 image; since libvirt 10.10.
    pub data_store: Option<Box<DataStore>>,
    /// `<seclabel>`: labels of just this source.
    pub seclabels: Vec<DeviceSeclabel>,
}

/// What a source is, `type` of the element that holds `<source>`.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceKind {
    /// A file.
    File(FileSource),
    /// A block device of the host.
    Block {
        /// `dev`: its path.
        path: Option<String>,
    },
    /// A directory that is seen as a file system; since libvirt 0.7.5.
    Dir {
        /// `dir`: its path.
        path: Option<String>,
    },
    /// Something behind a network protocol; since libvirt 0.8.7. Boxed for its size.
    Network(Box<NetworkSource>),
    /// A volume of a storage pool; since libvirt 1.0.5.
    Volume(VolumeSource),
    /// A namespace of an NVMe disk that is taken from the host; since libvirt 6.0.
    Nvme(NvmeSource),
    /// Another process that speaks the vhost-user protocol; since libvirt 7.1.
    VhostUser(VhostUserSource),
    /// A vDPA block device; since libvirt 9.8.
    VhostVdpa {
        /// `dev`: the path of its character device.
        path: Option<String>,
    },
}

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSource {
    /// `file`: its path.
    pub path: Option<String>,
    /// `fdgroup`: the name of descriptors that are used in place of the path; since libvirt 9.0.
    pub fdgroup: Option<String>,
}

/// A volume of a storage pool; since libvirt 1.0.5.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeSource {
    /// The name of the pool.
    pub pool: Option<String>,
    /// The name of the volume.
    pub volume: Option<String>,
    /// How an iSCSI volume is reached; since libvirt 1.1.1.
    pub mode: Option<VolumeMode>,
}

/// A namespace of an NVMe disk that is taken from the host; since libvirt 6.0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NvmeSource {
    /// Whether the disk is taken from its host driver at start, and given back; the default is no.
    pub managed: Option<YesNo>,
    /// The number of the namespace, from 1.
    pub namespace: u32,
    /// Where the disk is on the host.
    pub address: Pci,
}

/// A process that speaks the vhost-user protocol; since libvirt 7.1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VhostUserSource {
    /// The path of its socket.
    pub path: Option<String>,
    /// Whether to connect again when the connection is lost.
    pub reconnect: Option<YesNo>,
    /// Seconds between two attempts to connect again.
    pub reconnect_timeout: Option<u32>,
}

/// `<slice type='storage'>`: a part of a source; since libvirt 6.1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slice {
    /// Where it starts, in bytes.
    pub offset: u64,
    /// How long it is, in bytes; not 0.
    pub size: u64,
    /// Where it was written.
    pub meta: Meta,
}

/// `<reservations>`: who looks after SCSI persistent reservations; since libvirt 4.4.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reservations {
    /// Whether the management starts the process that does it.
    pub managed: Option<YesNo>,
    /// The socket of the process, if it is not managed.
    pub path: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<dataStore>`: the raw file that holds the data of a qcow2 image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataStore {
    /// Where it is.
    pub source: Source,
    /// `<format>`: always raw.
    pub format: Option<ImageFormat>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<format>` of an image: how its content is laid out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageFormat {
    /// The format.
    pub kind: Option<Format>,
    /// `<metadata_cache>`: the size of qcow2's cache of tables, in bytes; since libvirt 7.0.
    pub metadata_cache_max_size: Option<Bytes>,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for SourceKind {
    fn default() -> Self {
        SourceKind::File(FileSource::default())
    }
}

impl Tagged for SourceKind {
    const TAGS: &'static [&'static str] =
        &["file", "block", "dir", "network", "volume", "nvme", "vhostuser", "vhostvdpa"];

    fn tag(&self) -> &'static str {
        match self {
            SourceKind::File(_) => "file",
            SourceKind::Block { .. } => "block",
            SourceKind::Dir { .. } => "dir",
            SourceKind::Network(_) => "network",
            SourceKind::Volume(_) => "volume",
            SourceKind::Nvme(_) => "nvme",
            SourceKind::VhostUser(_) => "vhostuser",
            SourceKind::VhostVdpa { .. } => "vhostvdpa",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "file" => SourceKind::File(FileSource::default()),
            "block" => SourceKind::Block { path: None },
            "dir" => SourceKind::Dir { path: None },
            "network" => SourceKind::Network(Box::default()),
            "volume" => SourceKind::Volume(VolumeSource::default()),
            "nvme" => SourceKind::Nvme(NvmeSource::default()),
            "vhostuser" => SourceKind::VhostUser(VhostUserSource::default()),
            "vhostvdpa" => SourceKind::VhostVdpa { path: None },
            _ => return None,
        })
    }
}

impl From<SourceKind> for Source {
    fn from(kind: SourceKind) -> Self {
        Source { kind, ..Source::default() }
    }
}

impl Source {
    /// A file.
    pub fn file(path: impl Into<String>) -> Self {
        SourceKind::File(FileSource { path: Some(path.into()), fdgroup: None }).into()
    }

    /// A block device of the host.
    pub fn block(path: impl Into<String>) -> Self {
        SourceKind::Block { path: Some(path.into()) }.into()
    }

    /// The path on the host, if the source is a file, directory, device or socket.
    pub fn path(&self) -> Option<&str> {
        match &self.kind {
            SourceKind::File(file) => file.path.as_deref(),
            SourceKind::Block { path } | SourceKind::Dir { path } | SourceKind::VhostVdpa { path } => {
                path.as_deref()
            }
            SourceKind::VhostUser(socket) => socket.path.as_deref(),
            SourceKind::Network(_) | SourceKind::Volume(_) | SourceKind::Nvme(_) => None,
        }
    }

    /// Whether there is nothing in it, as in a drive without a medium.
    pub fn is_empty(&self) -> bool {
        match &self.kind {
            SourceKind::File(_)
            | SourceKind::Block { .. }
            | SourceKind::Dir { .. }
            | SourceKind::VhostUser(_)
            | SourceKind::VhostVdpa { .. } => self.path().is_none(),
            SourceKind::Volume(volume) => volume.volume.is_none(),
            SourceKind::Network(network) => network.protocol.is_none(),
            SourceKind::Nvme(_) => false,
        }
    }

    /// Whether it can be a SCSI device that takes the guest's commands.
    pub(crate) fn may_be_lun(&self) -> bool {
        match &self.kind {
            SourceKind::Block { .. } | SourceKind::Volume(_) => true,
            SourceKind::Network(network) => network.protocol == Some(Protocol::Iscsi),
            _ => false,
        }
    }

    /// Names `<source>`; the parent's `type` has been read. Whether there is one, while reading.
    pub(crate) fn describe<X: Xml>(&mut self, xml: &mut X) -> bool {
        let mut is_there = false;
        xml.nested("source", |xml| {
            is_there = true;
            xml.joined(&["slices", "snapshot", "config", "initiator", "readahead", "timeout"]);
            match &mut self.kind {
                SourceKind::File(file) => {
                    path(xml, "file", &mut file.path);
                    xml.attribute("fdgroup", &mut file.fdgroup);
                }
                SourceKind::Block { path: dev } | SourceKind::VhostVdpa { path: dev } => {
                    path(xml, "dev", dev)
                }
                SourceKind::Dir { path: dir } => path(xml, "dir", dir),
                SourceKind::Network(network) => network.describe_attributes(xml),
                SourceKind::Volume(volume) => {
                    xml.attribute("pool", &mut volume.pool);
                    xml.attribute("volume", &mut volume.volume);
                    xml.attribute("mode", &mut volume.mode);
                }
                SourceKind::Nvme(nvme) => {
                    fixed(xml, "type", "pci", Code::BadValue);
                    xml.attribute("managed", &mut nvme.managed);
                    xml.required("namespace", &mut nvme.namespace);
                }
                SourceKind::VhostUser(socket) => {
                    fixed(xml, "type", "unix", Code::BadValue);
                    xml.attribute("path", &mut socket.path);
                }
            }
            xml.attribute("startupPolicy", &mut self.startup_policy);
            xml.lenient("index", &mut self.index);
            match &mut self.kind {
                SourceKind::Network(network) => network.describe_children(xml),
                SourceKind::Nvme(nvme) => xml.nested("address", |xml| nvme.address.describe(xml)),
                SourceKind::VhostUser(socket) => xml.nested("reconnect", |xml| {
                    xml.attribute("enabled", &mut socket.reconnect);
                    match socket.reconnect {
                        Some(YesNo::Yes) => xml.needed("timeout", &mut socket.reconnect_timeout),
                        _ => xml.attribute("timeout", &mut socket.reconnect_timeout),
                    }
                }),
                SourceKind::File(_)
                | SourceKind::Block { .. }
                | SourceKind::Dir { .. }
                | SourceKind::Volume(_)
                | SourceKind::VhostVdpa { .. } => {}
            }
            xml.nested("slices", |xml| xml.child("slice", &mut self.slice));
            xml.child("auth", &mut self.auth);
            xml.child("encryption", &mut self.encryption);
            xml.child("reservations", &mut self.reservations);
            xml.child("dataStore", &mut self.data_store);
            xml.children("seclabel", &mut self.seclabels);
            if X::READS {
                self.check(xml);
            }
        });
        is_there
    }

    /// What libvirt refuses of the secrets, which depends on what the source is.
    pub(crate) fn check_secrets<X: Xml>(
        &self,
        auth: Option<&Auth>,
        encryption: Option<&Encryption>,
        xml: &mut X,
    ) {
        let network = match &self.kind {
            SourceKind::Network(network) => network.protocol,
            _ => None,
        };
        let wanted = match network {
            Some(Protocol::Iscsi) => Some(SecretType::Iscsi),
            Some(Protocol::Rbd) => Some(SecretType::Ceph),
            _ => None,
        };
        if let Some(auth) = auth {
            let message = match auth.secret.kind {
                None => "`<secret>` of `<auth>` needs a `type`".to_owned(),
                Some(kind) if wanted.is_some_and(|wanted| wanted != kind) => {
                    format!("a secret of the type `{kind}` does not fit the protocol of the source")
                }
                Some(_) => String::new(),
            };
            if !message.is_empty() {
                xml.report(Diagnostic::error(Code::Unsupported, auth.secret.meta.origin, message));
            }
        }
        if let Some(cipher) = encryption.and_then(|encryption| encryption.cipher.as_ref()) {
            let message = "`<cipher>` is for making volumes; an image says itself how it is encrypted";
            xml.report(Diagnostic::error(Code::Unsupported, cipher.meta.origin, message));
        }
    }

    /// What libvirt refuses to read in `<source>`.
    fn check<X: Xml>(&self, xml: &mut X) {
        match &self.kind {
            SourceKind::Volume(volume) if volume.pool.is_some() != volume.volume.is_some() => {
                let message = "a volume source needs both `pool` and `volume`";
                xml.report(Diagnostic::error(Code::MissingAttribute, xml.at(""), message));
            }
            SourceKind::VhostUser(socket) if socket.path.is_none() => {
                let message = "a vhost-user source needs the attribute `path`";
                xml.report(Diagnostic::error(Code::MissingAttribute, xml.at(""), message));
            }
            SourceKind::Nvme(nvme) if nvme.address == Pci::default() => {
                let message = "an NVMe source needs the `<address>` of the disk on the host";
                xml.report(Diagnostic::error(Code::MissingElement, xml.at(""), message));
            }
            SourceKind::Nvme(nvme) if nvme.namespace == 0 => {
                let message = "an NVMe source needs a `namespace`, from 1";
                xml.report(Diagnostic::error(Code::Unsupported, xml.at("@namespace"), message));
            }
            SourceKind::VhostUser(socket)
                if socket.reconnect == Some(YesNo::Yes) && socket.reconnect_timeout.is_none() =>
            {
                let message = "`<reconnect>` needs the attribute `timeout`, in seconds";
                xml.report(Diagnostic::error(Code::MissingAttribute, xml.at("reconnect"), message));
            }
            SourceKind::Network(network) => network.check(xml),
            _ => {}
        }
    }
}

/// A path; an empty one is as good as none, as libvirt has it for drives without a medium.
fn path<X: Xml>(xml: &mut X, name: &'static str, path: &mut Option<String>) {
    xml.attribute(name, path);
    if path.as_deref() == Some("") {
        *path = None;
    }
}

/// An attribute that has to be there and has only one value; `bad` is what kind of problem any other is.
fn fixed<X: Xml>(xml: &mut X, name: &'static str, word: &'static str, bad: Code) {
    let mut value = (!X::READS).then(|| word.to_owned());
    xml.optional(name, &mut value);
    if X::READS && value.as_deref() != Some(word) {
        let code = if value.is_some() { bad } else { Code::MissingAttribute };
        let message = format!("the attribute `{name}` of this element has to be `{word}`");
        xml.report(Diagnostic::error(code, xml.at(""), message));
    }
}

impl Element for Slice {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        fixed(xml, "type", "storage", Code::BadValue);
        xml.required("offset", &mut self.offset);
        xml.required("size", &mut self.size);
        if X::READS && self.size == 0 {
            let message = "a slice needs a `size` above 0";
            xml.report(Diagnostic::error(Code::BadValue, xml.at("@size"), message));
        }
    }
}

impl Element for Reservations {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("managed", &mut self.managed);
        if !X::READS && self.path.is_none() {
            return;
        }
        xml.nested("source", |xml| {
            fixed(xml, "type", "unix", Code::BadValue);
            xml.attribute("path", &mut self.path);
            fixed(xml, "mode", "client", Code::BadValue);
        });
        if X::READS && self.managed != Some(YesNo::Yes) {
            let (code, message) = match (self.managed, &self.path) {
                (None, _) => (Code::MissingAttribute, "`<reservations>` needs the attribute `managed`"),
                (_, None) => (
                    Code::MissingElement,
                    "reservations that are not managed need a `<source>` with a `path`",
                ),
                (_, Some(_)) => return,
            };
            xml.report(Diagnostic::error(code, xml.at(""), message));
        }
    }
}

impl Element for DataStore {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required_tag("type", &mut self.source.kind);
        xml.child("format", &mut self.format);
        let has_source = self.source.describe(xml);
        let has_format = self.format.as_ref().is_some_and(|format| format.kind.is_some());
        values::need_element(xml, has_format, "dataStore", "format");
        values::need_element(xml, has_source, "dataStore", "source");
        if X::READS && (self.source.slice.is_some() || self.source.data_store.is_some()) {
            let message = "the source of a `<dataStore>` is whole: it has neither slices nor a `<dataStore>`";
            xml.report(Diagnostic::error(Code::Conflict, xml.at("source"), message));
        }
    }
}

impl Element for ImageFormat {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        let mut kind = self.kind.map(Word);
        xml.attribute("type", &mut kind);
        self.kind = kind.map(|Word(kind)| kind);
        metadata_cache(xml, &mut self.metadata_cache_max_size);
    }
}

/// The word of a format in `<format>`, where libvirt takes any other word for an error of the XML.
#[derive(Clone)]
struct Word(Format);

impl Text for Word {
    fn parse(text: &str) -> Result<Self, TextError> {
        match Format::parse(text) {
            // Only `<driver>` takes the old word.
            Ok(Format::Aio) => Err(TextError::words(Format::WORDS)),
            Ok(format) => Ok(Word(format)),
            Err(error) => Err(error.code(Code::BadValue)),
        }
    }

    fn print(&self, out: &mut String) {
        self.0.print(out);
    }
}

/// Names `<metadata_cache>`, which `<driver>` and `<format>` share.
pub(crate) fn metadata_cache<X: Xml>(xml: &mut X, max_size: &mut Option<Bytes>) {
    xml.joined(&["metadata_cache"]);
    xml.nested("metadata_cache", |xml| {
        xml.nested("max_size", |xml| values::size(xml, max_size));
    });
}
