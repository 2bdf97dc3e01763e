//! `<memballoon>`: virtio-balloon.

use caps_parser::Capability;
use domain_model::device::memballoon::{Memballoon, MemballoonModel};
use domain_model::values::Kib;
use domain_model::virtio::VirtioModel;
use domain_model::{Device, DeviceInfo, Diagnostic, Domain};
use serde_json::json;

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Devices;
use crate::resolve::Resolving;
use crate::{address, virtio};

impl QemuDevice for Memballoon {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("balloon{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, _: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        device.spec.stats_period = device.spec.stats_period.filter(|period| *period > 0);
        if device.spec.model == MemballoonModel::None {
            device.info = DeviceInfo::default();
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        if device.spec.model == MemballoonModel::Xen {
            let out = &mut Problems::new(cx, problems);
            out.unsupported(device.at("@model"), "memory balloons of model `xen` are for Xen");
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        if cx.dialect.devices == Devices::Options && device.spec.model != MemballoonModel::Xen {
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
        ask_for(device, cx, out);
    }
}

/// What the balloon does from the start: how large it is, and how often the guest tells of its memory.
fn ask_for(device: &Resolved<'_, Memballoon>, cx: &Context<'_>, out: &mut Args) {
    let domain = cx.domain;
    let all = domain.memory.as_ref().and_then(|memory| memory.size);
    let current = domain.current_memory.filter(|current| all.is_some_and(|all| *current < all));
    if let Some(bytes) = current.and_then(Kib::bytes) {
        let origin = domain.meta.at("currentMemory");
        out.command(
            "balloon",
            json!({ "value": bytes }),
            "how much memory the guest has at first",
            origin,
            cx,
        );
    }
    if let Some(period) = device.spec.stats_period.filter(|period| *period > 0) {
        let arguments = json!({
            "path": format!("/machine/peripheral/{}", device.alias),
            "property": "guest-stats-polling-interval",
            "value": period,
        });
        let what = "how often the guest tells of its memory";
        out.command("qom-set", arguments, what, device.at("stats/@period"), cx);
    }
}
