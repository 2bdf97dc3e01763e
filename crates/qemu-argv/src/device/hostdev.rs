//! `<hostdev>`: devices of the host handed to the guest.

mod check;
mod historic;
mod scsi;

pub(crate) use scsi::{assign, controllers};

use caps_parser::Capability;
use domain_model::address::{Pci, Place};
use domain_model::device::hostdev::{
    GuestReset, Hostdev, HostdevKind, MdevHostdev, MdevModel, PciHostdev, ScsiHostHostdev, UsbHostdev,
};
use domain_model::device::interface::HostdevDriver;
use domain_model::storage::StartupPolicy;
use domain_model::xml::text::{Hex, OnOff, YesNo};
use domain_model::{Code, Device, Diagnostic, Domain, Origin};

use super::QemuDevice;
use crate::arg::{Args, Payload};
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Era;
use crate::host::FdRequest;
use crate::needs::{HostDevice, UsbDevice, VfioDevice};
use crate::props::{Props, Value};
use crate::resolve::Resolving;
use crate::{address, boot, rom, virtio};

impl QemuDevice for Hostdev {
    fn alias(_: &Device<Self>, index: usize, domain: &Domain, inputs: Inputs<'_>) -> String {
        // Network cards that are devices of the host come first.
        format!("hostdev{}", index + super::interface::hostdev_aliases(domain, inputs))
    }

    fn defaults(device: &mut Device<Self>, _: usize, cx: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        device.spec.managed.get_or_insert(YesNo::No);
        if let HostdevKind::Pci(pci) = &mut device.spec.kind {
            let Pci { domain, bus, slot, function, .. } = &mut pci.address;
            domain.get_or_insert_default();
            bus.get_or_insert_default();
            slot.get_or_insert_default();
            function.get_or_insert_default();
        }
        if !matches!(device.spec.kind, HostdevKind::Scsi(_)) {
            (device.spec.readonly, device.spec.shareable) = (false, false);
        }
        if let HostdevKind::Scsi(source) = &mut device.spec.kind {
            scsi::defaults(source);
        }
        if let HostdevKind::Mdev(mdev) = &mut device.spec.kind
            && mdev.model == MdevModel::VfioPci
            && cx.inputs.has(Capability::VfioPciDisplay)
        {
            mdev.display.get_or_insert(OnOff::Off);
        }
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let hostdevs = &cx.domain.devices.hostdevs;
        if hostdevs.iter().take(device.index).any(|other| is_same(&other.spec.kind, &device.spec.kind)) {
            let message = "this device of the host is handed over already";
            problems.push(Diagnostic::error(Code::Conflict, device.at("source"), message));
        }
        place(device, problems);
        if cx.dialect.era == Era::Modern {
            check::check(device, &mut Problems::new(cx, problems));
        }
        if matches!(device.spec.kind, HostdevKind::Scsi(_)) {
            scsi::validate(device, cx, problems);
        }
        let (display, ramfb) = screen(&device.spec.kind);
        if display == Some(OnOff::On) && cx.domain.devices.graphics.is_empty() {
            let message = "a device cannot draw the screen of a guest without `<graphics>`";
            problems.push(Diagnostic::error(Code::Unsupported, device.at("@display"), message));
        }
        if ramfb == Some(OnOff::On) {
            let before = hostdevs.iter().take(device.index);
            if before.filter(|other| screen(&other.spec.kind).1 == Some(OnOff::On)).count() > 0 {
                let message = "one device of a guest can have a frame buffer for the firmware";
                problems.push(Diagnostic::error(Code::Unsupported, device.at("@ramfb"), message));
            }
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        if cx.dialect.era == Era::Historic {
            historic::args(device, cx, out);
            return;
        }
        match &device.spec.kind {
            HostdevKind::Pci(source) => pci(source, device, cx, out),
            HostdevKind::Usb(source) => usb(source, device, cx, out),
            HostdevKind::Mdev(source) => mdev(source, device, cx, out),
            HostdevKind::ScsiHost(source) => scsi_host(source, device, cx, out),
            HostdevKind::Scsi(source) => scsi::args(source, device, cx, out),
            HostdevKind::Storage { .. } | HostdevKind::Misc { .. } | HostdevKind::Net { .. } => {
                let message = "this kind of device of the host is for containers";
                out.problem(Diagnostic::error(Code::Unsupported, device.at("@type"), message));
            }
        }
    }
}

/// Reports an address that does not suit the kind of device.
fn place(device: &Resolved<'_, Hostdev>, problems: &mut Vec<Diagnostic>) {
    if matches!(device.spec.kind, HostdevKind::ScsiHost(_)) && device.info.boot.is_some() {
        let message = "a guest cannot boot from a vhost SCSI target";
        problems.push(Diagnostic::error(Code::Unsupported, device.at("boot"), message));
    }
    let HostdevKind::Mdev(mdev) = &device.spec.kind else { return };
    let place = device.info.address.as_ref().map(|address| &address.place);
    let fits = match (mdev.model, place) {
        (_, None | Some(Place::Unassigned)) => true,
        (MdevModel::VfioPci, Some(place)) => matches!(place, Place::Pci(_)),
        (MdevModel::VfioCcw, Some(place)) => matches!(place, Place::Ccw(_)),
        (MdevModel::VfioAp, Some(_)) => false,
    };
    if !fits {
        let message = format!("a mediated device of model `{}` is not on this kind of bus", mdev.model);
        problems.push(Diagnostic::error(Code::Conflict, device.at("address/@type"), message));
    }
}

/// Whether the guest's screen is what the device draws, and whether the firmware gets a frame buffer.
fn screen(kind: &HostdevKind) -> (Option<OnOff>, Option<OnOff>) {
    match kind {
        HostdevKind::Mdev(mdev) => (mdev.display, mdev.ramfb),
        HostdevKind::Pci(pci) => (pci.display, pci.ramfb),
        _ => (None, None),
    }
}

/// Whether both are one device of the host.
fn is_same(one: &HostdevKind, other: &HostdevKind) -> bool {
    match (one, other) {
        (HostdevKind::Pci(one), HostdevKind::Pci(other)) => {
            address::host_pci(&one.address) == address::host_pci(&other.address)
        }
        (HostdevKind::Usb(one), HostdevKind::Usb(other)) => {
            (one.vendor, one.product, one.bus, one.device)
                == (other.vendor, other.product, other.bus, other.device)
        }
        (HostdevKind::Scsi(one), HostdevKind::Scsi(other)) => one.source == other.source,
        (HostdevKind::Mdev(one), HostdevKind::Mdev(other)) => one.uuid.is_some() && one.uuid == other.uuid,
        _ => false,
    }
}

/// The driver of a device that the host hands over by VFIO; one with a frame buffer cannot come and go.
fn vfio_pci(ramfb: Option<OnOff>) -> &'static str {
    if ramfb == Some(OnOff::On) { "vfio-pci-nohotplug" } else { "vfio-pci" }
}

/// QEMU's id of the object through which the host's IOMMU is used.
const IOMMUFD: &str = "iommufd0";

/// The file of a device that can be handed to QEMU open, as QEMU 9.0 takes it: then QEMU needs no rights of its own.
/// What was there before (groups of VFIO) has to be opened by QEMU itself, and so is what the domain's author may have
/// to give rights to.
fn iommufd(address: &str, origin: Origin, cx: &Context<'_>, out: &mut Args) -> Option<String> {
    if !(cx.config().supervised && cx.has(Capability::Iommufd) && cx.has(Capability::VfioPciFd)) {
        return None;
    }
    let why = match cx.inputs.host.vfio_device(address)? {
        Ok(file) => return Some(file),
        Err(why) => why,
    };
    let message = format!("QEMU has to open the IOMMU group of `{address}` by itself: {why}");
    let help = "with rights to `/dev/iommu` it gets the device open, and needs none of its own";
    out.problem(Diagnostic::warning(Code::HostFact, origin, message).help(help));
    None
}

fn pci(source: &PciHostdev, device: &Resolved<'_, Hostdev>, cx: &Context<'_>, out: &mut Args) {
    if let Some(driver @ (HostdevDriver::Kvm | HostdevDriver::Xen)) = source.driver {
        let message = format!("QEMU hands devices over by `vfio`, not by `{driver}`");
        out.problem(Diagnostic::error(Code::Malformed, device.at("driver/@name"), message));
    }
    // The host lets go of it, and the guest does not get it.
    if device.info.address.as_ref().is_some_and(|address| address.place == Place::Unassigned) {
        return;
    }
    let address = address::host_pci(&source.address);
    let origin = device.at("source/address");
    let file = iommufd(&address, origin, cx, out);
    out.needs.host_devices.push(HostDevice {
        which: VfioDevice::Pci(address.clone()),
        managed: device.spec.managed == Some(YesNo::Yes),
        driver: source.driver_model.clone(),
        file: file.clone(),
        origin,
    });
    let partner = device.spec.teaming.as_ref().and_then(|teaming| teaming.persistent.clone());
    let props = Props::new("driver", vfio_pci(source.ramfb), device.origin);
    let props = match file {
        Some(path) => {
            let is_there = out.list.iter().any(|arg| match &arg.payload {
                Payload::Props(props) => props.get("id") == Some(&Value::from(IOMMUFD)),
                Payload::None | Payload::Text(_) => false,
            });
            if !is_there {
                let rule =
                    device.origin.implies("devices are handed over as files, which QEMU need not open");
                let object = Props::new("qom-type", "iommufd", rule).set("id", IOMMUFD);
                out.props("-object", object.set("fd", FdRequest::Iommu));
            }
            props.set("iommufd", IOMMUFD).set_at("fd", FdRequest::Vfio { path }, origin)
        }
        None => props.set_at("host", address, origin),
    };
    let props = props.set("id", device.alias);
    let props = boot::bootindex(props, device.info, None)
        .set_at("failover_pair_id", partner, device.at("teaming/@persistent"))
        .set_at("display", source.display.map(OnOff::as_str), device.at("@display"))
        .set_at("ramfb", source.ramfb.filter(|ramfb| *ramfb == OnOff::On), device.at("@ramfb"));
    let props = address::address(props, device.info, cx);
    let props = rom::rom(props, device.info, cx, out);
    out.props("-device", props);
    out.needing(Capability::VfioPci);
}

fn usb(source: &UsbHostdev, device: &Resolved<'_, Hostdev>, cx: &Context<'_>, out: &mut Args) {
    let number = |value: Option<domain_model::values::CNumber<0xffff_ffff>>| value.map(|value| value.0);
    let (bus, port) = (number(source.bus), number(source.device));
    let short = |id: Option<Hex<4>>| id.and_then(|id| u16::try_from(id.0).ok());
    let whole = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
    let which = UsbDevice {
        ids: short(source.vendor).zip(short(source.product)),
        place: whole(bus).zip(whole(port)),
        origin: device.at("source"),
    };
    if !cx.is_libvirt() {
        let is_optional = source.startup_policy == Some(StartupPolicy::Optional);
        if is_optional && cx.inputs.host.has_usb_device(&which) == Some(false) {
            let message = "this USB device is not there, so the guest goes without it";
            out.problem(Diagnostic::warning(Code::NotFound, device.at("source"), message));
            return;
        }
        out.needs.usb_devices.push(which);
    }
    let props = Props::new("driver", "usb-host", device.origin);
    let props = match (bus, port) {
        (Some(bus), Some(port)) if cx.has(Capability::UsbHostHostdevice) => {
            let path = format!("/dev/bus/usb/{bus:03}/{port:03}");
            props.set_at("hostdevice", path, device.at("source/address"))
        }
        (Some(bus), Some(port)) => props.set_at("hostbus", bus, device.at("source/address/@bus")).set_at(
            "hostaddr",
            port,
            device.at("source/address/@device"),
        ),
        _ => {
            let hex = |id: Option<Hex<4>>| id.map(|id| id.0);
            props.set_at("vendorid", hex(source.vendor), device.at("source/vendor/@id")).set_at(
                "productid",
                hex(source.product),
                device.at("source/product/@id"),
            )
        }
    };
    let resets = source.guest_reset.map(|reset| match reset {
        GuestReset::Off => (false, None),
        GuestReset::Uninitialized => (true, Some(false)),
        GuestReset::On => (true, Some(true)),
    });
    let reset_at = device.at("source/@guestReset");
    let props = boot::bootindex(props.set("id", device.alias), device.info, None)
        .set_at("guest-reset", resets.map(|resets| resets.0), reset_at)
        .requires(
            Capability::UsbHostGuestResetsAll,
            "guest-resets-all",
            resets.and_then(|resets| resets.1),
            reset_at,
        );
    out.props("-device", address::address(props, device.info, cx));
}

fn mdev(source: &MdevHostdev, device: &Resolved<'_, Hostdev>, cx: &Context<'_>, out: &mut Args) {
    let (driver, capability) = match source.model {
        MdevModel::VfioPci => (vfio_pci(source.ramfb), Capability::VfioPci),
        MdevModel::VfioCcw => ("vfio-ccw", Capability::VfioCcw),
        MdevModel::VfioAp => ("vfio-ap", Capability::VfioAp),
    };
    let folder = source.uuid.as_ref().map(|uuid| format!("/sys/bus/mdev/devices/{uuid}"));
    if let Some(uuid) = &source.uuid {
        let which = VfioDevice::Mediated(uuid.to_string());
        let origin = device.at("source/address/@uuid");
        // QEMU tells a mediated device by its folder, and takes one that it gets as a file for a device of its own: so
        // it opens the group by itself.
        out.needs.host_devices.push(HostDevice { which, managed: false, driver: None, file: None, origin });
    }
    let props = Props::new("driver", driver, device.origin)
        .set("id", device.alias)
        .set_at("sysfsdev", folder, device.at("source/address/@uuid"))
        .set_at("display", source.display.map(OnOff::as_str), device.at("@display"))
        .set_at("ramfb", source.ramfb.filter(|ramfb| *ramfb == OnOff::On), device.at("@ramfb"));
    let loadparm = device.info.boot.as_ref().and_then(|boot| boot.loadparm.clone());
    // Where the firmware cannot be told, what is said for the machine has to do.
    let loadparm = loadparm.filter(|_| cx.has(Capability::VirtioCcwLoadparm));
    let props =
        boot::bootindex(props, device.info, None).set_at("loadparm", loadparm, device.at("boot/@loadparm"));
    out.props("-device", address::address(props, device.info, cx));
    out.needing(capability);
}

fn scsi_host(source: &ScsiHostHostdev, device: &Resolved<'_, Hostdev>, cx: &Context<'_>, out: &mut Args) {
    let vhost = cx.config().has_monitor().then(|| FdRequest::VhostScsi { device: device.alias.to_owned() });
    let options = domain_model::virtio::VirtioOptions::default();
    let props = virtio::device("vhost-scsi", source.model, &options, device, cx)
        .set_at("wwpn", source.wwpn.clone(), device.at("source/@wwpn"))
        .set("vhostfd", vhost)
        .set("id", device.alias);
    let props = boot::bootindex(props, device.info, None);
    out.props("-device", address::address(props, device.info, cx));
    out.needing(Capability::VhostScsi);
}
