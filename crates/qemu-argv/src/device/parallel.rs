//! `<parallel>` on the QEMU side.

use domain_model::device::parallel::Parallel;
use domain_model::os::Arch;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::address::address;
use crate::arg::Args;
use crate::chardev::{self, Frontend};
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::{Chardevs, Era};
use crate::historic;
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;

impl QemuDevice for Parallel {
    fn alias(_: &Device<Self>, index: usize, domain: &Domain, _: Inputs<'_>) -> String {
        format!("parallel{}", super::numbered_before::<Self>(index, domain))
    }

    fn defaults(port: &mut Device<Self>, _: usize, _: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        chardev::defaults(&mut port.spec.chardev);
    }

    fn validate(port: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        chardev::validate(&port.spec.chardev, port.origin, cx, problems);
        let is_s390 = matches!(cx.domain.os.arch, Some(Arch::S390 | Arch::S390x));
        if is_s390 || Board::of(cx.domain) == Board::Pseries {
            let machine = cx.domain.os.machine.as_deref().unwrap_or_default();
            let message = format!("machine type `{machine}` has no parallel ports");
            problems.push(Diagnostic::error(Code::Unsupported, port.origin, message));
        }
    }

    fn section(cx: &Context<'_>, out: &mut Args) {
        if cx.domain.devices.parallels.is_empty() {
            historic::none("-parallel", cx, out);
        }
        cx.each::<Self>().for_each(|port| Self::args(&port, cx, out));
    }

    fn args(port: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        match cx.dialect.chardevs {
            Chardevs::Device => {
                let frontend = Frontend { parallel: true, ..Frontend::new(port.alias, port.origin) };
                let chardev = chardev::args(&port.spec.chardev, frontend, cx, out);
                let props = Props::new("driver", "isa-parallel", port.origin)
                    .set("chardev", chardev)
                    .set("id", port.alias);
                // libvirt leaves the place of today's ports to QEMU, whatever address they have.
                let props = match cx.dialect.era {
                    Era::Modern => props,
                    Era::Historic => address(props, port.info, cx),
                };
                out.props("-device", props);
            }
            Chardevs::Legacy => chardev::legacy("-parallel", &port.spec.chardev, port.origin, cx, out),
        }
    }
}
