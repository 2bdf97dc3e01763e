//! `<memballoon>`: virtio-balloon.

use caps_parser::Capability;
use domain_model::device::memballoon::{Memballoon, MemballoonModel};
use domain_model::virtio::VirtioModel;
use domain_model::{Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Devices;
use crate::{address, virtio};

impl QemuDevice for Memballoon {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("balloon{index}")
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        if device.spec.model == MemballoonModel::Xen {
            let out = &mut Problems::new(cx, problems);
            out.unsupported(device.at("@model"), "memory balloons of model `xen` are for Xen");
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        if cx.dialect.devices == Devices::Options {
            // The QEMUs before had none.
            if device.spec.model == MemballoonModel::Virtio && cx.has(Capability::Balloon) {
                out.text("-balloon", "virtio", device.at("@model"));
            }
            return;
        }
        let model = match device.spec.model {
            MemballoonModel::None => return,
            MemballoonModel::Xen => {
                cx.not_yet("a Xen memory balloon", device.at("@model"), out);
                return;
            }
            MemballoonModel::Virtio => VirtioModel::Virtio,
            MemballoonModel::VirtioTransitional => VirtioModel::VirtioTransitional,
            MemballoonModel::VirtioNonTransitional => VirtioModel::VirtioNonTransitional,
        };
        let props = virtio::device("virtio-balloon", Some(model), &device.spec.virtio, device, cx)
            .set("id", device.alias)
            .requires(
                Capability::VirtioBalloonPciDeflateOnOom,
                "deflate-on-oom",
                device.spec.autodeflate,
                device.at("@autodeflate"),
            )
            .requires(
                Capability::VirtioBalloonFreePageReporting,
                "free-page-reporting",
                device.spec.free_page_reporting,
                device.at("@freePageReporting"),
            );
        out.props("-device", address::address(props, device.info, cx));
    }
}
