//! What happens when the guest stops, and whether it may sleep.

use caps_parser::Capability;
use domain_model::Origin;
use domain_model::pm::LifecycleAction;

use crate::arg::Args;
use crate::check::Problems;
use crate::context::Context;
use crate::props::Props;

/// `-no-shutdown` under supervision, else what QEMU does by itself.
pub(crate) fn reactions(cx: &Context<'_>, out: &mut Args) {
    if cx.config().has_monitor() {
        let origin =
            Origin::always("QEMU stays when the guest powers off, so that its end can be told apart");
        out.flag("-no-shutdown", origin);
        return;
    }
    let reboots = cx.domain.on_reboot.unwrap_or(LifecycleAction::Restart);
    if matches!(reboots, LifecycleAction::Destroy | LifecycleAction::Preserve) {
        let origin = cx.domain.meta.at("on_reboot");
        if cx.has(Capability::SetAction) {
            out.props("-action", Props::plain(origin).set("reboot", "shutdown"));
        } else {
            out.flag("-no-reboot", origin);
        }
    }
}

/// Reports sleep states that the machine does not have.
pub(crate) fn check(out: &mut Problems<'_>) {
    let Some(pm) = &out.cx.domain.pm else { return };
    if (pm.suspend_to_mem.is_some() || pm.suspend_to_disk.is_some()) && !crate::os::is_x86(out.cx.domain) {
        let message = format!("the sleep states cannot be chosen on {}", out.machine());
        out.unsupported(pm.meta.origin, message);
    }
}

/// Whether the guest may suspend to memory and to disk.
pub(crate) fn sleep_states(cx: &Context<'_>, out: &mut Args) {
    let Some(pm) = &cx.domain.pm else { return };
    let q35 = crate::os::is_q35(cx.domain);
    let (chip, s3, s4) = if q35 {
        ("ICH9-LPC", Capability::Ich9DisableS3, Capability::Ich9DisableS4)
    } else {
        ("PIIX4_PM", Capability::DisableS3, Capability::DisableS4)
    };
    for (state, capability, key, path) in [
        (pm.suspend_to_mem, s3, "disable_s3", "suspend-to-mem/@enabled"),
        (pm.suspend_to_disk, s4, "disable_s4", "suspend-to-disk/@enabled"),
    ] {
        if let Some(state) = state {
            let disabled = u8::from(!bool::from(state));
            out.text("-global", format!("{chip}.{key}={disabled}"), pm.meta.at(path));
            out.needing(capability);
        }
    }
}
