//! `<hub>` on the QEMU side: `usb-hub`.

use domain_model::device::hub::Hub;
use domain_model::{Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;
use caps_parser::Capability;

impl QemuDevice for Hub {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("hub{index}")
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let out = &mut Problems::new(cx, problems);
        out.requires(Capability::UsbHub, "<hub type='usb'>", device.at("@type"));
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let props = Props::new("driver", "usb-hub", device.origin).set("id", device.alias);
        out.props("-device", crate::address::address(props, device.info, cx));
        out.needing(Capability::UsbHub);
    }
}
