//! Turns missing capabilities into errors; nothing else does.

use caps_parser::{Capabilities, Capability};
use domain_model::{Code, Diagnostic, Origin};

use crate::arg::{Arg, Payload};
use crate::props::{Props, Value};

/// Reports every argument and property that rests on a capability the QEMU in use lacks.
pub fn gate(args: &[Arg], caps: &Capabilities) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for arg in args {
        check(arg.needs, arg.flag, arg.origin, caps, &mut problems);
        if let Payload::Props(props) = &arg.payload {
            gate_props(arg.flag, props, caps, &mut problems);
        }
    }
    problems
}

fn gate_props(flag: &str, props: &Props, caps: &Capabilities, problems: &mut Vec<Diagnostic>) {
    for prop in props.items() {
        check(prop.needs, &format!("{flag} …,{}=", prop.key), prop.origin, caps, problems);
        if let Value::Props(inner) = &prop.value {
            gate_props(flag, inner, caps, problems);
        }
    }
}

fn check(
    needs: Option<Capability>,
    what: &str,
    origin: Origin,
    caps: &Capabilities,
    problems: &mut Vec<Diagnostic>,
) {
    if let Some(capability) = needs
        && !caps.has(capability)
    {
        problems.push(missing(capability, what, origin, caps));
    }
}

/// The error for something that needs a capability which the QEMU in use lacks.
pub fn missing(capability: Capability, what: &str, origin: Origin, caps: &Capabilities) -> Diagnostic {
    let known = if caps.knows(capability) { "lacks" } else { "is not known to have" };
    let qemu = crate::context::qemu_name(caps);
    let message = format!("`{what}` is not supported: {qemu} {known} the capability `{capability}`");
    Diagnostic::error(Code::MissingCapability, origin, message)
}
