//! Controllers of QEMU 0.12 and 0.13.

use domain_model::device::controller::{Controller, ControllerKind, ScsiModel};
use domain_model::{Code, Diagnostic};

use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::dialect::Devices;
use crate::props::Props;

/// Adds the controllers in the domain's order.
pub(super) fn section(cx: &Context<'_>, out: &mut Args) {
    for device in cx.each::<Controller>() {
        controller(&device, cx, out);
    }
}

fn controller(device: &Resolved<'_, Controller>, cx: &Context<'_>, out: &mut Args) {
    let plain = |driver: &str| Props::new("driver", driver, device.origin).set("id", device.alias);
    let props = match &device.spec.kind {
        // The machine brings them along.
        ControllerKind::Ide { .. } | ControllerKind::Fdc => return,
        // Drives on a bus that QEMU does not have yet make it one; what else is on these cannot be said.
        ControllerKind::Scsi { .. }
        | ControllerKind::Sata
        | ControllerKind::VirtioSerial { model: None, .. }
        | ControllerKind::Ccid
            if cx.dialect.devices == Devices::Options =>
        {
            return;
        }
        ControllerKind::Scsi { model: None | Some(ScsiModel::Auto | ScsiModel::Lsilogic) } => plain("lsi"),
        ControllerKind::VirtioSerial { model: None, ports, vectors } => plain("virtio-serial-pci")
            .set_at("max_ports", *ports, device.at("@ports"))
            .set_at("vectors", *vectors, device.at("@vectors")),
        ControllerKind::Ccid => plain("usb-ccid"),
        kind => {
            let kind = domain_model::xml::Tagged::tag(kind);
            let message = format!("these QEMUs have no such controller of type `{kind}`");
            out.problem(Diagnostic::error(Code::Unsupported, device.at("@type"), message));
            return;
        }
    };
    out.props("-device", crate::address::address(props, device.info, cx));
    out.needing(caps_parser::Capability::DeviceOption);
}
