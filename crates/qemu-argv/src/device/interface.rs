//! `<interface>` on the QEMU side.

mod backend;
mod card;
mod check;
mod defaults;
mod hostdev;
mod passt;
mod tap;

use caps_parser::Capability;
use domain_model::device::interface::{Interface, InterfaceSource, LinkState};
use domain_model::virtio::VirtioModel;
use domain_model::xml::Text;
use domain_model::{Device, Diagnostic, Domain};

pub(crate) use defaults::is_known;
pub(crate) use hostdev::args as hostdevs;

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Network;
use crate::gate;
use crate::historic;
use crate::resolve::Resolving;

impl QemuDevice for Interface {
    fn alias(device: &Device<Self>, index: usize, domain: &Domain, inputs: Inputs<'_>) -> String {
        let is_hostdev = hostdev::is_hostdev(&device.spec, inputs);
        let earlier = domain.devices.interfaces.get(..index).unwrap_or_default();
        let alike = |other: &&Device<Self>| {
            !super::has_own_alias(&other.info) && hostdev::is_hostdev(&other.spec, inputs) == is_hostdev
        };
        let kind = if is_hostdev { "hostdev" } else { "net" };
        format!("{kind}{}", earlier.iter().filter(alike).count())
    }

    fn defaults(device: &mut Device<Self>, index: usize, cx: &Resolving<'_>, problems: &mut Vec<Diagnostic>) {
        defaults::fill_in(device, index, cx, problems);
    }

    fn validate(nic: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        check::defined(nic, cx, problems);
    }

    fn section(cx: &Context<'_>, out: &mut Args) {
        if cx.domain.devices.interfaces.is_empty() {
            historic::none("-net", cx, out);
        }
        cx.each::<Self>().for_each(|nic| Self::args(&nic, cx, out));
    }

    fn args(nic: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        if hostdev::is_hostdev(nic.spec, cx.inputs) {
            return;
        }
        check::started(nic, out);
        let Some(backend) = backend::backend(nic, cx, out) else { return };
        if nic.spec.link == Some(LinkState::Down) {
            let arguments = serde_json::json!({ "name": nic.alias, "up": false });
            out.command("set_link", arguments, "that a cable is not plugged in", nic.at("link/@state"), cx);
        }
        match cx.dialect.network {
            Network::Netdev => {
                let backend = backend.set("id", backend_id(nic));
                out.props("-netdev", tap::behind_id(backend, nic, cx));
                if card::is_on_board(nic, cx) {
                    out.props("-net", card::on_board(nic));
                } else {
                    let card = card::device(nic, cx, out);
                    out.props("-device", card);
                }
            }
            Network::DeviceVlan => {
                let card = card::device(nic, cx, out);
                out.props("-device", card);
                let backend = backend.set("vlan", nic.index).set("name", backend_id(nic));
                out.props("-net", tap::behind_id(backend, nic, cx));
            }
            Network::NetVlan => {
                out.props("-net", card::net(nic, cx));
                if let (Some(_), Some(mode)) = (virtio_model(nic.spec), card::tx_mode(nic.spec)) {
                    let what = format!("-net nic,tx={mode}");
                    let origin = nic.at("driver/@txmode");
                    out.problem(gate::missing(Capability::VirtioTxAlg, &what, origin, cx.inputs.caps));
                }
                let name = card::has_name(cx).then(|| backend_id(nic));
                let backend = backend.set("vlan", nic.index).set("name", name);
                out.props("-net", tap::behind_id(backend, nic, cx));
            }
        }
    }
}

/// Whether QEMU starts programs for its network cards unless it inherits their descriptors.
pub(crate) fn starts_helpers(domain: &Domain) -> bool {
    domain.devices.interfaces.iter().any(|nic| match &nic.spec.source {
        InterfaceSource::Bridge(_) | InterfaceSource::Network(_) => true,
        InterfaceSource::Ethernet(_) => nic.spec.script.is_some() || nic.spec.downscript.is_some(),
        _ => false,
    })
}

/// How many cards are devices of the host whose QEMU ids nobody chose.
pub(super) fn hostdev_aliases(domain: &Domain, inputs: Inputs<'_>) -> usize {
    let interfaces = domain.devices.interfaces.iter();
    let named =
        |nic: &&Device<Interface>| hostdev::is_hostdev(&nic.spec, inputs) && !super::has_own_alias(&nic.info);
    interfaces.filter(named).count()
}

/// QEMU's id of what is behind the card.
fn backend_id(nic: &Resolved<'_, Interface>) -> String {
    format!("host{}", nic.alias)
}

/// The virtio model that a card is, if it is one.
fn virtio_model(card: &Interface) -> Option<VirtioModel> {
    card.model.as_deref().and_then(|model| VirtioModel::parse(model).ok())
}

/// The number of pairs of queues, if there are several.
fn several_queues(nic: &Resolved<'_, Interface>) -> Option<u32> {
    let queues = nic.spec.driver.as_ref()?.queues?.get();
    Some(queues).filter(|queues| *queues > 1)
}
