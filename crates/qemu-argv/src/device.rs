//! What every device family does on the QEMU side; their table.

mod audio;
mod channel;
mod console;
pub(crate) mod controller;
mod crypto;
pub(crate) mod disk;
mod filesystem;
mod graphics;
pub(crate) mod hostdev;
mod hub;
mod info;
mod input;
pub(crate) mod interface;
pub(crate) mod iommu;
mod lease;
mod memballoon;
mod memory;
mod nvram;
mod panic;
mod parallel;
mod pstore;
mod redirdev;
mod redirfilter;
mod rng;
mod serial;
mod shmem;
mod smartcard;
mod sound;
mod tpm;
mod video;
mod vsock;
mod watchdog;

use domain_model::device::Listed;
use domain_model::device::graphics::Graphics;
use domain_model::device::iothread_map::{IothreadMap, MappedIothread};
use domain_model::{Device, DeviceInfo, Diagnostic, Domain, Origin};

use crate::arg::Args;
use crate::check::Problems;
use crate::context::{Context, Inputs, Resolved};
use crate::dialect::Era;
use crate::props::{ListStyle, Props, Value};
use crate::resolve::Resolving;

/// A device family on the QEMU side: one file below `device/`, of the same name as in the model.
pub trait QemuDevice: Listed + 'static {
    /// The libvirt alias of a device, which is also its QEMU id, such as `net0`.
    ///
    /// `index` is the device's place in its family. Aliases that users chose are not asked for.
    fn alias(device: &Device<Self>, index: usize, domain: &Domain, inputs: Inputs<'_>) -> String;

    /// Fills in what the user left open, before addresses are assigned.
    ///
    /// The family's own list is empty in `cx.domain` while this runs; `index` is the device's place in it.
    fn defaults(
        _device: &mut Device<Self>,
        _index: usize,
        _cx: &Resolving<'_>,
        _problems: &mut Vec<Diagnostic>,
    ) {
    }

    /// Reports what cannot work, once everything is filled in.
    fn validate(_device: &Resolved<'_, Self>, _cx: &Context<'_>, _problems: &mut Vec<Diagnostic>) {}

    /// Adds the device's arguments: backends first, then the `-device`.
    fn args(device: &Resolved<'_, Self>, cx: &Context<'_>, out: &mut Args);

    /// Adds the arguments of all devices of the family; those of most stand in the domain's order.
    fn section(cx: &Context<'_>, out: &mut Args) {
        for device in cx.each::<Self>() {
            Self::args(&device, cx, out);
        }
    }
}

/// Adds the arguments of every device of a family.
pub fn emit<T: QemuDevice>(cx: &Context<'_>, out: &mut Args) {
    T::section(cx, out);
}

/// Adds the iothread that serves a device.
pub(crate) fn iothread(props: Props, iothread: Option<u32>, origin: Origin) -> Props {
    props.set_at("iothread", iothread.filter(|id| *id > 0).map(crate::iothreads::object_id), origin)
}

/// Adds which iothreads serve which queues of a device.
pub(crate) fn iothread_map(props: Props, map: Option<&IothreadMap>) -> Props {
    let Some(map) = map else { return props };
    let entry = |mapped: &MappedIothread| {
        let queues = mapped.queues.iter().map(|queue| Value::from(queue.id)).collect::<Vec<_>>();
        let queues = (!queues.is_empty()).then_some(Value::List(queues, ListStyle::Numbered));
        let name = crate::iothreads::object_id(mapped.id);
        Value::Props(Props::plain(mapped.meta.origin).set("iothread", name).set("vqs", queues))
    };
    let entries = map.iothreads.iter().map(entry).collect();
    props.set_at("iothread-vq-mapping", Value::List(entries, ListStyle::Numbered), map.meta.origin)
}

/// A family as the stages that go over all families see it.
struct Family {
    index: usize,
    aliases: fn(&Domain, Inputs<'_>) -> Vec<String>,
    defaults: fn(&mut Resolving<'_>),
    validate: fn(&Context<'_>, &mut Vec<Diagnostic>),
}

impl Family {
    const fn of<T: QemuDevice>() -> Self {
        Family {
            index: T::INDEX,
            aliases: family_aliases::<T>,
            defaults: family_defaults::<T>,
            validate: family_validate::<T>,
        }
    }
}

fn family_aliases<T: QemuDevice>(domain: &Domain, inputs: Inputs<'_>) -> Vec<String> {
    T::of(&domain.devices)
        .iter()
        .enumerate()
        .map(|(index, device)| match &device.info.alias {
            Some(alias) if has_own_alias(&device.info) => alias.clone(),
            _ => T::alias(device, index, domain, inputs),
        })
        .collect()
}

/// Whether users chose the device's alias; others are given anew at each start.
fn has_own_alias(info: &DeviceInfo) -> bool {
    info.own_alias().is_some()
}

/// How many devices in front of this place of a family have no alias of their users' choice: what the numbers
/// in aliases count.
fn numbered_before<T: Listed>(index: usize, domain: &Domain) -> usize {
    let earlier = T::of(&domain.devices).get(..index).unwrap_or_default();
    earlier.iter().filter(|device| !has_own_alias(&device.info)).count()
}

fn family_defaults<T: QemuDevice>(cx: &mut Resolving<'_>) {
    let mut devices = std::mem::take(T::of_mut(&mut cx.domain.devices));
    let mut problems = Vec::new();
    for (index, device) in devices.iter_mut().enumerate() {
        if cx.dialect.era == Era::Modern {
            info::defaults(&mut device.info);
        }
        T::defaults(device, index, cx, &mut problems);
    }
    *T::of_mut(&mut cx.domain.devices) = devices;
    cx.problems.extend(problems);
}

fn family_validate<T: QemuDevice>(cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
    for device in cx.each::<T>() {
        if cx.dialect.era == Era::Modern {
            let mut problems = Problems::new(cx, problems);
            info::check(T::ELEMENT, &device.device().meta, device.info, &mut problems);
        }
        T::validate(&device, cx, problems);
    }
}

/// QEMU's ids of all devices, by the family's number and the device's place.
pub(crate) fn aliases(domain: &Domain, inputs: Inputs<'_>) -> Vec<Vec<String>> {
    let mut aliases = vec![Vec::new(); domain_model::device::FAMILIES.len()];
    for family in FAMILIES {
        if let Some(slot) = aliases.get_mut(family.index) {
            *slot = (family.aliases)(domain, inputs);
        }
    }
    aliases
}

/// Fills in what users left open, family by family.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    for family in FAMILIES {
        (family.defaults)(cx);
    }
}

/// Reports what cannot work, family by family.
pub(crate) fn validate(cx: &Context<'_>, problems: &mut Vec<Diagnostic>) {
    for family in FAMILIES {
        (family.validate)(cx, problems);
    }
}

/// Every family, in the order in which libvirt writes them.
const FAMILIES: &[Family] = &[
    Family::of::<domain_model::device::disk::Disk>(),
    Family::of::<domain_model::device::controller::Controller>(),
    Family::of::<domain_model::device::lease::Lease>(),
    Family::of::<domain_model::device::filesystem::Filesystem>(),
    Family::of::<domain_model::device::interface::Interface>(),
    Family::of::<domain_model::device::smartcard::Smartcard>(),
    Family::of::<domain_model::device::serial::Serial>(),
    Family::of::<domain_model::device::parallel::Parallel>(),
    Family::of::<domain_model::device::console::Console>(),
    Family::of::<domain_model::device::channel::Channel>(),
    Family::of::<domain_model::device::input::Input>(),
    Family::of::<domain_model::device::tpm::Tpm>(),
    Family::of::<Graphics>(),
    Family::of::<domain_model::device::sound::Sound>(),
    Family::of::<domain_model::device::audio::Audio>(),
    Family::of::<domain_model::device::video::Video>(),
    Family::of::<domain_model::device::hostdev::Hostdev>(),
    Family::of::<domain_model::device::redirdev::Redirdev>(),
    Family::of::<domain_model::device::redirfilter::Redirfilter>(),
    Family::of::<domain_model::device::hub::Hub>(),
    Family::of::<domain_model::device::watchdog::Watchdog>(),
    Family::of::<domain_model::device::memballoon::Memballoon>(),
    Family::of::<domain_model::device::rng::Rng>(),
    Family::of::<domain_model::device::nvram::Nvram>(),
    Family::of::<domain_model::device::panic::Panic>(),
    Family::of::<domain_model::device::shmem::Shmem>(),
    Family::of::<domain_model::device::memory::MemoryDevice>(),
    Family::of::<domain_model::device::crypto::Crypto>(),
    Family::of::<domain_model::device::iommu::Iommu>(),
    Family::of::<domain_model::device::vsock::Vsock>(),
    Family::of::<domain_model::device::pstore::Pstore>(),
];

/// Whether some `<graphics>` says itself where the screen is shown.
pub(crate) fn has_own_display(domain: &Domain) -> bool {
    !domain.devices.graphics.is_empty()
}

/// Whether the screen is shown by Spice, which has channels of its own.
pub(crate) fn has_spice(domain: &Domain) -> bool {
    domain.devices.graphics.iter().any(|graphics| matches!(graphics.spec, Graphics::Spice(_)))
}

/// Whether some device has a place in the boot order of its own.
pub(crate) fn has_boot_order(domain: &Domain) -> bool {
    fn any<T>(devices: &[Device<T>]) -> bool {
        devices.iter().any(|device| device.info.boot.is_some())
    }
    let devices = &domain.devices;
    any(&devices.disks)
        || any(&devices.filesystems)
        || any(&devices.interfaces)
        || any(&devices.hostdevs)
        || any(&devices.redirdevs)
}
