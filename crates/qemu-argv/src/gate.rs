//! Turns missing capabilities into errors; nothing else does.

use caps_parser::{Capabilities, Capability};
use domain_model::{Code, Diagnostic, Origin};

use crate::arg::{Arg, Payload};
use crate::props::{Props, Value};

/// Reports every argument and property that rests on a capability the QEMU in use lacks.
pub fn gate(args: &[Arg], caps: &Capabilities) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for arg in args {
        if let Some(capability) = lacking(arg.needs, caps) {
            problems.push(missing(capability, arg.flag, arg.origin, caps));
        }
        if let Payload::Props(props) = &arg.payload {
            gate_props(arg.flag, props, caps, &mut problems);
        }
    }
    problems
}

fn gate_props(flag: &str, props: &Props, caps: &Capabilities, problems: &mut Vec<Diagnostic>) {
    for prop in props.items() {
        if let Some(capability) = lacking(prop.needs, caps) {
            let what = format!("{flag} …,{}=", prop.key);
            problems.push(missing(capability, &what, prop.origin, caps));
        }
        if let Value::Props(inner) = &prop.value {
            gate_props(flag, inner, caps, problems);
        }
    }
}

fn lacking(needs: Option<Capability>, caps: &Capabilities) -> Option<Capability> {
    needs.filter(|capability| !caps.has(*capability))
}

/// The error for something that needs a capability which the QEMU in use lacks.
pub fn missing(capability: Capability, what: &str, origin: Origin, caps: &Capabilities) -> Diagnostic {
    let known = if caps.knows(capability) { "lacks" } else { "is not known to have" };
    let qemu = crate::context::qemu_name(caps);
    let message = format!("`{what}` is not supported: {qemu} {known} the capability `{capability}`");
    Diagnostic::error(Code::MissingCapability, origin, message)
}
