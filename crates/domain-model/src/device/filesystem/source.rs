//! `<source>` of `<filesystem>`: what is shared.

use crate::values::Unit;
use crate::xml::{Tagged, Xml};

/// What is shared, `type` of `<filesystem>`. QEMU knows only [`FilesystemSource::Mount`]; the others are for
/// containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesystemSource {
    /// A directory.
    Mount {
        /// Its path.
        dir: Option<String>,
        /// The socket of a virtiofs daemon that someone else started; since libvirt 6.8.
        socket: Option<String>,
    },
    /// A block device.
    Block {
        /// Its path.
        dev: Option<String>,
    },
    /// An image.
    File {
        /// Its path.
        file: Option<String>,
    },
    /// A template of OpenVZ.
    Template {
        /// Its name.
        name: Option<String>,
    },
    /// Memory of the host; since libvirt 0.9.13.
    Ram(RamUsage),
    /// A directory of the guest itself; since libvirt 0.9.13.
    Bind {
        /// Its path.
        dir: Option<String>,
    },
    /// A volume of a storage pool.
    Volume {
        /// The name of the pool.
        pool: Option<String>,
        /// The name of the volume.
        volume: Option<String>,
    },
}

/// How much of the host's memory may be used; since libvirt 0.9.13.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RamUsage {
    /// The number of units.
    pub usage: Option<u64>,
    /// The unit; KiB if it is not said.
    pub units: Option<Unit>,
}

impl Default for FilesystemSource {
    fn default() -> Self {
        FilesystemSource::Mount { dir: None, socket: None }
    }
}

impl Tagged for FilesystemSource {
    const TAGS: &'static [&'static str] = &["mount", "block", "file", "template", "ram", "bind", "volume"];

    fn tag(&self) -> &'static str {
        match self {
            FilesystemSource::Mount { .. } => "mount",
            FilesystemSource::Block { .. } => "block",
            FilesystemSource::File { .. } => "file",
            FilesystemSource::Template { .. } => "template",
            FilesystemSource::Ram(_) => "ram",
            FilesystemSource::Bind { .. } => "bind",
            FilesystemSource::Volume { .. } => "volume",
        }
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "mount" => FilesystemSource::default(),
            "block" => FilesystemSource::Block { dev: None },
            "file" => FilesystemSource::File { file: None },
            "template" => FilesystemSource::Template { name: None },
            "ram" => FilesystemSource::Ram(RamUsage::default()),
            "bind" => FilesystemSource::Bind { dir: None },
            "volume" => FilesystemSource::Volume { pool: None, volume: None },
            _ => return None,
        })
    }
}

impl FilesystemSource {
    /// The socket of a virtiofs daemon that someone else started.
    pub fn socket(&self) -> Option<&str> {
        match self {
            FilesystemSource::Mount { socket, .. } => socket.as_deref(),
            _ => None,
        }
    }

    /// Whether it does not say what is shared.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            FilesystemSource::Mount { dir, socket } => dir.is_none() && socket.is_none(),
            FilesystemSource::Block { dev } => dev.is_none(),
            FilesystemSource::File { file } => file.is_none(),
            FilesystemSource::Template { name } => name.is_none(),
            FilesystemSource::Ram(ram) => ram.usage.is_none(),
            FilesystemSource::Bind { dir } => dir.is_none(),
            FilesystemSource::Volume { pool, volume } => pool.is_none() || volume.is_none(),
        }
    }

    pub(super) fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("source", |xml| match self {
            FilesystemSource::Mount { dir, socket } => {
                xml.attribute("dir", dir);
                xml.attribute("socket", socket);
            }
            FilesystemSource::Block { dev } => xml.attribute("dev", dev),
            FilesystemSource::File { file } => xml.attribute("file", file),
            FilesystemSource::Template { name } => xml.attribute("name", name),
            FilesystemSource::Ram(ram) => {
                xml.attribute("usage", &mut ram.usage);
                xml.attribute("units", &mut ram.units);
            }
            FilesystemSource::Bind { dir } => xml.attribute("dir", dir),
            FilesystemSource::Volume { pool, volume } => {
                xml.attribute("pool", pool);
                xml.attribute("volume", volume);
            }
        });
    }
}
