//! `<qemu:…>`: what users tell QEMU past libvirt.

use std::borrow::Cow;

use caps_parser::{Capabilities, Capability};
use domain_model::qemu::{DeprecationBehavior, QemuProperty, QemuPropertyType};
use domain_model::{Code, Diagnostic, Domain};

use crate::arg::{Args, Payload};
use crate::context::Context;
use crate::props::{Props, Value};

/// The arguments and variables of `<qemu:commandline>`, unchanged.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    let Some(commandline) = &cx.domain.qemu_commandline else { return };
    for arg in &commandline.args {
        out.push("", Payload::Text(arg.value.clone()), arg.meta.origin);
    }
    for variable in &commandline.env {
        out.env(&variable.name, variable.value.clone().unwrap_or_default(), variable.meta.origin);
    }
}

/// What the QEMU in use can do according to `<qemu:capabilities>`.
pub(crate) fn capabilities<'a>(
    domain: &Domain,
    caps: &'a Capabilities,
    problems: &mut Vec<Diagnostic>,
) -> Cow<'a, Capabilities> {
    let mut changed = Cow::Borrowed(caps);
    let Some(changes) = &domain.qemu_capabilities else { return changed };
    for (list, present) in [(&changes.add, true), (&changes.del, false)] {
        for change in list {
            match change.capability.parse::<Capability>() {
                Ok(capability) => changed.to_mut().set(capability, present),
                // libvirt still knows the names of capabilities that nothing rests on any more.
                Err(_) => {
                    let message = format!("nothing rests on the capability `{}`", change.capability);
                    let origin = change.meta.at("@capability");
                    problems.push(Diagnostic::warning(Code::BadValue, origin, message));
                }
            }
        }
    }
    changed
}

/// `-compat`: what QEMU does about what is deprecated (QEMU 6.0).
pub(crate) fn deprecation(cx: &Context<'_>, out: &mut Args) {
    let input = match cx.domain.qemu_deprecation {
        None | Some(DeprecationBehavior::None) => return,
        Some(DeprecationBehavior::Omit) => None,
        Some(DeprecationBehavior::Reject) => Some("reject"),
        Some(DeprecationBehavior::Crash) => Some("crash"),
    };
    let origin = cx.domain.meta.at("qemu:deprecation/@behavior");
    if !cx.has(Capability::CompatDeprecated) {
        let message = format!("{} does not tell what is deprecated", cx.inputs.qemu());
        out.problem(Diagnostic::warning(Code::Unsupported, origin, message));
        return;
    }
    out.props(
        "-compat",
        Props::plain(origin).set("deprecated-output", "hide").set("deprecated-input", input),
    );
}

/// Changes the properties of devices as `<qemu:override>` says.
pub(crate) fn overrides(cx: &Context<'_>, out: &mut Args) {
    let Some(changes) = &cx.domain.qemu_override else { return };
    for change in &changes.devices {
        let device = out.list.iter_mut().find_map(|arg| match &mut arg.payload {
            Payload::Props(props) if arg.flag == "-device" => {
                (props.get("id") == Some(&Value::Text(change.alias.clone()))).then_some(props)
            }
            _ => None,
        });
        match device {
            Some(props) => change.frontend.iter().for_each(|property| {
                props.replace(&property.name, value(property), property.meta.origin);
            }),
            None => {
                let message = format!("no device has the alias `{}`", change.alias);
                out.problem(Diagnostic::warning(Code::Conflict, change.meta.at("@alias"), message));
            }
        }
    }
}

/// The value of a property; none if it is to be removed.
fn value(property: &QemuProperty) -> Option<Value> {
    let text = property.value.as_deref().unwrap_or_default();
    match property.kind {
        QemuPropertyType::Remove => None,
        QemuPropertyType::String => Some(Value::Text(text.to_owned())),
        QemuPropertyType::Bool => Some(Value::Bool(text == "true")),
        // Reading has made sure that it is a number.
        QemuPropertyType::Signed | QemuPropertyType::Unsigned => text.parse().ok().map(Value::Int),
    }
}
