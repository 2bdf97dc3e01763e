//! `<hostdev>` on the QEMU side.

use domain_model::device::hostdev::Hostdev;
use domain_model::{Device, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};

impl QemuDevice for Hostdev {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("hostdev{index}")
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        cx.not_yet("`<hostdev>`", device.origin, out);
    }
}
