//! What cannot work of controllers.

use caps_parser::Capability;
use domain_model::Code;
use domain_model::device::controller::{
    Controller, ControllerKind, PciController, PciModel, PciModelName, ScsiModel,
};

use super::{has_ide, is_built_in};
use crate::check::Problems;
use crate::context::Resolved;
use crate::dialect::Era;
use crate::resolve::board::Board;

/// Reports what the machine or this QEMU does not have.
pub(super) fn check(device: &Resolved<'_, Controller>, out: &mut Problems<'_>) {
    if let Some(pci) = device.spec.pci() {
        root(pci, device, out);
    }
    if out.cx.dialect.era == Era::Historic {
        return;
    }
    driver(device, out);
    match &device.spec.kind {
        ControllerKind::Ide { .. } if !is_built_in(device.spec, out.cx.domain) => {
            let message = match has_ide(out.cx.domain) {
                true => format!("there is one IDE controller, with index 0, on {}", out.machine()),
                false => format!("there is no IDE controller on {}", out.machine()),
            };
            out.unsupported(device.at("@type"), message);
        }
        ControllerKind::Sata if !is_built_in(device.spec, out.cx.domain) => {
            out.requires(Capability::Ich9Ahci, "<controller type='sata'>", device.at("@type"));
        }
        ControllerKind::Scsi { model: Some(model) } => scsi(*model, device, out),
        ControllerKind::Xenbus { .. } | ControllerKind::Isa => {
            let message =
                format!("{} have no controller for such devices that could be added", out.machine());
            out.refuse(Code::Malformed, device.at("@type"), message);
        }
        ControllerKind::Pci(pci) => {
            parts(pci, device, out);
            chip(pci, device, out);
        }
        _ => {}
    }
}

/// The machine's own bus, and what concerns the place of a bus among others.
fn root(pci: &PciController, device: &Resolved<'_, Controller>, out: &mut Problems<'_>) {
    let is_root = matches!(pci.model, Some(PciModel::PciRoot | PciModel::PcieRoot));
    if is_root && let Some(address) = &device.info.address {
        out.unsupported(address.meta.origin, "the root of PCI has no address");
    }
    let index = device.spec.index.unwrap_or_default();
    if pci.target.index.is_some_and(|target| (target == 0) != (index == 0)) {
        let message = "the controller with index 0 has the target index 0, and no other has";
        out.unsupported(device.at("target/@index"), message);
    }
    if index == 0 && pci.target.node.is_some() {
        let message = "the controller with index 0 belongs to no NUMA cell";
        out.unsupported(device.at("target/node"), message);
    }
}

/// Options that only virtio SCSI has.
fn driver(device: &Resolved<'_, Controller>, out: &mut Problems<'_>) {
    let driver = &device.spec.driver;
    let is_virtio = matches!(
        device.spec.kind,
        ControllerKind::Scsi {
            model: Some(
                ScsiModel::VirtioScsi | ScsiModel::VirtioTransitional | ScsiModel::VirtioNonTransitional
            )
        }
    );
    for (is_there, path) in [
        (driver.queues.is_some(), "driver/@queues"),
        (driver.cmd_per_lun.is_some(), "driver/@cmd_per_lun"),
        (driver.max_sectors.is_some(), "driver/@max_sectors"),
        (driver.ioeventfd.is_some(), "driver/@ioeventfd"),
        (driver.iothread.is_some(), "driver/@iothread"),
        (driver.iothreads.is_some(), "driver/iothreads"),
    ] {
        if is_there && !is_virtio {
            let name = path.rsplit(['/', '@']).next().unwrap_or(path);
            let message = format!("`{name}` is for SCSI controllers of the model `virtio-scsi` only");
            let code = if name == "iothread" { Code::Conflict } else { Code::Unsupported };
            out.refuse(code, device.at(path), message);
        }
    }
    if driver.iothread.is_some() && driver.iothreads.is_some() {
        let message = "a controller has either `iothread` or `<iothreads>`, not both";
        out.refuse(Code::Conflict, device.at("driver/iothreads"), message);
    }
    let mapped = driver.iothreads.iter().flat_map(|map| &map.iothreads);
    let mapped = mapped.map(|mapped| (mapped.id, mapped.meta.at("@id")));
    let one = driver.iothread.map(|id| (id, device.at("driver/@iothread")));
    for (id, origin) in one.into_iter().chain(mapped) {
        crate::iothreads::exists(id, origin, out);
    }
    if let Some(map) = driver.iothreads.as_ref().filter(|_| is_virtio) {
        crate::iothreads::map(map, driver.queues, out);
        let what = "<iothreads> of a controller";
        out.requires(Capability::VirtioScsiIothreadMapping, what, device.at("driver/iothreads"));
    }
}

fn scsi(model: ScsiModel, device: &Resolved<'_, Controller>, out: &mut Problems<'_>) {
    let origin = device.at("@model");
    let needed = match model {
        ScsiModel::Lsilogic => Capability::Lsi,
        ScsiModel::VirtioScsi | ScsiModel::VirtioTransitional | ScsiModel::VirtioNonTransitional => {
            Capability::VirtioScsiPci
        }
        ScsiModel::Lsisas1068 => Capability::Mptsas1068,
        ScsiModel::Lsisas1078 => Capability::Megasas,
        ScsiModel::Vmpvscsi => Capability::Pvscsi,
        // libvirt leaves it to QEMU to miss these.
        ScsiModel::Ibmvscsi | ScsiModel::Dc390 | ScsiModel::Am53c974 => return,
        ScsiModel::Ncr53c90 if is_built_in(device.spec, out.cx.domain) => return,
        ScsiModel::Ncr53c90 => {
            let message = format!("the SCSI controller `ncr53c90` is not the first one of {}", out.machine());
            out.unsupported(origin, message);
            return;
        }
        ScsiModel::Auto | ScsiModel::Buslogic => {
            out.unsupported(origin, format!("QEMU has no SCSI controller of the model `{model}`"));
            return;
        }
    };
    // Boards that speak to devices by other means than PCI have the same controllers.
    let is_virtio = needed == Capability::VirtioScsiPci;
    if !is_virtio || !matches!(Board::of(out.cx.domain), Board::S390Ccw | Board::Vexpress | Board::Realview) {
        out.requires(needed, &format!("<controller type='scsi' model='{model}'>"), origin);
    }
}

/// What can be said of each kind of PCI controller.
fn parts(pci: &PciController, device: &Resolved<'_, Controller>, out: &mut Problems<'_>) {
    let Some(model) = pci.model else { return };
    let target = &pci.target;
    let is_pseries_root =
        model == PciModel::PciRoot && pci.model_name == Some(PciModelName::SpaprPciHostBridge);
    let is_expander = matches!(model, PciModel::PciExpanderBus | PciModel::PcieExpanderBus);
    let is_port = matches!(model, PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort);
    let is_bridge = model == PciModel::PciBridge;
    let domain = out.cx.domain;
    let has_hole = match model {
        PciModel::PciRoot => crate::os::is_i440fx(domain),
        PciModel::PcieRoot => crate::os::is_q35(domain),
        _ => false,
    };
    for (is_there, fits, path) in [
        (target.index.is_some(), is_pseries_root, "target/@index"),
        (target.bus_nr.is_some(), is_expander, "target/@busNr"),
        (target.node.is_some(), is_expander || is_pseries_root, "target/node"),
        (target.chassis_nr.is_some(), is_bridge, "target/@chassisNr"),
        (target.chassis.is_some(), is_port, "target/@chassis"),
        (target.port.is_some(), is_port, "target/@port"),
        (target.mem_reserve.is_some(), is_bridge || is_port, "target/@memReserve"),
        (target.hotplug.is_some(), is_port || model == PciModel::PciRoot, "target/@hotplug"),
        (pci.pcihole64.is_some(), has_hole, "pcihole64"),
    ] {
        if is_there && !fits {
            let name = path.rsplit(['/', '@']).next().unwrap_or(path);
            let message = format!("`{name}` says nothing of a `{model}` of {}", out.machine());
            out.unsupported(device.at(path), message);
        }
    }
    let needed = match model {
        PciModel::PciRoot => Capability::Piix4AcpiRootPciHotplug,
        _ => Capability::PcieRootPortHotplug,
    };
    if target.hotplug.is_some() && (is_port || model == PciModel::PciRoot) {
        out.requires(needed, "<target hotplug=…>", device.at("target/@hotplug"));
    }
    let index = device.spec.index.unwrap_or_default();
    let is_root = matches!(model, PciModel::PciRoot | PciModel::PcieRoot);
    if !is_root && index == 0 {
        out.unsupported(device.at("@index"), format!("a `{model}` has an index above 0"));
    }
}

/// The chip that plays the part.
fn chip(pci: &PciController, device: &Resolved<'_, Controller>, out: &mut Problems<'_>) {
    let Some(model) = pci.model else { return };
    let origin = device.at("model/@name");
    let is_pseries = Board::of(out.cx.domain) == Board::Pseries;
    let Some(name) = pci.model_name else {
        if !matches!(model, PciModel::PciRoot | PciModel::PcieRoot) || is_pseries {
            let message = format!("nothing says which chip is the `{model}`");
            out.refuse(Code::Malformed, device.at("@model"), message);
        }
        return;
    };
    let (plays, needed) = match name {
        PciModelName::SpaprPciHostBridge => (PciModel::PciRoot, Capability::SpaprPciHostBridge),
        PciModelName::PciBridge => (PciModel::PciBridge, Capability::PciBridge),
        PciModelName::I82801b11Bridge => (PciModel::DmiToPciBridge, Capability::DmiToPciBridge),
        PciModelName::PciePciBridge => (PciModel::PcieToPciBridge, Capability::PciePciBridge),
        PciModelName::Ioh3420 => (PciModel::PcieRootPort, Capability::Ioh3420),
        PciModelName::PcieRootPort => (PciModel::PcieRootPort, Capability::PcieRootPort),
        PciModelName::X3130Upstream => (PciModel::PcieSwitchUpstreamPort, Capability::X3130Upstream),
        PciModelName::Xio3130Downstream => {
            (PciModel::PcieSwitchDownstreamPort, Capability::Xio3130Downstream)
        }
        PciModelName::Pxb => (PciModel::PciExpanderBus, Capability::Pxb),
        PciModelName::PxbPcie => (PciModel::PcieExpanderBus, Capability::PxbPcie),
    };
    if plays != model || plays == PciModel::PciRoot && !is_pseries {
        let message = format!("the chip `{name}` is no `{model}` of {}", out.machine());
        out.unsupported(origin, message);
    } else {
        out.requires(needed, &format!("<model name='{name}'>"), origin);
    }
    if model == PciModel::PciRoot && pci.target.node.is_some() {
        out.requires(Capability::SpaprPciHostBridgeNumaNode, "<node>", device.at("target/node"));
    }
}
