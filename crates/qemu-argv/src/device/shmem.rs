//! `<shmem>`: memory shared between guests.

use caps_parser::Capability;
use domain_model::address::Place;
use domain_model::device::shmem::{Msi, Shmem, ShmemModel, ShmemRole};
use domain_model::values::Bytes;
use domain_model::xml::text::OnOff;
use domain_model::{Code, Device, Diagnostic, Domain};

use super::QemuDevice;
use crate::address;
use crate::arg::Args;
use crate::context::{Context, Inputs, Resolved};
use crate::props::Props;
use crate::resolve::Resolving;

/// The size of shared memory of which no size is said, in bytes.
const DEFAULT_SIZE: u64 = 4 << 20;
/// The smallest size of shared memory, in bytes.
const SMALLEST: u64 = 1 << 20;

impl QemuDevice for Shmem {
    fn alias(_: &Device<Self>, index: usize, _: &Domain, _: Inputs<'_>) -> String {
        format!("shmem{index}")
    }

    fn defaults(device: &mut Device<Self>, _: usize, _: &Resolving<'_>, _: &mut Vec<Diagnostic>) {
        let shmem = &mut device.spec;
        let model = *shmem.model.get_or_insert(ShmemModel::Ivshmem);
        shmem.size.take_if(|size| size.0 == 0);
        if let Some(msi) = &mut shmem.msi {
            msi.vectors.take_if(|vectors| *vectors == 0);
        }
        if model != ShmemModel::IvshmemDoorbell {
            shmem.size.get_or_insert(Bytes(DEFAULT_SIZE));
        }
        if model == ShmemModel::IvshmemDoorbell && shmem.server.is_some() {
            // The device is for interrupts, and a thread of their own is what they always had.
            let msi = shmem.msi.get_or_insert_with(Msi::default);
            msi.ioeventfd.get_or_insert(OnOff::On);
        }
    }

    fn validate(device: &Resolved<'_, Self>, _: &Context<'_>, problems: &mut Vec<Diagnostic>) {
        let shmem = device.spec;
        if let Some(Bytes(size)) = shmem.size
            && (size < SMALLEST || !size.is_power_of_two())
        {
            let message =
                format!("shared memory of {size} bytes: the size is a power of two, and at least 1 MiB");
            problems.push(Diagnostic::error(Code::BadValue, device.at("size"), message));
        }
        let mut refuse = |path, message: String| {
            problems.push(Diagnostic::error(Code::Unsupported, device.at(path), message));
        };
        match (shmem.model, shmem.server.is_some()) {
            (Some(ShmemModel::Ivshmem) | None, _) => {
                refuse("model/@type", "QEMU has no shared memory of model `ivshmem` since 4.0".to_owned());
            }
            (Some(ShmemModel::IvshmemDoorbell), false) => {
                refuse(
                    "model/@type",
                    "shared memory of model `ivshmem-doorbell` needs a `<server>`".to_owned(),
                );
            }
            (Some(ShmemModel::IvshmemPlain), true) => {
                refuse("server", "shared memory of model `ivshmem-plain` has no `<server>`".to_owned());
            }
            (Some(ShmemModel::IvshmemDoorbell), true) if shmem.size.is_some() => {
                refuse("size", "the server of `ivshmem-doorbell` knows the size of the memory".to_owned());
            }
            _ => {}
        }
        if shmem.name.contains('/') || shmem.name == "." || shmem.name == ".." {
            refuse("@name", format!("`{}` is not a name but a path", shmem.name));
        }
    }

    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args) {
        let shmem = device.spec;
        let model_at = device.at("model/@type");
        let (driver, capability) = match shmem.model {
            Some(ShmemModel::IvshmemPlain) => ("ivshmem-plain", Capability::IvshmemPlain),
            Some(ShmemModel::IvshmemDoorbell) => ("ivshmem-doorbell", Capability::IvshmemDoorbell),
            Some(ShmemModel::Ivshmem) | None => {
                let message = "QEMU has no shared memory of model `ivshmem` since 4.0";
                let problem = Diagnostic::error(Code::Unsupported, model_at, message);
                out.problem(problem.help("write `ivshmem-plain`, or with a server `ivshmem-doorbell`"));
                return;
            }
        };
        let props = Props::new("driver", driver, device.origin).set("id", device.alias);
        let props = if shmem.model == Some(ShmemModel::IvshmemDoorbell) {
            props.set_at("chardev", format!("char{}", device.alias), device.at("server"))
        } else {
            props.set_at("memdev", memory(device, out), device.at("size"))
        };
        if !matches!(device.info.address.as_ref().map(|address| &address.place), Some(Place::Pci(_))) {
            let message = "shared memory is a PCI device, and this one is on no PCI bus";
            out.problem(Diagnostic::error(Code::Unsupported, device.origin, message));
        }
        // Who owns the memory behind a server is for the server to know.
        let role = shmem.role.filter(|_| shmem.model == Some(ShmemModel::IvshmemPlain));
        let master = role.map(|role| if role == ShmemRole::Master { "on" } else { "off" });
        let vectors = shmem.msi.as_ref().and_then(|msi| msi.vectors).filter(|vectors| *vectors > 0);
        let props = props
            .set_at("master", master, device.at("@role"))
            .set_at("vectors", vectors, device.at("msi/@vectors"))
            .set_at(
                "ioeventfd",
                shmem.msi.as_ref().and_then(|msi| msi.ioeventfd),
                device.at("msi/@ioeventfd"),
            );
        out.props("-device", address::address(props, device.info, cx));
        out.needing(capability);
        if shmem.model == Some(ShmemModel::IvshmemDoorbell) {
            server(device, cx, out);
        }
    }
}

/// Adds the memory, and gives its id.
fn memory(device: &Resolved<'_, Shmem>, out: &mut Args) -> String {
    let id = format!("shmmem-{}", device.alias);
    let size = device.spec.size.map_or(DEFAULT_SIZE, |size| size.0);
    out.props(
        "-object",
        Props::new("qom-type", "memory-backend-file", device.at("model/@type"))
            .set("id", &id)
            .set_at("mem-path", format!("/dev/shm/{}", device.spec.name), device.at("@name"))
            .set_at("size", size, device.at("size"))
            .set("share", true),
    );
    id
}

/// Adds the connection to the server.
fn server(device: &Resolved<'_, Shmem>, cx: &Context<'_>, out: &mut Args) {
    let id = format!("char{}", device.alias);
    let path = match device.spec.server.as_ref().and_then(|server| server.path.as_deref()) {
        Some(path) => cx.config().path(path),
        None if cx.is_libvirt() => format!("/var/lib/libvirt/shmem-{}-sock", device.spec.name),
        None => {
            let message = "nobody says where the server of the shared memory listens";
            let problem = Diagnostic::error(Code::MissingAttribute, device.at("server/@path"), message);
            out.problem(problem.help("name its socket: `<server path='…'/>`"));
            return;
        }
    };
    out.props(
        "-chardev",
        Props::new("backend", "socket", device.at("server")).set("id", &id).set("path", path),
    );
}
