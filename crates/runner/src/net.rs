//! TAP and macvtap devices, and what they are connected to.

mod device;
mod helper;
mod macvtap;
mod netlink;
mod node;

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use device::Device;
pub use helper::{BRIDGE_HELPERS, through_helper};
pub(crate) use macvtap::remove_orphans;
pub use macvtap::{Lower, Macvtap, Mode};
pub use netlink::{Link, links};

/// A TAP device to be made, or to be opened if it is there.
#[derive(Debug, Clone, Default)]
pub struct TapPlan {
    /// The file that makes TAP devices, usually `/dev/net/tun`.
    pub clone: PathBuf,
    /// Its name; without one the kernel chooses `vnet` and a number.
    pub name: Option<String>,
    /// Whether somebody made it before; then nothing about it is changed.
    pub exists: bool,
    /// The number of queues; 0 is taken as 1.
    pub queues: u32,
    /// Whether packets carry virtio's header.
    pub vnet_header: bool,
    /// Its Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// Bytes of the largest packet; without a number, that of the bridge.
    pub mtu: Option<u32>,
    /// The bridge that it becomes a port of.
    pub bridge: Option<String>,
    /// The interface that it is stacked on; then it is a macvtap device.
    pub lower: Option<Lower>,
    /// Whether, as a port, it reaches only ports that are not isolated.
    pub isolated: bool,
    /// Whether it is switched on. Somebody else may want to configure it first.
    pub up: bool,
}

/// An open TAP device. One that was made here vanishes with the last descriptor of it, however that ends.
#[derive(Debug)]
pub struct Tap {
    /// Its name.
    pub name: String,
    /// Its queues.
    pub queues: Vec<OwnedFd>,
    /// What has to be removed after the guest: a macvtap device, which does not vanish by itself. Devices of makers that
    /// were killed are removed by the next start.
    pub remains: Option<Macvtap>,
}

/// Why there is no TAP device.
#[derive(Debug, Error)]
#[error("cannot {doing} `{what}`: {source}")]
pub struct TapError {
    /// What was attempted.
    pub doing: &'static str,
    /// With what: a file, a device, a bridge.
    pub what: String,
    /// What the system said.
    pub source: io::Error,
}

impl TapError {
    fn of(doing: &'static str, what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self { doing, what, source }
    }

    /// Whether somebody with more rights would have succeeded.
    pub fn is_denied(&self) -> bool {
        // A missing file of TAP devices is that of a container without them, where nobody else can help.
        self.source.kind() == io::ErrorKind::PermissionDenied
    }
}

/// Makes a TAP or macvtap device as planned. If a step fails, nothing of it is left.
///
/// # Errors
/// When the user may not, the bridge is missing, or a name is taken.
pub fn make(plan: &TapPlan) -> Result<Tap, TapError> {
    if let Some(bridge) = &plan.bridge {
        Device::named(bridge).map_err(TapError::of("find the bridge", bridge))?;
    }
    if let (true, Some(name)) = (plan.exists, &plan.name) {
        Device::named(name).map_err(TapError::of("find the TAP device", name))?;
    }
    if let Some(lower) = &plan.lower {
        let (made, queues) = macvtap::make(plan, lower)?;
        return Ok(Tap { name: made.name().to_owned(), queues, remains: Some(made) });
    }
    let name = plan.name.clone().unwrap_or_else(|| "vnet%d".to_owned());
    let mut tap = Tap { name, queues: Vec::new(), remains: None };
    let stacked = if plan.exists { macvtap::existing(&tap.name) } else { None };
    for _ in 0..plan.queues.max(1) {
        let queue = match stacked {
            Some(index) => node::open_queue(&tap.name, index).map_err(TapError::of("open", &tap.name))?,
            None => open(&plan.clone)?,
        };
        let what = plan.name.clone().unwrap_or_else(|| plan.clone.display().to_string());
        tap.name = device::attach(&queue, &tap.name, plan.queues > 1, plan.vnet_header)
            .map_err(TapError::of("make a TAP device of", what))?;
        tap.queues.push(queue);
    }
    if !plan.exists {
        configure(plan, &tap.name)?;
    }
    Ok(tap)
}

fn open(path: &Path) -> Result<OwnedFd, TapError> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map(OwnedFd::from).map_err(TapError::of("open", path.display().to_string()))
}

fn configure(plan: &TapPlan, name: &str) -> Result<(), TapError> {
    let failed = |doing| TapError::of(doing, name);
    let device = Device::named(name).map_err(failed("find"))?;
    if let Some(mac) = plan.mac {
        device.set_mac(mac).map_err(failed("set the address of"))?;
    }
    let bridge = plan.bridge.as_deref();
    let mtu = match (plan.mtu, bridge) {
        (Some(mtu), _) => Some(mtu),
        (None, Some(bridge)) => Some(
            Device::named(bridge)
                .and_then(|bridge| bridge.mtu())
                .map_err(TapError::of("ask the bridge", bridge))?,
        ),
        (None, None) => None,
    };
    if let Some(mtu) = mtu {
        device.set_mtu(mtu).map_err(failed("set the MTU of"))?;
    }
    if let Some(bridge) = bridge {
        Device::named(bridge)
            .and_then(|bridge| bridge.add_port(&device))
            .map_err(TapError::of("make a TAP device a port of", bridge))?;
        if plan.isolated {
            device.index().and_then(netlink::isolate).map_err(failed("isolate"))?;
        }
    }
    if plan.up {
        device.set_up().map_err(failed("switch on"))?;
    }
    Ok(())
}
