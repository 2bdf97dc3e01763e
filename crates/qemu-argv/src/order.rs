//! The order of the command line.

use crate::arg::Args;
use crate::context::Context;
use crate::device::{controller, disk, emit, interface};
use crate::dialect::Era;
use crate::{
    clock, cpu, domain, features, iothreads, launch_security, memory, numa, os, pm, qemu, sysinfo, throttle,
};
use domain_model::device::{
    audio::Audio, channel::Channel, console::Console, controller::Controller, crypto::Crypto, disk::Disk,
    filesystem::Filesystem, graphics::Graphics, hostdev::Hostdev, hub::Hub, input::Input,
    interface::Interface, iommu::Iommu, memballoon::Memballoon, memory::MemoryDevice, nvram::Nvram,
    panic::Panic, parallel::Parallel, pstore::Pstore, redirdev::Redirdev, rng::Rng, serial::Serial,
    shmem::Shmem, smartcard::Smartcard, sound::Sound, tpm::Tpm, video::Video, vsock::Vsock,
    watchdog::Watchdog,
};

/// A part of the command line.
pub type Section = fn(&Context<'_>, &mut Args);

/// The sections of a command line, in order.
pub fn sections(era: Era) -> &'static [Section] {
    match era {
        Era::Modern => MODERN,
        Era::Historic => HISTORIC,
    }
}

/// The order of libvirt 11.3.
const MODERN: &[Section] = &[
    domain::environment,
    domain::name,
    domain::start_paused,
    domain::master_key,
    os::firmware::blockdevs,
    features::machine,
    domain::accelerator,
    features::tseg,
    cpu::args,
    os::firmware::bios,
    memory::size,
    memory::overcommit,
    cpu::topology,
    iothreads::args,
    throttle::groups,
    numa::args,
    domain::uuid,
    sysinfo::smbios,
    sysinfo::fw_cfg,
    domain::generation_id,
    domain::no_display,
    domain::no_defaults,
    domain::monitor,
    clock::args,
    pm::reactions,
    features::no_acpi,
    pm::sleep_states,
    controller::root_hotplug,
    os::boot,
    emit::<Iommu>,
    emit::<Controller>,
    emit::<MemoryDevice>,
    emit::<Hub>,
    controller::smartcard_readers,
    disk::floppy_drives,
    emit::<Disk>,
    emit::<Filesystem>,
    emit::<Interface>,
    emit::<Smartcard>,
    emit::<Serial>,
    emit::<Parallel>,
    emit::<Channel>,
    emit::<Console>,
    emit::<Tpm>,
    emit::<Input>,
    emit::<Audio>,
    emit::<Graphics>,
    emit::<Video>,
    emit::<Sound>,
    emit::<Watchdog>,
    emit::<Redirdev>,
    interface::hostdevs,
    emit::<Hostdev>,
    emit::<Memballoon>,
    emit::<Rng>,
    emit::<Nvram>,
    features::vmcoreinfo,
    launch_security::args,
    qemu::args,
    domain::sandbox,
    emit::<Panic>,
    emit::<Shmem>,
    emit::<Vsock>,
    emit::<Crypto>,
    emit::<Pstore>,
    domain::run_with,
    domain::messages,
];

/// The order of libvirt of February 2011.
const HISTORIC: &[Section] = &[emit::<Interface>];
