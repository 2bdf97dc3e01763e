//! TAP and macvtap devices of a guest: made here, or by QEMU's helper.

use std::path::Path;

use domain_model::Diagnostic;
use domain_model::device::interface::DirectMode;
use qemu_argv::needs;
use runner::net::{self, BRIDGE_HELPERS, Mode, Tap, TapPlan};
use runner::{HostRunner, Runner};

use super::{Leftovers, failed, plain};

/// What helps whoever may not make TAP devices.
const RIGHTS: &str = "run as root or with CAP_NET_ADMIN, or allow the bridge in `/etc/qemu/bridge.conf`";
/// What always helps.
const INSTEAD: &str = "replace the network for one run: `domx run --net user` or `--net passt`";

/// Makes a TAP device.
///
/// # Errors
/// When the user may not, and QEMU's helper does not help.
pub fn make(tap: &needs::Tap, leftovers: &mut Leftovers) -> Result<Tap, Diagnostic> {
    let plan = TapPlan {
        clone: tap.clone.clone().into(),
        name: tap.name.clone(),
        exists: tap.exists,
        queues: tap.queues,
        vnet_header: tap.vnet_header,
        mac: tap.mac.map(|mac| mac.0),
        mtu: tap.mtu,
        bridge: tap.bridge.clone(),
        lower: tap.lower.as_ref().map(lower),
        isolated: tap.isolated,
        up: tap.script.is_none(),
    };
    let made = match net::make(&plan) {
        Err(error) if error.is_denied() => {
            // The helper knows nothing of queues, names and isolation.
            let is_simple = tap.queues == 1 && tap.name.is_none() && !tap.isolated && tap.mtu.is_none();
            let helper = BRIDGE_HELPERS.iter().map(Path::new).find(|helper| helper.exists());
            match (&tap.bridge, helper) {
                (Some(bridge), Some(helper)) if is_simple => {
                    net::through_helper(&HostRunner, helper, bridge, tap.vnet_header)
                }
                _ => Err(error),
            }
        }
        made => made,
    };
    let mut made = made.map_err(|error| {
        let help = match error.is_denied() {
            true => format!("{RIGHTS}; or {INSTEAD}"),
            false => INSTEAD.to_owned(),
        };
        failed(tap.origin, error.to_string()).help(help)
    })?;
    leftovers.devices.extend(made.remains.take());
    if let Some(script) = &tap.script {
        let command = plain(script).args([&made.name]);
        let run = HostRunner.run(&command).and_then(|output| output.success(Path::new(script)));
        run.map_err(|error| failed(tap.origin, error.to_string()))?;
    }
    if let Some(script) = &tap.downscript {
        leftovers.scripts.push((script.into(), made.name.clone()));
    }
    Ok(made)
}

fn lower(lower: &needs::Lower) -> net::Lower {
    let mode = match lower.mode {
        DirectMode::Vepa => Mode::Vepa,
        DirectMode::Bridge => Mode::Bridge,
        DirectMode::Private => Mode::Private,
        DirectMode::Passthrough => Mode::Passthrough,
    };
    net::Lower { device: lower.dev.clone(), mode }
}
