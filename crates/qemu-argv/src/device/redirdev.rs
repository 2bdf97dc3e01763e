//! `<redirdev>` on the QEMU side.

use caps_parser::Capability;
use domain_model::device::redirdev::Redirdev;
use domain_model::{Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::address::address;
use crate::arg::Args;
use crate::chardev::{self, Frontend};
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;
use crate::resolve::Resolving;

impl QemuDevice for Redirdev {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("redir{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, _: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        chardev::defaults(&mut device.spec.chardev);
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        chardev::validate(&device.spec.chardev, device.origin, cx, problems);
        let mut need = |capability, what, origin| {
            if !cx.has(capability) {
                problems.push(crate::gate::missing(capability, what, origin, cx.inputs.caps));
            }
        };
        need(Capability::UsbRedir, "-device usb-redir", device.origin);
        if let Some(filter) =
            cx.domain.devices.redirfilters.first().filter(|filter| !filter.spec.rules.is_empty())
        {
            need(Capability::UsbRedirFilter, "-device usb-redir,filter=", filter.meta.origin);
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let frontend = Frontend { name: Some("usbredir"), ..Frontend::new(device.alias, device.origin) };
        let chardev = chardev::args(&device.spec.chardev, frontend, cx, out);
        let props =
            Props::new("driver", "usb-redir", device.origin).set("chardev", chardev).set("id", device.alias);
        let props = super::redirfilter::filter(props, cx);
        let props = crate::boot::bootindex(props, device.info, None);
        out.props("-device", address(props, device.info, cx));
    }
}
