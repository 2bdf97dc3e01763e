//! `<reservations>`: who makes SCSI persistent reservations for a guest.

use caps_parser::Capability;
use domain_model::storage::Reservations;
use domain_model::xml::text::YesNo;

use super::Image;
use crate::arg::Args;
use crate::context::Context;
use crate::needs::{Access, Helper, Link, Word};
use crate::props::Props;

/// QEMU's id of the process that is started with the guest; there is one for all disks.
const MANAGED: &str = "pr-helper0";

/// Adds the object of the process that is started with the guest, if any disk has its reservations made by it.
pub(crate) fn managed(cx: &Context<'_>, out: &mut Args) {
    let disks = cx.domain.devices.disks.iter();
    let sources = disks.flat_map(|disk| {
        let below =
            std::iter::successors(disk.spec.backing_store.as_deref(), |store| store.backing_store.as_deref());
        std::iter::once(&disk.spec.source).chain(below.filter_map(|store| store.source.as_ref()))
    });
    let Some(reservations) =
        sources.filter_map(|source| source.reservations.as_deref()).find(|it| is_managed(it))
    else {
        return;
    };
    let origin = reservations.meta.origin;
    let path = format!("{}/{MANAGED}.sock", cx.guest_dir());
    let props = Props::new("qom-type", "pr-manager-helper", origin).set("id", MANAGED).set("path", &path);
    out.props("-object", props);
    out.needing(Capability::PrManagerHelper);
    if !cx.is_libvirt() {
        let mut helper = Helper::new("qemu-pr-helper", MANAGED, Link::Makes(path), origin);
        helper.args(["-k"]);
        helper.args.push(Word::Link);
        // It does what QEMU itself has not the rights to.
        helper.keeps_rights = true;
        out.needs.helpers.push(helper);
    }
}

/// Adds the object of a process that somebody else has started, and gives the id of whoever makes the reservations of
/// an image.
pub(super) fn object(image: &Image<'_>, cx: &Context<'_>, out: &mut Args) -> Option<String> {
    let reservations = image.source.reservations.as_deref()?;
    if is_managed(reservations) {
        return Some(MANAGED.to_owned());
    }
    let origin = reservations.meta.at("source/@path");
    let path = cx.config().path(reservations.path.as_deref()?);
    let id = format!("pr-helper-{}", image.storage_node());
    let props = Props::new("qom-type", "pr-manager-helper", reservations.meta.origin)
        .set("id", &id)
        .set_at("path", &path, origin);
    out.props("-object", props);
    out.needing(Capability::PrManagerHelper);
    out.file(path, Access::Write, origin);
    Some(id)
}

fn is_managed(reservations: &Reservations) -> bool {
    reservations.managed == Some(YesNo::Yes)
}
