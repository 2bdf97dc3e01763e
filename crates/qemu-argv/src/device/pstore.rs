//! `<pstore>`: where a crashed kernel leaves its log.

use caps_parser::Capability;
use domain_model::device::pstore::Pstore;
use domain_model::{Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::address;
use crate::arg::Args;
use crate::check::Problems;
use crate::config::Layout;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;
use crate::resolve::Resolving;

impl QemuDevice for Pstore {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("pstore{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, cx: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        if device.spec.path.is_none() {
            let config = cx.inputs.config;
            let name = cx.domain.name.as_deref().unwrap_or_default();
            device.spec.path = Some(match config.layout {
                Layout::Libvirt => format!("{}/{name}_PSTORE.raw", config.nvram_dir),
                Layout::Run => format!("{}/pstore.raw", config.guest_dir(name)),
            });
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        Problems::new(cx, problems).requires(Capability::AcpiErst, "<pstore>", device.at("@backend"));
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let id = format!("mem{}", device.alias);
        let path = cx.config().path(device.spec.path.as_deref().unwrap_or_default());
        let size = device.spec.size.map(|size| size.0.saturating_mul(1024));
        out.props(
            "-object",
            Props::new("qom-type", "memory-backend-file", device.origin)
                .set("id", &id)
                .set_at("mem-path", path, device.at("path"))
                .set_at("size", size, device.at("size"))
                .set("share", true),
        );
        let props = Props::new("driver", device.spec.backend.as_str(), device.origin)
            .set("id", device.alias)
            .set("memdev", &id);
        out.props("-device", address::address(props, device.info, cx));
        out.needing(Capability::AcpiErst);
    }
}
