//! `<redirdev>` on the QEMU side.

use domain_model::device::redirdev::Redirdev;
use domain_model::{Device, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};

impl QemuDevice for Redirdev {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("redir{index}")
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        cx.not_yet("`<redirdev>`", device.origin, out);
    }
}
