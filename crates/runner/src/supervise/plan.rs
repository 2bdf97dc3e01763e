//! What is to happen with a guest, decided before it starts.

use std::time::Duration;

use serde_json::Value;

use super::dump::Dumps;
use crate::threads::Placement;

/// What is to happen with a guest, decided before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What has to be so before the guest runs, in order. If one of it fails, there is no guest.
    pub setup: Vec<Setup>,
    /// Stays paused until someone says `cont` over QMP.
    pub start_paused: bool,
    /// When the guest powers itself off. Anything but `Destroy` needs QEMU's `-no-shutdown`.
    pub on_poweroff: Action,
    /// When the guest reboots. QEMU does that by itself, so `Restart` is nothing to do.
    pub on_reboot: Action,
    /// When the guest reports a panic (a pvpanic or similar device). QEMU should have been told to pause then
    /// (`-action panic=pause`, the default before QEMU 6.0), or nothing is left to preserve.
    pub on_crash: Action,
    /// Where the guest's memory can be written to.
    pub dumps: Option<Dumps>,
    /// Writes it there when the guest panics, before `on_crash` is followed.
    pub dump_on_crash: bool,
    /// Writes it there when the guest's watchdog is not looked after, and lets the guest run on. QEMU should have been
    /// told to pause then (`-watchdog-action pause`).
    pub dump_on_watchdog: bool,
    /// How long the guest may run. `None` is for ever.
    pub timeout: Option<Duration>,
    /// How long QEMU may take to answer on its QMP channel after its start.
    pub greeting_limit: Duration,
    /// How long the guest may take to power down when asked (ACPI) before QEMU is told to quit. It is asked again and
    /// again meanwhile, as one that is still booting hears nothing.
    pub powerdown_limit: Duration,
    /// How long QEMU may take to end when told to quit before it is killed.
    pub quit_limit: Duration,
}

impl Default for Plan {
    /// Runs at once, ends with the guest, reboots with it, and grants 30 s, 30 s and 5 s.
    fn default() -> Self {
        Self {
            setup: Vec::new(),
            start_paused: false,
            on_poweroff: Action::Destroy,
            on_reboot: Action::Restart,
            on_crash: Action::Destroy,
            dumps: None,
            dump_on_crash: false,
            dump_on_watchdog: false,
            timeout: None,
            greeting_limit: Duration::from_secs(30),
            powerdown_limit: Duration::from_secs(30),
            quit_limit: Duration::from_secs(5),
        }
    }
}

/// Something that has to be so before the guest runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setup {
    /// QEMU has done this command, which has arguments.
    Execute(String, Value),
    /// This virtual processor is there: one of those in `query-hotpluggable-cpus`, counted from 0.
    AddProcessor(u32),
    /// This thread of QEMU runs there.
    Place(Thread, Placement),
}

/// A thread of QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thread {
    /// The first one, where everything happens that has no thread of its own.
    Main,
    /// That of a virtual processor, by QEMU's index.
    Vcpu(u32),
    /// That of an `iothread` object, by its id.
    Iothread(String),
}

/// What to do when the guest does something final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// End QEMU.
    Destroy,
    /// Reset the machine and let it run again.
    Restart,
    /// Keep the stopped machine for someone to look at.
    Preserve,
}
