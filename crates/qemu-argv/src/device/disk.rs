//! `<disk>` on the QEMU side.

use domain_model::device::disk::Disk;
use domain_model::{Device, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};

impl QemuDevice for Disk {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("disk{index}")
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        cx.not_yet("`<disk>`", device.origin, out);
    }
}
