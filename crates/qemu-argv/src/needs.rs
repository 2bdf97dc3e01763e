//! What the host has to have ready before QEMU starts.

use domain_model::Origin;
use domain_model::cputune::Scheduling;
use domain_model::device::interface::DirectMode;
use domain_model::values::{CpuSet, MacAddress};

/// What the host has to have ready, besides the descriptors that arguments ask for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Needs {
    /// Files that QEMU or a process beside it opens by itself.
    pub files: Vec<HostFile>,
    /// The secrets that QEMU reads from files of their own.
    pub secrets: Vec<SecretFile>,
    /// The processors that are added before the guest runs, in this order.
    pub processors: Vec<AddedProcessor>,
    /// What is said over the monitor before the guest runs.
    pub commands: Vec<MonitorCommand>,
    /// Where QEMU's threads run, as far as that is not left to the host.
    pub placements: Vec<Placement>,
    /// What QEMU has to be able to keep from being swapped out.
    pub locked_memory: Option<LockedMemory>,
    /// Devices of the host that are handed over by VFIO.
    pub host_devices: Vec<HostDevice>,
    /// USB devices of the host that QEMU takes.
    pub usb_devices: Vec<UsbDevice>,
    /// TAP devices, whose queues QEMU inherits.
    pub taps: Vec<Tap>,
    /// The processes that run beside QEMU, in the order in which they are started.
    pub helpers: Vec<Helper>,
}

/// A QMP command for what no argument can say.
#[derive(Debug, Clone, PartialEq)]
pub struct MonitorCommand {
    /// The command.
    pub execute: &'static str,
    /// Its arguments, an object.
    pub arguments: serde_json::Value,
    /// Why.
    pub origin: Origin,
}

/// A processor that can be taken away again, and so is added by `device_add`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddedProcessor {
    /// Its number among the guest's virtual CPUs, from 0.
    pub index: u32,
    /// Why.
    pub origin: Origin,
}

/// Where a thread of QEMU runs on the host, and how it is scheduled.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The thread.
    pub thread: Thread,
    /// The host's processors that it may run on; all that whoever starts QEMU may use if none are said.
    pub cpus: Option<CpuSet>,
    /// How it is scheduled, if not like any other thread.
    pub scheduling: Option<Scheduling>,
    /// Why.
    pub origin: Origin,
}

/// A thread of QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thread {
    /// The first one, and those that have no purpose of their own.
    Main,
    /// That of a virtual CPU, by number.
    Vcpu(u32),
    /// That of an `iothread` object, by id.
    Iothread(String),
}

/// Memory that QEMU has to be able to keep from being swapped out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockedMemory {
    /// How much, in bytes; the largest number is no limit.
    pub bytes: u64,
    /// Why.
    pub origin: Origin,
}

/// A device of the host that is handed to the guest by VFIO, Linux's way to give devices away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDevice {
    /// Which one.
    pub which: VfioDevice,
    /// Whether it is taken from its driver before the guest starts, and given back after it.
    pub managed: bool,
    /// The driver that hands it over, if not the usual one.
    pub driver: Option<String>,
    /// Its own file, if QEMU gets that open. Without it QEMU opens the file of the IOMMU group by itself.
    pub file: Option<String>,
    /// Why.
    pub origin: Origin,
}

impl HostDevice {
    /// Its address or UUID.
    pub fn name(&self) -> &str {
        match &self.which {
            VfioDevice::Pci(name) | VfioDevice::Mediated(name) => name,
        }
    }
}

/// A device that VFIO can hand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VfioDevice {
    /// A PCI device, by its address, such as `0000:06:12.5`.
    Pci(String),
    /// A mediated device, by its UUID.
    Mediated(String),
}

/// A USB device of the host that QEMU takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsbDevice {
    /// Its vendor and product, if it is found by those.
    pub ids: Option<(u16, u16)>,
    /// Its bus and its number there, if it is found by those; with both, it has to be of that vendor too.
    pub place: Option<(u32, u32)>,
    /// Why.
    pub origin: Origin,
}

/// A file that QEMU or a process beside it opens by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct HostFile {
    /// The path.
    pub path: String,
    /// What is done with it.
    pub access: Access,
    /// What it is made from if it is missing: the path of a file whose content is copied.
    pub template: Option<String>,
    /// What to tell the user who lacks it, if anything helps.
    pub help: Option<&'static str>,
    /// Why it is there.
    pub origin: Origin,
}

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It is read only.
    Read,
    /// It is read and written.
    Write,
}

/// A secret that QEMU reads from a file of its own when it starts, so that nobody sees it who lists processes.
///
/// Whoever starts QEMU writes the file, for nobody else to read (0600), and removes it with the guest.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Where QEMU looks for it.
    pub path: String,
    /// What is in it.
    pub value: Vec<u8>,
    /// Why it is there.
    pub origin: Origin,
}

impl std::fmt::Debug for SecretFile {
    /// Leaves the secret out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A TAP or macvtap device: the host's end of a network card.
///
/// A TAP device exists as long as somebody holds one of its queues, unless it was there before. A macvtap device has to
/// be removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Tap {
    /// The alias of the network card.
    pub device: String,
    /// Its name, if the domain chose one.
    pub name: Option<String>,
    /// Whether it is there already, made by somebody else.
    pub exists: bool,
    /// The number of queues, at least 1.
    pub queues: u32,
    /// Whether packets carry virtio's header, so that the guest can leave work to the host.
    pub vnet_header: bool,
    /// Its address: another one than the guest's, but on macvtap devices, which are the guest's.
    pub mac: Option<MacAddress>,
    /// Bytes of the largest packet; a bridge says if nobody else does.
    pub mtu: Option<u32>,
    /// The bridge that it becomes a port of.
    pub bridge: Option<String>,
    /// The interface that it is stacked on; then it is a macvtap device.
    pub lower: Option<Lower>,
    /// Whether, as a port, it reaches only ports that are not isolated.
    pub isolated: bool,
    /// The program that configures it; it is given the name of the device and does everything.
    pub script: Option<String>,
    /// The program that is run with its name after the guest's end.
    pub downscript: Option<String>,
    /// The file that makes TAP devices, `/dev/net/tun` if nothing else is said.
    pub clone: String,
    /// The file that gives the kernel's own handling of virtio queues, `/dev/vhost-net` if nothing else is said.
    pub vhost: String,
    /// Why it is there.
    pub origin: Origin,
}

/// What a macvtap device is stacked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lower {
    /// The interface of the host.
    pub dev: String,
    /// Who sees the packets.
    pub mode: DirectMode,
}

/// A process that runs beside QEMU and does part of a device's work.
#[derive(Debug, Clone, PartialEq)]
pub struct Helper {
    /// The alias of the device that it serves.
    pub device: String,
    /// The program: a path, or a name to be looked for where such programs are.
    pub program: String,
    /// Its arguments.
    pub args: Vec<Word>,
    /// How QEMU reaches it.
    pub link: Link,
    /// The folder where it keeps what outlasts the guest; made if it is missing.
    pub folder: Option<String>,
    /// A program that is run to its end before it, with its arguments.
    pub setup: Option<(String, Vec<String>)>,
    /// What the program has to be able to do that not every version of it can.
    pub ability: Option<Ability>,
    /// Whether it has the rights of whoever starts the guest, even where QEMU is somebody else.
    pub keeps_rights: bool,
    /// Why it is there.
    pub origin: Origin,
}

/// What a program has to be able to do, and how to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ability {
    /// The arguments with which the program ends well if it can do it, and does nothing else.
    pub args: &'static [&'static str],
    /// What it is called.
    pub what: &'static str,
    /// What to tell the user whose program cannot do it.
    pub help: &'static str,
}

/// An argument of a helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// As it is.
    Text(String),
    /// The number of the helper's descriptor of its link to QEMU, with what stands in front of it.
    Socket {
        /// What stands in front of the number, such as `--fd=`.
        before: &'static str,
    },
    /// The path where it listens, see [`Link::Makes`].
    Link,
}

/// How QEMU reaches a helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// By a pair of connected sockets, of which QEMU has [`FdRequest::Helper`](crate::FdRequest::Helper).
    Pair,
    /// By a connection to a listening socket that the helper has; QEMU's end is
    /// [`FdRequest::Helper`](crate::FdRequest::Helper).
    Listener,
    /// By a UNIX socket at this path, which the helper makes and QEMU connects to.
    Makes(String),
    /// By a UNIX socket at this path that whoever starts QEMU listens on and QEMU connects to. The helper has the other
    /// end of the connection, so it is started after QEMU, which waits for it.
    Accepts(String),
}

impl Helper {
    /// A process that is linked to QEMU in this way, and has no arguments yet.
    pub fn new(program: impl Into<String>, device: &str, link: Link, origin: Origin) -> Self {
        Helper {
            device: device.to_owned(),
            program: program.into(),
            args: Vec::new(),
            link,
            folder: None,
            setup: None,
            ability: None,
            keeps_rights: false,
            origin,
        }
    }

    /// Adds arguments.
    pub fn args<T: Into<String>>(&mut self, args: impl IntoIterator<Item = T>) {
        self.args.extend(args.into_iter().map(|arg| Word::Text(arg.into())));
    }

    /// The command as a person would type it; descriptors have no number yet.
    pub fn describe(&self) -> String {
        let words = self.args.iter().map(|word| match word {
            Word::Text(text) => crate::shell::quote(text),
            Word::Socket { before } => format!("{before}FD"),
            Word::Link => match &self.link {
                Link::Makes(path) | Link::Accepts(path) => crate::shell::quote(path),
                Link::Pair | Link::Listener => String::new(),
            },
        });
        std::iter::once(crate::shell::quote(&self.program)).chain(words).collect::<Vec<_>>().join(" ")
    }
}
