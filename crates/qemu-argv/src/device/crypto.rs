//! `<crypto>` on the QEMU side.

use domain_model::device::crypto::Crypto;
use domain_model::{Device, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};

impl QemuDevice for Crypto {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("crypto{index}")
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        cx.not_yet("`<crypto>`", device.origin, out);
    }
}
