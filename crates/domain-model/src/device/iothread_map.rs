//! `<iothreads>` of a `<driver>`: which iothread serves which queue.

use crate::xml::{Element, Meta, Xml};

/// `<iothreads>` of a disk's or SCSI controller's `<driver>`; since libvirt 10.0 for disks, 11.2 for controllers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IothreadMap {
    /// `<iothread>`: the iothreads; either all of them have queues or none.
    pub iothreads: Vec<MappedIothread>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<iothread>`: one iothread that serves the device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MappedIothread {
    /// The number of the iothread, from 1.
    pub id: u32,
    /// `<queue>`: the queues that it serves; none if they are spread evenly.
    pub queues: Vec<MappedQueue>,
    /// Where it was written.
    pub meta: Meta,
}

/// `<queue>`: one queue of the device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MappedQueue {
    /// The number of the queue, from 0.
    pub id: u32,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for IothreadMap {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.children("iothread", &mut self.iothreads);
    }
}

impl Element for MappedIothread {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("id", &mut self.id);
        xml.children("queue", &mut self.queues);
    }
}

impl Element for MappedQueue {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("id", &mut self.id);
    }
}
