//! `<binary>` and `<idmap>` of `<filesystem>`: the virtiofs daemon.

pub use crate::resource::IdRange;
use crate::words;
use crate::xml::text::OnOff;
use crate::xml::{Element, Meta, Xml};

words! {
    /// `mode` of `<cache>`: how much the guest may remember of the files.
    pub enum CacheMode {
        /// Nothing.
        None = "none",
        /// Everything.
        Always = "always",
    }

    /// `mode` of `<sandbox>`: how the daemon is kept inside the directory.
    pub enum SandboxMode {
        /// By namespaces; the default.
        Namespace = "namespace",
        /// By `chroot`.
        Chroot = "chroot",
    }
}

/// `<binary>`: the virtiofs daemon and its options; since libvirt 6.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Virtiofsd {
    /// The path of the daemon.
    pub path: Option<String>,
    /// Whether extended attributes can be used.
    pub xattr: Option<OnOff>,
    /// `<cache>`: how much the guest may remember of the files.
    pub cache: Option<CacheMode>,
    /// `<sandbox>`: how the daemon is kept inside the directory; since libvirt 7.2.
    pub sandbox: Option<SandboxMode>,
    /// `<thread_pool>`: the largest number of threads, 0 for none; since libvirt 8.5.
    pub thread_pool_size: Option<u32>,
    /// `<openfiles>`: the largest number of open files; since libvirt 10.6.
    pub openfiles_max: Option<u64>,
    /// `<lock posix=…>`: whether POSIX locks of the guest reach the host.
    pub lock_posix: Option<OnOff>,
    /// `<lock flock=…>`: whether BSD locks of the guest reach the host.
    pub lock_flock: Option<OnOff>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<idmap>`: how the guest's users are mapped to the host's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IdMap {
    /// `<uid>`: ranges of users.
    pub uids: Vec<IdRange>,
    /// `<gid>`: ranges of groups.
    pub gids: Vec<IdRange>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Virtiofsd {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.joined(&["thread_pool", "openfiles"]);
        xml.attribute("path", &mut self.path);
        xml.attribute("xattr", &mut self.xattr);
        xml.nested("cache", |xml| xml.attribute("mode", &mut self.cache));
        xml.nested("sandbox", |xml| xml.attribute("mode", &mut self.sandbox));
        xml.nested("lock", |xml| {
            xml.attribute("posix", &mut self.lock_posix);
            xml.attribute("flock", &mut self.lock_flock);
        });
        xml.nested("thread_pool", |xml| xml.optional("size", &mut self.thread_pool_size));
        xml.nested("openfiles", |xml| xml.optional("max", &mut self.openfiles_max));
    }
}

impl Element for IdMap {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.children("uid", &mut self.uids);
        xml.children("gid", &mut self.gids);
    }
}
