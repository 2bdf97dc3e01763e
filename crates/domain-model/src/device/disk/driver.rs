//! `<driver>` of disks: format, caching, policies, queues.

use crate::device::iothread_map::IothreadMap;
use crate::storage::{Format, metadata_cache};
use crate::values::Bytes;
use crate::virtio::VirtioOptions;
use crate::words;
use crate::xml::text::OnOff;
use crate::xml::{Element, Layout, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// `cache`: how the host caches the image.
    pub enum Cache {
        /// As the hypervisor sees fit.
        Default = "default",
        /// Not in the host's memory; flushes count.
        None = "none",
        /// In the host's memory for reading; each write goes through.
        Writethrough = "writethrough",
        /// In the host's memory; flushes count.
        Writeback = "writeback",
        /// As `writethrough`, past the host's memory; since libvirt 0.9.5.
        Directsync = "directsync",
        /// In the host's memory; flushes are ignored. Since libvirt 0.9.7.
        Unsafe = "unsafe",
    }

    /// `error_policy` and `rerror_policy`: what follows when the host fails to read or write.
    pub enum ErrorPolicy {
        /// The guest stops.
        Stop = "stop",
        /// The guest is told; since libvirt 0.9.7.
        Report = "report",
        /// Nothing.
        Ignore = "ignore",
        /// The guest stops if the host has no room left, and is told otherwise.
        Enospace = "enospace",
    }

    /// `io`: how the host reads and writes.
    pub enum Io {
        /// With a pool of threads.
        Threads = "threads",
        /// With Linux' asynchronous I/O.
        Native = "native",
        /// With Linux' io_uring; since libvirt 6.3.
        IoUring = "io_uring",
    }

    /// `discard`: what happens to the guest's discards.
    pub enum Discard {
        /// They reach the image.
        Unmap = "unmap",
        /// They are dropped.
        Ignore = "ignore",
    }

    /// `detect_zeroes`: what happens to writes of zeroes.
    pub enum DetectZeroes {
        /// They are written.
        Off = "off",
        /// They are made holes where that is cheap.
        On = "on",
        /// They are discarded.
        Unmap = "unmap",
    }
}

/// `<driver>` of a disk; since libvirt 0.1.8.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiskDriver {
    /// The backend, `qemu` for QEMU.
    pub name: Option<String>,
    /// `type`: the format of the image.
    pub format: Option<Format>,
    /// How the host caches the image; since libvirt 0.6.
    pub cache: Option<Cache>,
    /// What follows when the host fails to read or write; since libvirt 0.8.
    pub error_policy: Option<ErrorPolicy>,
    /// What follows when the host fails to read, never `enospace`; since libvirt 0.9.7.
    pub rerror_policy: Option<ErrorPolicy>,
    /// How the host reads and writes; since libvirt 0.8.8.
    pub io: Option<Io>,
    /// Whether a thread of its own takes the guest's notifications; since libvirt 0.9.3.
    pub ioeventfd: Option<OnOff>,
    /// Whether fewer interrupts are sent, by an event index; since libvirt 0.9.5.
    pub event_idx: Option<OnOff>,
    /// Whether what is read from the image below is kept in this one; since libvirt 0.9.10.
    pub copy_on_read: Option<OnOff>,
    /// What happens to the guest's discards; since libvirt 1.0.6.
    pub discard: Option<Discard>,
    /// The iothread that serves the disk, from 1; since libvirt 1.2.8.
    pub iothread: Option<u32>,
    /// What happens to writes of zeroes; since libvirt 2.0.
    pub detect_zeroes: Option<DetectZeroes>,
    /// The number of virtqueues, from 1; since libvirt 3.9.
    pub queues: Option<u32>,
    /// The number of entries of each virtqueue, a power of 2; since libvirt 7.8.
    pub queue_size: Option<u32>,
    /// Whether discarded qcow2 clusters keep their place in the file; since libvirt 9.5.
    pub discard_no_unref: Option<OnOff>,
    /// What all virtio devices share; since libvirt 3.5.
    pub virtio: VirtioOptions,
    /// `<iothreads>`: which iothreads serve which queues; since libvirt 10.0.
    pub iothreads: Option<Box<IothreadMap>>,
    /// `<metadata_cache>`: the size of qcow2's cache of tables, in bytes; since libvirt 7.0.
    pub metadata_cache_max_size: Option<Bytes>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for DiskDriver {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("name", &mut self.name);
        xml.blamed_as(Code::UnknownWord, |xml| xml.attribute("type", &mut self.format));
        if xml.layout() == Layout::Libvirt2011 {
            self.cache.take_if(|cache| *cache == Cache::Default);
        }
        xml.attribute("cache", &mut self.cache);
        xml.attribute("error_policy", &mut self.error_policy);
        xml.attribute("rerror_policy", &mut self.rerror_policy);
        xml.attribute("io", &mut self.io);
        xml.attribute("ioeventfd", &mut self.ioeventfd);
        xml.attribute("event_idx", &mut self.event_idx);
        xml.attribute("copy_on_read", &mut self.copy_on_read);
        xml.attribute("discard", &mut self.discard);
        xml.attribute("iothread", &mut self.iothread);
        xml.attribute("detect_zeroes", &mut self.detect_zeroes);
        xml.attribute("queues", &mut self.queues);
        xml.attribute("queue_size", &mut self.queue_size);
        xml.attribute("discard_no_unref", &mut self.discard_no_unref);
        self.virtio.describe(xml);
        xml.child("iothreads", &mut self.iothreads);
        metadata_cache(xml, &mut self.metadata_cache_max_size);
        if X::READS {
            self.check(xml);
        }
    }
}

impl DiskDriver {
    fn check<X: Xml>(&self, xml: &mut X) {
        if self.rerror_policy == Some(ErrorPolicy::Enospace) {
            let message =
                "the policy `enospace` is for errors of writing; nothing runs out of space by reading";
            xml.report(Diagnostic::error(Code::Unsupported, xml.at("@rerror_policy"), message));
        }
        if self.iothread == Some(0) {
            let message = "iothreads are numbered from 1";
            xml.report(Diagnostic::error(Code::BadValue, xml.at("@iothread"), message));
        }
    }
}
