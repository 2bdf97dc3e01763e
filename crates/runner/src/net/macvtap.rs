//! Macvtap devices: cards of guests beside the host's own on one network.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::{Device, TapError, TapPlan, device, netlink, node};
use crate::runtime::ProcessId;

/// How many names `macvtap0`, `macvtap1`, … are tried.
const NAMES: u32 = 8192;
/// Devices that are made here have numbers from here on, which the kernel itself does not get to.
const FIRST_INDEX: u32 = 1 << 20;

/// The interface that a macvtap device is stacked on, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lower {
    /// Its name.
    pub device: String,
    /// Who sees the packets.
    pub mode: Mode,
}

/// Who sees the packets of a macvtap device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The network outside only.
    Private,
    /// The switch outside, which sends back what is for this host.
    Vepa,
    /// Other macvtap devices of the same interface directly.
    Bridge,
    /// The guest has the interface for itself, which takes on the guest's address for that time.
    Passthrough,
}

impl Mode {
    /// The kernel's number of it (`enum macvlan_mode`).
    fn number(self) -> u32 {
        match self {
            Mode::Private => 1,
            Mode::Vepa => 2,
            Mode::Bridge => 4,
            Mode::Passthrough => 8,
        }
    }
}

/// A macvtap device that was made here. It outlasts its queues, and is removed when this is dropped.
///
/// The interface below gets its own address back, if the guest's was given to it.
#[derive(Debug)]
pub struct Macvtap {
    name: String,
    index: u32,
}

impl Macvtap {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Macvtap {
    fn drop(&mut self) {
        // Whoever removed it has done our work; what cannot be removed is tried again by the next start.
        let _ = netlink::remove(self.index);
    }
}

/// Makes a macvtap device as planned, with its queues.
pub(super) fn make(plan: &TapPlan, lower: &Lower) -> Result<(Macvtap, Vec<OwnedFd>), TapError> {
    let find = || TapError::of("find the interface", &lower.device);
    let below = Device::named(&lower.device).map_err(find())?;
    if !below.is_up().map_err(find())? {
        below.set_up().map_err(TapError::of("switch on", &lower.device))?;
    }
    let index = below.index().map_err(find())?;
    let made = add(plan.name.as_deref(), index, lower.mode)
        .map_err(TapError::of("make a macvtap device on", &lower.device))?;
    let failed = |doing| TapError::of(doing, &made.name);
    let device = Device::named(&made.name).map_err(failed("find"))?;
    if let Some(mac) = plan.mac {
        device.set_mac(mac).map_err(failed("set the address of"))?;
    }
    hide_from_host(&made.name);
    let mut queues = Vec::new();
    for _ in 0..plan.queues.max(1) {
        let queue = node::open_queue(&made.name, made.index).map_err(failed("open the file of"))?;
        device::attach(&queue, &made.name, plan.queues > 1, plan.vnet_header)
            .map_err(failed("make a queue of"))?;
        queues.push(queue);
    }
    if plan.up {
        device.set_up().map_err(failed("switch on"))?;
    }
    Ok((made, queues))
}

/// The number of a device that somebody else made, if it is a macvtap device.
pub(super) fn existing(name: &str) -> Option<u32> {
    let is_it = |link: &netlink::Link| link.name == name && link.kind.as_deref() == Some("macvtap");
    netlink::links().ok()?.into_iter().find(is_it).map(|link| link.index)
}

/// Makes the device under the name that was chosen, or else under the first that is free.
fn add(chosen: Option<&str>, lower: u32, mode: Mode) -> io::Result<Macvtap> {
    let mark = mark();
    let named = |name: String| {
        let random = RandomState::new().build_hasher().finish().to_ne_bytes();
        let [a, b, c, ..] = random;
        let index = FIRST_INDEX.saturating_add(u32::from_ne_bytes([a, b, c, 0]));
        netlink::add_macvtap(index, &name, &mark, lower, mode.number()).map(|()| Macvtap { name, index })
    };
    if let Some(name) = chosen {
        return named(name.to_owned());
    }
    for number in 0..NAMES {
        match named(format!("macvtap{number}")) {
            Err(error) if error.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {}
            result => return result,
        }
    }
    Err(Errno::EXIST.into())
}

/// Keeps the host from speaking for itself on the guest's device, with the guest's address.
fn hide_from_host(name: &str) {
    // A host without IPv6 says nothing there, and one that may not be configured says little.
    let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
}

/// What is written on a device so that everybody can tell whether the process that made it is still there.
fn mark() -> String {
    let own = ProcessId::of(std::process::id());
    let own = own.map(|own| format!("{} {} {}", own.pid, own.started, own.boot)).unwrap_or_default();
    format!("domx {} {own}", pid_namespace())
}

/// The namespace in which numbers of processes mean the same as here.
fn pid_namespace() -> String {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.display().to_string()
}

/// The process that made a device, if it can be told from here.
fn maker(alias: &str, namespace: &str) -> Option<ProcessId> {
    let mut words = alias.split(' ');
    let is_ours = words.next() == Some("domx") && words.next() == Some(namespace) && !namespace.is_empty();
    let (pid, started) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let process = ProcessId { pid, started, boot: words.next()?.to_owned() };
    (is_ours && words.next().is_none()).then_some(process)
}

/// Removes the devices whose makers were killed before they could.
pub(crate) fn remove_orphans() {
    let namespace = pid_namespace();
    // Whoever may not list or remove devices has made none.
    for link in netlink::links().unwrap_or_default() {
        let maker = link.alias.as_deref().and_then(|alias| maker(alias, &namespace));
        if link.kind.as_deref() == Some("macvtap") && maker.is_some_and(|maker| maker.is_gone()) {
            let _ = netlink::remove(link.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_of_this_program_and_namespace_name_a_maker() {
        let process = Some(ProcessId { pid: 7, started: 99, boot: "b".to_owned() });
        for (alias, expected) in [
            ("domx pid:[1] 7 99 b", process),
            ("domx pid:[2] 7 99 b", None),
            ("domx pid:[1] 7 99", None),
            ("domx pid:[1] 7 99 b more", None),
            ("mine pid:[1] 7 99 b", None),
            ("uplink", None),
            ("", None),
        ] {
            assert_eq!(maker(alias, "pid:[1]"), expected, "{alias}");
        }
        assert_eq!(maker("domx  7 99 b", ""), None);
        assert!(maker(&mark(), &pid_namespace()).is_some_and(|own| !own.is_gone()));
    }
}
