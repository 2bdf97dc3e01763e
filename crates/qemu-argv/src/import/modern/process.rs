//! How QEMU itself is run: what of it belongs to the domain.

use domain_model::memory::MemoryBacking;
use domain_model::pm::{LifecycleAction, Pm};
use domain_model::qemu::DeprecationBehavior;
use domain_model::xml::Text;
use domain_model::xml::text::YesNo;

use super::Build;

/// Options that whoever starts the domain decides about.
const OF_THE_STARTER: &[&str] =
    &["S", "daemonize", "pidfile", "no-shutdown", "nodefaults", "no-user-config", "nodefconfig", "incoming"];
/// Variables that are not QEMU's.
const USUAL_ENV: &[&str] = &["PATH", "HOME", "USER", "LOGNAME", "LC_ALL", "LANG", "SHELL", "PWD", "TERM"];

/// The key that libvirt hides other secrets with, and its own monitor: whoever starts the domain has others.
fn secrets(build: &mut Build<'_, '_, '_>) {
    let is_used = build.options.iter().any(|option| option.peek("keyid") == Some("masterKey0"));
    if !is_used && let Some((option, _)) = build.backend("object", "masterKey0") {
        option.take();
    }
    for (_, option) in build.named(&["mon"]) {
        if option.peek("chardev") == Some("charmonitor") {
            option.take();
            build.backend("chardev", "charmonitor").into_iter().for_each(|(option, _)| option.take());
        }
    }
    if let Some(option) = build.last(&["msg"]).filter(|option| option.value.starts_with("timestamp=")) {
        option.take();
    }
    // The one of whoever starts the domain is as strict as it can be.
    if let Some(option) = build.last(&["sandbox"]).filter(|option| option.value.starts_with("on")) {
        option.take();
    }
}

/// Reads what happens when the guest ends, and what its process is like.
pub(super) fn read(build: &mut Build<'_, '_, '_>) {
    for (_, option) in build.named(OF_THE_STARTER) {
        option.take();
        if option.is(&["S", "daemonize", "pidfile", "incoming"]) {
            let message = format!("`-{}` is for whoever starts the domain; it is left out", option.name);
            build.cx.left_out(option.origin, message);
        }
    }
    secrets(build);
    if build.flag(&["no-reboot"]).is_some() {
        build.domain().on_reboot = Some(LifecycleAction::Destroy);
    }
    for (_, option) in build.named(&["global"]) {
        let Some((name, value)) = option.value.split_once('=') else { continue };
        let disabled = match value {
            "1" | "on" | "true" => true,
            "0" | "off" | "false" => false,
            _ => continue,
        };
        let Some((driver, property)) = name.split_once('.') else { continue };
        if !matches!(driver, "PIIX4_PM" | "ICH9-LPC") {
            continue;
        }
        let pm: &mut Pm = build.cx.domain.pm.get_or_insert_default();
        match property {
            "disable_s3" => pm.suspend_to_mem = Some(YesNo::from(!disabled)),
            "disable_s4" => pm.suspend_to_disk = Some(YesNo::from(!disabled)),
            _ => continue,
        }
        option.take();
    }
    build.domain().pm.take_if(|pm| *pm == Pm::default());
    if let Some(option) = build.last(&["compat"])
        && let Some(behavior) = option.value.strip_prefix("deprecated-input=")
        && let Ok(behavior) = DeprecationBehavior::parse(behavior)
    {
        option.take();
        build.domain().qemu_deprecation = Some(behavior);
    }
    let empty = MemoryBacking::default();
    build.domain().memory_backing.take_if(|backing| *backing == empty);
    for (name, word) in std::mem::take(&mut build.cx.env) {
        if !USUAL_ENV.contains(&name.as_str()) {
            build.cx.variable(name.clone(), &word);
        }
        build.cx.env.push((name, word));
    }
}
