//! Logical units of SCSI devices of the host, or of iSCSI targets.

use std::collections::BTreeSet;

use domain_model::address::{Address, Drive, Place};
use domain_model::device::controller::ControllerKind;
use domain_model::device::disk::DiskBus;
use domain_model::device::hostdev::{Hostdev, HostdevKind, ScsiAdapter, ScsiHostdev, ScsiSource};
use domain_model::storage::{Auth, Format, NetworkSource, Protocol, Source, SourceKind};
use domain_model::{Code, Device, Diagnostic, Origin};

use crate::arg::Args;
use crate::context::{Context, Resolved};
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::controllers::{self, MAX_IMPLIED};
use crate::storage::{self, Image};
use crate::{address, boot};

/// The units of a SCSI controller that libvirt hands out: 0 to 6, as the oldest controllers have no more.
const UNITS: u32 = 7;

fn is_scsi(device: &Device<Hostdev>) -> bool {
    matches!(device.spec.kind, HostdevKind::Scsi(_))
}

fn drive<T>(device: &Device<T>) -> Option<&Drive> {
    device.info.address.as_ref()?.place.drive()
}

fn numbers(drive: &Drive) -> [u32; 4] {
    [drive.controller, drive.bus, drive.target, drive.unit].map(Option::unwrap_or_default)
}

/// Adds the SCSI controllers that units name, before other controllers get numbers; the first one always.
pub(crate) fn controllers(cx: &mut Resolving<'_>) {
    let devices = &mut cx.domain.devices;
    let units = || devices.hostdevs.iter().filter(|device| is_scsi(device));
    let Some(first) = units().next() else { return };
    let origin = first.meta.origin.implies("SCSI devices are on a SCSI controller");
    let last = units().filter_map(drive).filter_map(|drive| drive.controller).max();
    for index in 0..=last.unwrap_or_default().min(MAX_IMPLIED) {
        let kind = ControllerKind::Scsi { model: None };
        controllers::ensure(&mut devices.controllers, kind, index, origin);
    }
}

/// Gives units without an address the first free places on the SCSI controllers, there or not.
pub(crate) fn assign(cx: &mut Resolving<'_>) {
    let devices = &mut cx.domain.devices;
    let disks =
        devices.disks.iter().filter(|disk| disk.spec.target.bus == Some(DiskBus::Scsi)).filter_map(drive);
    let units = devices.hostdevs.iter().filter(|device| is_scsi(device)).filter_map(drive);
    let mut taken: BTreeSet<[u32; 4]> = disks.chain(units).map(numbers).collect();
    let mut next = 0_u32;
    for device in
        devices.hostdevs.iter_mut().filter(|device| is_scsi(device) && device.info.address.is_none())
    {
        let place = |index: u32| Drive::new(index / UNITS, 0, 0, index % UNITS);
        // Each place that is taken is passed once.
        while !taken.insert(numbers(&place(next))) {
            next = next.saturating_add(1);
        }
        let origin =
            device.meta.origin.implies("SCSI devices get the first place that is free on a controller");
        device.info.address = Some(Address::implied(Place::Drive(place(next)), origin));
    }
}

/// Says which unit of an iSCSI target is meant.
pub(super) fn defaults(scsi: &mut ScsiHostdev) {
    if let ScsiSource::Iscsi { name: Some(name), .. } = &mut scsi.source
        && !name.contains('/')
    {
        name.push_str("/0");
    }
}

/// Reports a place on a controller that another device has.
pub(super) fn validate(device: &Resolved<'_, Hostdev>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
    let Some(place) = drive(device.device()).map(numbers) else { return };
    let is_there = |drive: Option<&Drive>| drive.map(numbers) == Some(place);
    let devices = &cx.domain.devices;
    let mut disks = devices.disks.iter().filter(|disk| disk.spec.target.bus == Some(DiskBus::Scsi));
    if let Some(disk) = disks.find(|disk| is_there(drive(disk))) {
        let name = &disk.spec.target.dev;
        let is_implied =
            disk.info.address.as_ref().is_some_and(|address| address.meta.origin.rule().is_some());
        let (code, why) = match is_implied {
            true => (Code::Unsupported, "whose name stands for it"),
            false => (Code::Conflict, "whose address it is"),
        };
        let message = format!("this place on the SCSI controller is taken by the disk `{name}`, {why}");
        problems.push(Diagnostic::error(code, device.at("address"), message));
    }
    let mut before = devices.hostdevs.iter().take(device.index).filter(|other| is_scsi(other));
    if before.any(|other| is_there(drive(other))) {
        let message = "this place on the SCSI controller is taken by another SCSI device of the host";
        problems.push(Diagnostic::error(Code::Unsupported, device.at("address"), message));
    }
}

/// Adds the node with the unit and the device that passes the guest's commands on to it.
pub(super) fn args(scsi: &ScsiHostdev, device: &Resolved<'_, Hostdev>, cx: &Context<'_>, out: &mut Args) {
    let Some((source, auth)) = source(&scsi.source, device, cx, out) else { return };
    // Units are numbered in one row with the images of disks, behind them.
    let before = cx.domain.devices.hostdevs.iter().take(device.index).filter(|other| is_scsi(other)).count();
    let number = cx.node_behind_disks(before);
    let image = Image {
        name: format!("libvirt-{number}"),
        source: &source,
        format: Format::Raw,
        metadata_cache: None,
        auth,
        encryption: None,
        data_file: None,
        readonly: device.spec.readonly,
        driver: None,
        is_top: true,
        is_cdrom: false,
        is_floppy: false,
        meta: &device.device().meta,
    };
    let Some(node) = storage::device_node(&image, cx, out) else { return };
    let props = Props::new("driver", "scsi-generic", device.origin)
        .set_at("drive", node, device.at("source"))
        .set("id", device.alias);
    let mut props = boot::bootindex(props, device.info, None);
    if let Some(address) = &device.info.address
        && let Some(place) = address.place.drive()
    {
        props = address::scsi(props, place, address.meta.origin, cx);
    }
    out.props("-device", props);
}

/// Where the unit is, in the terms of disks.
fn source<'a>(
    source: &'a ScsiSource,
    device: &Resolved<'_, Hostdev>,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<(Source, Option<&'a Auth>)> {
    match source {
        ScsiSource::Adapter(adapter) => {
            let origin = device.at("source/adapter/@name");
            Some((Source::block(format!("/dev/{}", generic(adapter, origin, cx, out)?)), None))
        }
        ScsiSource::Iscsi { name, hosts, auth, initiator_iqn } => {
            let network = NetworkSource {
                protocol: Some(Protocol::Iscsi),
                name: name.clone(),
                hosts: hosts.clone(),
                initiator_iqn: initiator_iqn.clone(),
                ..NetworkSource::default()
            };
            Some((SourceKind::Network(Box::new(network)).into(), auth.as_ref()))
        }
    }
}

/// The device through which the host's kernel takes commands for a unit, such as `sg0`.
fn generic(adapter: &ScsiAdapter, origin: Origin, cx: &Context<'_>, out: &mut Args) -> Option<String> {
    let name = adapter.name.as_deref().unwrap_or_default();
    let unit = adapter.unit.unwrap_or_default();
    let (bus, target) = (adapter.bus.unwrap_or_default(), adapter.target.unwrap_or_default());
    let found = cx.inputs.host.scsi_generic(name, bus, target, unit);
    if found.is_none() {
        let message =
            format!("the host has no SCSI device on `{name}` at bus {bus}, target {target}, unit {unit}");
        out.problem(
            Diagnostic::error(Code::HostFact, origin, message).help("`lsscsi -g` lists those it has"),
        );
    }
    found
}
