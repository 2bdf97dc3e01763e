//! `<iothreads>`: threads that work for disks and controllers.

use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

/// `<iothread>`: a thread with a number of its own; since libvirt 1.2.15.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Iothread {
    /// The number by which disks name the thread, from 1.
    pub id: u32,
    /// How many worker threads it keeps at least; since libvirt 8.5.
    pub thread_pool_min: Option<u32>,
    /// How many it may have; since libvirt 8.5.
    pub thread_pool_max: Option<u32>,
    /// `<poll>`: how it waits for work; since libvirt 9.4.
    pub poll: Option<Poll>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Iothread {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("id", &mut self.id);
        xml.attribute("thread_pool_min", &mut self.thread_pool_min);
        xml.attribute("thread_pool_max", &mut self.thread_pool_max);
        xml.child("poll", &mut self.poll);
        if X::READS && self.id == 0 {
            xml.report(Diagnostic::error(Code::BadValue, xml.at("@id"), "threads are numbered from 1"));
        }
    }
}

/// `<poll>`: how a thread waits for work.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Poll {
    /// How long it looks for work before it sleeps, in ns at most; 0 is not at all.
    pub max: Option<u64>,
    /// The factor by which the time grows while there is no work.
    pub grow: Option<u64>,
    /// The divisor by which it shrinks when looking was in vain.
    pub shrink: Option<u64>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Poll {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("max", &mut self.max);
        xml.attribute("grow", &mut self.grow);
        xml.attribute("shrink", &mut self.shrink);
    }
}

/// `<defaultiothread>`: the worker threads of the main loop; since libvirt 8.5.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DefaultIothread {
    /// How many there are at least.
    pub thread_pool_min: Option<u32>,
    /// How many there may be.
    pub thread_pool_max: Option<u32>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for DefaultIothread {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("thread_pool_min", &mut self.thread_pool_min);
        xml.attribute("thread_pool_max", &mut self.thread_pool_max);
    }
}
