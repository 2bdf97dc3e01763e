//! What the functions that build arguments can ask.

use caps_parser::facts::{Accel, Accelerator, CpuModel, HostCpu, Machine};
use caps_parser::{Capabilities, Capability};
use domain_model::device::Listed;
use domain_model::device::controller::Controller;
use domain_model::xml::Tagged;
use domain_model::{Code, Device, DeviceInfo, Diagnostic, Domain, DomainType, Origin};

use crate::arg::Args;
use crate::config::{Config, Layout};
use crate::device::QemuDevice;
use crate::device::controller::machine_name;
use crate::dialect::Dialect;
use crate::host::Host;

/// What a command line is built from, besides the domain.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// What the QEMU in use can do.
    pub caps: &'a Capabilities,
    /// Facts about the host.
    pub host: &'a dyn Host,
    /// What is chosen for all guests.
    pub config: &'a Config,
}

impl<'a> Inputs<'a> {
    /// Whether the QEMU in use has a capability.
    pub fn has(&self, capability: Capability) -> bool {
        self.caps.has(capability)
    }

    /// What messages call the QEMU in use: its version and where that is known from.
    pub fn qemu(&self) -> String {
        qemu_name(self.caps)
    }

    /// The machine types of the accelerator that runs the domain, or of the one that is there.
    fn accelerator(&self, kind: DomainType) -> Option<&'a Accelerator> {
        let wanted = match kind {
            DomainType::Kvm => Accel::Kvm,
            DomainType::Hvf => Accel::Hvf,
            _ => Accel::Tcg,
        };
        let accelerators = self.caps.accelerators();
        accelerators.get(&wanted).or_else(|| accelerators.values().next())
    }

    /// Every machine type.
    pub fn machines(&self, kind: DomainType) -> &'a [Machine] {
        self.accelerator(kind).map_or(&[], |accelerator| accelerator.machines.as_slice())
    }

    /// The CPU models of the accelerator that runs the domain.
    pub fn cpus(&self, kind: DomainType) -> &'a [CpuModel] {
        self.accelerator(kind).map_or(&[], |accelerator| accelerator.cpus.as_slice())
    }

    /// What QEMU says of the most that guests' CPUs can do with the accelerator that runs the domain.
    pub fn host_cpu(&self, kind: DomainType) -> Option<&'a HostCpu> {
        self.accelerator(kind)?.host_cpu.as_ref()
    }

    /// A machine type, by name or alias.
    pub fn machine(&self, kind: DomainType, name: &str) -> Option<&'a Machine> {
        self.accelerator(kind)?.machine(name)
    }
}

/// What messages call a QEMU: its version and where that is known from.
pub(crate) fn qemu_name(caps: &Capabilities) -> String {
    let version = caps.version();
    match (version.cooked(), caps.source.as_str()) {
        (0, "") => "this QEMU".to_owned(),
        (0, source) => format!("the QEMU of `{source}`"),
        (_, "") => format!("QEMU {version}"),
        (_, source) => format!("QEMU {version} (`{source}`)"),
    }
}

impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs").field("config", self.config).finish_non_exhaustive()
    }
}

/// The resolved domain and everything around it, while arguments are built.
#[derive(Debug)]
pub struct Context<'a> {
    /// The resolved domain.
    pub domain: &'a Domain,
    /// What the command line is built from, besides the domain.
    pub inputs: Inputs<'a>,
    /// Which syntaxes the QEMU in use takes.
    pub dialect: Dialect,
    aliases: Vec<Vec<String>>,
    nodes: Vec<u32>,
    next_node: u32,
}

/// A device while arguments are built: everything about it is decided.
#[derive(Debug)]
pub struct Resolved<'a, T> {
    /// What only its family has.
    pub spec: &'a T,
    /// What all devices share.
    pub info: &'a DeviceInfo,
    /// QEMU's id of the device.
    pub alias: &'a str,
    /// Its place among the devices of its family.
    pub index: usize,
    /// Where it was written.
    pub origin: Origin,
    device: &'a Device<T>,
}

impl<'a, T> Resolved<'a, T> {
    /// A device that everything is decided of.
    pub(crate) fn new(device: &'a Device<T>, alias: &'a str, index: usize) -> Self {
        let Device { spec, info, meta } = device;
        Resolved { spec, info, alias, index, origin: meta.origin, device }
    }

    /// The origin of something in this device: a path such as `driver/@txmode`.
    pub fn at(&self, path: &'static str) -> Origin {
        self.device.at(path)
    }

    /// The device as it stands in the resolved domain.
    pub fn device(&self) -> &'a Device<T> {
        self.device
    }
}

impl<'a> Context<'a> {
    /// Names the devices of a resolved domain.
    pub fn new(domain: &'a Domain, inputs: Inputs<'a>, dialect: Dialect) -> Self {
        let aliases = crate::device::aliases(domain, inputs);
        let (nodes, next_node) = crate::device::disk::node_numbers(domain);
        Context { domain, inputs, dialect, aliases, nodes, next_node }
    }

    /// Whether the QEMU in use has a capability.
    pub fn has(&self, capability: Capability) -> bool {
        self.inputs.caps.has(capability)
    }

    /// Whether it is libvirt's own command line that is built.
    pub fn is_libvirt(&self) -> bool {
        self.inputs.config.layout == Layout::Libvirt
    }

    /// What is chosen for all guests.
    pub fn config(&self) -> &'a Config {
        self.inputs.config
    }

    /// The domain's name; resolving refuses domains without one.
    pub fn name(&self) -> &'a str {
        self.domain.name.as_deref().unwrap_or_default()
    }

    /// The guest's private directory.
    pub fn guest_dir(&self) -> String {
        self.inputs.config.guest_dir(self.name())
    }

    /// The devices of a family.
    pub fn each<T: QemuDevice>(&self) -> impl Iterator<Item = Resolved<'_, T>> {
        T::of(&self.domain.devices)
            .iter()
            .zip(self.aliases.get(T::INDEX).map_or(&[][..], Vec::as_slice))
            .enumerate()
            .map(|(index, (device, alias))| Resolved::new(device, alias, index))
    }

    /// QEMU's ids of all devices, in libvirt's order of families.
    pub(crate) fn all_aliases(&self) -> impl Iterator<Item = &str> {
        self.aliases.iter().flatten().map(String::as_str)
    }

    /// QEMU's id of a device, by family and place.
    pub fn alias<T: Listed>(&self, index: usize) -> Option<&str> {
        self.aliases.get(T::INDEX)?.get(index).map(String::as_str)
    }

    /// The number of the first block node of a disk, by its place.
    pub(crate) fn first_node(&self, disk: usize) -> u32 {
        self.nodes.get(disk).copied().unwrap_or_default()
    }

    /// The number of a block node behind those of all disks, by its place there.
    pub(crate) fn node_behind_disks(&self, place: usize) -> u32 {
        self.next_node.saturating_add(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// The machine type, as the QEMU in use knows it.
    pub fn machine(&self) -> Option<&'a Machine> {
        self.inputs.machine(self.domain.kind, self.domain.os.machine.as_deref()?)
    }

    /// QEMU's id of a controller, by the word of its type and its index; of several, the first.
    pub fn controller(&self, kind: &str, index: u32) -> Option<&str> {
        let controllers = &self.domain.devices.controllers;
        let place = controllers
            .iter()
            .position(|device| device.spec.index == Some(index) && device.spec.kind.tag() == kind)?;
        let own = controllers.get(place).and_then(|device| machine_name(&device.spec, self.domain));
        own.or_else(|| self.alias::<Controller>(place))
    }

    /// Reports something that libvirt can do and this program not yet.
    pub fn not_yet(&self, what: &str, origin: Origin, out: &mut Args) {
        let message = format!("{what} is not supported yet");
        out.problem(Diagnostic::error(Code::NotYet, origin, message));
    }
}
