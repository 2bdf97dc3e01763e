//! What cannot work of devices of the host.

use caps_parser::Capability;
use domain_model::Code;
use domain_model::address::{Drive, Place};
use domain_model::device::disk::Sgio;
use domain_model::device::hostdev::{Hostdev, HostdevKind, MdevModel, ScsiSource};
use domain_model::device::interface::TeamingType;
use domain_model::storage::SecretType;
use domain_model::xml::Tagged;

use crate::check::Problems;
use crate::context::Resolved;

/// Reports what VFIO, USB and SCSI do not hand over.
pub(super) fn check(device: &Resolved<'_, Hostdev>, out: &mut Problems<'_>) {
    let at = |path| device.at(path);
    let place = device.info.address.as_ref().map(|address| &address.place);
    let (fits, code, wanted) = match (&device.spec.kind, place) {
        (_, None) => (true, Code::Unsupported, ""),
        (HostdevKind::Pci(_), Some(place)) => {
            (matches!(place, Place::Pci(_) | Place::Unassigned), Code::Malformed, "`pci` or `unassigned`")
        }
        (HostdevKind::Scsi(_), Some(place)) => {
            (matches!(place, Place::Drive(_)), Code::Unsupported, "`drive`")
        }
        (HostdevKind::ScsiHost(_), Some(place)) => {
            (matches!(place, Place::Pci(_) | Place::Ccw(_)), Code::Unsupported, "`pci` or `ccw`")
        }
        (HostdevKind::Usb(_), Some(place)) => (matches!(place, Place::Usb(_)), Code::Unsupported, "`usb`"),
        _ => (true, Code::Unsupported, ""),
    };
    if !fits {
        let kind = device.spec.kind.tag();
        let message = format!("a device of the host of type `{kind}` has an address of type {wanted}");
        out.refuse(code, at("address/@type"), message);
    }
    match &device.spec.kind {
        HostdevKind::Pci(pci) => {
            out.requires(Capability::VfioPci, "<hostdev type='pci'>", at("@type"));
            if pci.write_filtering.is_some() {
                out.unsupported(at("source/@writeFiltering"), "only Xen filters writes to a device");
            }
        }
        HostdevKind::Usb(usb) if usb.guest_reset.is_some() => {
            out.requires(Capability::UsbHostGuestResetsAll, "guestReset=", at("source/@guestReset"));
        }
        HostdevKind::ScsiHost(_) => {
            out.requires(Capability::VhostScsi, "<hostdev type='scsi_host'>", at("@type"));
        }
        HostdevKind::Mdev(mdev) => mediated(mdev.model, device, out),
        HostdevKind::Storage { .. } | HostdevKind::Misc { .. } | HostdevKind::Net { .. } => {
            out.unsupported(at("@type"), "this kind of device of the host is for containers");
        }
        HostdevKind::Scsi(scsi) => {
            if scsi.sgio == Some(Sgio::Unfiltered) {
                out.unsupported(at("@sgio"), "kernels no longer let all SCSI commands of guests pass");
            }
            if let Some(Place::Drive(Drive { controller, target: Some(1..), .. })) = place
                && !crate::device::disk::has_targets(out.cx.domain, controller.unwrap_or_default())
            {
                out.unsupported(at("address/@target"), "the SCSI controller has target 0 only");
            }
            if let ScsiSource::Iscsi { auth: Some(auth), .. } = &scsi.source
                && auth.secret.kind.is_some_and(|kind| kind != SecretType::Iscsi)
            {
                let message = "what an iSCSI target asks for is in a secret of the type `iscsi`";
                out.refuse(Code::Malformed, auth.meta.origin, message);
            }
        }
        HostdevKind::Usb(_) => {}
    }
    // One with a place is refused as any device on USB is.
    if matches!(device.spec.kind, HostdevKind::Usb(_)) && place.is_none() && device.info.rom.is_some() {
        out.unsupported(at("rom"), "only PCI devices have a `<rom>`");
    }
    if let Some(teaming) = &device.spec.teaming {
        let message = if teaming.kind != TeamingType::Transient {
            "a device of the host is the `transient` one of a team"
        } else if teaming.persistent.is_none() {
            "the transient device of a team names the `persistent` one"
        } else if !matches!(device.spec.kind, HostdevKind::Pci(_)) {
            "only PCI devices of the host are in a team"
        } else {
            return;
        };
        out.unsupported(teaming.meta.origin, message);
    }
}

fn mediated(model: MdevModel, device: &Resolved<'_, Hostdev>, out: &mut Problems<'_>) {
    let needed = match model {
        MdevModel::VfioPci => Capability::VfioPci,
        MdevModel::VfioCcw => Capability::VfioCcw,
        MdevModel::VfioAp => Capability::VfioAp,
    };
    out.requires(needed, &format!("<hostdev type='mdev' model='{model}'>"), device.at("@model"));
    if device.info.boot.is_some() && model != MdevModel::VfioCcw {
        let message = format!("a guest cannot boot from a mediated device of the model `{model}`");
        out.unsupported(device.at("boot"), message);
    }
    let hostdevs = &out.cx.domain.devices.hostdevs;
    let is_ap =
        |kind: &HostdevKind| matches!(kind, HostdevKind::Mdev(mdev) if mdev.model == MdevModel::VfioAp);
    if model == MdevModel::VfioAp && hostdevs.iter().take(device.index).any(|other| is_ap(&other.spec.kind)) {
        out.unsupported(device.at("@model"), "a guest has one device of the model `vfio-ap`");
    }
}
