//! What all virtio devices share: the driver's name and its options.

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::virtio::{VirtioModel, VirtioOptions};
use domain_model::{Code, Diagnostic};

use crate::arg::{Args, Payload};
use crate::context::{Context, Resolved};
use crate::dialect::Era;
use crate::props::{Props, Value};

/// The first properties of a virtio device: `virtio-net-pci` for `virtio-net` on a PCI bus, and the options
/// of its `<driver>`.
///
/// A device without an address is on PCI: that is where QEMU puts virtio devices by itself.
pub(crate) fn device<T>(
    name: &str,
    model: Option<VirtioModel>,
    options: &VirtioOptions,
    device: &Resolved<'_, T>,
    cx: &Context<'_>,
) -> Props {
    let bus = match device.info.address.as_ref().map(|address| &address.place) {
        Some(Place::Ccw(_)) => "ccw",
        Some(Place::VirtioMmio) => "device",
        Some(Place::VirtioS390) => "s390",
        _ => "pci",
    };
    let suffix = match model {
        Some(VirtioModel::VirtioTransitional) => "-transitional",
        Some(VirtioModel::VirtioNonTransitional) => "-non-transitional",
        Some(VirtioModel::Virtio) | None => "",
    };
    // QEMU 2.6 to 3.1 has the models as properties of the one driver.
    let has_models = cx.has(Capability::VirtioPciNonTransitional);
    let driver = format!("{name}-{bus}{}", if has_models { suffix } else { "" });
    let legacy = model.filter(|model| *model != VirtioModel::Virtio && !has_models);
    let props = Props::new("driver", driver, device.origin);
    let props = match legacy {
        Some(model) => props
            .requires(
                Capability::VirtioPciDisableLegacy,
                "disable-legacy",
                if model == VirtioModel::VirtioNonTransitional { "on" } else { "off" },
                device.at("@model"),
            )
            .set_at("disable-modern", false, device.at("@model")),
        None => props,
    };
    self::options(props, options, device)
}

/// Adds the options of its `<driver>` to a virtio device.
pub(crate) fn options<T>(props: Props, options: &VirtioOptions, device: &Resolved<'_, T>) -> Props {
    props
        .requires(
            Capability::VirtioIommuPlatform,
            "iommu_platform",
            options.iommu,
            device.at("driver/@iommu"),
        )
        .requires(Capability::VirtioAts, "ats", options.ats, device.at("driver/@ats"))
        .requires(Capability::VirtioPacked, "packed", options.packed, device.at("driver/@packed"))
        .set_at("page-per-vq", options.page_per_vq, device.at("driver/@page_per_vq"))
}

/// Reports virtio devices that no bus has room for: they would be on PCI, and the machine has none.
pub(crate) fn check_places(cx: &Context<'_>, out: &mut Args) {
    if cx.dialect.era == Era::Historic {
        return;
    }
    for arg in &out.list {
        let Payload::Props(props) = &arg.payload else { continue };
        let Some(Value::Text(driver)) = props.get("driver").filter(|_| arg.flag == "-device") else {
            continue;
        };
        let is_virtio = ["virtio-", "vhost-"].iter().any(|name| driver.starts_with(name));
        if is_virtio && driver.contains("-pci") && props.get("addr").is_none() {
            let message = format!("there is no bus for `{driver}` on this machine");
            out.problems.push(Diagnostic::error(Code::Malformed, props.origin(), message));
        }
    }
}
