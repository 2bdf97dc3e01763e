//! `<console>` on the QEMU side.

use caps_parser::Capability;
use domain_model::device::console::{Console, ConsoleTargetType};
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::address::address;
use crate::arg::Args;
use crate::chardev::{self, Frontend};
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;
use crate::resolve::Resolving;

impl QemuDevice for Console {
    fn alias(_: &Device<Self>, index: usize, domain: &Domain, _: Inputs<'_>) -> String {
        format!("console{}", super::numbered_before::<Self>(index, domain))
    }

    fn defaults(console: &mut Device<Self>, _: usize, _: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        chardev::defaults(&mut console.spec.chardev);
    }

    fn validate(console: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let needed = match kind(console) {
            ConsoleTargetType::Sclp => Some(Capability::S390Sclp),
            ConsoleTargetType::Sclplm => Some(Capability::Sclplmconsole),
            _ => None,
        };
        if let Some(needed) = needed {
            Problems::new(cx, problems).requires(needed, "<console>", console.at("target/@type"));
        }
        if kind(console) != ConsoleTargetType::Serial {
            chardev::validate(&console.spec.chardev, console.origin, cx, problems);
        }
    }

    fn args(console: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let driver = match kind(console) {
            // The serial port that it mirrors is there already.
            ConsoleTargetType::Serial => return,
            ConsoleTargetType::Virtio => "virtconsole",
            ConsoleTargetType::Sclp => "sclpconsole",
            ConsoleTargetType::Sclplm => "sclplmconsole",
            other => {
                let message = format!("QEMU has no consoles of type `{other}`");
                let origin = console.at("target/@type");
                out.problem(Diagnostic::error(Code::Unsupported, origin, message));
                return;
            }
        };
        if driver == "virtconsole" {
            chardev::virtio_serial_only(console, out);
        }
        let frontend = Frontend::new(console.alias, console.origin);
        let chardev = chardev::args(&console.spec.chardev, frontend, cx, out);
        let props = Props::new("driver", driver, console.at("target/@type"));
        let props = address(props, console.info, cx).set("chardev", chardev).set("id", console.alias);
        out.props("-device", props);
    }
}

fn kind(console: &Resolved<'_, Console>) -> ConsoleTargetType {
    console.spec.target_type.unwrap_or(ConsoleTargetType::Serial)
}
