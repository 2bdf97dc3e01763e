//! What all devices share, and cannot have everywhere.

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::xml::{Meta, Tagged};
use domain_model::{Code, DeviceInfo};

use crate::check::Problems;
use crate::resolve::board::Board;

/// Drops what says nothing, and names that are given anew at each start.
pub(super) fn defaults(info: &mut DeviceInfo) {
    info.alias = info.own_alias().map(str::to_owned);
    info.rom = info.rom.take().filter(|rom| !rom.is_empty());
}

/// Reports addresses and the like that no device of the machine can have.
pub(super) fn check(element: &str, meta: &Meta, info: &DeviceInfo, out: &mut Problems<'_>) {
    let place = info.address.as_ref().map(|address| &address.place);
    let kind = place.map(Tagged::tag).unwrap_or_default();
    let origin = info.address.as_ref().map_or(meta.origin, |address| address.meta.at("@type"));
    match place {
        Some(Place::Unassigned) if element != "hostdev" => {
            let message = format!("a `<{element}>` cannot be without a place; only `<hostdev>` can");
            out.unsupported(origin, message);
        }
        Some(Place::VirtioS390) => {
            let message = "QEMU no longer has the bus of `virtio-s390`; IBM Z has `ccw`";
            out.refuse(Code::Conflict, origin, message);
        }
        Some(Place::Ccw(_)) if Board::of(out.cx.domain) != Board::S390Ccw => {
            let message = format!("there is no channel subsystem on {}", out.machine());
            out.unsupported(origin, message);
        }
        _ => {}
    }
    let on_pci = matches!(place, None | Some(Place::Pci(_)));
    if info.acpi_index.is_some_and(|index| index > 0) {
        let origin = meta.at("acpi/@index");
        out.requires(Capability::AcpiIndex, "acpi-index=", origin);
        if !on_pci {
            let message = format!("only PCI devices have an ACPI index, and this one is on `{kind}`");
            out.unsupported(origin, message);
        }
    }
    if let Some(rom) = &info.rom
        && !on_pci
        && !matches!(place, Some(Place::Unassigned))
    {
        let message = format!("only PCI devices have a `<rom>`, and this one is on `{kind}`");
        out.refuse(Code::Unsupported, rom.meta.origin, message);
    }
}
