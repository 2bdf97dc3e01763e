//! Images as QEMU's block nodes: `-blockdev`.

mod format;
mod nbdkit;
mod place;
mod protocol;
pub(crate) mod reservations;
mod secrets;
mod volume;

pub(crate) use volume::translate;

use caps_parser::Capability;
use domain_model::Origin;
use domain_model::device::disk::{Cache, DetectZeroes, Discard, DiskDriver};
use domain_model::storage::{Auth, Encryption, EncryptionEngine, Format, Source, SourceKind};
use domain_model::values::Bytes;
use domain_model::xml::Meta;

use crate::arg::Args;
use crate::context::Context;
use crate::host::FdGroup;
use crate::props::{Props, Value};

/// One image of a chain, while its nodes are built.
///
/// The names of its nodes start with `name`: `libvirt-1-storage` has the content as it is on the host,
/// `libvirt-1-slice-sto` a part of that, `libvirt-1-format` the content as the guest sees it.
#[derive(Debug, Clone)]
pub(crate) struct Image<'a> {
    /// What the names of its nodes start with, such as `libvirt-1`.
    pub name: String,
    /// Where the content is.
    pub source: &'a Source,
    /// How it is laid out.
    pub format: Format,
    /// The most bytes that qcow2's tables take in memory.
    pub metadata_cache: Option<Bytes>,
    /// The credentials that the source asks for.
    pub auth: Option<&'a Auth>,
    /// How it is encrypted.
    pub encryption: Option<&'a Encryption>,
    /// The node with the data of a qcow2 image that keeps its data elsewhere.
    pub data_file: Option<String>,
    /// Whether it is only read.
    pub readonly: bool,
    /// What the disk's `<driver>` says of the treatment of all images of the chain.
    pub driver: Option<&'a DiskDriver>,
    /// Whether it is the image that the guest sees, and not one below.
    pub is_top: bool,
    /// Whether it is the medium of a CD-ROM drive.
    pub is_cdrom: bool,
    /// Whether it is the medium of a floppy drive.
    pub is_floppy: bool,
    /// The element that has the `<source>`.
    pub meta: &'a Meta,
}

/// What is below an image.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backing<'a> {
    /// The domain does not say; QEMU looks into the image.
    Unknown,
    /// Nothing, and QEMU shall not look for anything.
    Nothing,
    /// Another image.
    Image(&'a Image<'a>),
}

/// Adds the one node of a SCSI device of the host, and gives its name: there is no format, and the guest's commands
/// go through.
pub(crate) fn device_node(image: &Image<'_>, cx: &Context<'_>, out: &mut Args) -> Option<String> {
    let node = format!("{}-backend", image.name);
    let secrets =
        secrets::Secrets { password: secrets::password(image, &node, cx, out), ..Default::default() };
    let props = place::storage(image, &secrets, cx, out)?;
    out.props("-blockdev", props.set("node-name", &node).set("read-only", image.readonly));
    Some(node)
}

impl Image<'_> {
    /// Whether there is a node for the format: raw content without encryption can do without.
    fn has_format_node(&self, cx: &Context<'_>) -> bool {
        // Without the capability, images cannot be moved below a guest that sees the storage node.
        !cx.has(Capability::BlockjobBackingMaskProtocol)
            || self.format != Format::Raw
            || self.luks().is_some()
            // One descriptor for writing serves reading only if the format's node says so.
            || self.passed(cx).is_some_and(|group| group.count == 1 && group.writable)
    }

    /// The descriptors that are handed over for the content.
    fn passed(&self, cx: &Context<'_>) -> Option<FdGroup> {
        match &self.source.kind {
            SourceKind::File(file) => cx.inputs.host.fd_group(file.fdgroup.as_deref()?),
            _ => None,
        }
    }

    /// The encryption that QEMU itself undoes.
    fn luks(&self) -> Option<&Encryption> {
        self.encryption.filter(|encryption| encryption.engine != Some(EncryptionEngine::Librbd))
    }

    /// The name of the node with the content on the host.
    pub fn storage_node(&self) -> String {
        format!("{}-storage", self.name)
    }

    /// The name of the node that shows what the guest sees.
    pub fn node(&self, cx: &Context<'_>) -> String {
        if self.has_format_node(cx) { format!("{}-format", self.name) } else { self.file_node() }
    }

    /// The name of the node below the format.
    fn file_node(&self) -> String {
        match self.source.slice {
            Some(_) => format!("{}-slice-sto", self.name),
            None => self.storage_node(),
        }
    }

    /// Adds the image's nodes, and the objects that they need.
    pub fn args(&self, backing: Backing<'_>, cx: &Context<'_>, out: &mut Args) {
        let has_format = self.has_format_node(cx);
        let is_sliced = self.source.slice.is_some();
        let secrets = secrets::objects(self, cx, out);
        let Some(storage) = place::storage(self, &secrets, cx, out) else { return };
        let alone = self.passed(cx).filter(|group| group.count == 1 && (has_format || is_sliced));
        let storage = match alone {
            // QEMU would look among several descriptors for one that is only for reading.
            Some(group) => {
                let props = storage
                    .set("node-name", self.storage_node())
                    .set("read-only", self.readonly && !group.writable)
                    .set("discard", "unmap");
                self.cache(props)
            }
            None => self.node_options(storage, self.storage_node(), !has_format && !is_sliced),
        };
        out.props("-blockdev", storage);
        if let Some(slice) = &self.source.slice {
            let props = Props::new("driver", "raw", slice.meta.origin)
                .set("file", self.storage_node())
                .set_at("offset", slice.offset, slice.meta.at("@offset"))
                .set_at("size", slice.size, slice.meta.at("@size"));
            out.props("-blockdev", self.node_options(props, self.file_node(), !has_format));
        }
        if has_format {
            let props = self.node_options(Props::plain(self.meta.origin), self.node(cx), true);
            match format::format(self, props, &secrets, backing, cx) {
                Some(props) => out.props("-blockdev", props),
                None => {
                    let what = format!("the image format `{}`", self.format);
                    cx.not_yet(&what, self.meta.at("driver/@type"), out);
                }
            }
        }
    }

    /// What `-drive` says of where the content is; `None` if it cannot be said.
    pub fn drive(&self, cx: &Context<'_>, out: &mut Args) -> Option<Props> {
        let origin = self.meta.at("source");
        if self.encryption.is_some() || self.auth.is_some() || self.source.slice.is_some() {
            cx.not_yet("a card whose image needs a password or is a part of a file", origin, out);
            return None;
        }
        let storage = place::storage(self, &secrets::objects(self, cx, out), cx, out)?;
        Some(match storage.get("filename") {
            Some(path) => Props::plain(origin).set("file", path.clone()),
            None => Props::plain(origin).set("file", Value::Props(storage)),
        })
    }

    /// Adds the options that all nodes have; `is_effective` says whether the guest sees this one.
    fn node_options(&self, props: Props, name: String, is_effective: bool) -> Props {
        let props = props.set("node-name", name);
        let props = if is_effective {
            let (discard, discard_origin) = self.of_driver(|driver| driver.discard, "@discard");
            let (zeroes, zeroes_origin) = self.detect_zeroes();
            props
                .set("read-only", self.readonly)
                .set_at("discard", discard.map(Discard::as_str), discard_origin)
                .set_at("detect-zeroes", zeroes.map(DetectZeroes::as_str), zeroes_origin)
        } else {
            props.set("auto-read-only", true).set("discard", "unmap")
        };
        self.cache(props)
    }

    /// Adds how the host's page cache is used.
    fn cache(&self, props: Props) -> Props {
        let (cache, origin) = self.of_driver(|driver| driver.cache, "@cache");
        props.set_at("cache", cache.and_then(|cache| cache_props(cache, origin)), origin)
    }

    /// A value of the disk's `<driver>`.
    fn of_driver<T>(
        &self,
        value: impl FnOnce(&DiskDriver) -> Option<T>,
        path: &'static str,
    ) -> (Option<T>, Origin) {
        let origin = self.driver.map_or(self.meta.origin, |driver| driver.meta.at(path));
        (self.driver.and_then(value), origin)
    }

    /// What happens to writes of zeroes; they can only be discarded where discards reach the image.
    pub fn detect_zeroes(&self) -> (Option<DetectZeroes>, Origin) {
        let (discard, _) = self.of_driver(|driver| driver.discard, "@discard");
        let (zeroes, origin) = self.of_driver(|driver| driver.detect_zeroes, "@detect_zeroes");
        let zeroes = zeroes.map(|zeroes| match zeroes {
            DetectZeroes::Unmap if discard != Some(Discard::Unmap) => DetectZeroes::On,
            zeroes => zeroes,
        });
        (zeroes, origin)
    }
}

/// How QEMU's cache modes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheMode {
    /// Whether the guest has to flush, and writes are not safe before it does.
    pub writeback: bool,
    /// Whether the host's page cache is left out.
    pub direct: bool,
    /// Whether the guest's flushes are ignored.
    pub no_flush: bool,
}

impl CacheMode {
    /// What a `cache` attribute means; `None` if QEMU shall decide.
    pub(crate) fn of(cache: Cache) -> Option<Self> {
        let (writeback, direct, no_flush) = match cache {
            Cache::Default => return None,
            Cache::None => (true, true, false),
            Cache::Writethrough => (false, false, false),
            Cache::Writeback => (true, false, false),
            Cache::Directsync => (false, true, false),
            Cache::Unsafe => (true, false, true),
        };
        Some(CacheMode { writeback, direct, no_flush })
    }
}

fn cache_props(cache: Cache, origin: Origin) -> Option<Props> {
    let mode = CacheMode::of(cache)?;
    Some(Props::plain(origin).set("direct", mode.direct).set("no-flush", mode.no_flush))
}
