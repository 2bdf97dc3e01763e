//! What domains say and nobody here follows, told at its line.

use domain_model::device::disk::Disk;
use domain_model::device::interface::{Interface, InterfaceSource};
use domain_model::seclabel::SeclabelType;
use domain_model::xml::Tagged as _;
use domain_model::xml::text::YesNo;
use domain_model::{Code, Diagnostic, Origin};

use crate::arg::Args;
use crate::context::Context;

/// Warns of what neither QEMU nor whoever starts it is told. libvirt follows most of it; what only its drivers for Xen
/// and containers follow, it passes over without a word.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    if cx.is_libvirt() {
        return;
    }
    let mut found: Vec<(Origin, String)> = Vec::new();
    domain(cx, &mut found);
    for disk in cx.each::<Disk>() {
        let labels = disk.spec.source.seclabels.iter();
        // Without `relabel` files keep what they have, as they do here.
        if labels.clone().any(|label| label.relabel != Some(YesNo::No)) {
            found.push((disk.at("source/seclabel"), unlabelled("this image")));
        }
        if disk.spec.backend_domain.is_some() {
            found.push((disk.at("backenddomain"), of_xen("backenddomain")));
        }
    }
    for nic in cx.each::<Interface>() {
        let card = nic.spec;
        if card.bandwidth.is_some() && !has_limits(&card.source) {
            let message =
                format!("nobody limits the bandwidth of an interface of type `{}`", card.source.tag());
            found.push((nic.at("bandwidth"), message));
        }
        if card.guest_dev.is_some() {
            let message =
                "what the card is called in the guest is the guest's choice: `<guest>` is for containers";
            found.push((nic.at("guest/@dev"), message.to_owned()));
        }
        if card.backenddomain.is_some() {
            found.push((nic.at("backenddomain"), of_xen("backenddomain")));
        }
    }
    for (origin, message) in found {
        out.problem(Diagnostic::warning(Code::NotYet, origin, message));
    }
}

/// What stands outside of `<devices>`.
fn domain(cx: &Context<'_>, found: &mut Vec<(Origin, String)>) {
    let domain = cx.domain;
    if let Some(resource) = &domain.resource {
        if resource.partition.is_some() {
            let message = "nobody makes control groups here, as `<partition>` needs: QEMU stays in that of whoever \
                           starts it";
            found.push((resource.meta.at("partition"), message.to_owned()));
        }
        if resource.appid.is_some() {
            let message = "nobody marks what the guest sends over Fibre Channel";
            found.push((resource.meta.at("fibrechannel/@appid"), message.to_owned()));
        }
    }
    if let Some(event) = domain.perf.iter().find(|event| event.enabled == Some(YesNo::Yes)) {
        found.push((event.meta.origin, "nobody counts performance events of the guest".to_owned()));
    }
    if domain.on_lockfailure.is_some() {
        let message =
            "nobody takes leases for the guest, so none gets lost: QEMU's own locks guard its images";
        found.push((domain.meta.at("on_lockfailure"), message.to_owned()));
    }
    if let Some(idmap) = &domain.idmap {
        let message = "users and groups are not mapped: `<idmap>` is for containers";
        found.push((idmap.meta.origin, message.to_owned()));
    }
    if let Some(label) = domain.seclabels.iter().find(|label| label.kind != Some(SeclabelType::None)) {
        found.push((label.meta.origin, unlabelled("QEMU")));
    }
    let timers = domain.clock.iter().flat_map(|clock| &clock.timers);
    for catchup in timers.filter_map(|timer| timer.catchup.as_ref()) {
        let message = "QEMU itself chooses how fast a timer catches up";
        found.push((catchup.meta.origin, message.to_owned()));
    }
}

/// Whether limits of cards with this source are kept, or refused where the source is.
fn has_limits(source: &InterfaceSource) -> bool {
    matches!(
        source,
        InterfaceSource::Network(_)
            | InterfaceSource::Bridge(_)
            | InterfaceSource::Ethernet(_)
            | InterfaceSource::Direct(_)
            | InterfaceSource::Hostdev(_)
    )
}

fn unlabelled(what: &str) -> String {
    format!(
        "nobody gives {what} a security label: what the host's rules make of it without one is what counts"
    )
}

fn of_xen(name: &str) -> String {
    format!("`<{name}>` is for Xen, and means nothing to QEMU")
}
