//! `<vsock>`: sockets between host and guest.

use caps_parser::Capability;
use domain_model::device::vsock::{Vsock, VsockModel};
use domain_model::virtio::VirtioModel;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::host::FdRequest;
use crate::resolve::Resolving;
use crate::{address, virtio};

/// The smallest number of a guest; smaller ones are the host's and the hypervisor's.
const FIRST_GUEST: u32 = 3;

impl QemuDevice for Vsock {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("vsock{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, _: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        device.spec.model.get_or_insert(VsockModel::Virtio);
        if device.spec.auto.is_none() {
            device.spec.auto = Some(if device.spec.address.is_some() { YesNo::No } else { YesNo::Yes });
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        Problems::new(cx, problems).requires(Capability::VhostVsock, "<vsock>", device.origin);
        if let Some(address) = device.spec.address.filter(|address| address.get() < FIRST_GUEST) {
            let message = format!("`{address}` is not a guest's number; they begin at {FIRST_GUEST}");
            problems.push(Diagnostic::error(Code::Unsupported, device.at("cid/@address"), message));
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let model = device.spec.model.map(|model| match model {
            VsockModel::Virtio => VirtioModel::Virtio,
            VsockModel::VirtioTransitional => VirtioModel::VirtioTransitional,
            VsockModel::VirtioNonTransitional => VirtioModel::VirtioNonTransitional,
        });
        let chosen = device.at("cid/@auto").implies("the number is one that no other guest has");
        let (cid, origin) = match device.spec.address {
            Some(address) if device.spec.auto != Some(YesNo::Yes) => {
                (Some(address.get()), device.at("cid/@address"))
            }
            _ => (cx.inputs.host.free_vsock_cid(), chosen),
        };
        // Without somebody who hands it over, QEMU opens the device itself.
        let vhost = cx.config().has_monitor().then_some(FdRequest::VhostVsock);
        let props = virtio::device("vhost-vsock", model, &device.spec.virtio, device, cx)
            .set("id", device.alias)
            .set_at("guest-cid", cid.unwrap_or(FIRST_GUEST), origin)
            .set("vhostfd", vhost);
        out.props("-device", address::address(props, device.info, cx));
        out.needing(Capability::VhostVsock);
    }
}
