//! `<interface>` on the QEMU side.

use domain_model::device::interface::Interface;
use domain_model::{Device, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};

impl QemuDevice for Interface {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("net{index}")
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        cx.not_yet("`<interface>`", device.origin, out);
    }
}
