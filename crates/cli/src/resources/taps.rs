//! TAP and macvtap devices: made here, or by QEMU's helper.

use std::path::Path;

use domain_model::Diagnostic;
use domain_model::device::interface::DirectMode;
use qemu_argv::needs;
use runner::net::{self, BRIDGE_HELPERS, Mode, Tap, TapError, TapPlan};
use runner::{HostRunner, Runner};

use super::{Leftovers, failed, plain};

/// What helps whoever may not make TAP devices.
const RIGHTS: &str = "run as root or with CAP_NET_ADMIN";
/// What always helps.
const INSTEAD: &str = "replace the network for one run: `domx run --net user` or `--net passt`";

/// Makes a TAP or macvtap device.
///
/// # Errors
/// When the user may not, and QEMU's helper does not help.
pub fn make(tap: &needs::Tap, leftovers: &mut Leftovers) -> Result<Tap, Diagnostic> {
    let mut made = match (net::make(&plan(tap)), &tap.bridge) {
        (Ok(made), _) => made,
        (Err(error), Some(bridge)) if error.is_denied() => through_helper(tap, bridge, &error)?,
        (Err(error), _) => {
            let help = match error.is_denied() {
                true => format!("{RIGHTS}; or {INSTEAD}"),
                false => INSTEAD.to_owned(),
            };
            return Err(failed(tap.origin, error.to_string()).help(help));
        }
    };
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

fn plan(tap: &needs::Tap) -> TapPlan {
    TapPlan {
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
    }
}

/// Asks QEMU's helper for a port of a bridge, for a user who was `denied` to make one.
fn through_helper(tap: &needs::Tap, bridge: &str, denied: &TapError) -> Result<Tap, Diagnostic> {
    let refuse = |why: &str, help: String| {
        let message = format!("{denied}, and {why}");
        Err(failed(tap.origin, message).help(format!("{RIGHTS}; {help}or {INSTEAD}")))
    };
    if let Some(what) = beyond_helper(tap) {
        return refuse(&format!("QEMU's helper for bridges gives no ports with {what}"), String::new());
    }
    let Some(helper) = BRIDGE_HELPERS.iter().map(Path::new).find(|helper| helper.exists()) else {
        return refuse("QEMU's helper for bridges is not installed", String::new());
    };
    net::through_helper(&HostRunner, helper, bridge, tap.vnet_header).or_else(|error| {
        let path = helper.display();
        let help = match error.source.to_string() {
            // The helper calls its list so.
            said if said.contains("acl file") => {
                format!("allow users the bridge: `allow {bridge}` in `/etc/qemu/bridge.conf`; ")
            }
            // It has the user's own rights to files.
            said if said.contains("Permission denied") => {
                format!("let users open `{}`; ", tap.clone)
            }
            said if said.contains("not permitted") => {
                format!("give the helper its rights: `chmod u+s {path}`; ")
            }
            _ => String::new(),
        };
        refuse(&format!("QEMU's helper does not help: {}", error.source), help)
    })
}

/// What a card has that QEMU's helper knows nothing of.
fn beyond_helper(tap: &needs::Tap) -> Option<&'static str> {
    let all = [
        (tap.queues > 1, "several queues"),
        (tap.name.is_some(), "names of their own"),
        (tap.isolated, "isolation"),
        (tap.mtu.is_some(), "an MTU of their own"),
    ];
    all.into_iter().find_map(|(is_there, what)| is_there.then_some(what))
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
