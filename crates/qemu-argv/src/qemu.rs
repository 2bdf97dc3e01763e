//! `<qemu:commandline>`: arguments that users add by hand.

use crate::arg::{Args, Payload};
use crate::context::Context;

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
