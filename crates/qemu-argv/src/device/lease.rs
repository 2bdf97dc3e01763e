//! `<lease>` on the QEMU side.

use domain_model::device::lease::Lease;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};

impl QemuDevice for Lease {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("lease{index}")
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        if !cx.is_libvirt() {
            let message = "`<lease>` is not supported yet: nobody takes the lease before the guest starts";
            problems.push(Diagnostic::error(Code::NotYet, device.origin, message));
        }
    }

    /// Leases are the lock manager's; QEMU does not hear of them.
    fn args(_: &Resolved<'_, Self>, _: &Context<'_>, _: &mut Args) {}
}
