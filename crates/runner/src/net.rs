//! TAP devices, and the bridges they are ports of.

mod device;
mod helper;

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use device::Device;
pub use helper::{BRIDGE_HELPERS, through_helper};

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

/// Makes a TAP device as planned. If a step fails, nothing of it is left.
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
    let mut tap = Tap { name: plan.name.clone().unwrap_or_else(|| "vnet%d".to_owned()), queues: Vec::new() };
    let file = if plan.exists { macvtap(&tap.name) } else { None };
    for _ in 0..plan.queues.max(1) {
        let path = file.as_deref().unwrap_or(&plan.clone);
        let queue = OpenOptions::new().read(true).write(true).open(path);
        let queue = OwnedFd::from(queue.map_err(TapError::of("open", path.display().to_string()))?);
        tap.name = device::attach(&queue, &tap.name, plan.queues > 1, plan.vnet_header)
            .map_err(TapError::of("make the TAP device", tap.name.as_str()))?;
        tap.queues.push(queue);
    }
    if !plan.exists {
        configure(plan, &tap.name)?;
    }
    Ok(tap)
}

/// The file of a macvtap device, whose queues are opened there.
fn macvtap(name: &str) -> Option<PathBuf> {
    let folder = Path::new("/sys/class/net").join(name);
    if !folder.join("macvtap").is_dir() {
        return None;
    }
    let index = std::fs::read_to_string(folder.join("ifindex")).ok()?;
    Some(PathBuf::from(format!("/dev/tap{}", index.trim())))
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
            let file = format!("/sys/class/net/{name}/brport/isolated");
            std::fs::write(&file, "1").map_err(TapError::of("write", &file))?;
        }
    }
    if plan.up {
        device.set_up().map_err(failed("switch on"))?;
    }
    Ok(())
}
