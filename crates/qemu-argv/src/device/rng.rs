//! `<rng>`: virtio-rng and its backend object.

use caps_parser::Capability;
use domain_model::device::rng::{Rng, RngBackendKind, RngModel};
use domain_model::virtio::VirtioModel;
use domain_model::{Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::chardev::{self, Frontend};
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;
use crate::resolve::Resolving;
use crate::{address, virtio};

/// Where random numbers are read from if nothing is said.
const HOST_RANDOM: &str = "/dev/random";

impl QemuDevice for Rng {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("rng{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, _: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        match &mut device.spec.backend.kind {
            RngBackendKind::Random { path } => {
                path.get_or_insert_with(|| HOST_RANDOM.to_owned());
            }
            RngBackendKind::Egd(chardev) => chardev::defaults(chardev),
            RngBackendKind::Builtin => {}
        }
        device.spec.rate = device.spec.rate.take().filter(|rate| rate.bytes > 0);
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let out = &mut Problems::new(cx, problems);
        let (needed, what) = match &device.spec.backend.kind {
            RngBackendKind::Random { .. } => (Capability::RngRandom, "rng-random"),
            RngBackendKind::Egd(_) => (Capability::RngEgd, "rng-egd"),
            RngBackendKind::Builtin => (Capability::RngBuiltin, "rng-builtin"),
        };
        out.requires(needed, what, device.at("backend/@model"));
        if let RngBackendKind::Egd(chardev) = &device.spec.backend.kind {
            chardev::validate(chardev, device.at("backend"), cx, problems);
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let id = format!("obj{}", device.alias);
        let origin = device.at("backend");
        let backend = |kind| Props::new("qom-type", kind, origin).set("id", &id);
        let object = match &device.spec.backend.kind {
            RngBackendKind::Random { path } => {
                let path = path.as_deref().unwrap_or(HOST_RANDOM);
                backend("rng-random").set("filename", cx.config().path(path))
            }
            RngBackendKind::Egd(chardev) => {
                let frontend = Frontend::new(device.alias, origin);
                let chardev = chardev::args(chardev, frontend, cx, out);
                backend("rng-egd").set("chardev", chardev)
            }
            RngBackendKind::Builtin => backend("rng-builtin"),
        };
        out.props("-object", object);
        if matches!(device.spec.backend.kind, RngBackendKind::Builtin) {
            out.needing(Capability::RngBuiltin);
        }
        let model = match device.spec.model {
            RngModel::Virtio => VirtioModel::Virtio,
            RngModel::VirtioTransitional => VirtioModel::VirtioTransitional,
            RngModel::VirtioNonTransitional => VirtioModel::VirtioNonTransitional,
        };
        let rate = device.spec.rate.as_ref();
        // QEMU wants a period with every limit; a second is libvirt's.
        let period = rate.map(|rate| rate.period.unwrap_or(1000));
        let props = virtio::device("virtio-rng", Some(model), &device.spec.virtio, device, cx)
            .set("rng", &id)
            .set("id", device.alias)
            .set_at("max-bytes", rate.map(|rate| rate.bytes), device.at("rate/@bytes"))
            .set_at("period", period, device.at("rate/@period"));
        out.props("-device", address::address(props, device.info, cx));
    }
}
