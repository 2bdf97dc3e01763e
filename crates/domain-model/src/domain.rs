//! `<domain>`: the root.

mod check;
mod metadata;

use crate::blkiotune::Blkiotune;
use crate::clock::Clock;
use crate::cpu::Cpu;
use crate::cputune::Cputune;
use crate::device::Devices;
use crate::device::disk::ThrottleGroup;
use crate::features::Features;
use crate::iothreads::{DefaultIothread, Iothread};
use crate::launch_security::{KeywrapCipher, LaunchSecurity};
use crate::memory::{MaxMemory, Memory, MemoryBacking, Memtune, Vcpu, VcpuState};
use crate::numatune::Numatune;
use crate::os::Os;
use crate::pm::{LifecycleAction, LockfailureAction, Pm};
use crate::qemu::{DeprecationBehavior, QemuCapabilities, QemuCommandline, QemuOverride};
use crate::resource::{Idmap, PerfEvent, Resource};
use crate::seclabel::Seclabel;
use crate::sysinfo::Sysinfo;
use crate::values::{self, Kib, Uuid};
use crate::words;
use crate::xml::{self, Element, Layout, Meta, Text, TextError, Xml};
use crate::{Code, Diagnostic, Document, Severity};

words! {
    /// `type` of `<domain>`: what runs the guest.
    #[derive(Default)]
    pub enum DomainType: UnknownWord {
        /// QEMU's own translation of the guest's code (TCG).
        #[default]
        Qemu = "qemu",
        /// The kernel's virtual machines.
        Kvm = "kvm",
        /// QEMU's old accelerator module, gone since QEMU 0.12.
        Kqemu = "kqemu",
        /// The Hypervisor framework of macOS; since libvirt 8.1.
        Hvf = "hvf",
        /// Xen.
        Xen = "xen",
    }
}

/// `<genid>`: a number that changes whenever the guest goes back in time; since libvirt 4.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Genid {
    /// One is made up.
    Generated,
    /// This one.
    Given(Uuid),
}

impl Text for Genid {
    fn parse(text: &str) -> Result<Self, TextError> {
        if text.trim().is_empty() {
            return Ok(Genid::Generated);
        }
        Uuid::parse(text).map(Genid::Given).map_err(|error| error.code(Code::Malformed))
    }

    fn print(&self, out: &mut String) {
        if let Genid::Given(uuid) = self {
            uuid.print(out);
        }
    }
}

/// A domain's own UUID; what is none is an internal error in libvirt's terms.
#[derive(Debug, Clone, Copy)]
struct OwnUuid(Uuid);

impl Text for OwnUuid {
    fn parse(text: &str) -> Result<Self, TextError> {
        Uuid::parse(text).map(OwnUuid).map_err(|error| error.code(Code::Malformed))
    }

    fn print(&self, out: &mut String) {
        self.0.print(out);
    }
}

/// A domain, as written: nothing is filled in.
///
/// ```
/// use domain_model::memory::{Memory, Vcpu};
/// use domain_model::os::{Arch, Os, OsType};
/// use domain_model::values::Kib;
/// use domain_model::{Domain, DomainType};
///
/// let domain = Domain {
///     kind: DomainType::Kvm,
///     name: Some("guest".to_owned()),
///     memory: Some(Memory { size: Some(Kib(1 << 20)), ..Memory::default() }),
///     vcpu: Some(Vcpu { count: Some(2), ..Vcpu::default() }),
///     os: Os { kind: Some(OsType::Hvm), arch: Some(Arch::X86_64), ..Os::default() },
///     ..Domain::default()
/// };
/// assert!(domain.check().is_empty());
/// assert!(domain.write().contains("<memory unit='KiB'>1048576</memory>"));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Domain {
    /// What runs the guest.
    pub kind: DomainType,
    /// The number of a running domain.
    pub id: Option<u32>,
    /// The domain's name, unique on its host; since libvirt 0.0.1.
    pub name: Option<String>,
    /// The domain's UUID; since libvirt 0.0.1.
    pub uuid: Option<Uuid>,
    /// A number that changes whenever the guest goes back in time; since libvirt 4.4.
    pub genid: Option<Genid>,
    /// A short description, one line; since libvirt 0.9.10.
    pub title: Option<String>,
    /// A description for people; since libvirt 0.7.2.
    pub description: Option<String>,
    /// What other programs keep here, as it was written; since libvirt 0.9.10.
    pub metadata: Option<String>,
    /// `<maxMemory>`: how far memory can grow by plugging in modules; since libvirt 1.2.14.
    pub max_memory: Option<MaxMemory>,
    /// `<memory>`: the memory that the guest starts with.
    pub memory: Option<Memory>,
    /// The part of the memory that the balloon leaves to the guest.
    pub current_memory: Option<Kib>,
    /// `<blkiotune>`: the guest's share of the host's block devices; since libvirt 0.8.8.
    pub blkiotune: Option<Blkiotune>,
    /// `<memtune>`: limits that the host puts on the guest's process.
    pub memtune: Option<Memtune>,
    /// `<memoryBacking>`: how the host provides the memory.
    pub memory_backing: Option<MemoryBacking>,
    /// `<vcpu>`: how many CPUs the guest has.
    pub vcpu: Option<Vcpu>,
    /// `<vcpus>`: the state of each CPU; empty if nothing is said. Since libvirt 2.2.
    pub vcpus: Vec<VcpuState>,
    /// `<iothreads>`: how many threads work for disks and controllers; since libvirt 1.2.8.
    pub iothreads: Option<u32>,
    /// `<iothreadids>`: the threads that have a number of their own; since libvirt 1.2.15.
    pub iothread_ids: Vec<Iothread>,
    /// `<defaultiothread>`: the worker threads of the main loop; since libvirt 8.5.
    pub default_iothread: Option<DefaultIothread>,
    /// `<throttlegroups>`: limits that disks share; since libvirt 11.2.
    pub throttle_groups: Vec<ThrottleGroup>,
    /// `<cputune>`: where the guest's threads run, and how much; since libvirt 0.9.
    pub cputune: Option<Cputune>,
    /// `<numatune>`: from which NUMA nodes of the host the memory comes; since libvirt 0.9.3.
    pub numatune: Option<Numatune>,
    /// `<resource>`: what the guest's process counts as on the host; since libvirt 1.0.5.
    pub resource: Option<Resource>,
    /// `<sysinfo>`: what the firmware tells the guest of its machine; since libvirt 0.8.7.
    pub sysinfos: Vec<Sysinfo>,
    /// The boot loader of a Xen guest; a path on the host; since libvirt 0.1.
    pub bootloader: Option<String>,
    /// What the boot loader is told; since libvirt 0.2.3.
    pub bootloader_args: Option<String>,
    /// `<os>`: what the guest boots.
    pub os: Os,
    /// `<idmap>`: users and groups of a container.
    pub idmap: Option<Idmap>,
    /// `<features>`: what the machine offers besides CPU, memory and devices.
    pub features: Option<Features>,
    /// `<cpu>`: the guest's CPUs; since libvirt 0.7.5.
    pub cpu: Option<Cpu>,
    /// `<clock>`: what time it is in the guest.
    pub clock: Option<Clock>,
    /// What happens when the guest powers off; it ends if absent.
    pub on_poweroff: Option<LifecycleAction>,
    /// What happens when the guest reboots; it starts again if absent.
    pub on_reboot: Option<LifecycleAction>,
    /// What happens when the guest crashes; it ends if absent.
    pub on_crash: Option<LifecycleAction>,
    /// What happens when a lease on a disk is lost; since libvirt 1.0.
    pub on_lockfailure: Option<LockfailureAction>,
    /// `<pm>`: which states of sleep the firmware offers; since libvirt 0.10.2.
    pub pm: Option<Pm>,
    /// `<perf>`: what the host counts while the guest runs; since libvirt 2.0.
    pub perf: Vec<PerfEvent>,
    /// Every device; since libvirt 0.1.3.
    pub devices: Devices,
    /// `<seclabel>`: labels of mandatory access control, one for each security driver.
    pub seclabels: Vec<Seclabel>,
    /// `<keywrap>`: which keys of an s390x guest can be wrapped.
    pub keywrap: Vec<KeywrapCipher>,
    /// `<launchSecurity>`: how the guest's memory is protected from the host; since libvirt 4.4.
    pub launch_security: Option<LaunchSecurity>,
    /// `<qemu:commandline>`: further arguments and environment.
    pub qemu_commandline: Option<QemuCommandline>,
    /// `<qemu:capabilities>`: what to believe of QEMU against what it says.
    pub qemu_capabilities: Option<QemuCapabilities>,
    /// `<qemu:override>`: changes to single devices.
    pub qemu_override: Option<QemuOverride>,
    /// `<qemu:deprecation>`: what QEMU does when something deprecated is used.
    pub qemu_deprecation: Option<DeprecationBehavior>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Domain {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.joined(&[
            "blkiotune",
            "memtune",
            "memoryBacking",
            "vcpus",
            "iothreadids",
            "throttlegroups",
            "cputune",
            "os",
            "idmap",
            "features",
            "clock",
            "pm",
            "perf",
            "devices",
            "keywrap",
            "qemu:commandline",
            "qemu:capabilities",
            "qemu:override",
            "qemu:deprecation",
        ]);
        xml.missing_as(Code::Malformed, |xml| xml.required("type", &mut self.kind));
        xml.lenient("id", &mut self.id);
        let uses_qemu = self.qemu_commandline.is_some()
            || self.qemu_capabilities.is_some()
            || self.qemu_override.is_some()
            || self.qemu_deprecation.is_some();
        xml.namespace("qemu", uses_qemu);
        xml.value("name", &mut self.name);
        let mut uuid = self.uuid.map(OwnUuid);
        xml.value("uuid", &mut uuid);
        self.uuid = uuid.map(|OwnUuid(uuid)| uuid);
        xml.at_most_one("genid");
        xml.blamed_as(Code::Malformed, |xml| xml.value("genid", &mut self.genid));
        xml.value("title", &mut self.title);
        xml.value("description", &mut self.description);
        xml.nested("metadata", |xml| xml.verbatim(&mut self.metadata));
        self.metadata.take_if(|metadata| metadata.is_empty());
        xml.child("maxMemory", &mut self.max_memory);
        xml.child("memory", &mut self.memory);
        xml.nested("currentMemory", |xml| values::size(xml, &mut self.current_memory));
        xml.child("blkiotune", &mut self.blkiotune);
        xml.child("memtune", &mut self.memtune);
        xml.child("memoryBacking", &mut self.memory_backing);
        xml.child("vcpu", &mut self.vcpu);
        xml.nested("vcpus", |xml| xml.children("vcpu", &mut self.vcpus));
        xml.value("iothreads", &mut self.iothreads);
        xml.nested("iothreadids", |xml| xml.children("iothread", &mut self.iothread_ids));
        xml.child("defaultiothread", &mut self.default_iothread);
        xml.nested("throttlegroups", |xml| xml.children("throttlegroup", &mut self.throttle_groups));
        xml.child("cputune", &mut self.cputune);
        xml.at_most_one("numatune");
        xml.child("numatune", &mut self.numatune);
        xml.at_most_one("resource");
        xml.child("resource", &mut self.resource);
        xml.children("sysinfo", &mut self.sysinfos);
        xml.value("bootloader", &mut self.bootloader);
        xml.value("bootloader_args", &mut self.bootloader_args);
        xml.section("os", &mut self.os);
        xml.child("idmap", &mut self.idmap);
        xml.child("features", &mut self.features);
        xml.child("cpu", &mut self.cpu);
        xml.child("clock", &mut self.clock);
        xml.value("on_poweroff", &mut self.on_poweroff);
        xml.value("on_reboot", &mut self.on_reboot);
        xml.value("on_crash", &mut self.on_crash);
        xml.value("on_lockfailure", &mut self.on_lockfailure);
        xml.child("pm", &mut self.pm);
        xml.nested("perf", |xml| xml.children("event", &mut self.perf));
        xml.section("devices", &mut self.devices);
        xml.children("seclabel", &mut self.seclabels);
        xml.nested("keywrap", |xml| xml.children("cipher", &mut self.keywrap));
        xml.child("launchSecurity", &mut self.launch_security);
        xml.child("qemu:commandline", &mut self.qemu_commandline);
        xml.child("qemu:capabilities", &mut self.qemu_capabilities);
        xml.child("qemu:override", &mut self.qemu_override);
        self.qemu_commandline.take_if(|it| it.args.is_empty() && it.env.is_empty());
        self.qemu_capabilities.take_if(|it| it.add.is_empty() && it.del.is_empty());
        self.qemu_override.take_if(|it| it.devices.is_empty());
        xml.nested("qemu:deprecation", |xml| xml.lenient("behavior", &mut self.qemu_deprecation));
    }
}

impl Domain {
    /// Reads the domain of a document, with every problem there is.
    ///
    /// The domain is there even if some of the problems are errors: what could not be read is left at its
    /// default.
    pub fn read(document: &Document) -> (Domain, Vec<Diagnostic>) {
        let root = document.root();
        let wrong = |message: String| {
            let origin = crate::Origin::Written { node: root.id(), path: "" };
            (Domain::default(), vec![Diagnostic::error(Code::WrongRoot, origin, message)])
        };
        if root.name() != "domain" {
            return wrong(format!("the root element is `<{}>`, not `<domain>`", root.name()));
        }
        if xml::is_foreign(root) {
            return wrong("`<domain>` is in a namespace; libvirt's elements are in none".to_owned());
        }
        xml::read(root)
    }

    /// `document` with what has changed in the domain since it was read from there; the rest of the text
    /// stays as it is, with its order, comments and blanks.
    ///
    /// Where that is not possible, it is the same as [`Domain::write`].
    ///
    /// ```
    /// use domain_model::{Document, Domain};
    ///
    /// let text = "<domain type=\"kvm\"> <!-- test -->\n    <name>old</name>\n    <on_crash>destroy</on_crash>\n</domain>";
    /// let document = Document::parse("guest.xml", text)?;
    /// let (mut domain, _) = Domain::read(&document);
    /// domain.name = Some("new".to_owned());
    /// assert_eq!(domain.write_into(&document), text.replace("old", "new"));
    /// # Ok::<(), domain_model::SyntaxError>(())
    /// ```
    pub fn write_into(&self, document: &Document) -> String {
        let (read, _) = Domain::read(document);
        let written = self.write();
        let before = Document::parse("before", read.write());
        let after = Document::parse("after", written.as_str());
        let (Ok(before), Ok(after)) = (before, after) else { return written };
        let merged = document.merge(&before, &after);
        match Document::parse("merged", merged.as_str()) {
            Ok(document) if Domain::read(&document).0.write_known() == self.write_known() => merged,
            _ => written,
        }
    }

    /// The domain as XML in libvirt's order and layout.
    pub fn write(&self) -> String {
        xml::write("domain", self)
    }

    /// The same for who needs the domain no more: no copy of it is made on the way.
    pub fn into_xml(mut self) -> String {
        xml::write_mut("domain", &mut self)
    }

    /// The same without comments and without anything that the model does not know, as libvirt writes it.
    pub fn write_known(&self) -> String {
        xml::write_known(Layout::Current, "domain", self)
    }

    /// What libvirt wrote in February 2011.
    ///
    /// ```
    /// use domain_model::{Document, Domain};
    ///
    /// let document = Document::parse("", "<domain type='qemu'><memory unit='MiB'>1</memory></domain>")?;
    /// let (domain, _) = Domain::read(&document);
    /// assert!(domain.write_historic().contains("<memory>1024</memory>"));
    /// # Ok::<(), domain_model::SyntaxError>(())
    /// ```
    pub fn write_historic(&self) -> String {
        xml::write_known(Layout::Libvirt2011, "domain", self)
    }
}

/// Whether any of the problems is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}
