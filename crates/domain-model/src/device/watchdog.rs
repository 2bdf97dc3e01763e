//! `<watchdog>`: watchdog timers.

use super::Family;
use crate::words;
use crate::xml::Xml;

words! {
    /// `model` of `<watchdog>`.
    #[derive(Default)]
    pub enum WatchdogModel {
        /// Intel's 6300ESB, on the PCI bus.
        #[default]
        I6300esb = "i6300esb",
        /// IBASE's iB700, on the ISA bus.
        Ib700 = "ib700",
        /// The hypervisor call of s390x guests; since libvirt 1.2.17.
        Diag288 = "diag288",
        /// The timer in the chipset of Q35 machines; since libvirt 9.1.
        Itco = "itco",
    }

    /// `action` of `<watchdog>`: what happens when the timer runs out.
    pub enum WatchdogAction {
        /// The guest is reset; what happens if nothing is said.
        Reset = "reset",
        /// The guest is asked to shut down.
        Shutdown = "shutdown",
        /// The guest is switched off.
        Poweroff = "poweroff",
        /// The guest is stopped.
        Pause = "pause",
        /// Nothing.
        None = "none",
        /// The guest's memory is written to a file; since libvirt 0.8.7.
        Dump = "dump",
        /// The guest gets a non-maskable interrupt; since libvirt 1.2.17.
        InjectNmi = "inject-nmi",
    }
}

/// `<watchdog>`: a timer that acts unless the guest keeps resetting it; since libvirt 0.7.3.
///
/// ```
/// use domain_model::device::watchdog::WatchdogAction;
/// use domain_model::{Devices, Document, xml};
///
/// let document = Document::parse("", "<devices>\
///     <watchdog model='itco' action='pause'/></devices>")?;
/// let (devices, _) = xml::read::<Devices>(document.root());
/// assert_eq!(devices.watchdogs[0].spec.action, Some(WatchdogAction::Pause));
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watchdog {
    /// Which device it is.
    pub model: WatchdogModel,
    /// What happens when the timer runs out; a reset if nothing is said.
    pub action: Option<WatchdogAction>,
}

impl Family for Watchdog {
    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("model", &mut self.model);
        xml.attribute("action", &mut self.action);
    }
}
