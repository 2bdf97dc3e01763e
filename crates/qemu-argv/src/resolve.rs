//! Everything the user left open: defaults, implicit devices, addresses.

pub(crate) mod board;
mod ccw;
pub(crate) mod controllers;
mod dimm;
mod drive;
mod historic;
mod machine;
mod pci;
mod ports;
mod screen;
mod spapr_vio;
mod usb;
mod virtio;
mod virtio_mmio;
mod virtio_serial;
mod walk;

use domain_model::{Diagnostic, Domain};

use crate::context::{Context, Inputs};
use crate::dialect::{Dialect, Era};
use crate::{check, clock, cpu, device, domain, features, iothreads, memory, numa, os, storage};

/// A domain while it is resolved.
#[derive(Debug)]
pub struct Resolving<'a> {
    /// The domain; steps fill it in.
    pub domain: Domain,
    /// What it is resolved for.
    pub inputs: Inputs<'a>,
    /// Which syntaxes the QEMU in use takes.
    pub dialect: Dialect,
    /// What cannot work.
    pub problems: Vec<Diagnostic>,
}

/// One step of resolving.
type Step = fn(&mut Resolving<'_>);

/// The steps, in order.
fn steps(era: Era) -> &'static [Step] {
    match era {
        Era::Modern => MODERN,
        Era::Historic => HISTORIC,
    }
}

const MODERN: &[Step] = &[
    domain::defaults,
    os::defaults,
    os::firmware::defaults,
    memory::defaults,
    features::defaults,
    cpu::defaults,
    numa::defaults,
    iothreads::defaults,
    clock::defaults,
    device::disk::sort,
    device::disk::buses,
    device::disk::group_limits,
    device::hostdev::controllers,
    controllers::number,
    machine::devices,
    ports::defaults,
    screen::devices,
    device::defaults,
    device::hostdev::assign,
    drive::complete,
    controllers::needed,
    controllers::models,
    virtio_serial::assign,
    spapr_vio::assign,
    ccw::assign,
    virtio_mmio::assign,
    pci::assign,
    pci::zpci,
    pci::targets,
    usb::define,
    dimm::assign,
    ports::reflect,
];

const HISTORIC: &[Step] = &[
    domain::defaults,
    os::defaults,
    memory::defaults,
    cpu::processors,
    device::disk::buses,
    controllers::number,
    historic::defaults,
    historic::devices,
    ports::defaults,
    device::defaults,
    controllers::needed,
    historic::channels,
    historic::pci,
    ports::reflect,
];

/// What starting a guest fills in that its definition leaves open.
const START: &[Step] =
    &[cpu::update, storage::translate, device::disk::missing, device::disk::shared_cache, usb::assign];

/// Fills in what is chosen anew at each start of a defined domain.
pub fn start(domain: Domain, inputs: Inputs<'_>) -> (Domain, Vec<Diagnostic>) {
    let dialect = Dialect::of(inputs.caps);
    let mut cx = Resolving { domain, inputs, dialect, problems: Vec::new() };
    if dialect.era == Era::Modern {
        START.iter().for_each(|step| step(&mut cx));
    }
    (cx.domain, cx.problems)
}

/// Fills in what the user left open.
///
/// The result is a domain again: written as XML it is what libvirt shows of the defined domain.
pub fn resolve(domain: &Domain, inputs: Inputs<'_>) -> (Domain, Vec<Diagnostic>) {
    let dialect = Dialect::of(inputs.caps);
    let mut cx = Resolving { domain: domain.clone(), inputs, dialect, problems: domain.check() };
    for step in steps(dialect.era) {
        step(&mut cx);
    }
    let Resolving { domain, mut problems, .. } = cx;
    check::check(&Context::new(&domain, inputs, dialect), &mut problems);
    (domain, problems)
}
