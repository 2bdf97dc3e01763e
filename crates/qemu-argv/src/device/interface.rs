//! `<interface>` on the QEMU side.

mod backend;
mod card;
mod defaults;

use domain_model::device::interface::Interface;
use domain_model::virtio::VirtioModel;
use domain_model::xml::Text;
use domain_model::{Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Network;
use crate::resolve::Resolving;

impl QemuDevice for Interface {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("net{index}")
    }

    fn defaults(device: &mut Device<Self>, index: usize, cx: &Resolving<'_>, problems: &mut Vec<Diagnostic>) {
        defaults::fill_in(device, index, cx, problems);
    }

    fn args(nic: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let Some(backend) = backend::backend(nic, cx, out) else { return };
        match cx.dialect.network {
            Network::Netdev => {
                out.props("-netdev", backend.set("id", backend_id(nic)));
                let card = card::device(nic, cx, out);
                out.props("-device", card);
            }
            Network::DeviceVlan => {
                let card = card::device(nic, cx, out);
                out.props("-device", card);
                out.props("-net", backend.set("vlan", nic.index).set("name", backend_id(nic)));
            }
            Network::NetVlan => {
                out.props("-net", card::net(nic, cx));
                let name = card::has_name(cx).then(|| backend_id(nic));
                out.props("-net", backend.set("vlan", nic.index).set("name", name));
            }
        }
    }
}

/// QEMU's id of what is behind the card.
fn backend_id(nic: &Resolved<'_, Interface>) -> String {
    format!("host{}", nic.alias)
}

/// The virtio model that a card is, if it is one.
fn virtio_model(card: &Interface) -> Option<VirtioModel> {
    card.model.as_deref().and_then(|model| VirtioModel::parse(model).ok())
}
