//! `<disk>` on the QEMU side: nodes and a drive.

mod defaults;
mod forget;
mod frontend;
mod historic;
mod images;
mod missing;
mod name;
mod sd;
mod validate;

pub(crate) use defaults::{buses, group_limits, shared_cache, sort};
pub(crate) use forget::source as forget_in_source;
pub(crate) use frontend::floppy_drives;
pub(crate) use images::{fdset, node_numbers};
pub(crate) use missing::missing;

use domain_model::device::controller::{ControllerKind, ScsiModel};
use domain_model::device::disk::{Disk, DiskBus};
use domain_model::storage::SourceKind;
use domain_model::xml::text::YesNo;
use domain_model::{Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::{DiskOption, Era};
use crate::resolve::Resolving;

impl QemuDevice for Disk {
    fn alias(device: &Device<Self>, _: usize, domain: &Domain, _: Inputs<'_>) -> String {
        let bus = device.spec.target.bus.unwrap_or(DiskBus::Ide);
        let Some(drive) = device.info.address.as_ref().and_then(|address| address.place.drive()) else {
            return format!("{bus}-disk{}", name::index(&device.spec.target.dev).unwrap_or_default());
        };
        let controller = drive.controller.unwrap_or_default();
        let (on_bus, unit) = (drive.bus.unwrap_or_default(), drive.unit.unwrap_or_default());
        if bus == DiskBus::Scsi && has_targets(domain, controller) {
            let target = drive.target.unwrap_or_default();
            format!("{bus}{controller}-{on_bus}-{target}-{unit}")
        } else {
            format!("{bus}{controller}-{on_bus}-{unit}")
        }
    }

    fn defaults(device: &mut Device<Self>, _: usize, cx: &Resolving<'_>, problems: &mut Vec<Diagnostic>) {
        defaults::fill_in(device, cx.dialect.era, problems);
        if cx.dialect.era == Era::Modern {
            forget::forget(&mut device.spec);
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        if cx.dialect.era == Era::Modern {
            validate::check(device, cx, problems);
        }
    }

    fn section(cx: &Context<'_>, out: &mut Args) {
        match cx.dialect.disk {
            DiskOption::Blockdev => cx.each::<Self>().for_each(|device| Self::args(&device, cx, out)),
            DiskOption::Hda | DiskOption::DriveIf | DiskOption::DriveDevice => historic::section(cx, out),
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let disk = device.spec;
        if let Some(transient) = disk.transient.as_deref().filter(|_| !cx.is_libvirt()) {
            // The overlay is made after QEMU has started, over its monitor.
            cx.not_yet("a transient disk of a guest that is run without libvirt", transient.meta.origin, out);
        }
        let is_shared =
            |transient: &domain_model::device::disk::Transient| transient.share_backing == Some(YesNo::Yes);
        // A disk whose image below is shared is plugged in after its overlay has been made.
        if disk.transient.as_deref().is_some_and(is_shared) {
            return;
        }
        if let SourceKind::VhostUser(_) = &disk.source.kind {
            frontend::vhost_user(device, cx, out);
            return;
        }
        if disk.target.bus == Some(DiskBus::Sd) {
            sd::args(device, cx, out);
            return;
        }
        let drive = images::args(device, cx, out);
        frontend::args(device, drive, cx, out);
        crate::throttle::disk(device, cx, out);
    }
}

/// Whether the devices on a SCSI controller can be units of one target, and are not each a target of their own.
pub(crate) fn has_luns(domain: &Domain, controller: u32) -> bool {
    has_targets(domain, controller)
        && !domain.devices.controllers.iter().any(|device| {
            device.spec.index == Some(controller)
                && matches!(
                    device.spec.kind,
                    ControllerKind::Scsi {
                        model: Some(ScsiModel::Ncr53c90 | ScsiModel::Dc390 | ScsiModel::Am53c974)
                    }
                )
        })
}

/// Whether the devices on a SCSI controller have targets and LUNs, and not just a number each, as on the
/// controller that there was before one could choose.
pub(crate) fn has_targets(domain: &Domain, controller: u32) -> bool {
    !domain.devices.controllers.iter().any(|device| {
        device.spec.index == Some(controller)
            && matches!(device.spec.kind, ControllerKind::Scsi { model: None | Some(ScsiModel::Lsilogic) })
    })
}
