//! `<pm>` and `<on_…>`: what the guest may do and what follows.

use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Xml};

words! {
    /// What happens when the guest powers off, reboots or crashes: `<on_poweroff>`, `<on_reboot>`, `<on_crash>`.
    pub enum LifecycleAction: UnknownWord {
        /// The guest ends.
        Destroy = "destroy",
        /// It starts again with the same configuration.
        Restart = "restart",
        /// It starts again under a new name.
        RenameRestart = "rename-restart",
        /// It stays as it is, to be looked at.
        Preserve = "preserve",
        /// Its memory is dumped, then it ends.
        CoredumpDestroy = "coredump-destroy",
        /// Its memory is dumped, then it starts again.
        CoredumpRestart = "coredump-restart",
    }

    /// `<on_lockfailure>`: what happens when a lease on a disk is lost; since libvirt 1.0.
    pub enum LockfailureAction: UnknownWord {
        /// The guest is powered off.
        Poweroff = "poweroff",
        /// It is powered off and started again.
        Restart = "restart",
        /// It is paused.
        Pause = "pause",
        /// Nothing.
        Ignore = "ignore",
    }
}

/// `<pm>`: which states of sleep the firmware offers; since libvirt 0.10.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pm {
    /// Sleep with the memory kept (S3).
    pub suspend_to_mem: Option<YesNo>,
    /// Sleep with the memory written to disk (S4).
    pub suspend_to_disk: Option<YesNo>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Pm {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.nested("suspend-to-mem", |xml| xml.attribute("enabled", &mut self.suspend_to_mem));
        xml.nested("suspend-to-disk", |xml| xml.attribute("enabled", &mut self.suspend_to_disk));
    }
}
