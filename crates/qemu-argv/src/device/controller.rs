//! `<controller>` on the QEMU side: what buses hang on.

mod check;
mod historic;
mod pci;
mod usb;

use domain_model::device::controller::{Controller, ControllerKind, ScsiModel};
use domain_model::virtio::VirtioModel;
use domain_model::xml::Tagged;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Era;
use crate::props::Props;
use crate::resolve::Resolving;
use crate::resolve::board::Board;
use crate::virtio;

impl QemuDevice for Controller {
    fn alias(device: &Device<Self>, _: usize, domain: &Domain, _: Inputs<'_>) -> String {
        let index = device.spec.index.unwrap_or_default();
        if let Some(name) = machine_name(&device.spec, domain) {
            return name.to_owned();
        }
        match &device.spec.kind {
            ControllerKind::Pci(pci) => pci::alias(pci, index, domain),
            ControllerKind::Usb { .. } if index == 0 => "usb".to_owned(),
            kind => format!("{}{index}", kind.tag()),
        }
    }

    fn defaults(device: &mut Device<Self>, _: usize, _: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        // libvirt takes 0 for not said.
        let driver = &mut device.spec.driver;
        let numbers =
            [&mut driver.queues, &mut driver.cmd_per_lun, &mut driver.max_sectors, &mut driver.iothread];
        for number in numbers {
            number.take_if(|number| *number == 0);
        }
        driver.iothreads.take_if(|map| map.iothreads.is_empty());
    }

    fn validate(device: &Resolved<'_, Self>, cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        check::check(device, &mut Problems::new(cx, problems));
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        if is_built_in(device.spec, cx.domain) {
            return;
        }
        let props = match &device.spec.kind {
            ControllerKind::Pci(controller) => pci::props(controller, device, cx),
            ControllerKind::Usb { model, ports, master_startport } => {
                usb::props(*model, *ports, *master_startport, device, cx, out)
            }
            ControllerKind::Scsi { model } => scsi(*model, device, cx, out),
            ControllerKind::VirtioSerial { model, ports, vectors } => {
                let options = &device.spec.driver.virtio;
                let props = virtio::device("virtio-serial", *model, options, device, cx);
                let props = props.set("id", device.alias);
                let props = props.set_at("max_ports", *ports, device.at("@ports"));
                Some(props.set_at("vectors", *vectors, device.at("@vectors")))
            }
            ControllerKind::Sata => simple("ahci", device),
            ControllerKind::Ccid => simple("usb-ccid", device),
            ControllerKind::Ide { .. } => {
                let message = "this machine has no IDE controller besides the one that may be built in";
                out.problem(Diagnostic::error(Code::Unsupported, device.at("@index"), message));
                None
            }
            // Where there is a floppy controller or an ISA bus, it is a part of the machine.
            ControllerKind::Fdc | ControllerKind::Isa | ControllerKind::Xenbus { .. } => None,
        };
        if let Some(props) = props {
            out.props("-device", crate::address::address(props, device.info, cx));
            if let ControllerKind::Usb { model, .. } = device.spec.kind
                && let Some(needed) = usb::needs(model)
            {
                out.needing(needed);
            }
        }
    }

    /// Adds controllers by kind, in libvirt's order; smartcard readers come after USB hubs.
    fn section(cx: &Context<'_>, out: &mut Args) {
        if cx.dialect.era == Era::Historic {
            historic::section(cx, out);
            return;
        }
        const KINDS: [&str; 6] = ["pci", "usb", "scsi", "ide", "sata", "virtio-serial"];
        pci::holes(cx, out);
        pci::root_hotplug(cx, out);
        for kind in KINDS {
            of_kind(kind, cx, out);
        }
    }
}

/// Adds smartcard readers.
pub(crate) fn smartcard_readers(cx: &Context<'_>, out: &mut Args) {
    of_kind("ccid", cx, out);
}

fn of_kind(kind: &str, cx: &Context<'_>, out: &mut Args) {
    for device in cx.each::<Controller>().filter(|device| device.spec.kind.tag() == kind) {
        Controller::args(&device, cx, out);
    }
}

fn simple(driver: &str, device: &Resolved<'_, Controller>) -> Option<Props> {
    Some(Props::new("driver", driver, device.origin).set("id", device.alias))
}

/// The machine's own name of the disk controller that is a part of it, whatever the domain calls that.
pub(crate) fn machine_name(controller: &Controller, domain: &Domain) -> Option<&'static str> {
    match controller.kind {
        ControllerKind::Scsi { .. } if is_built_in(controller, domain) => Some("scsi"),
        ControllerKind::Ide { .. } | ControllerKind::Sata if is_built_in(controller, domain) => Some("ide"),
        _ => None,
    }
}

/// Whether a controller is a part of the machine.
fn is_built_in(controller: &Controller, domain: &Domain) -> bool {
    let board = Board::of(domain);
    let is_first = controller.index == Some(0);
    match &controller.kind {
        ControllerKind::Pci(pci) => pci::is_built_in(pci, controller.index, domain),
        ControllerKind::Sata => is_first && board == Board::Q35,
        ControllerKind::Ide { .. } => is_first && has_ide(domain),
        ControllerKind::Scsi { model } => {
            is_first && *model == Some(ScsiModel::Ncr53c90) && Board::has_ncr53c90(domain)
        }
        _ => false,
    }
}

/// Whether a board has an IDE controller.
fn has_ide(domain: &Domain) -> bool {
    let machine = domain.os.machine.as_deref();
    match Board::of(domain) {
        Board::I440fx | Board::Malta => true,
        Board::WithPci | Board::Ppc64 => matches!(machine, Some("g3beige" | "sun4u")),
        _ => false,
    }
}

fn scsi(
    model: Option<ScsiModel>,
    device: &Resolved<'_, Controller>,
    cx: &Context<'_>,
    out: &mut Args,
) -> Option<Props> {
    let driver = &device.spec.driver;
    let virtio_model = match model? {
        ScsiModel::VirtioScsi => Some(VirtioModel::Virtio),
        ScsiModel::VirtioTransitional => Some(VirtioModel::VirtioTransitional),
        ScsiModel::VirtioNonTransitional => Some(VirtioModel::VirtioNonTransitional),
        _ => None,
    };
    let props = match model? {
        ScsiModel::VirtioScsi | ScsiModel::VirtioTransitional | ScsiModel::VirtioNonTransitional => {
            let props = virtio::device("virtio-scsi", virtio_model, &driver.virtio, device, cx);
            super::iothread(props, driver.iothread, device.at("driver/@iothread"))
        }
        ScsiModel::Lsilogic => Props::new("driver", "lsi", device.origin),
        ScsiModel::Lsisas1068 => Props::new("driver", "mptsas1068", device.origin),
        ScsiModel::Lsisas1078 => Props::new("driver", "megasas", device.origin),
        ScsiModel::Vmpvscsi => Props::new("driver", "pvscsi", device.origin),
        ScsiModel::Ibmvscsi => Props::new("driver", "spapr-vscsi", device.origin),
        ScsiModel::Dc390 => Props::new("driver", "dc-390", device.origin),
        ScsiModel::Am53c974 => Props::new("driver", "am53c974", device.origin),
        model @ (ScsiModel::Auto | ScsiModel::Buslogic | ScsiModel::Ncr53c90) => {
            let message = format!("QEMU has no SCSI controller of the model `{model}`");
            out.problem(Diagnostic::error(Code::Unsupported, device.at("@model"), message));
            return None;
        }
    };
    let props =
        props.set("id", device.alias).set_at("num_queues", driver.queues, device.at("driver/@queues"));
    let props = super::iothread_map(props, driver.iothreads.as_ref())
        .set_at("cmd_per_lun", driver.cmd_per_lun, device.at("driver/@cmd_per_lun"))
        .set_at("max_sectors", driver.max_sectors, device.at("driver/@max_sectors"))
        .set_at("ioeventfd", driver.ioeventfd, device.at("driver/@ioeventfd"));
    Some(props)
}
