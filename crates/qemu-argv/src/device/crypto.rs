//! `<crypto>`: virtio crypto devices.

use caps_parser::Capability;
use domain_model::device::crypto::{Crypto, CryptoBackendModel};
use domain_model::{Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;
use crate::{address, virtio};

impl QemuDevice for Crypto {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("crypto{index}")
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let out = &mut Problems::new(cx, problems);
        out.requires(Capability::VirtioCrypto, "<crypto model='virtio'>", device.at("@model"));
        if device.spec.backend.model == CryptoBackendModel::Lkcf {
            let origin = device.spec.backend.meta.at("@model");
            out.requires(Capability::CryptodevBackendLkcf, "<backend model='lkcf'>", origin);
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let id = format!("obj{}", device.alias);
        let backend = &device.spec.backend;
        let kind = match backend.model {
            CryptoBackendModel::Builtin => "cryptodev-backend-builtin",
            CryptoBackendModel::Lkcf => "cryptodev-backend-lkcf",
        };
        let queues = backend.queues.filter(|queues| *queues > 0);
        out.props(
            "-object",
            Props::new("qom-type", kind, backend.meta.origin).set("id", &id).set_at(
                "queues",
                queues,
                backend.meta.at("@queues"),
            ),
        );
        if backend.model == CryptoBackendModel::Lkcf {
            out.needing(Capability::CryptodevBackendLkcf);
        }
        let props = virtio::device("virtio-crypto", None, &device.spec.virtio, device, cx)
            .set_at("cryptodev", &id, backend.meta.origin)
            .set("id", device.alias);
        out.props("-device", address::address(props, device.info, cx));
        out.needing(Capability::VirtioCrypto);
    }
}
